package sqlfunc

import (
	"strings"
	"time"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

func ofSession(f func(s Session) (value.Value, error)) evaluator {
	return func(c *expr.Context, _ []value.Value) (value.Value, error) {
		s, err := sessionOf(c)
		if err != nil {
			return fail(err)
		}
		return f(s)
	}
}

func currentSetting(c *expr.Context, a []value.Value) (value.Value, error) {
	s, err := sessionOf(c)
	if err != nil {
		return fail(err)
	}
	v, ok := s.Setting(strings.ToLower(text(a[0])))
	if ok {
		return str(v)
	}
	if len(a) > 1 && a[1].AsBool() {
		return null()
	}
	return failf(sqlerr.UndefinedObject, "unrecognized configuration parameter \"%s\"", text(a[0]))
}

func setConfig(c *expr.Context, a []value.Value) (value.Value, error) {
	s, err := sessionOf(c)
	if err != nil {
		return fail(err)
	}
	if a[0].IsNullish() {
		return failf(sqlerr.NullValueNotAllowed, "SET requires parameter name")
	}
	name := strings.ToLower(text(a[0]))
	if err := s.SetSetting(name, optionalText(a, 1, ""), len(a) > 2 && a[2].AsBool()); err != nil {
		return fail(err)
	}
	v, _ := s.Setting(name)
	return str(v)
}

func currentSchema(c *expr.Context, _ []value.Value) (value.Value, error) {
	sys, err := systemOf(c)
	if err != nil {
		return fail(err)
	}
	if path := sys.Schemas(false); len(path) > 0 {
		return str(path[0])
	}
	return null()
}

func currentSchemas(c *expr.Context, a []value.Value) (value.Value, error) {
	sys, err := systemOf(c)
	if err != nil {
		return fail(err)
	}
	return textArray(sys.Schemas(a[0].AsBool()))
}

func signal(f func(b Backends, pid uint32) (bool, error)) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		sys, err := systemOf(c)
		if err != nil {
			return fail(err)
		}
		ok, err := f(sys, uint32(a[0].AsInt64()))
		return value.Bool(ok), err
	}
}

func notify(c *expr.Context, a []value.Value) (value.Value, error) {
	sys, err := systemOf(c)
	if err != nil {
		return fail(err)
	}
	channel := optionalText(a, 0, "")
	if channel == "" {
		return failf(sqlerr.InvalidParameterValue, "channel name cannot be empty")
	}
	return value.String(""), sys.Notify(channel, optionalText(a, 1, ""))
}

// interruptible is a Session whose running statement can be cancelled: the
// channel is closed then.
type interruptible interface{ Interrupted() <-chan struct{} }

// sleep waits until its time is over or the statement is cancelled.
func sleep(seconds func(a []value.Value) float64) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		const most = 600
		s := seconds(a)
		if s > most {
			return fail(sqlerr.Unsupported(0, "Sleep for at most ten minutes.", "pg_sleep(%g) is too long", s))
		}
		var done <-chan struct{}
		if i, ok := c.Session.(interruptible); ok {
			done = i.Interrupted()
		}
		timer := time.NewTimer(time.Duration(max(0, s) * float64(time.Second)))
		defer timer.Stop()
		select {
		case <-timer.C:
			return value.String(""), nil
		case <-done:
			return failf(sqlerr.QueryCanceled, "canceling statement due to user request")
		}
	}
}

func constant(v value.Value) evaluator {
	return func(*expr.Context, []value.Value) (value.Value, error) { return v, nil }
}

func sequence(f func(s Sequences, a []value.Value) (int64, error)) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		sys, err := systemOf(c)
		if err != nil {
			return fail(err)
		}
		n, err := f(sys, a)
		return value.Int64(n), err
	}
}

func clientEncoding(s Session) (value.Value, error) {
	v, _ := s.Setting("client_encoding")
	return str(v)
}

func version(s Session) (value.Value, error) {
	v, _ := s.Setting("server_version")
	return str("PostgreSQL " + v + " on x86_64-pc-linux-gnu, compiled by gc, 64-bit")
}

