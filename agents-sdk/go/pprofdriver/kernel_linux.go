package pprofdriver

import (
	"sync"
	"syscall"
	"unsafe"
)

const clockMonotonicCoarse = 6 // whose resolution is one tick

// kernelHz is how often the kernel's clock ticks: CPU timers fire no more often.
var kernelHz = sync.OnceValue(func() int {
	var tick syscall.Timespec
	if _, _, failed := syscall.RawSyscall(syscall.SYS_CLOCK_GETRES, clockMonotonicCoarse,
		uintptr(unsafe.Pointer(&tick)), 0); failed != 0 || tick.Nsec <= 0 {
		return 100
	}
	return int((1e9 + int64(tick.Nsec)/2) / int64(tick.Nsec))
})
