package upshift

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"upshift.example/upshift/internal/contract"
	"upshift.example/upshift/internal/following"
	"upshift.example/upshift/internal/steady"
)

const (
	reportMs       = 15_000
	gatherMs       = 20
	readApartMs    = 200
	napMs          = 500
	clockJumpMs    = 1_000
	mostComplaints = 50
)

// resyncMs is how often plans are read anew; tests of the whole change it.
var resyncMs = 30_000.0

// An engine decides: it has the plans, the clock and the driver, and one goroutine. What waits for
// Redis or the driver runs on goroutines that end with their call.
type engine struct {
	settings   settings
	follower   *following.Follower
	secrets    []string
	driver     Driver
	driverName string
	profiles   []string
	attributes map[string]string
	targets    []string
	log        func(warning bool, text string)
	wake       chan struct{}

	mu         sync.Mutex
	clock      *contract.Clock
	held       map[string]*contract.Held
	refused    map[string]string
	complaints map[string]bool
	decisions  map[string]contract.Decision
	driving    driving
	state, why string
	sinceMs    int64
	skipped    string
	connected  bool

	stale      bool // decisions have to be computed anew
	exchanging bool // a read or a report is under way
	pushes     int
	sentPushes int
	synced     bool // TIME of this session was answered
	readAt     float64
	lastRead   float64
	reportAt   float64
	rowsAt     float64
	wallOffset float64
}

