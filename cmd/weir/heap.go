package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	mostHeapFloor = 256 << 20
	heapShare     = 16 // of the memory that the process may use
	usualGrowth   = 100
	heapLive      = "/gc/heap/live:bytes"
)

// heapFloor lets the heap grow to so many bytes before garbage is collected. By
// itself the collector runs whenever the heap has doubled: where 25 MB are live
// and a hundred times that is allocated in a second, it would never rest.
type heapFloor struct {
	floor  uint64
	growth int // in percent, as set
}

// keepHeapFloor does so for as long as the process lives, unless the environment
// says how the collector is to run.
func keepHeapFloor() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	floor := int64(mostHeapFloor)
	if m := memory(); m > 0 {
		floor = min(floor, m/heapShare)
	}
	h := &heapFloor{floor: uint64(floor), growth: usualGrowth}
	h.adjust(0)
	h.arm()
}

// arm has the growth adjusted after the next collection.
func (h *heapFloor) arm() {
	cycle := new(*heapFloor)
	runtime.SetFinalizer(cycle, func(**heapFloor) {
		sample := []metrics.Sample{{Name: heapLive}}
		if metrics.Read(sample); sample[0].Value.Kind() == metrics.KindUint64 {
			h.adjust(sample[0].Value.Uint64())
		}
		h.arm()
	})
}

// adjust sets the growth for a heap of which so many bytes are live. Small changes
// are not worth that the program is stopped for a moment.
func (h *heapFloor) adjust(live uint64) {
	if wanted := heapGrowth(live, h.floor); wanted < h.growth*9/10 || wanted > h.growth*11/10 {
		h.growth = wanted
		debug.SetGCPercent(wanted)
	}
}

// heapGrowth is by how many percent of what is live the heap may grow.
func heapGrowth(live, floor uint64) int {
	const least = 4 << 20 // the collector's own floor
	live = max(live, least)
	if 2*live >= floor {
		return usualGrowth
	}
	return int(100 * (floor - live) / live)
}
