package main

import (
	"os"
	"runtime"
)

// spareProcessors is how many more goroutines run than there are processors.
const spareProcessors = 1

// keepSpareProcessors lets the system share the processors among a thread more than
// there are of them, unless the environment says how many. A goroutine that comes back
// from the disk must find a place to run: where the scheduler of Go has none it waits
// behind all others that are ready, and behind the collector of garbage.
func keepSpareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcessors)
	}
}