func (e *engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// plans are those held, in the order of the targets.
func (e *engine) plans() []*contract.Plan {
	var plans []*contract.Plan
	for _, target := range e.targets {
		if held := e.held[target]; held != nil {
			plans = append(plans, held.Plan)
		}
	}
	return plans
}

func (e *engine) baseline() contract.Baseline {
	if held := e.held["fleet"]; held != nil && held.Plan.Baseline != nil {
		return *held.Plan.Baseline
	}
	return e.settings.baseline
}

// Message implements following.Listener.
func (e *engine) Message(target, message string, pushed bool) {
	plan, err := contract.ReadPlan([]byte(message), e.secrets)
	e.mu.Lock()
	defer e.poke()
	defer e.mu.Unlock()
	now := steady.Ms()
	nowMs := e.clock.NowMs(now)
	if pushed {
		e.pushes++
	}
	if err == nil && plan.Target != target {
		err = fmt.Errorf("it is of '%s'", contract.Clean(plan.Target, 100))
	}
	known := pushed && e.synced
	if err == nil && known && len(e.secrets) > 0 && abs(plan.NowMs-nowMs) > contract.StaleMs {
		err = fmt.Errorf("it is %d ms from now: stale, or a replay", abs(plan.NowMs-nowMs))
	}
	if err != nil {
		line := contract.Clean(fmt.Sprintf("plan of %s: %s", target, err), 500)
		e.complain(line)
		e.refused[target] = line
		if pushed || e.pushes != e.sentPushes {
			e.readSoon(now)
		}
		e.refresh(now)
		return
	}
	delete(e.refused, target)
	var at *int64
	if e.clock.Synchronised {
		at = &nowMs
	}
	held, news := contract.Take(e.held[target], plan, at)
	if news {
		e.held[target] = held
		e.stale = true
		if pushed {
			e.clock.Pushed(plan.NowMs, now)
			if known && abs(plan.NowMs-nowMs) > contract.ClockToleranceMs {
				e.readSoon(now)
			}
		}
	}
	e.refresh(now)
}

// Time implements following.Listener. It comes before the plans that were read with it.
func (e *engine) Time(redisMs, sentMs, receivedMs float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clock.Answered(redisMs, sentMs, receivedMs)
	e.synced = true
}

// setBack moves leases whose start is ahead, after each read.
func (e *engine) setBack() {
	nowMs := e.clock.NowMs(steady.Ms())
	for target, held := range e.held {
		if moved := contract.SetBack(held, nowMs); moved != held {
			e.held[target] = moved
		}
	}
	e.stale = true
}

// Connected implements following.Listener.
func (e *engine) Connected(now bool) {
	e.mu.Lock()
	defer e.poke()
	defer e.mu.Unlock()
	e.connected = now
	if !now {
		e.synced = false
		return
	}
	at := steady.Ms()
	e.setBack()
	e.lastRead, e.readAt = at, at+following.Around(resyncMs)
	e.reportAt, e.rowsAt = at, 0
	if e.pushes > 0 && len(e.refused) > 0 {
		e.readSoon(at)
	}
}

// Complain implements following.Listener.
func (e *engine) Complain(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.complain(text)
}

func (e *engine) complain(text string) {
	if !e.complaints[text] && len(e.complaints) < mostComplaints {
		e.complaints[text] = true
		e.log(true, text)
	}
}

func (e *engine) readSoon(now float64) { e.readAt = min(e.readAt, max(now, e.lastRead+readApartMs)) }

// refresh has a change reported soon.
func (e *engine) refresh(now float64) {
	state, why := e.driving.state(now)
	skipped := strings.Join(e.skippedLines(), "\n")
	if state != e.state {
		e.sinceMs = e.clock.NowMs(now)
	}
	hung := strings.HasPrefix(why, "driver has not returned") && strings.HasPrefix(e.why, "driver has not returned")
	if state != e.state || why != e.why && !hung || skipped != e.skipped {
		if why != "" && why != e.why && !hung {
			e.complain("driver " + e.driverName + ": " + why)
		}
		e.reportAt = min(e.reportAt, now+gatherMs)
	}
	e.state, e.why, e.skipped = state, why, skipped
}

func (e *engine) skippedLines() []string {
	lines := []string{}
	for _, plan := range e.plans() {
		lines = append(lines, plan.Skipped...)
	}
	for _, target := range e.targets {
		if line := e.refused[target]; line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// decide computes all frequencies anew, and hands them on.
func (e *engine) decide(now float64) {
	nowMs := e.clock.NowMs(now)
	wanted := map[string]Decision{}
	decided := map[string]contract.Decision{}
	changed := false
	for _, profile := range e.profiles {
		it := contract.Resolve(e.plans(), e.attributes, e.settings.baseline, e.settings.maxHz, nowMs, profile)
		told := contract.Report(it, e.baseline(), e.attributes, profile)
		public := Decision{Hz: int(min(it.Hz, math.MaxInt32)), Reason: told.Reason}
		if it.Lease != nil {
			public.Lease = it.Lease.ID
		}
		if before, there := e.decisions[profile]; there && before.Hz != it.Hz {
			e.log(false, shown(profile, it.Hz)+": "+told.Reason)
		}
		if before, there := e.decisions[profile]; !there || before.Hz != it.Hz || before.Lease != it.Lease ||
			!equal(before.UntilMs, it.UntilMs) {
			changed = true
		}
		wanted[profile], decided[profile] = public, it
	}
	e.decisions, e.stale = decided, false
	revs := map[string]int64{}
	for _, plan := range e.plans() {
		revs[plan.Target] = plan.Rev
	}
	if changed || len(revs) != len(e.driving.revs) {
		e.reportAt = min(e.reportAt, now+gatherMs)
	}
	for target, rev := range revs {
		if e.driving.revs[target] != rev {
			e.reportAt = min(e.reportAt, now+gatherMs)
		}
	}
	e.driving.want(wanted, revs)
}

func shown(profile string, hz int64) string {
	switch profile {
	case "cpu":
		return fmt.Sprintf("%d Hz", hz)
	case "heap":
		return fmt.Sprintf("heap %d an hour", hz)
	}
	return fmt.Sprintf("%s %d Hz", profile, hz)
}

func equal(a, b *int64) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

func abs(number int64) int64 {
	if number < 0 {
		return -number
	}
	return number
}

// run is the engine's goroutine.
func (e *engine) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(time.Duration(e.step(ctx) * float64(time.Millisecond)))
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-timer.C:
		}
	}
}

// step does what is due, and returns after how many ms something will be.
func (e *engine) step(ctx context.Context) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := steady.Ms()
	nowMs := e.clock.NowMs(now)
	if offset := steady.WallMs() - now; math.Abs(offset-e.wallOffset) > clockJumpMs {
		e.wallOffset = offset
		e.readAt = now
	}
	nap := float64(napMs)
	for _, it := range e.decisions {
		if it.UntilMs != nil && *it.UntilMs <= nowMs {
			e.stale = true
		}
	}
	if e.stale || e.decisions == nil {
		e.decide(now)
	}
	for _, it := range e.decisions {
		if it.UntilMs != nil {
			nap = min(nap, max(float64(*it.UntilMs-nowMs), 0)+0.5)
		}
	}
	if why := e.troubled(); why != "" && e.driving.isApplied() {
		e.driving.trouble(why, now)
	}
	if at, due := e.driving.due(); due {
		if at <= now {
			decisions := e.driving.begin(now)
			go e.apply(ctx, decisions)
		} else {
			nap = min(nap, at-now)
		}
	}
	e.refresh(now)
	return min(nap, e.exchange(ctx, now))
}

