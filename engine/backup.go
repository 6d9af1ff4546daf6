package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"weir/engine/storage"
	"weir/mongoerr"
)

// Backup copies the present state into a new directory, while the engine goes
// on: everything that was acknowledged before is in it.
func (e *Engine) Backup(dir string) error {
	if err := e.sync(); err != nil {
		return err
	}
	if err := e.db.Checkpoint(dir); err != nil {
		return mongoerr.New(mongoerr.OperationFailed, "cannot write a backup to %q: %v", dir, err)
	}
	return nil
}

// BackupDir copies a data directory that no process uses into a new directory.
func BackupDir(from, to string, o CheckOptions) error {
	o = o.withDefaults()
	db, err := storage.Open(from, storage.Options{FS: o.FS, Logger: o.Logger, MustExist: true})
	if err != nil {
		return err
	}
	if err := db.Checkpoint(to); err != nil {
		return errors.Join(fmt.Errorf("copy %q: %w", from, err), db.Close())
	}
	return db.Close()
}

// Restore checks a backup and copies it into a directory that is new or empty.
// The report is of the copy, or of the backup when that is damaged.
func Restore(ctx context.Context, from, to string, o CheckOptions) (CheckReport, error) {
	o = o.withDefaults()
	if err := vacant(to); err != nil {
		return CheckReport{}, err
	}
	r, err := Check(ctx, from, o)
	if err != nil || !r.OK() {
		return r, err
	}
	partial := filepath.Clean(to) + ".partial"
	if err := vacant(partial); err != nil {
		return r, err
	}
	if err := copyFiles(ctx, from, partial, o.Progress); err != nil {
		return r, errors.Join(err, os.RemoveAll(partial))
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if err := os.Rename(partial, to); err != nil {
		return r, err
	}
	if err := syncPath(filepath.Dir(filepath.Clean(to))); err != nil {
		return r, err
	}
	return Check(ctx, to, o)
}

// vacant refuses a directory that holds anything.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%q is not empty; name a new directory", dir)
	}
	return err
}

// lockFile is not part of the data.
const lockFile = "LOCK"

func copyFiles(ctx context.Context, from, to string, say func(string)) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	var done int64
	for i, entry := range entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !entry.Type().IsRegular() || entry.Name() == lockFile {
			continue
		}
		n, err := copyFile(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name()))
		if err != nil {
			return err
		}
		done += n
		say(fmt.Sprintf("copy: %d of %d files, %d MiB", i+1, len(entries), done>>20))
	}
	return syncPath(to)
}

func copyFile(from, to string) (n int64, err error) {
	src, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(dst, src)
	return n, errors.Join(err, dst.Sync(), dst.Close())
}

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
