package upshift

import (
	"context"
	"fmt"
	"math"
	"time"

	"upshift.example/upshift/internal/following"
	"upshift.example/upshift/internal/steady"
)

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
		e.lastRead, e.readAt = now, now+following.Around(following.ResyncMs)
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
