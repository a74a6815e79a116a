package upshift

import (
	"fmt"
	"math"

	"upshift.example/upshift/internal/contract"
)

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