func (e *engine) troubled() (why string) {
	driver, able := e.driver.(Troubled)
	if !able || e.driving.calling {
		return ""
	}
	defer func() {
		if panicked := recover(); panicked != nil {
			why = fmt.Sprintf("panic: %v", panicked)
		}
	}()
	return driver.Trouble()
}

func (e *engine) apply(ctx context.Context, decisions map[string]Decision) {
	err := call(ctx, e.driver, decisions)
	e.mu.Lock()
	now := steady.Ms()
	e.driving.end(err, e.clock.NowMs(now), now)
	e.refresh(now)
	e.mu.Unlock()
	e.poke()
}

// exchange begins a read or a report that is due, one at a time.
func (e *engine) exchange(ctx context.Context, now float64) float64 {
	if !e.connected || e.exchanging {
		return napMs
	}
	switch {
	case e.readAt <= now:
		e.exchanging = true
		e.sentPushes = e.pushes
		e.lastRead, e.readAt = now, now+following.Around(resyncMs)
		go e.finish(func() {
			if e.follower.Read(ctx) == nil {
				e.mu.Lock()
				e.setBack()
				e.mu.Unlock()
			}
		})
		return napMs
	case e.reportAt <= now:
		e.exchanging = true
		e.reportAt = now + reportMs
		again := e.rowsAt <= now
		if again {
			e.rowsAt = now + following.Around(300_000)
		}
		report, err := e.report(now)
		if err != nil {
			e.complain("a report cannot be written: " + err.Error())
			e.exchanging = false
			return napMs
		}
		go e.finish(func() { _ = e.follower.Write(ctx, report, again) })
		return napMs
	}
	return min(e.readAt, e.reportAt) - now
}

func (e *engine) finish(exchange func()) {
	defer func() {
		if panicked := recover(); panicked != nil {
			e.Complain(fmt.Sprintf("an exchange with Redis: %v", panicked))
		}
		e.mu.Lock()
		e.exchanging = false
		e.mu.Unlock()
		e.poke()
	}()
	exchange()
}

func (e *engine) report(now float64) (following.Report, error) {
	status := e.status(now)
	written, err := contract.ToJSON(status)
	return following.Report{Field: e.attributes[contract.AgentID], Status: string(written), AtMs: status.AtMs,
		Version: contract.Version(e.attributes)}, err
}

func (e *engine) status(now float64) contract.Status {
	state, why := e.driving.state(now)
	status := contract.Status{V: 1, Instance: contract.Unicode(e.attributes["service.instance.id"]),
		Attributes: e.attributes, Driver: e.driverName, AtMs: e.clock.NowMs(now), State: state, SinceMs: e.sinceMs,
		Requested: contract.Requested{Revs: map[string]int64{}, Profiles: map[string]contract.RequestedProfile{}},
		Skipped:   e.skippedLines(), MaxHz: e.settings.maxHz, SDK: sdk}
	for _, plan := range e.plans() {
		status.Requested.Revs[plan.Target] = plan.Rev
	}
	for profile, it := range e.decisions {
		status.Requested.Profiles[profile] = contract.Report(it, e.baseline(), e.attributes, profile)
	}
	if why != "" {
		status.Error = &why
	}
	if e.driving.applied != nil {
		applied := *e.driving.applied
		achieved := e.achieved()
		applied.Profiles = map[string]contract.AppliedProfile{}
		for profile, it := range e.driving.applied.Profiles {
			if hz, told := achieved[profile]; told && hz >= 0 && !math.IsNaN(hz) {
				hz = min(hz, contract.MaxAchievedHz)
				it.AchievedHz = &hz
			}
			applied.Profiles[profile] = it
		}
		status.Applied = &applied
	}
	return status
}

func (e *engine) achieved() (achieved map[string]float64) {
	driver, able := e.driver.(Achiever)
	if !able {
		return nil
	}
	defer func() {
		if recover() != nil {
			achieved = nil
		}
	}()
	return driver.Achieved()
}

// resting is what resolve says without any leases.
func (e *engine) resting() map[string]Decision {
	decisions := map[string]Decision{}
	for _, profile := range e.profiles {
		hz := contract.BaselineHz(e.baseline(), e.attributes, profile)
		if e.settings.maxHz != nil {
			hz = min(hz, *e.settings.maxHz)
		}
		decisions[profile] = Decision{Hz: int(hz), PreviousHz: -1, Reason: "the agent ends"}
	}
	return decisions
}
