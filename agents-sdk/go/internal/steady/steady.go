// Package steady is the clock that no step of the wall clock moves.
package steady

import "time"

var began = time.Now()

// portable stands still while the machine is suspended, where the system's own clock does so.
func portable() float64 { return float64(time.Since(began)) / float64(time.Millisecond) }

// WallMs returns the wall clock in milliseconds.
func WallMs() float64 { return float64(time.Now().UnixMicro()) / 1000 }
