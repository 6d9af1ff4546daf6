// Package storage keeps the engine's keys and values in Pebble: the key layout,
// snapshots, the write set of a transaction, and the commit pipeline that lets
// many writers share one fsync. It knows neither BSON nor collections.
//
// Start at DB (storage.go); keys.go has the layout of the key space.
package storage

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options of Open. The zero value works.
type Options struct {
	FS        vfs.FS // nil: the disk, or memory when dir is empty
	CacheSize int64  // bytes of block cache; 0: 256 MiB
	Logger    *slog.Logger
}

// DB is an open store.
type DB struct {
	p     *pebble.DB
	cache *pebble.Cache
}

const formatVersion = "weir-engine-1"

// Open opens or creates the store in dir; an empty dir is a store in memory.
// Another process that has dir open makes it fail.
func Open(dir string, o Options) (*DB, error) {
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
		if dir == "" {
			fs = vfs.NewMem()
		}
	}
	size := o.CacheSize
	if size == 0 {
		size = 256 << 20
	}
	cache := pebble.NewCache(size)
	p, err := pebble.Open(dir, pebbleOptions(fs, cache, o.Logger))
	if err != nil {
		cache.Unref()
		return nil, fmt.Errorf("open the data directory %q (is another process using it?): %w", dir, err)
	}
	db := &DB{p: p, cache: cache}
	if err := db.checkFormat(dir); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func pebbleOptions(fs vfs.FS, cache *pebble.Cache, logger *slog.Logger) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		Cache:                       cache,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                64 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                1000,
		Logger:                      pebbleLogger{logger},
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 32 << 10
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	return o
}

func (d *DB) checkFormat(dir string) error {
	key := MetaKey("format")
	v, ok, err := d.Get(key, nil)
	switch {
	case err != nil:
		return fmt.Errorf("read the format of %q: %w", dir, err)
	case !ok:
		return d.p.Set(key, []byte(formatVersion), pebble.Sync)
	case string(v) != formatVersion:
		return fmt.Errorf("the data directory %q has format %q, this program writes %q", dir, v, formatVersion)
	}
	return nil
}

// Close flushes nothing that is not already in the log, and releases the lock.
func (d *DB) Close() (err error) {
	defer recoverFatal(&err)
	err = d.p.Close()
	d.cache.Unref()
	return err
}

// Get appends the value of key to dst.
func (d *DB) Get(key, dst []byte) ([]byte, bool, error) { return getFrom(d.p, key, dst) }

// Iter walks the keys of [lower, upper) as they are now.
func (d *DB) Iter(lower, upper []byte, reverse bool) (Iterator, error) {
	return newIter(d.p, lower, upper, reverse)
}

// Snapshot freezes the present state for reading. It must be closed.
func (d *DB) Snapshot() *Snapshot { return &Snapshot{p: d.p.NewSnapshot()} }

// DiskUsage estimates the bytes that the keys of [lower, upper) take.
func (d *DB) DiskUsage(lower, upper []byte) int64 {
	n, err := d.p.EstimateDiskUsage(lower, upper)
	if err != nil {
		return 0
	}
	return int64(n)
}

// Flush writes the memory tables to files.
func (d *DB) Flush() error { return d.p.Flush() }

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
