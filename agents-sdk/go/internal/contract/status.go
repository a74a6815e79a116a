package contract

import (
	"fmt"
	"strconv"
	"strings"
)

// A Status is what an agent says of itself.
type Status struct {
	V          int               `json:"v"`
	Instance   string            `json:"instance"`
	Attributes map[string]string `json:"attributes"`
	Driver     string            `json:"driver"`
	AtMs       int64             `json:"at_ms"`
	State      string            `json:"state"`
	SinceMs    int64             `json:"since_ms"`
	Requested  Requested         `json:"requested"`
	Applied    *Applied          `json:"applied"`
	Error      *string           `json:"error"`
	Skipped    []string          `json:"skipped"`
	MaxHz      *int64            `json:"max_hz"`
	SDK        string            `json:"sdk"`
	// Profiler names one that agents share, such as a node's; here each process has its own: null.
	Profiler *string `json:"profiler"`
}

// Requested is what Resolve says.
type Requested struct {
	Revs     map[string]int64            `json:"revs"`
	Profiles map[string]RequestedProfile `json:"profiles"`
}

// A RequestedProfile is a Decision as it is reported.
type RequestedProfile struct {
	Hz          int64   `json:"hz"`
	Lease       *string `json:"lease"`
	Reason      string  `json:"reason"`
	UntilMs     *int64  `json:"until_ms"`
	ClampedFrom *int64  `json:"clamped_from"`
}

// Applied is what the driver has confirmed last.
type Applied struct {
	Revs     map[string]int64          `json:"revs"`
	AtMs     int64                     `json:"at_ms"`
	Profiles map[string]AppliedProfile `json:"profiles"`
}

// An AppliedProfile is a confirmed frequency, and what the profiler says that it truly does.
type AppliedProfile struct {
	Hz         int64    `json:"hz"`
	AchievedHz *float64 `json:"achieved_hz"`
}

// Report returns a decision as it is reported.
func Report(decision Decision, baseline Baseline, attributes map[string]string, profile string) RequestedProfile {
	requested := RequestedProfile{Hz: decision.Hz, UntilMs: decision.UntilMs, ClampedFrom: decision.ClampedFrom,
		Reason: reason(decision, baseline, attributes, profile)}
	if decision.Lease != nil {
		requested.Lease = &decision.Lease.ID
	}
	return requested
}

func reason(decision Decision, baseline Baseline, attributes map[string]string, profile string) string {
	line := ""
	if lease := decision.Lease; lease != nil {
		line = lease.ID
		if !strings.HasPrefix(lease.ID, lease.Kind+"/") {
			line = lease.Kind + " " + lease.ID
		}
		if why := because(lease.Because); why != "" {
			line += ": " + why
		}
	} else {
		of := profile
		_, there := baseline.Profiles[profile]
		if profile == "cpu" {
			of = attributes[Environment]
			_, there = baseline.Environments[of]
		}
		switch {
		case there:
		case profile == "cpu":
			of = "default"
		default:
			of = "off"
		}
		line = "baseline (" + of + ")"
	}
	line = Clean(line, MaxReasonLength)
	if decision.ClampedFrom != nil {
		unit := "Hz"
		if profile == "heap" {
			unit = "an hour"
		}
		line += fmt.Sprintf("; held to this agent's max_hz, asked for %d %s", *decision.ClampedFrom, unit)
	}
	return line
}

func because(why map[string]any) string {
	var parts []string
	for _, it := range []struct{ name, before string }{
		{"alertname", "alert "}, {"reason", ""}, {"by", "by "}, {"via", "via "}} {
		text, _ := why[it.name].(string)
		if number, ok := whole(why[it.name]); ok && number != 0 {
			text = strconv.FormatInt(number, 10)
		}
		if text != "" {
			parts = append(parts, it.before+text)
		}
	}
	return strings.Join(parts, ", ")
}

// Version returns the member of N:v1:versions that tells that an agent of a version lives, or "".
func Version(attributes map[string]string) string {
	attributes = presentNames(attributes)
	told := map[string]string{}
	for _, name := range []string{"service.name", "service.version", Environment,
		"k8s.namespace.name", "service.namespace", "k8s.cluster.name"} {
		if value := attributes[name]; value != "" && len(value) <= MaxVersionBytes && isPlain(value) {
			told[name] = value
		}
	}
	if told["service.name"] == "" || told["service.version"] == "" {
		return ""
	}
	member, err := ToJSON(told)
	if err != nil {
		return ""
	}
	return string(member)
}

// NodeOf returns the node that an agent inside an application is on, or "".
func NodeOf(attributes map[string]string) string {
	node := attributes["k8s.node.name"]
	if node == "" && attributes["k8s.pod.name"] == "" {
		node = attributes["host.name"]
	}
	if node == "" || CheckTarget("node/"+node) != nil {
		return ""
	}
	return node
}
