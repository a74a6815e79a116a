package upshift

import (
	"context"
	"fmt"
	"maps"

	"upshift.example/upshift/internal/contract"
)

const (
	hungMs         = 4_000
	firstPauseMs   = 1_000
	longestPauseMs = 30_000
)

// driving is how far the driver is. It is pure: handed the steady time, guarded by the engine.
type driving struct {
	wanted    map[string]Decision
	revs      map[string]int64
	confirmed map[string]int // Hz; nil: nobody knows
	applied   *contract.Applied

	calling   bool
	calledMs  float64
	called    map[string]Decision
	calledFor map[string]int64
	failed    string // why the last call failed, "" if it did not
	pauseMs   float64
	retryAtMs float64
}

func hzOf(decisions map[string]Decision) map[string]int {
	hz := make(map[string]int, len(decisions))
	for profile, it := range decisions {
		hz[profile] = it.Hz
	}
	return hz
}

// want takes the newest decisions. Redis time is nowMs.
func (d *driving) want(decisions map[string]Decision, revs map[string]int64) {
	if !maps.Equal(hzOf(decisions), hzOf(d.wanted)) {
		d.failed, d.pauseMs, d.retryAtMs = "", 0, 0
	}
	d.wanted, d.revs = decisions, revs
	d.count()
}

// count lets newer revisions that ask for what is confirmed count as applied.
func (d *driving) count() {
	if d.isApplied() && d.applied != nil {
		applied := *d.applied
		applied.Revs = d.revs
		d.applied = &applied
	}
}

func (d *driving) isApplied() bool {
	return d.failed == "" && d.confirmed != nil && maps.Equal(hzOf(d.wanted), d.confirmed)
}

// due tells when a call has to be made, of the steady clock; never while one is under way.
func (d *driving) due() (float64, bool) {
	return d.retryAtMs, !d.calling && d.wanted != nil && !d.isApplied()
}

func (d *driving) begin(steadyMs float64) map[string]Decision {
	d.calling, d.calledMs = true, steadyMs
	d.calledFor = d.revs
	d.called = maps.Clone(d.wanted)
	for profile, it := range d.called {
		it.PreviousHz = -1
		if hz, known := d.confirmed[profile]; known {
			it.PreviousHz = hz
		}
		d.called[profile] = it
	}
	return maps.Clone(d.called)
}

func (d *driving) end(err error, nowMs int64, steadyMs float64) {
	d.calling = false
	if err != nil {
		same := maps.Equal(hzOf(d.called), hzOf(d.wanted))
		d.trouble(err.Error(), steadyMs)
		if !same { // what is wanted now was never tried
			d.failed, d.pauseMs, d.retryAtMs = "", 0, 0
		}
		return
	}
	d.failed, d.pauseMs, d.retryAtMs = "", 0, 0
	d.confirmed = hzOf(d.called)
	d.applied = &contract.Applied{Revs: d.calledFor, AtMs: nowMs, Profiles: map[string]contract.AppliedProfile{}}
	for profile, hz := range d.confirmed {
		d.applied.Profiles[profile] = contract.AppliedProfile{Hz: int64(hz)}
	}
	d.count()
}

// trouble: after a failure nobody knows what the profiler does.
func (d *driving) trouble(why string, steadyMs float64) {
	d.failed = contract.Clean(why, contract.MaxErrorLength)
	if d.failed == "" {
		d.failed = "the driver did not say why"
	}
	d.confirmed = nil
	d.pauseMs = min(max(2*d.pauseMs, firstPauseMs), longestPauseMs)
	d.retryAtMs = steadyMs + d.pauseMs
}

func (d *driving) hung(steadyMs float64) bool { return d.calling && steadyMs-d.calledMs >= hungMs }

// state returns the state of the contract, and its error.
func (d *driving) state(steadyMs float64) (state, why string) {
	switch {
	case d.hung(steadyMs):
		return "applying", fmt.Sprintf("driver has not returned for %.0f s", (steadyMs-d.calledMs)/1000)
	case d.failed != "":
		return "failed", d.failed
	case d.isApplied():
		return "applied", ""
	}
	return "applying", ""
}

// call calls the driver, whose panics are failures.
func call(ctx context.Context, driver Driver, decisions map[string]Decision) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	return driver.Apply(ctx, decisions)
}
