// Package storage keeps the engine's keys and values in Pebble: the key layout,
// snapshots, the write set of a transaction, and the commit pipeline that lets
// many writers share one fsync. It knows neither BSON nor collections.
//
// Start at DB (storage.go); keys.go has the layout of the key space.
package storage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	crdberrors "github.com/cockroachdb/errors"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of Open. The zero value works.
type Options struct {
	FS        vfs.FS // nil: the disk, or memory when dir is empty
	CacheSize int64  // bytes of block cache; 0: 256 MiB
	Logger    *slog.Logger
	MustExist bool // do not create a store where there is none
	ReadOnly  bool // change no file; implies MustExist

	Down func() error // makes what everything answers after Close; nil: ErrDown

	memTable uint64 // bytes of a memory table; 0: memTableSize
}

// DB is an open store.
type DB struct {
	p     *pebble.DB
	cache *pebble.Cache
	fs    vfs.FS
	dir   string

	readOnly bool
	gate     gate
	pace     pace
	spare    spareLogs
	// begun and ended count Apply, so that snapshots know whether they are old.
	begun, ended atomic.Uint64
}

const memTableSize = 64 << 20

const formatVersion = "weir-engine-1"

// Open opens or creates the store in dir; an empty dir is a store in memory.
// Another process that has dir open makes it fail.
func Open(dir string, o Options) (_ *DB, err error) {
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
		if dir == "" {
			fs = vfs.NewMem()
		}
	}
	if o.MustExist || o.ReadOnly {
		if err := mustExist(dir, fs); err != nil {
			return nil, err
		}
	}
	size := o.CacheSize
	if size == 0 {
		size = 256 << 20
	}
	if o.memTable == 0 {
		o.memTable = memTableSize
	}
	cache := pebble.NewCache(size)
	db := &DB{cache: cache, fs: fs, dir: dir, readOnly: o.ReadOnly}
	po := pebbleOptions(logFS{fs, db.spares(o)}, cache, o.Logger)
	po.MemTableSize = o.memTable
	db.pace.listen(po.EventListener)
	po.BlockPropertyCollectors = []func() pebble.BlockPropertyCollector{db.pace.table}
	po.ReadOnly = o.ReadOnly
	if db.p, err = openPebble(dir, po); err != nil {
		cache.Unref()
		if details := crdberrors.FlattenDetails(err); details != "" { // which file, and where
			err = fmt.Errorf("%w (%s)", err, details)
		}
		if crdberrors.Is(err, pebble.ErrCorruption) {
			return nil, fmt.Errorf("the data directory %q is damaged; restore a backup: %w", dir, err)
		}
		return nil, fmt.Errorf("open the data directory %q (is another process using it?): %w", dir, err)
	}
	if !o.ReadOnly {
		_ = fs.Remove(fs.PathJoin(dir, spareName)) // of a process that was killed
	}
	if db.gate.down = o.Down; o.Down == nil {
		db.gate.down = func() error { return ErrDown }
	}
	if err := db.checkFormat(dir); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// spares are for stores that last; nil: there are none.
func (d *DB) spares(o Options) *spareLogs {
	if o.ReadOnly || d.dir == "" {
		return nil
	}
	d.spare.size = spareSize(int64(o.memTable))
	return &d.spare
}

func openPebble(dir string, o *pebble.Options) (p *pebble.DB, err error) {
	defer recoverFatal(&err)
	return pebble.Open(dir, o)
}

func mustExist(dir string, fs vfs.FS) error {
	if _, err := fs.Stat(dir); err != nil {
		return fmt.Errorf("%w in %q: %w", ErrNoStore, dir, err)
	}
	d, err := pebble.Peek(dir, fs)
	if err != nil {
		return fmt.Errorf("look into %q: %w", dir, err)
	}
	if !d.Exists {
		return fmt.Errorf("%w in %q", ErrNoStore, dir)
	}
	return nil
}

