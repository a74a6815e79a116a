//go:build !linux

package steady

// Ms returns milliseconds since some moment.
func Ms() float64 { return portable() }
