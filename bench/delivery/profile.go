package delivery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"time"
)

// profiled runs the stretch of a measure that counts, and writes its CPU profile
// where profiles are asked for, and what was ever allocated before and after it:
// -diff_base of pprof shows the difference.
func (o Options) profiled(name string, f func() error) (err error) {
	runtime.GC() // of what was made before, as package testing does it
	if o.Profiles == "" {
		return f()
	}
	if err := o.allocations(name + ".before"); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(o.Profiles, name+".cpu.pprof"))
	if err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), o.allocations(name)) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}

// allocations writes the profile of what was allocated since the program began.
func (o Options) allocations(name string) (err error) {
	file, err := os.Create(filepath.Join(o.Profiles, name+".allocs.pprof"))
	if err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	runtime.GC() // the profile knows what was allocated before the last one
	return pprof.Lookup("allocs").WriteTo(file, 0)
}

// settle waits until this process rests, 20 s at most: flushes and compactions
// of what was written before are no part of what is measured next.
func settle(ctx context.Context) {
	const window, quiet = 250 * time.Millisecond, 25 * time.Millisecond
	for end, still := time.Now().Add(20*time.Second), 0; still < 3 && time.Now().Before(end) && ctx.Err() == nil; still++ {
		before := processorTime()
		time.Sleep(window)
		if processorTime()-before > quiet {
			still = -1
		}
	}
}

// spent is what this process has used: by it runs can be compared on a machine that
// others use, too.
type spent struct {
	processor time.Duration
	bytes     uint64 // ever allocated
}

func spentNow() spent {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return spent{processorTime(), sample[0].Value.Uint64()}
}

// perEvent tells what was used since, for each of n events.
func (s spent) perEvent(n int) (cpuUS float64, kb float64) {
	now := spentNow()
	return float64((now.processor - s.processor).Microseconds()) / float64(n), float64(now.bytes-s.bytes) / float64(n) / 1000
}
