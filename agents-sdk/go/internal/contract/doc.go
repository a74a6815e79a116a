// Package contract is what controllers and agents tell each other, and how an agent decides.
// Everything in it is pure: it is handed the time, and knows no network.
package contract

// Bounds of the contract page.
const (
	MaxMessageBytes  = 4 << 20
	MaxLeases        = 400
	MaxTargetBytes   = 256
	MaxHz            = 1000
	MaxAchievedHz    = 1_000_000_000
	MaxReasonLength  = 1000
	MaxErrorLength   = 500
	MaxDriverLength  = 100
	MaxVersionBytes  = 256
	MaxAttributes    = 32768
	StaleMs          = 30_000
	ClockToleranceMs = 5_000
	DefaultHz        = 19
	dayMs            = 24 * 60 * 60 * 1000
)

// Attributes that the contract names.
const (
	AgentID     = "upshift.agent.id"
	Environment = "deployment.environment.name"
)

// Profiles are what can be raised, in the order in which they are shown.
var Profiles = []string{"cpu", "wall", "alloc", "lock", "heap"}
