// Package pprofdriver drives Go's own profiler, and pushes its windows to Pyroscope or hands them to a
// callback.
//
//   - cpu: samples of the goroutines that run, a window at a time (15 s at most), which ends at each
//     change, so that one profile has one period. The kernel's clock tick (250 Hz, often) is the most
//     that it can do: Achieved tells that.
//   - lock: blocking and mutex contention. A blocking event is sampled for each 1/hz s that is spent
//     blocked; of mutex contention every (1000/hz)th event. The runtime weighs what it samples, so
//     totals compare at all frequencies.
//   - heap: what is in use and what was allocated, hz snapshots an hour. MemProfileRate stays as it is.
//
// At each window but those of 100 Hz the runtime writes a warning to the process's stderr ("cannot set
// rate until previous profile has finished"): it knows no other way to set a rate. There is one CPU
// profile in a process. Beside pyroscope-go, leave ProfileCPU out of its ProfileTypes; while somebody
// else profiles CPU, such as /debug/pprof/profile, the agent says so and tries again.
package pprofdriver
