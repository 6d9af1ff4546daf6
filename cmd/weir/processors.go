package main

import (
	"os"
	"runtime"
)

// spareProcessors is how many more of Go's processors there are than the machine has.
const spareProcessors = 1

// keepSpareProcessors lets one more goroutine run than there are processors, unless
// the environment says how many. Whoever waits for the disk keeps its place among them
// for as long: on a machine of two, with thousands of syncs a second, that is a quarter
// of what there is, and those who are ready on that place wait for the disk, too.
func keepSpareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcessors)
	}
}
