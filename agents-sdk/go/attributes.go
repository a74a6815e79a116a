package upshift

import (
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"os"
	"strconv"
	"strings"

	"upshift.example/upshift/internal/contract"
)

const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// attributesOf returns who the agent is: what it is told beats what the environment says, and that
// what a process can find.
func attributesOf(c Config, lookup func(string) (string, bool)) map[string]string {
	get := func(names ...string) string {
		for _, name := range names {
			if value, there := lookup(name); there && strings.TrimSpace(value) != "" {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	found := resource(get("OTEL_RESOURCE_ATTRIBUTES"))
	absent := func(name, value string) {
		if found[name] == "" && value != "" {
			found[name] = value
		}
	}
	for name, value := range contract.PresentNames(c.Attributes) {
		found[name] = value
	}
	if name := or(c.Service, c.Attributes["service.name"], get("OTEL_SERVICE_NAME")); name != "" {
		found["service.name"] = name
	}
	host, _ := os.Hostname()
	absent("host.name", host)
	pod := get("K8S_POD_NAME", "POD_NAME")
	if pod == "" && get("KUBERNETES_SERVICE_HOST") != "" {
		pod = host
	}
	absent("k8s.pod.name", pod)
	absent("k8s.namespace.name", get("K8S_NAMESPACE_NAME", "POD_NAMESPACE"))
	if data, err := os.ReadFile(namespaceFile); err == nil {
		absent("k8s.namespace.name", strings.TrimSpace(string(data)))
	}
	absent("k8s.node.name", get("K8S_NODE_NAME"))
	absent("service.instance.id", or(found["k8s.pod.name"], found["host.name"]))
	found["process.pid"] = strconv.Itoa(os.Getpid())
	delete(found, "upshift.process.start_ticks")
	if ticks := startTicks(); ticks != "" {
		found["upshift.process.start_ticks"] = ticks
	}
	found[contract.AgentID] = newID()
	for name, value := range found {
		if valid := contract.Unicode(name); valid != name {
			delete(found, name)
			name = valid
		}
		found[name] = contract.Unicode(value)
	}
	return found
}

// resource reads OTEL_RESOURCE_ATTRIBUTES as OpenTelemetry does: percent-encoded values; where
// anything is wrong, nothing counts.
func resource(text string) map[string]string {
	found := map[string]string{}
	if text == "" {
		return found
	}
	for _, pair := range strings.Split(text, ",") {
		name, value, there := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !there || name == "" {
			continue
		}
		if err != nil {
			decoded = strings.TrimSpace(value)
		}
		found[name] = decoded
	}
	return contract.PresentNames(found)
}

// startTicks is when the process began: field 22 of its stat, counted after the command's name.
func startTicks() string {
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

func newID() string {
	var bits [8]byte
	_, _ = rand.Read(bits[:]) // never fails
	return hex.EncodeToString(bits[:])
}
