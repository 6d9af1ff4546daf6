package engine

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// cmdNothing is for commands that have nothing to do here.
func cmdNothing(_ context.Context, _ *request, dst []byte) ([]byte, error) { return dst, nil }

// cmdPlanCacheListFilters: {planCacheListFilters: coll}. There are none:
// planCacheSetFilter is not known.
func cmdPlanCacheListFilters(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if _, err := r.namespace(); err != nil {
		return dst, err
	}
	return value.AppendElement(dst, "filters", value.Array(emptyDoc)), nil
}

// cmdLogMessage: {logApplicationMessage: text} writes to the log, for tests.
func cmdLogMessage(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if !r.arg.IsString() {
		return dst, r.wrongType(r.name, r.arg, "string")
	}
	r.e.opts.Logger.Info("message of an application", "text", r.arg.Str())
	return dst, nil
}

// cmdEcho: {echo: anything} gives the command back, for tests.
func cmdEcho(_ context.Context, r *request, dst []byte) ([]byte, error) {
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "echo")
	return append(dst, r.cmd...), nil
}

// cmdSleep: {sleep: 1, millis | secs} waits, for tests; it holds no lock.
func cmdSleep(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	wait := 10 * time.Second
	for it := value.Walk(r.cmd); it.Next(); {
		switch v := it.Value(); it.Key() {
		case "millis":
			wait = time.Duration(v.AsInt64()) * time.Millisecond
		case "secs", "seconds":
			wait = time.Duration(v.AsInt64()) * time.Second
		case "lock", "lockTarget":
			if v.IsString() && v.Str() != "none" {
				return dst, mongoerr.New(mongoerr.BadValue, "sleep holds no lock here, not '%s'", v.Str())
			}
		}
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return dst, nil
	case <-ctx.Done():
		return dst, interrupted(ctx.Err())
	}
}
