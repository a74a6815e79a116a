package upshift

import (
	"math"
	"strings"

	"upshift.example/upshift/internal/contract"
	"upshift.example/upshift/internal/following"
)

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
