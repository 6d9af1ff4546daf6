package delivery

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profiled runs the stretch of a measure that counts, and writes its CPU profile
// where profiles are asked for.
func (o Options) profiled(name string, f func() error) (err error) {
	if o.Profiles == "" {
		return f()
	}
	file, err := os.Create(filepath.Join(o.Profiles, name+".cpu.pprof"))
	if err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}
