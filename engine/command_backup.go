package engine

import (
	"context"
	"net"
	"path/filepath"
	"strings"

	"weir/engine/value"
	"weir/mongoerr"
)

// cmdWeirBackup: {weirBackup: 1, dir: "/new/directory"}, on admin and from the
// same machine only, because the directory is on the server's machine.
func cmdWeirBackup(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if r.s != nil && !r.s.local() {
		return dst, mongoerr.New(mongoerr.Unauthorized, "weirBackup is for clients on the server's machine")
	}
	var dir string
	err := r.fields(func(key string, v value.Value) (bool, error) {
		if key != "dir" {
			return false, nil
		}
		if !v.IsString() {
			return true, r.wrongType(key, v, "string")
		}
		dir = strings.Clone(v.Str())
		return true, nil
	})
	if err != nil {
		return dst, err
	}
	if dir == "" {
		return dst, r.missing("dir")
	}
	if !filepath.IsAbs(dir) || strings.IndexByte(dir, 0) >= 0 {
		return dst, mongoerr.New(mongoerr.BadValue, "dir must be an absolute path, %q is not", dir)
	}
	began := r.e.opts.Now()
	dir = filepath.Clean(dir)
	if err := r.e.Backup(dir); err != nil {
		return dst, err
	}
	dst = value.AppendElement(dst, "dir", value.String(dir))
	return value.AppendElement(dst, "millis", value.Int64(r.e.opts.Now().Sub(began).Milliseconds())), nil
}

// local tells whether the client is on the same machine.
func (s *Session) local() bool {
	host, _, err := net.SplitHostPort(s.Remote)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
