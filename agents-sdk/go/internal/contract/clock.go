package contract

import "math"

// A Clock is Redis time: a steady clock of the agent's own, and an offset.
type Clock struct {
	offset              float64
	heard, Synchronised bool
}

// NewClock begins with the wall clock for want of anything better.
func NewClock(wallMs, steadyMs float64) *Clock { return &Clock{offset: wallMs - steadyMs} }

// NowMs returns Redis time.
func (c *Clock) NowMs(steadyMs float64) int64 { return int64(math.Floor(steadyMs + c.offset)) }

// Pushed is told of a plan that was pushed, and taken.
func (c *Clock) Pushed(planNowMs int64, steadyMs float64) {
	if !c.heard {
		c.offset, c.heard = float64(planNowMs)-steadyMs, true
	}
}

// Answered is told what TIME answered, and when it was asked and answered.
func (c *Clock) Answered(redisMs, sentMs, receivedMs float64) {
	low, high := redisMs-receivedMs, redisMs-sentMs
	if !c.Synchronised || c.offset < low || c.offset > high {
		c.offset = (low + high) / 2
	}
	c.heard, c.Synchronised = true, true
}
