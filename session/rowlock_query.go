package session

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/executor"
	"weir/mongoerr"
	"weir/parser/ast"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
)

// maxLockedRows is up to how many rows a statement locks; of a query with more
// none is, and who writes one that was changed meanwhile is told so (40001).
const maxLockedRows = 100_000

// locking is a SELECT … FOR UPDATE at work: it reads the rows, locks them, and
// reads again until all that it has read was locked before.
type locking struct {
	s    *Session
	q    *query
	args []value.Value
	last bool
	try  *attempts

	limit, offset int // of a query that skips locked rows; limit < 0: none
	skip          map[rowID]bool
	fresh         []lockedID // taken, and not known to be unwritten
	many          bool
}

// lockedID is a row that was locked.
type lockedID struct {
	row  rowID
	id   value.Value
	lock *planner.RowLock
}

// lockRows runs a query that locks what it reads; nil: there are too many rows.
func (s *Session) lockRows(ctx context.Context, q *query, args []value.Value, last bool) (*heldRows, error) {
	l := &locking{s: s, q: q, args: args, last: last, try: s.attempt(), limit: -1, skip: map[rowID]bool{}}
	if err := l.unlimit(ctx); err != nil {
		return nil, err
	}
	defer s.h.rows.waited(s)
	for {
		on, err := s.queryerFor(ctx, false, len(s.tx.rows) > 0, last)
		if err != nil {
			return nil, err
		}
		docs, again, err := l.pass(ctx, on)
		if err != nil || l.many {
			return nil, err
		}
		if !again && len(l.fresh) == 0 {
			return l.result(docs, on), nil
		}
		if err := l.unwritten(ctx); err != nil {
			return nil, err
		}
		if err := l.renew(ctx); err != nil {
			return nil, err
		}
	}
}

// unlimit takes LIMIT and OFFSET from a query that skips locked rows: they count
// the others.
func (l *locking) unlimit(ctx context.Context) error {
	stmt, ok := l.q.stmt.(*ast.Query)
	if !ok || stmt.Limit == nil && stmt.Offset == nil || !slices.ContainsFunc(l.q.prog.Plan.RowLocks, func(r planner.RowLock) bool { return r.Wait == ast.SkipLocked }) {
		return nil
	}
	count := func(e ast.Expr, none int) (int, error) {
		if e == nil {
			return none, nil
		}
		var v value.Value
		if p, ok := e.(*ast.Parameter); ok && p.Number <= len(l.args) {
			v = l.args[p.Number-1]
		} else {
			vals, err := l.s.evaluate(ctx, []ast.Expr{e}, []uint32{uint32(sqltype.Int8)})
			if err != nil {
				return 0, err
			}
			v = vals[0]
		}
		if v.IsNullish() {
			return none, nil
		}
		return int(v.AsInt64()), nil
	}
	var err error
	if l.limit, err = count(stmt.Limit, -1); err != nil {
		return err
	}
	if l.offset, err = count(stmt.Offset, 0); err != nil {
		return err
	}
	all := *stmt
	all.Limit, all.Offset = nil, nil
	types := make([]sqltype.OID, len(l.q.prog.Plan.Params))
	for i, t := range l.q.prog.Plan.Params {
		types[i] = t.OID
	}
	l.q, err = l.s.planLocking(ctx, &all, types)
	return err
}

// pass reads the rows and locks them; again tells that the session waited, so
// that others may be what is to be read.
func (l *locking) pass(ctx context.Context, on store.Queryer) (docs []bson.Raw, again bool, err error) {
	bound, err := l.q.prog.Bind(ctx, l.args, l.s.env)
	if err != nil {
		return nil, false, err
	}
	rows, err := executor.Run(ctx, l.s.stores(on), bound)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	passed := 0
	for l.limit < 0 || len(docs) < l.limit {
		doc, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		if len(docs) == maxLockedRows {
			l.many = true
			return nil, false, nil
		}
		doc = append(bson.Raw(nil), doc...)
		taken, waited, err := l.lock(ctx, doc)
		if err != nil {
			return nil, false, err
		}
		again = again || waited
		switch {
		case !taken:
		case passed < l.offset:
			passed++
		default:
			docs = append(docs, doc)
		}
	}
	return docs, again, nil
}

// lock locks the rows that a row of the result is made of; false: it is skipped.
func (l *locking) lock(ctx context.Context, doc bson.Raw) (taken, waited bool, err error) {
	for i, c := range l.q.keys {
		spec := &l.q.prog.Plan.RowLocks[i]
		id := value.Lookup(doc, c.path[0])
		if id.IsNullish() {
			continue // an outer join has no row
		}
		row := rowIDOf(spec.NS, id)
		if l.skip[row] {
			return false, waited, nil
		}
		for {
			got, freed := l.s.h.rows.try(l.s, row, spec.Strength)
			if got != nil {
				l.s.tx.rows = append(l.s.tx.rows, *got)
				l.fresh = append(l.fresh, lockedID{row, id, spec})
			}
			if freed == nil {
				break
			}
			switch spec.Wait {
			case ast.SkipLocked:
				return false, waited, nil
			case ast.NoWait:
				return false, waited, notAvailable(spec)
			}
			waited = true
			if err := l.waitFor(ctx, row, spec.Strength, freed); err != nil {
				return false, waited, err
			}
		}
	}
	return true, waited, nil
}

