package pprofdriver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"upshift.example/upshift"
)

const longestWindow = 15 * time.Second

// Config says where windows go. What is empty is read from PYROSCOPE_SERVER_ADDRESS (else
// http://localhost:4040), PYROSCOPE_BASIC_AUTH_USER, PYROSCOPE_BASIC_AUTH_PASSWORD, PYROSCOPE_TENANT_ID.
type Config struct {
	ServerAddress, BasicAuthUser, BasicAuthPassword, TenantID string
	// ApplicationName is the profiles' name; empty: the service's.
	ApplicationName string
	// Tags are put beside the agent's attributes.
	Tags map[string]string
	// OnWindow takes each window in place of Pyroscope. It is called on goroutines of the driver's.
	OnWindow func(Window)
	// Window is how long a window lasts at most, 1 s to 60 s; 0: 15 s.
	Window time.Duration
}

// A Window is one profile, of one period.
type Window struct {
	// Profile is cpu, lock or heap.
	Profile string
	// Hz is what the profiler was set to.
	Hz          int
	From, Until time.Time
	// Pprof is the profile, gzipped.
	Pprof []byte
	// Tags are the agent's attributes with underscores, and those of the Config.
	Tags map[string]string
}

// A Driver drives runtime/pprof. One in a process.
type Driver struct {
	config Config
	push   *pusher

	mu      sync.Mutex
	tags    map[string]string
	hz      map[string]int // asked for
	rate    int            // of the CPU profile that runs, 0 for none
	buffer  *bytes.Buffer
	began   time.Time
	timer   *time.Timer // ends the CPU window
	inUse   bool        // somebody else's profile was met last
	trouble string
	locks   locks
	heap    *time.Timer
	closed  bool
}

// New returns a driver of runtime/pprof.
func New(config Config) *Driver {
	if config.Window <= 0 {
		config.Window = longestWindow
	}
	config.Window = min(max(config.Window, time.Second), time.Minute)
	return &Driver{config: config, push: newPusher(config), tags: maps.Clone(config.Tags), hz: map[string]int{}}
}

// Name implements upshift.Driver.
func (d *Driver) Name() string { return "pprof" }

// Profiles implements upshift.Driver.
func (d *Driver) Profiles() []string { return []string{"cpu", "lock", "heap"} }

// Identify implements upshift.Identified.
func (d *Driver) Identify(attributes map[string]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tags = tagsOf(attributes)
	maps.Copy(d.tags, d.config.Tags)
	d.push.named(d.config.ApplicationName, attributes["service.name"])
}

// Apply implements upshift.Driver.
func (d *Driver) Apply(_ context.Context, decisions map[string]upshift.Decision) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = false
	d.setLock(decisions["lock"].Hz)
	d.setHeap(decisions["heap"].Hz)
	return d.setCPU(decisions["cpu"].Hz)
}

func (d *Driver) setCPU(hz int) error {
	if d.rate == capped(hz) && d.trouble == "" {
		d.hz["cpu"] = hz
		return nil
	}
	d.endCPU()
	d.hz["cpu"] = hz
	err := d.beginCPU()
	d.trouble = ""
	return err
}

// capped is what the kernel lets a CPU profile have.
func capped(hz int) int { return max(0, min(hz, kernelHz())) }

func (d *Driver) beginCPU() error {
	rate := capped(d.hz["cpu"])
	if rate == 0 {
		return nil
	}
	if d.inUse { // ask first, or the runtime would write its warning at each try
		if err := pprof.StartCPUProfile(io.Discard); err != nil {
			return inUse(err)
		}
		pprof.StopCPUProfile()
		d.inUse = false
	}
	buffer := &bytes.Buffer{}
	if rate != 100 { // StartCPUProfile's own
		runtime.SetCPUProfileRate(rate)
	}
	if err := pprof.StartCPUProfile(buffer); err != nil {
		d.inUse = true
		return inUse(err)
	}
	d.rate, d.buffer, d.began = rate, buffer, time.Now()
	d.timer = time.AfterFunc(d.config.Window, d.turn)
	return nil
}

func inUse(err error) error {
	return fmt.Errorf("%w: somebody else profiles CPU (pyroscope-go? leave ProfileCPU out there); trying again", err)
}

// turn ends a window, and begins the next.
func (d *Driver) turn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.rate == 0 || time.Since(d.began) < d.config.Window/2 {
		return // a change was quicker
	}
	d.endCPU()
	if err := d.beginCPU(); err != nil {
		d.trouble = err.Error()
	}
}

func (d *Driver) endCPU() {
	if d.rate == 0 {
		return
	}
	d.timer.Stop()
	pprof.StopCPUProfile() // waits some 100 ms for what is on its way
	d.ship(Window{Profile: "cpu", Hz: d.rate, From: d.began, Until: time.Now(), Pprof: d.buffer.Bytes()})
	d.rate, d.buffer = 0, nil
}

func (d *Driver) ship(window Window) {
	window.Tags = maps.Clone(d.tags)
	d.push.ship(window)
}

// Achieved implements upshift.Achiever.
func (d *Driver) Achieved() map[string]float64 {
	if !d.mu.TryLock() { // a window ends at the moment
		return nil
	}
	defer d.mu.Unlock()
	return map[string]float64{"cpu": float64(d.rate)}
}

// Trouble implements upshift.Troubled.
func (d *Driver) Trouble() string {
	if !d.mu.TryLock() {
		return ""
	}
	defer d.mu.Unlock()
	return d.trouble
}

// Close implements upshift.Closer: all stands still, and the last windows are sent.
func (d *Driver) Close() error {
	d.mu.Lock()
	d.setLock(0)
	d.setHeap(0)
	d.endCPU()
	d.closed = true
	d.mu.Unlock()
	if !d.push.wait(500 * time.Millisecond) {
		return errors.New("pprof: the last windows are still being sent")
	}
	return nil
}

// setHeap takes hz snapshots an hour.
func (d *Driver) setHeap(hz int) {
	if d.hz["heap"] == hz {
		return
	}
	d.hz["heap"] = hz
	if d.heap != nil {
		d.heap.Stop()
		d.heap = nil
	}
	if hz <= 0 {
		return
	}
	apart := time.Hour / time.Duration(hz)
	var snapshot func()
	snapshot = func() {
		var buffer bytes.Buffer
		err := pprof.Lookup("heap").WriteTo(&buffer, 0)
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.closed || d.hz["heap"] != hz {
			return
		}
		if now := time.Now(); err == nil {
			d.ship(Window{Profile: "heap", Hz: hz, From: now.Add(-time.Second), Until: now, Pprof: buffer.Bytes()})
		}
		d.heap = time.AfterFunc(apart, snapshot)
	}
	d.heap = time.AfterFunc(apart, snapshot)
}
