package contract

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
)

// A Decision is what an agent does of one profile now, and why.
type Decision struct {
	Hz          int64
	Lease       *Lease // nil: the baseline
	UntilMs     *int64 // when the answer changes next; nil: never
	ClampedFrom *int64 // the frequency without the agent's own limit, where that binds
}

type claim struct {
	width int
	lease *Lease
}

// Resolve is the one place where a frequency is decided, of one profile, at nowMs of Redis time.
// localMax is the agent's own limit, nil for none.
func Resolve(plans []*Plan, attributes map[string]string, baseline Baseline, localMax *int64,
	nowMs int64, profile string) Decision {
	attributes = presentNames(attributes)
	var claims []claim
	for _, plan := range plans {
		if plan.Target == "fleet" && plan.Baseline != nil {
			baseline = *plan.Baseline
		}
		for _, lease := range plan.Leases {
			ofThis := lease.Profile == profile || lease.Profile == "all"
			if ofThis && nowMs < lease.ExpiresAtMs && applies(lease, attributes) {
				claims = append(claims, claim{width(plan.Target, lease), lease})
			}
		}
	}
	base := BaselineHz(baseline, attributes, profile)
	lease := decisive(claims, base)
	decision := Decision{Hz: base, Lease: lease}
	if lease != nil {
		decision.Hz = lease.Hz
	}
	decision.UntilMs = changesAt(claims, base, lease)
	if localMax != nil && decision.Hz > *localMax {
		asked := decision.Hz
		decision.Hz, decision.ClampedFrom = *localMax, &asked
	}
	return decision
}

// BaselineHz returns the frequency of a profile where no lease applies.
func BaselineHz(baseline Baseline, attributes map[string]string, profile string) int64 {
	if profile != "cpu" {
		return baseline.Profiles[profile]
	}
	if hz, there := baseline.Environments[attributes[Environment]]; there {
		return hz
	}
	return baseline.Default
}

// changesAt returns the first end after which another lease decides.
func changesAt(claims []claim, base int64, lease *Lease) *int64 {
	left := slices.Clone(claims)
	slices.SortFunc(left, func(a, b claim) int { return compare(a.lease.ExpiresAtMs, b.lease.ExpiresAtMs) })
	for len(left) > 0 {
		end := left[0].lease.ExpiresAtMs
		for len(left) > 0 && left[0].lease.ExpiresAtMs <= end {
			left = left[1:]
		}
		if decisive(left, base) != lease {
			return &end
		}
	}
	return nil
}

// decisive returns the lease that decides; nil: the baseline.
func decisive(claims []claim, base int64) *Lease {
	var boost, low *Lease
	var pin *claim
	for i, it := range claims {
		lease := it.lease
		switch lease.Kind {
		case "boost":
			if lease.Hz > base && (boost == nil || order(
				compare(lease.Hz, boost.Hz), compare(lease.ExpiresAtMs, boost.ExpiresAtMs),
				compare(lease.ID, boost.ID)) > 0) {
				boost = lease
			}
		case "pin":
			if pin == nil || order(compare(int64(it.width), int64(pin.width)),
				compare(lease.SinceMs, pin.lease.SinceMs), compare(lease.ID, pin.lease.ID)) > 0 {
				pin = &claims[i]
			}
		case "cap":
			if low == nil || order(compare(lease.Hz, low.Hz),
				compare(low.ExpiresAtMs, lease.ExpiresAtMs), compare(lease.ID, low.ID)) < 0 {
				low = lease
			}
		}
	}
	lease, hz := boost, base
	if pin != nil {
		lease = pin.lease
	}
	if lease != nil {
		hz = lease.Hz
	}
	if low != nil && low.Hz < hz {
		lease = low
	}
	return lease
}

func compare[T int64 | string](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// order returns the first that is not 0.
func order(comparisons ...int) int {
	for _, it := range comparisons {
		if it != 0 {
			return it
		}
	}
	return 0
}

func width(target string, lease *Lease) int {
	for _, name := range []string{"service.instance.id", "k8s.pod.name", AgentID, "process.pid"} {
		if _, there := lease.Where[name]; there {
			return 2
		}
	}
	if target == "fleet" {
		return 0
	}
	return 1
}

func applies(lease *Lease, attributes map[string]string) bool {
	for name, wanted := range lease.Where { // under present names already
		value, there := attributes[name]
		if !there || !slices.Contains(wanted, value) {
			return false
		}
	}
	return selected(lease, attributes[AgentID])
}

func selected(lease *Lease, agent string) bool {
	if lease.Fraction >= 1 {
		return true
	}
	beyond := share(lease, agent) - lease.FractionFrom
	if beyond < 0 {
		beyond++
	}
	return beyond < lease.Fraction
}

func share(lease *Lease, agent string) float64 {
	sum := sha256.Sum256([]byte(lease.ID + "\n" + strconv.FormatInt(lease.SinceMs, 10) + "\n" + agent))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}
