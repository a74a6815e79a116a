package pprofdriver

import (
	"runtime"
	"time"
)

// locks is the lock profile: what block and mutex profiles have gained in a window.
type locks struct {
	began  time.Time
	before map[string]gain // by kind and stack
	timer  *time.Timer
}

type gain struct {
	kind          string // block or mutex
	stack         []uintptr
	count, cycles int64
}

func (d *Driver) setLock(hz int) {
	if d.hz["lock"] == hz {
		return
	}
	if d.hz["lock"] > 0 {
		d.locks.timer.Stop()
		d.endLock()
	}
	d.hz["lock"] = hz
	if hz <= 0 {
		runtime.SetBlockProfileRate(0)
		runtime.SetMutexProfileFraction(0)
		return
	}
	d.locks.began, d.locks.before = time.Now(), gained()
	runtime.SetBlockProfileRate(int(time.Second) / hz)
	runtime.SetMutexProfileFraction(max(1, 1000/hz))
	d.locks.timer = time.AfterFunc(d.config.Window, d.turnLock)
}

func (d *Driver) turnLock() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.hz["lock"] <= 0 || time.Since(d.locks.began) < d.config.Window/2 {
		return
	}
	d.endLock()
	d.locks.timer = time.AfterFunc(d.config.Window, d.turnLock)
}

func (d *Driver) endLock() {
	now := gained()
	until := time.Now()
	var grown []gain
	for key, it := range now {
		before := d.locks.before[key]
		it.count -= before.count
		it.cycles -= before.cycles
		if it.count > 0 {
			grown = append(grown, it)
		}
	}
	if len(grown) > 0 {
		d.ship(Window{Profile: "lock", Hz: d.hz["lock"], From: d.locks.began, Until: until,
			Pprof: encode(grown, d.locks.began, until, int64(time.Second)/int64(d.hz["lock"]))})
	}
	d.locks.began, d.locks.before = until, now
}

// gained returns what both profiles have counted since the process began.
func gained() map[string]gain {
	all := map[string]gain{}
	for kind, read := range map[string]func([]runtime.BlockProfileRecord) (int, bool){
		"block": runtime.BlockProfile, "mutex": runtime.MutexProfile} {
		count, _ := read(nil)
		for {
			records := make([]runtime.BlockProfileRecord, count+50)
			n, whole := read(records)
			count = n
			if !whole {
				continue
			}
			for _, it := range records[:n] {
				stack := it.Stack()
				key := kind
				for _, pc := range stack {
					for shift := 0; shift < 64; shift += 8 {
						key += string([]byte{byte(pc >> shift)})
					}
				}
				sum := all[key]
				all[key] = gain{kind, stack, sum.count + it.Count, sum.cycles + it.Cycles}
			}
			break
		}
	}
	return all
}
