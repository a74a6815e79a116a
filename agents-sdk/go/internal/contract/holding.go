package contract

// Held is the plan in force of one target, and the ids of what it holds though Redis has lost it.
type Held struct {
	Plan *Plan
	lost map[string]bool
}

// Take returns what holds after plan has come, and whether that is news. nowMs is Redis time, or
// nil before Redis has answered TIME.
func Take(held *Held, plan *Plan, nowMs *int64) (*Held, bool) {
	if held == nil {
		return &Held{Plan: plan}, true
	}
	before := held.Plan
	lostTime := false
	if nowMs != nil {
		dayOn := (*nowMs + dayMs) * 1000
		lostTime = plan.Rev <= dayOn && dayOn < before.Rev
	}
	if plan.Rev <= before.Rev && !lostTime {
		return held, false
	}
	taken := *plan
	lost := map[string]bool{}
	if plan.After >= 0 {
		listed := map[string]bool{}
		for _, lease := range plan.Leases {
			listed[lease.ID] = true
		}
		taken.Leases = append([]*Lease(nil), plan.Leases...)
		for _, lease := range before.Leases {
			// since_ms * 1000 > after, without overflow
			later := held.lost[lease.ID] || lease.SinceMs > plan.After/1000
			if !listed[lease.ID] && lease.ExpiresAtMs > plan.NowMs && later {
				taken.Leases = append(taken.Leases, lease)
				lost[lease.ID] = true
			}
		}
	}
	return &Held{Plan: &taken, lost: lost}, true
}

// SetBack returns the same with each lease that begins more than 5 s after nowMs moved to now, its
// length kept: Redis's clock was set back.
func SetBack(held *Held, nowMs int64) *Held {
	var moved []*Lease
	for i, lease := range held.Plan.Leases {
		if lease.SinceMs <= nowMs+ClockToleranceMs {
			continue
		}
		if moved == nil {
			moved = append([]*Lease(nil), held.Plan.Leases...)
		}
		now := *lease
		now.SinceMs, now.ExpiresAtMs = nowMs, nowMs+(lease.ExpiresAtMs-lease.SinceMs)
		moved[i] = &now
	}
	if moved == nil {
		return held
	}
	plan := *held.Plan
	plan.Leases = moved
	return &Held{Plan: &plan, lost: held.lost}
}
