//go:build !linux

package pprofdriver

// kernelHz is what Go's profiler is made for, where nothing tells how often CPU timers fire.
func kernelHz() int { return 500 }
