package sqlfunc

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

// addLocks adds the advisory locks, which are those of one gateway.
func addLocks(m map[string]evaluator) {
	for _, shared := range []string{"", "_shared"} {
		is := shared != ""
		m["pg_advisory_lock"+shared] = lock(is, false, true)
		m["pg_advisory_xact_lock"+shared] = lock(is, true, true)
		m["pg_try_advisory_lock"+shared] = lock(is, false, false)
		m["pg_try_advisory_xact_lock"+shared] = lock(is, true, false)
		m["pg_advisory_unlock"+shared] = withLocks(func(l Locks, a []value.Value) (value.Value, error) {
			return value.Bool(l.Unlock(lockKey(a), is)), nil
		})
	}
	m["pg_advisory_unlock_all"] = withLocks(func(l Locks, _ []value.Value) (value.Value, error) {
		l.UnlockAll()
		return value.String(""), nil
	})
}

func lock(shared, transaction, wait bool) evaluator {
	return withLocks(func(l Locks, a []value.Value) (value.Value, error) {
		ok, err := l.Lock(lockKey(a), shared, transaction, wait)
		if err != nil {
			return fail(err)
		}
		if wait {
			return value.String(""), nil
		}
		return value.Bool(ok), nil
	})
}

func withLocks(f func(l Locks, a []value.Value) (value.Value, error)) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		sys, err := systemOf(c)
		if err != nil {
			return fail(err)
		}
		l, ok := sys.(Locks)
		if !ok {
			return fail(sqlerr.Unsupported(0, "Connect to a gateway.", "there are no advisory locks here"))
		}
		return f(l, a)
	}
}

func lockKey(a []value.Value) LockKey {
	if len(a) == 1 {
		return LockKey{Number: a[0].AsInt64()}
	}
	return LockKey{Pair: true, Number: a[0].AsInt64()<<32 | a[1].AsInt64()&(1<<32-1)}
}