func notAvailable(r *planner.RowLock) error {
	return sqlerr.New(sqlerr.LockNotAvailable, "could not obtain lock on row in relation %q", r.Table)
}

// waitFor waits until a lock may be free.
func (l *locking) waitFor(ctx context.Context, row rowID, strength ast.LockStrength, freed <-chan struct{}) error {
	s := l.s
	if err := s.h.rows.wait(s, row, strength); err != nil {
		return err
	}
	defer s.h.rows.waited(s)
	var timeout <-chan time.Time
	if d := s.duration("lock_timeout"); d > 0 {
		t := time.NewTimer(d - time.Since(l.try.began))
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-freed:
		return nil
	case <-timeout:
		return sqlerr.New(sqlerr.LockNotAvailable, "canceling statement due to lock timeout")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unwritten finds out whether open transactions have written the rows that were
// locked, by writing them in a transaction that ends without a trace.
func (l *locking) unwritten(ctx context.Context) error {
	for len(l.fresh) > 0 {
		r := l.fresh[0]
		if r.lock.Strength == ast.ForKeyShare || l.s.tx.log.writesTo(r.row.ns) {
			l.fresh = l.fresh[1:]
			continue
		}
		err := l.probe(ctx, r)
		switch {
		case err == nil:
			if err := l.asSeen(ctx, r); err != nil {
				return err
			}
			l.fresh = l.fresh[1:]
		case !isConflict(err):
			return err
		case r.lock.Wait == ast.NoWait:
			return notAvailable(r.lock)
		case r.lock.Wait == ast.SkipLocked:
			l.skip[r.row] = true
			l.fresh = l.fresh[1:]
		default:
			if err := l.s.wait(ctx, l.try, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// asSeen refuses a row that was changed after the block's snapshot was taken.
func (l *locking) asSeen(ctx context.Context, r lockedID) error {
	s := l.s
	if !s.tx.snapshot() || s.tx.store == nil {
		return nil
	}
	ids := r.stored()
	seen, err := sumsOf(ctx, s.tx.store, r.row.ns, ids)
	if err != nil {
		return err
	}
	now, err := sumsOf(ctx, s.access.Store, r.row.ns, ids)
	if err != nil {
		return err
	}
	if !maps.Equal(seen, now) {
		return sqlerr.New(sqlerr.SerializationFailure, "could not serialize access due to concurrent update")
	}
	return nil
}

// stored are the _ids that a row may have: text may be that of an ObjectId.
func (r lockedID) stored() []value.Value {
	ids := []value.Value{r.id}
	if r.id.IsString() {
		if o, err := bson.ObjectIDFromHex(r.id.Str()); err == nil {
			ids = append(ids, value.ObjectID(o))
		}
	}
	return ids
}

func (l *locking) probe(ctx context.Context, r lockedID) error {
	tx, err := l.s.access.Store.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Abort(context.WithoutCancel(ctx)) }()
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "_id")
	b.Add("$in", value.ArrayFrom(r.stored()))
	b.Close()
	res, err := tx.Write(ctx, r.row.ns, []store.WriteOp{{Kind: store.Delete, Filter: b.Doc()}}, store.WriteOptions{})
	if err == nil {
		err = res.Err()
	}
	return err
}

// renew has the block see what others committed before its rows were locked.
func (l *locking) renew(ctx context.Context) error {
	s := l.s
	if s.tx.store == nil || !s.readCommitted() {
		return nil
	}
	cause := mongoerr.New(mongoerr.WriteConflict, "Rows were locked.").WithLabels("TransientTransactionError")
	if !s.tx.log.repeatable(l.try.logged) {
		return nil // what has changed is found out when it is written
	}
	_, err := s.resume(ctx, l.try, cause)
	return err
}

// result gives the rows to the client.
func (l *locking) result(docs []bson.Raw, on store.Queryer) *heldRows {
	out := &heldRows{docs: docs}
	t := &l.s.tx
	if t.store != nil && on == store.Queryer(t.store) && l.limit < 0 && len(l.skip) == 0 {
		if r := t.log.noteRead(l.q, l.args); r != nil {
			for _, d := range docs {
				r.row(d)
			}
			r.open, r.all = false, true
		}
	}
	return out
}

// writesTo tells whether the block has written to a collection.
func (l *writeLog) writesTo(ns store.Namespace) bool {
	return l.full || slices.ContainsFunc(l.writes, func(w loggedWrite) bool { return w.ops != nil && w.ns == ns })
}

// heldRows are rows that are all here.
type heldRows struct {
	docs []bson.Raw
	at   int
}

func (r *heldRows) next(context.Context) (bson.Raw, error) {
	if r.at == len(r.docs) {
		return nil, io.EOF
	}
	r.at++
	return r.docs[r.at-1], nil
}

func (r *heldRows) tag(n int) string { return "SELECT " + itoa(n) }

func (r *heldRows) close() {}

// planLocking plans a query whose result tells the keys of rows to lock.
func (s *Session) planLocking(ctx context.Context, stmt ast.Statement, types []sqltype.OID) (*query, error) {
	env := s.planEnv()
	env.LockRows = s.access.Store.Capabilities().Transactions
	q, err := s.planIn(ctx, env, stmt, types)
	if err != nil {
		return nil, err
	}
	if n := len(q.prog.Plan.RowLocks); n > 0 {
		shown := len(q.cols) - n
		q.stmt, q.keys, q.cols = stmt, q.cols[shown:], q.cols[:shown]
	}
	return q, nil
}