func pebbleOptions(fs vfs.FS, cache *pebble.Cache, logger *slog.Logger) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		Cache:                       cache,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                1000,
		Logger:                      pebbleLogger{logger},
		// The read that finds damage fails; Pebble would end the process.
		EventListener: &pebble.EventListener{DataCorruption: func(i pebble.DataCorruptionInfo) {
			pebbleLogger{logger}.Errorf("the file %s is damaged: %v", i.Path, i.Details)
		}},
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 32 << 10
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	return o
}

func (d *DB) checkFormat(dir string) (err error) {
	defer recoverFatal(&err)
	key := MetaKey("format")
	v, ok, err := d.Get(key, nil)
	switch {
	case err != nil:
		return fmt.Errorf("read the format of %q: %w", dir, err)
	case !ok && d.readOnly:
		return fmt.Errorf("%q is not a data directory of this program", dir)
	case !ok:
		return d.p.Set(key, []byte(formatVersion), pebble.Sync)
	case string(v) != formatVersion:
		return fmt.Errorf("the data directory %q has format %q, this program writes %q", dir, v, formatVersion)
	}
	return nil
}

// closePatience is how long Close waits for iterators and snapshots.
const closePatience = 30 * time.Second

// Close waits for the calls under way and for all iterators and snapshots to be
// closed, then releases the lock. It flushes nothing that is not already in the log.
func (d *DB) Close() (err error) {
	defer recoverFatal(&err)
	defer d.pace.hurry()()
	d.spare.drop(d.fs, d.dir)
	if err := d.gate.close(closePatience); err != nil {
		return err
	}
	err = d.p.Close()
	d.cache.Unref()
	return err
}

// Get appends the value of key to dst.
func (d *DB) Get(key, dst []byte) ([]byte, bool, error) {
	if err := d.gate.enter(); err != nil {
		return dst, false, err
	}
	defer d.gate.leave()
	return getFrom(d.p, key, dst)
}

// Iter walks the keys of [lower, upper) as they are now.
func (d *DB) Iter(lower, upper []byte, reverse bool) (Iterator, error) {
	return newIter(d, d.p, lower, upper, reverse)
}

// Snapshot freezes the present state for reading. It must be closed.
func (d *DB) Snapshot() *Snapshot {
	if err := d.gate.enter(); err != nil {
		return &Snapshot{closed: err}
	}
	at := d.begun.Load()
	quiet := d.ended.Load() == at
	return &Snapshot{db: d, p: d.p.NewSnapshot(), at: at, quiet: quiet}
}

// Current tells whether nothing was applied since a snapshot was taken, so that
// it reads what the store holds now. False where that is not certain.
func (d *DB) Current(s *Snapshot) bool { return s.quiet && d.begun.Load() == s.at }

// DiskUsage estimates the bytes that the keys of [lower, upper) take.
func (d *DB) DiskUsage(lower, upper []byte) int64 {
	if d.gate.enter() != nil {
		return 0
	}
	defer d.gate.leave()
	n, err := d.p.EstimateDiskUsage(lower, upper)
	if err != nil {
		return 0
	}
	return int64(n)
}

// Flush writes the memory tables to files. It gives up with the context: on a
// disk that is full Pebble tries again for ever.
func (d *DB) Flush(ctx context.Context) error {
	if err := d.gate.enter(); err != nil {
		return err
	}
	defer d.gate.leave()
	defer d.pace.hurry()()
	done, err := d.p.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type pebbleLogger struct{ l *slog.Logger }

func (l pebbleLogger) Infof(string, ...any) {}
func (l pebbleLogger) Errorf(format string, args ...any) {
	if l.l != nil {
		l.l.Error(fmt.Sprintf(format, args...))
	}
}

// Fatalf is called when going on could lose or damage data.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	panic(fatal(fmt.Sprintf(format, args...)))
}

// fatal is the panic of a failure after which nothing may be written.
type fatal string

func (f fatal) Error() string { return string(f) }
