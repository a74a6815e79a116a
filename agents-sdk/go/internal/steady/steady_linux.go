package steady

import (
	"syscall"
	"unsafe"
)

const clockBoottime = 7 // goes on while the machine is suspended, as leases do

// Ms returns milliseconds since some moment.
func Ms() float64 {
	var now syscall.Timespec
	if _, _, failed := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime,
		uintptr(unsafe.Pointer(&now)), 0); failed != 0 {
		return portable()
	}
	return float64(now.Sec)*1000 + float64(now.Nsec)/1e6
}
