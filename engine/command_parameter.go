package engine

import (
	"context"
	"time"

	"weir/engine/value"
	"weir/mongoerr"
)

// parameters are what getParameter knows.
func (e *Engine) parameters() []struct {
	name string
	v    value.Value
} {
	type p = struct {
		name string
		v    value.Value
	}
	start, fcv := value.BeginDocument(nil)
	fcv = value.AppendElement(fcv, "version", value.String("7.0"))
	return []p{
		{"authenticationMechanisms", value.ArrayFrom([]value.Value{value.String("SCRAM-SHA-1"), value.String("SCRAM-SHA-256")})},
		{"cursorTimeoutMillis", value.Int64(e.opts.CursorTimeout.Milliseconds())},
		{"enableTestCommands", value.Bool(e.opts.TestCommands)},
		{"enableLocalhostAuthBypass", value.Bool(true)},
		{"featureCompatibilityVersion", value.Document(value.EndDocument(fcv, start))},
		{"localLogicalSessionTimeoutMinutes", value.Int32(int32(e.opts.SessionTimeout.Minutes()))},
		{"logComponentVerbosity", value.Document(stageDoc("verbosity", value.Int32(e.logLevel.Load())))},
		{"logLevel", value.Int32(e.logLevel.Load())},
		{"requireApiVersion", value.Bool(false)},
		{"transactionLifetimeLimitSeconds", value.Int32(int32(time.Duration(e.txnLifetime.Load()).Seconds()))},
		{"ttlMonitorEnabled", value.Bool(e.opts.TTLInterval > 0)},
		{"ttlMonitorSleepSecs", value.Int32(int32(e.opts.TTLInterval.Seconds()))},
	}
}

func cmdGetParameter(_ context.Context, r *request, dst []byte) ([]byte, error) {
	all := r.arg.IsString() && r.arg.Str() == "*"
	if r.arg.IsDocument() {
		all = value.Lookup(r.arg.Doc(), "allParameters").Truthy() && !value.Lookup(r.arg.Doc(), "allParameters").IsMissing()
	}
	found := false
	for _, p := range r.e.parameters() {
		if all || !value.Lookup(r.cmd, p.name).IsMissing() {
			dst, found = value.AppendElement(dst, p.name, p.v), true
		}
	}
	if !found {
		return dst, mongoerr.New(0, "no option found to get")
	}
	return dst, nil
}

// cmdSetParameter: {setParameter: 1, name: value}, for the lifetime of
// transactions and the log level; that means nothing here but to the tools that set it.
func cmdSetParameter(_ context.Context, r *request, dst []byte) ([]byte, error) {
	found := false
	err := r.fields(func(key string, v value.Value) (bool, error) {
		found = true
		if key == "logComponentVerbosity" && v.IsDocument() {
			dst = value.AppendElement(dst, "was", value.Document(stageDoc("verbosity", value.Int32(r.e.logLevel.Load()))))
			if n := value.Lookup(v.Doc(), "verbosity"); n.IsNumber() && n.AsInt64() >= 0 && n.AsInt64() <= 5 {
				r.e.logLevel.Store(int32(n.AsInt64()))
			}
			return true, nil
		}
		if key == "transactionLifetimeLimitSeconds" {
			n, ok := v.Integral()
			if !ok || n < 1 || n > 1<<31-1 {
				return true, mongoerr.New(mongoerr.BadValue, "Invalid value for parameter %s: %s is not greater than or equal to 1", key, v)
			}
			was := r.e.txnLifetime.Swap(int64(time.Duration(n) * time.Second))
			dst = value.AppendElement(dst, "was", value.Int32(int32(time.Duration(was).Seconds())))
			return true, nil
		}
		if key != "logLevel" {
			return true, mongoerr.New(0, "attempted to set unrecognized parameter [%s], use help:true to see options ", key)
		}
		if !v.IsNumber() || v.AsInt64() < 0 || v.AsInt64() > 5 {
			return true, mongoerr.New(mongoerr.BadValue, "Invalid value for logLevel: logLevel: %s", v)
		}
		dst = value.AppendElement(dst, "was", value.Int32(r.e.logLevel.Swap(int32(v.AsInt64()))))
		return true, nil
	})
	if err == nil && !found {
		err = mongoerr.New(0, "no option found to set, use help:true to see options ")
	}
	return dst, err
}
