package upshift

import (
	"fmt"
	"sync"

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
	e.lastRead, e.readAt = at, at+following.Around(following.ResyncMs)
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

func abs(number int64) int64 {
	if number < 0 {
		return -number
	}
	return number
}
