package upshift

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"upshift.example/upshift/internal/contract"
	"upshift.example/upshift/internal/following"
)

var sdk = "upshift-go/" + Version + " " + runtime.Version()

// Config is all that an agent is told. Only Driver is required: what is empty is read from the
// environment, by the variables that are named.
type Config struct {
	// RedisURL is the controller's Redis: redis://, rediss://, unix://, redis+sentinel://HOST,HOST/NAME
	// or redis+cluster://HOST,HOST (UPSHIFT_REDIS_URL).
	RedisURL string
	// Service is the service's name (OTEL_SERVICE_NAME, else service.name of OTEL_RESOURCE_ATTRIBUTES).
	Service string
	// Driver sets the profiler's frequencies.
	Driver Driver
	// Attributes are OpenTelemetry Resource attributes, beside those of OTEL_RESOURCE_ATTRIBUTES and
	// those that a process can find.
	Attributes map[string]string
	// BaselineHz is cpu's without any plan, 0 to 1000; nil: UPSHIFT_BASELINE_HZ, else 19.
	BaselineHz *int
	// MaxHz is what no profile of this process exceeds, 0 to 1000; nil: UPSHIFT_MAX_HZ, else none.
	MaxHz *int
	// Namespace is the first part of every key (UPSHIFT_NAMESPACE, else upshift).
	Namespace string
	// Secrets are what plans must be signed with, several while they are being changed; none: one a
	// line of the file UPSHIFT_SECRET_FILE, else no signature is needed.
	Secrets []string
	// TLS is for rediss://, such as an authority of your own; nil: the system's.
	TLS *tls.Config
	// Logger takes what the agent has to say; nil: slog.Default().
	Logger *slog.Logger
}

type settings struct {
	server     following.Server
	namespace  string
	secrets    []string
	attributes map[string]string
	targets    []string
	profiles   []string
	driverName string
	baseline   contract.Baseline
	maxHz      *int64
}

var namespaces = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// check returns the settings, or all that is wrong with one of them in one sentence.
func (c Config) check() (settings, error) {
	s := settings{namespace: or(c.Namespace, env("UPSHIFT_NAMESPACE"), "upshift")}
	fail := func(format string, values ...any) (settings, error) {
		return s, fmt.Errorf("upshift: "+format, values...)
	}
	if c.Driver == nil {
		return fail("Config.Driver is missing: give what sets the profiler's frequency, such as pprofdriver.New")
	}
	s.profiles, s.driverName = slices.Clone(c.Driver.Profiles()), contract.Clean(c.Driver.Name(), contract.MaxDriverLength)
	if len(s.profiles) == 0 {
		return fail("the driver %s raises no profile", s.driverName)
	}
	for i, profile := range s.profiles {
		if !slices.Contains(contract.Profiles, profile) || slices.Contains(s.profiles[:i], profile) {
			return fail("the driver %s raises %q; profiles are cpu, wall, alloc, lock and heap, each once", s.driverName, profile)
		}
	}
	url := or(c.RedisURL, env("UPSHIFT_REDIS_URL"))
	if url == "" {
		return fail("Config.RedisURL or UPSHIFT_REDIS_URL is missing: the controller's Redis, such as redis://127.0.0.1:6379")
	}
	var err error
	if s.server, err = following.ParseURL(url); err != nil {
		return fail("%w", err)
	}
	if !namespaces.MatchString(s.namespace) {
		return fail("a namespace is 1 to 64 letters, digits, dots, dashes or underscores, got %.80q", s.namespace)
	}
	if s.secrets, err = c.secrets(); err != nil {
		return fail("%w", err)
	}
	hz, err := frequency("baseline", c.BaselineHz, "UPSHIFT_BASELINE_HZ")
	if err != nil {
		return fail("%w", err)
	}
	s.baseline.Default = contract.DefaultHz
	if hz != nil {
		s.baseline.Default = *hz
	}
	if s.maxHz, err = frequency("maximum", c.MaxHz, "UPSHIFT_MAX_HZ"); err != nil {
		return fail("%w", err)
	}
	s.attributes = attributesOf(c, os.LookupEnv)
	size := 0
	for name, value := range s.attributes {
		size += len(name) + len(value)
	}
	if size > contract.MaxAttributes {
		return fail("the attributes have %d bytes, names and values together; %d are the most", size, contract.MaxAttributes)
	}
	service := s.attributes["service.name"]
	if service == "" {
		return fail("Config.Service or OTEL_SERVICE_NAME is missing: the service whose plans are followed")
	}
	s.targets = []string{"service/" + service}
	if err := contract.CheckTarget(s.targets[0]); err != nil {
		return fail("%w", err)
	}
	if node := contract.NodeOf(s.attributes); node != "" {
		s.targets = append(s.targets, "node/"+node)
	}
	s.targets = append(s.targets, "fleet")
	return s, nil
}

func (c Config) secrets() ([]string, error) {
	if len(c.Secrets) > 0 {
		if slices.Contains(c.Secrets, "") {
			return nil, errors.New("an empty secret signs nothing")
		}
		return slices.Clone(c.Secrets), nil
	}
	path := env("UPSHIFT_SECRET_FILE")
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("UPSHIFT_SECRET_FILE: %w", err)
	}
	var secrets []string
	for _, line := range strings.Split(string(data), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			secrets = append(secrets, line)
		}
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("UPSHIFT_SECRET_FILE: %s holds no secret; without the variable none is needed", path)
	}
	return secrets, nil
}

func frequency(what string, given *int, variable string) (*int64, error) {
	var hz int64
	switch text := env(variable); {
	case given != nil:
		hz = int64(*given)
	case text == "":
		return nil, nil
	default:
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s must be a whole number of Hz from 0 to %d, got %.40q", variable, contract.MaxHz, text)
		}
		hz = number
	}
	if hz < 0 || hz > contract.MaxHz {
		return nil, fmt.Errorf("the %s is from 0 to %d Hz, got %d", what, contract.MaxHz, hz)
	}
	return &hz, nil
}

func env(name string) string { return strings.TrimSpace(os.Getenv(name)) }

func or(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
