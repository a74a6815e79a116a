package upshift

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// calls is a driver that notes what it is told.
type calls struct {
	mu   sync.Mutex
	hz   []int
	fail func(hz int) error
}

func (c *calls) set(decision Decision) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hz = append(c.hz, decision.Hz)
	if c.fail != nil {
		return c.fail(decision.Hz)
	}
	return nil
}

func (c *calls) last() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.hz) == 0 {
		return -1
	}
	return c.hz[len(c.hz)-1]
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !check() {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// valkey starts the server that UPSHIFT_TEST_VALKEY is the path of, and returns its address.
func valkey(t *testing.T) string {
	t.Helper()
	path := os.Getenv("UPSHIFT_TEST_VALKEY")
	if path == "" {
		t.Skip("UPSHIFT_TEST_VALKEY is not set: the path of a valkey-server (tests/servers.py finds one)")
	}
	socket := filepath.Join(t.TempDir(), "s")
	server := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	eventually(t, "the server is up", func() bool {
		connection, err := net.Dial("unix", socket)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
	return socket
}

func start(t *testing.T, config Config) *Agent {
	t.Helper()
	config.Service, config.Logger = "checkout", quiet
	agent, err := Start(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		if err := agent.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return agent
}

func TestWithoutRedisTheProfilerRunsAtItsBaseline(t *testing.T) {
	var driver calls
	hz := 30
	start(t, Config{RedisURL: "redis://127.0.0.1:1", Driver: DriverFunc(driver.set), BaselineHz: &hz})
	eventually(t, "30 Hz", func() bool { return driver.last() == 30 })
}

func TestADriverThatPanicsIsTriedAgainAndTold(t *testing.T) {
	driver := calls{fail: func(int) error { panic("no permission") }}
	agent := start(t, Config{RedisURL: "redis://127.0.0.1:1", Driver: DriverFunc(driver.set)})
	eventually(t, "the reason", func() bool { return strings.Contains(agent.Status(), "panic: no permission") })
	eventually(t, "a second try", func() bool {
		driver.mu.Lock()
		defer driver.mu.Unlock()
		return len(driver.hz) > 1
	})
}

func TestWrongSettingsAreOneSentence(t *testing.T) {
	driver, most := DriverFunc(func(Decision) error { return nil }), 1001
	for want, config := range map[string]Config{
		"Config.Driver is missing": {RedisURL: "redis://a", Service: "x"},
		"Config.RedisURL or":       {Service: "x", Driver: driver},
		"primary's name":           {RedisURL: "redis+sentinel://a", Service: "x", Driver: driver},
		"a port is a number":       {RedisURL: "redis://a:x", Service: "x", Driver: driver},
		"the maximum is from 0":    {RedisURL: "redis://a", Service: "x", Driver: driver, MaxHz: &most},
		"a target is plain text":   {RedisURL: "redis://a", Service: "two\nlines", Driver: driver},
		"a namespace is":           {RedisURL: "redis://a", Service: "x", Driver: driver, Namespace: "{}"},
		"an empty secret":          {RedisURL: "redis://a", Service: "x", Driver: driver, Secrets: []string{""}},
		"bytes, names and values":  {RedisURL: "redis://a", Service: "x", Driver: driver, Attributes: map[string]string{"a": strings.Repeat("x", 40_000)}},
	} {
		if _, err := Start(context.Background(), config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestAPushedBoostIsAppliedReportedAndEndsByItself(t *testing.T) {
	socket := valkey(t)
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	defer client.Close()
	ctx := context.Background()
	var driver calls
	agent := start(t, Config{RedisURL: "unix://" + socket, Driver: DriverFunc(driver.set)})
	eventually(t, "a session", agent.Connected)
	now := client.Time(ctx).Val().UnixMilli()
	plan := `{"v":1,"target":"service/checkout","rev":` + itoa(now*1000) + `,"now_ms":` + itoa(now) +
		`,"leases":[{"id":"b/1","kind":"boost","hz":100,"since_ms":` + itoa(now) + `,"expires_at_ms":` + itoa(now+1500) + `}]}`
	if heard := client.Publish(ctx, "upshift:v1:{service/checkout}:changes", plan).Val(); heard != 1 {
		t.Fatal(heard)
	}
	eventually(t, "100 Hz", func() bool { return driver.last() == 100 })
	eventually(t, "its report", func() bool {
		rows := client.HVals(ctx, "upshift:v1:{service/checkout}:agents").Val()
		return len(rows) == 1 && strings.Contains(rows[0], `"state":"applied"`) && strings.Contains(rows[0], `"b/1"`)
	})
	client.Publish(ctx, "upshift:v1:{service/checkout}:changes", "\xff garbage")
	eventually(t, "the refusal in the status", func() bool { return strings.Contains(agent.Status(), "not valid UTF-8") })
	eventually(t, "19 Hz", func() bool { return driver.last() == 19 })
}

func itoa(number int64) string { return strconv.FormatInt(number, 10) }

func TestAnAgentHasTwoGoroutinesAndLeavesNone(t *testing.T) {
	socket := valkey(t)
	before := runtime.NumGoroutine()
	var driver calls
	agent, err := Start(context.Background(), Config{RedisURL: "unix://" + socket, Service: "checkout",
		Driver: DriverFunc(driver.set), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a session", agent.Connected)
	eventually(t, "two", func() bool { return runtime.NumGoroutine() == before+2 })
	if err := agent.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "none", func() bool { return runtime.NumGoroutine() == before })
}

func TestAfterAFailureTheSameFrequencyIsTriedAgainAfterAPause(t *testing.T) {
	var d driving
	d.want(map[string]Decision{"cpu": {Hz: 100}}, nil)
	for i, pause := range []float64{1000, 2000, 4000, 8000, 16000, 30000, 30000} {
		d.begin(0)
		d.end(errors.New("no"), 0, 0)
		if at, due := d.due(); !due || at != pause {
			t.Error(i, at, due)
		}
	}
	d.want(map[string]Decision{"cpu": {Hz: 19}}, nil)
	if at, due := d.due(); !due || at != 0 {
		t.Error("another frequency is tried at once", at, due)
	}
	d.begin(0)
	if state, why := d.state(4000); state != "applying" || why != "driver has not returned for 4 s" {
		t.Error(state, why)
	}
	d.end(nil, 5, 0)
	d.want(map[string]Decision{"cpu": {Hz: 19}}, map[string]int64{"fleet": 7})
	if state, _ := d.state(0); state != "applied" || d.applied.Revs["fleet"] != 7 {
		t.Error("newer plans that ask for the same count as applied at once")
	}
}
