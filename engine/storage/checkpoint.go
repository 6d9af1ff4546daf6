package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrNoStore is what Open answers with Options.MustExist where there is no store.
var ErrNoStore = errors.New("there is no database")

// spaces are the first bytes of all keys.
const spaces = "cdimopqrRs"

// Checkpoint copies the present state into a new directory. Files that never
// change are linked where the file system can. Writers go on meanwhile; what
// was durable at the beginning is in it.
func (d *DB) Checkpoint(dir string) (err error) {
	defer recoverFatal(&err)
	if d.dir == "" {
		return errors.New("a database in memory has no files to copy")
	}
	partial := dir + ".partial"
	for _, name := range []string{dir, partial} {
		if _, err := d.fs.Stat(name); err == nil {
			return fmt.Errorf("%q exists already", name)
		}
	}
	if err := d.gate.enter(); err != nil {
		return err
	}
	defer d.gate.leave()
	if err := d.p.Checkpoint(partial); err != nil {
		return err
	}
	if err := d.fs.Rename(partial, dir); err != nil {
		return err
	}
	return syncDir(d.fs, d.fs.PathDir(dir))
}

func syncDir(fs vfs.FS, dir string) error {
	f, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Verify reads all files, which checks the sums of their blocks, and the order
// of the keys in them.
func (d *DB) Verify(ctx context.Context) (err error) {
	defer recoverFatal(&err)
	if err := d.gate.enter(); err != nil {
		return err
	}
	defer d.gate.leave()
	if err := d.p.CheckLevels(nil); err != nil {
		return err
	}
	it, err := d.p.NewIterWithContext(ctx, nil)
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		if _, err = it.ValueAndErr(); err == nil {
			err = ctx.Err()
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// Strays finds keys that belong to no part of the key space, and the ids of
// collections and indexes that have documents or entries.
func (d *DB) Strays() (unknown [][]byte, collections, indexes []uint32, err error) {
	for b := range 256 {
		if strings.IndexByte(spaces, byte(b)) >= 0 {
			continue
		}
		lower := []byte{byte(b)}
		key, err := d.firstKey(lower, Successor(lower))
		if err != nil {
			return nil, nil, nil, err
		}
		if key != nil {
			unknown = append(unknown, key)
		}
	}
	if collections, err = d.ids(spaceDocument); err != nil {
		return nil, nil, nil, err
	}
	indexes, err = d.ids(spaceIndex)
	return unknown, collections, indexes, err
}

// IndexIDs lists the ids of the indexes that have entries.
func (d *DB) IndexIDs() ([]uint32, error) { return d.ids(spaceIndex) }

// ids lists the ids in a space without reading what lies between them.
func (d *DB) ids(space byte) (all []uint32, err error) {
	if err := d.gate.enter(); err != nil {
		return nil, err
	}
	defer d.gate.leave()
	it, err := d.p.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok; {
		id, next, known := nextID(it.Key())
		if known {
			all = append(all, id)
		}
		ok = it.SeekGE(next)
	}
	return all, errors.Join(it.Error(), it.Close())
}

// nextID reads the id at the front of a key, and where the next id begins. A
// key that is too short for an id is skipped.
func nextID(key []byte) (id uint32, next []byte, ok bool) {
	if len(key) < IndexPrefixLen {
		return 0, append(append(next, key...), 0), false
	}
	prefix := key[:IndexPrefixLen]
	for _, b := range prefix[1:] {
		id = id<<8 | uint32(b)
	}
	return id, Successor(prefix), true
}

func (d *DB) firstKey(lower, upper []byte) ([]byte, error) {
	it, err := d.Iter(lower, upper, false)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	if !it.Next() {
		return nil, it.Err()
	}
	return append([]byte(nil), it.Key()...), nil
}
