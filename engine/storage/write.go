package storage

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Writer takes changes: a Batch, or the write set of a transaction.
type Writer interface {
	Set(key, value []byte) error
	Delete(key []byte) error
}

// Apply makes the batch visible at once, without waiting for the disk. With
// sync, the returned function waits until it is durable; because the log is
// written in order, everything applied earlier is durable then, too. The
// caller holds its writer lock for Apply only, so that many writers wait for
// one fsync. wait must be called; it also closes the batch.
func (d *DB) Apply(b *Batch, sync bool) (wait func() error, err error) {
	defer recoverFatal(&err)
	if err := b.join(); err != nil {
		return nil, err
	}
	if err := d.gate.enter(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	waits := false
	defer func() {
		if !waits {
			d.gate.leave()
		}
	}()
	d.begun.Add(1)
	defer d.ended.Add(1)
	if !sync {
		if err := d.p.Apply(b.p, pebble.NoSync); err != nil {
			return nil, err
		}
		return b.Close, nil
	}
	if err := d.p.ApplyNoSyncWait(b.p, pebble.Sync); err != nil {
		return nil, err
	}
	waits = true
	return func() error {
		defer d.gate.leave()
		if err := b.p.SyncWait(); err != nil {
			return err
		}
		return b.Close()
	}, nil
}

// recoverFatal turns what Pebble holds for the end of the process into an error.
func recoverFatal(err *error) {
	if p := recover(); p != nil {
		f, ok := p.(fatal)
		if !ok {
			panic(p)
		}
		*err = f
	}
}

// Sync makes everything durable that was applied before.
func (d *DB) Sync() error {
	b := d.NewBatch()
	if err := b.p.LogData(nil, nil); err != nil {
		return err
	}
	// Not DB.LogData: that ends the process when the disk fails.
	wait, err := d.Apply(b, true)
	if err != nil {
		return err
	}
	return wait()
}
