package pprofdriver

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"
)

// message is a protocol buffer in the making.
type message []byte

func (m *message) varint(field int, value int64) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3)
	*m = binary.AppendUvarint(*m, uint64(value))
}

func (m *message) bytes(field int, value []byte) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|2)
	*m = binary.AppendUvarint(*m, uint64(len(value)))
	*m = append(*m, value...)
}

// encode returns contentions and delay of block and mutex as one pprof.
func encode(grown []gain, from, until time.Time, period int64) []byte {
	var profile message
	strings, index := []string{""}, map[string]int64{"": 0}
	text := func(it string) int64 {
		if _, known := index[it]; !known {
			index[it] = int64(len(strings))
			strings = append(strings, it)
		}
		return index[it]
	}
	kinds := []string{"block", "mutex"}
	for _, kind := range kinds {
		for _, it := range [][2]string{{kind + "_contentions", "count"}, {kind + "_delay", "nanoseconds"}} {
			var valueType message
			valueType.varint(1, text(it[0]))
			valueType.varint(2, text(it[1]))
			profile.bytes(1, valueType)
		}
	}
	locations, functions := map[uintptr]int64{}, map[string]int64{}
	for _, it := range grown {
		var ids, values message
		for _, pc := range it.stack {
			if _, known := locations[pc]; !known {
				locations[pc] = int64(len(locations) + 1)
				profile.bytes(4, location(&profile, locations[pc], pc, functions, text))
			}
			ids = binary.AppendUvarint(ids, uint64(locations[pc]))
		}
		for _, kind := range kinds {
			count, delay := int64(0), int64(0)
			if kind == it.kind {
				count, delay = it.count, int64(float64(it.cycles)/cyclesPerNanosecond())
			}
			values = binary.AppendUvarint(values, uint64(count))
			values = binary.AppendUvarint(values, uint64(delay))
		}
		var sample message
		sample.bytes(1, ids)
		sample.bytes(2, values)
		profile.bytes(2, sample)
	}
	var periodType message
	periodType.varint(1, text("contentions"))
	periodType.varint(2, text("nanoseconds"))
	for _, it := range strings {
		profile.bytes(6, []byte(it))
	}
	profile.varint(9, from.UnixNano())
	profile.varint(10, int64(until.Sub(from)))
	profile.bytes(11, periodType)
	profile.varint(12, period)
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, _ = writer.Write(profile) // a buffer takes all
	_ = writer.Close()
	return zipped.Bytes()
}

func location(profile *message, id int64, pc uintptr, functions map[string]int64, text func(string) int64) message {
	var place message
	place.varint(1, id)
	place.varint(3, int64(pc))
	frames := runtime.CallersFrames([]uintptr{pc})
	for {
		frame, more := frames.Next()
		if _, known := functions[frame.Function]; !known {
			functions[frame.Function] = int64(len(functions) + 1)
			var function message
			function.varint(1, functions[frame.Function])
			function.varint(2, text(frame.Function))
			function.varint(3, text(frame.Function))
			function.varint(4, text(frame.File))
			profile.bytes(5, function)
		}
		var line message
		line.varint(1, functions[frame.Function])
		line.varint(2, int64(frame.Line))
		place.bytes(4, line)
		if !more {
			return place
		}
	}
}

var cyclesLine = regexp.MustCompile(`cycles/second=(\d+)`)

// cyclesPerNanosecond is told by the runtime in the text form of its profile, and nowhere else.
var cyclesPerNanosecond = sync.OnceValue(func() float64 {
	var written bytes.Buffer
	_ = pprof.Lookup("mutex").WriteTo(&written, 1)
	if found := cyclesLine.FindSubmatch(written.Bytes()); found != nil {
		if cycles, err := strconv.ParseFloat(string(found[1]), 64); err == nil && cycles > 0 {
			return cycles / 1e9
		}
	}
	return 1
})