var sessionFuncs = func() map[string]evaluator {
	m := map[string]evaluator{
		"current_user":     ofSession(func(s Session) (value.Value, error) { return str(s.User()) }),
		"session_user":     ofSession(func(s Session) (value.Value, error) { return str(s.SessionUser()) }),
		"current_database": ofSession(func(s Session) (value.Value, error) { return str(s.Database()) }),
		"pg_backend_pid":   ofSession(func(s Session) (value.Value, error) { return int4(int(s.BackendPID())) }),
		"version":          ofSession(version),
		"current_schema":   currentSchema, "current_schemas": currentSchemas,
		"current_setting": currentSetting, "set_config": setConfig,
		"pg_cancel_backend":    signal(func(b Backends, pid uint32) (bool, error) { return b.Cancel(pid) }),
		"pg_terminate_backend": signal(func(b Backends, pid uint32) (bool, error) { return b.Terminate(pid) }),
		"pg_notify":            notify,
		"pg_sleep":             sleep(func(a []value.Value) float64 { return a[0].AsDouble() }),
		"pg_sleep_for":         sleep(func(a []value.Value) float64 { return float64(span(a[0]).Micros)/1e6 + 86400*float64(span(a[0]).Days) }),
		"pg_sleep_until":       sleep(func(a []value.Value) float64 { return time.Until(time.UnixMilli(a[0].AsDate())).Seconds() }),
		"pg_is_in_recovery":    constant(value.Bool(false)), "pg_is_wal_replay_paused": constant(value.Bool(false)),
		"pg_is_other_temp_schema": constant(value.Bool(false)), "pg_my_temp_schema": constant(value.Int64(0)),
		"inet_client_addr": constant(value.Null()), "inet_client_port": constant(value.Null()),
		"inet_server_addr": constant(value.Null()), "inet_server_port": constant(value.Null()),
		"pg_jit_available": constant(value.Bool(false)), "pg_trigger_depth": constant(value.Int32(0)),
		"pg_notification_queue_usage": constant(value.Double(0)), "pg_blocking_pids": constant(value.ArrayFrom(nil)),
		"getdatabaseencoding": constant(value.String("UTF8")), "pg_client_encoding": ofSession(clientEncoding),
		"txid_current_if_assigned": constant(value.Null()), "pg_reload_conf": constant(value.Bool(true)),
		"pg_export_snapshot": func(*expr.Context, []value.Value) (value.Value, error) {
			return fail(sqlerr.Unsupported(0, "Read through one connection: pg_dump without --jobs, or with --no-synchronized-snapshots.", "exporting snapshots is not supported"))
		},
		"txid_current":             func(c *expr.Context, _ []value.Value) (value.Value, error) { return int8(transactionMs(c)) },
		"pg_postmaster_start_time": func(c *expr.Context, _ []value.Value) (value.Value, error) { return started(c) },
		"pg_conf_load_time":        func(c *expr.Context, _ []value.Value) (value.Value, error) { return started(c) },
		"pg_listening_channels": func(c *expr.Context, _ []value.Value) (value.Value, error) {
			sys, err := systemOf(c)
			if err != nil {
				return fail(err)
			}
			return textArray(sys.Listening())
		},
		"nextval": sequence(func(s Sequences, a []value.Value) (int64, error) { return s.Next(uint32(a[0].AsInt64())) }),
		"currval": sequence(func(s Sequences, a []value.Value) (int64, error) { return s.Current(uint32(a[0].AsInt64())) }),
		"lastval": sequence(func(s Sequences, _ []value.Value) (int64, error) { return s.Last() }),
		"setval": sequence(func(s Sequences, a []value.Value) (int64, error) {
			return a[1].AsInt64(), s.Set(uint32(a[0].AsInt64()), a[1].AsInt64(), len(a) < 3 || a[2].AsBool())
		}),
	}
	addLocks(m)
	return m
}()

func started(c *expr.Context) (value.Value, error) {
	sys, err := systemOf(c)
	if err != nil {
		return fail(err)
	}
	return instant(sys.Started().UnixMilli())
}
