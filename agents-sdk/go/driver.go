package upshift

import "context"

// A Decision is the frequency of one profile, and why.
type Decision struct {
	// Hz is samples per second, of heap snapshots per hour; 0 means that the profiler stands still.
	Hz int
	// PreviousHz is what was confirmed last, -1 before that.
	PreviousHz int
	// Lease is the id of the lease that decided, "" for the baseline.
	Lease string
	// Reason says the same in one line for people.
	Reason string
}

// A Driver sets the frequencies of a profiler. Profiles and Name are asked once.
type Driver interface {
	// Name is shown in the status, such as "pprof".
	Name() string
	// Profiles are those that it can raise, of cpu, wall, alloc, lock and heap.
	Profiles() []string
	// Apply sets the frequencies of all its profiles. One call at a time, on a goroutine of the
	// agent's, with the newest decisions. An error is told to the controller with its text, and the
	// call repeated after 1 s at first and 30 s at last. It may take its time; who takes more than
	// 4 s is reported.
	Apply(ctx context.Context, decisions map[string]Decision) error
}

// An Achiever is a Driver that can tell what the profiler truly does, by profile. Asked for
// each status; it must not wait.
type Achiever interface{ Achieved() map[string]float64 }

// A Troubled is a Driver that can tell that what it has confirmed does not hold any more, and why.
// Asked twice a second; "" while all is well. It must not wait.
type Troubled interface{ Trouble() string }

// An Identified is a Driver that wants to know the agent's attributes, once, before the first
// Apply. It must not wait.
type Identified interface {
	Identify(attributes map[string]string)
}

// A Closer is a Driver that ends its profiler in good order. Without it the decisions that hold
// without any leases are applied.
type Closer interface{ Close() error }

// DriverFunc makes a Driver of a function that sets the frequency of cpu.
type DriverFunc func(Decision) error

// Name implements Driver.
func (DriverFunc) Name() string { return "func" }

// Profiles implements Driver.
func (DriverFunc) Profiles() []string { return []string{"cpu"} }

// Apply implements Driver.
func (f DriverFunc) Apply(_ context.Context, decisions map[string]Decision) error {
	return f(decisions["cpu"])
}
