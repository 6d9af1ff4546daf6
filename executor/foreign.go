package executor

import (
	"context"
	"slices"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/agg"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
	"weir/translator"
)

// Foreign keys are kept as PostgreSQL does it: a statement notes the keys that
// its rows gained and lost, and when it is done those are looked up, or what the
// key says is done with the rows that refer to them, which may note keys in
// turn. All of it is in the statement's transaction.
//
//	foreign.go         what is noted, and the queue
//	foreign_check.go   keys that have to be there, or must not be referred to
//	foreign_action.go  CASCADE, SET NULL, SET DEFAULT
//	foreign_lock.go    how who refers and who takes away meet

// KeySession is what keeping foreign keys asks of the session.
type KeySession interface {
	// Program plans a statement for parameters of given types.
	Program(ctx context.Context, sql string, types []sqltype.OID) (*translator.Program, error)
	// Deferred tells whether the checks of a key wait for the commit.
	Deferred(k *catalog.ForeignKey) bool
	// Defer keeps a check for CheckKeys at the commit.
	Defer(c *KeyCheck)
	// Checked is told what was tested within the session's transaction.
	Checked(c *KeyCheck)
	// Committed is the store as others see it.
	Committed() store.Queryer
	// Took is told of keys (by their buckets) that the transaction takes away;
	// HasTaken tells whether it was.
	Took(bucket int)
	HasTaken(bucket int) bool
	// Know keeps a key that was found to be there, by the foreign key and its text,
	// as long as the transaction can rely on it; Knows tells whether it can.
	Know(of uint32, text string)
	Knows(of uint32, text string) bool
	// Stripe is a number that differs between sessions (see foreign_lock.go).
	Stripe() uint32
}

// KeyCheck is a test that waits: that the keys of rows are there, or (Incoming)
// that keys which rows lost are not referred to.
type KeyCheck struct {
	ref      *translator.KeyRef
	keys     []key
	restrict bool // RESTRICT: neither later nor for a key that is there again
}

// Constraint is the foreign key that is to be tested.
func (c *KeyCheck) Constraint() catalog.Reference { return c.ref.Reference }

// key is the values of a foreign key's columns.
type key []value.Value

// keyTask is what a statement did to the keys of one constraint. olds and news
// are by row; a row that was inserted has no old key, one that was deleted no new one.
type keyTask struct {
	ref        *translator.KeyRef
	olds, news []key
	rows       []int // their numbers among the rows of the write
	write      int   // which of the statement's
	took       func(bucket int)
}

// keyQueue is shared by a statement and those that its foreign keys run.
type keyQueue struct {
	tasks  []*keyTask
	writes int
	locked map[string]bool
}

// noteKeys notes what a write did to foreign keys: the documents before and
// after it, in the same order; nil before an insert and after a delete.
func (e *execution) noteKeys(ctx context.Context, keys *translator.Keys, ns store.Namespace, olds, news []bson.Raw) error {
	if keys == nil || e.st.Keys == nil || len(olds)+len(news) == 0 {
		return nil
	}
	before, err := e.keyValues(ctx, keys, ns, olds)
	if err != nil {
		return err
	}
	after, err := e.keyValues(ctx, keys, ns, news)
	if err != nil {
		return err
	}
	if e.keys == nil {
		e.keys = &keyQueue{locked: map[string]bool{}}
	}
	e.keys.writes++
	for i := range keys.Refs {
		ref := &keys.Refs[i]
		t := &keyTask{ref: ref, write: e.keys.writes, took: e.st.Keys.Took}
		for j := range max(len(before), len(after)) {
			var a, b key
			if j < len(before) {
				a = columnsOf(ref, before[j])
			}
			if j < len(after) {
				b = columnsOf(ref, after[j])
			}
			t.add(j, a, b)
		}
		if len(t.olds) > 0 {
			e.keys.tasks = append(e.keys.tasks, t)
		}
	}
	return nil
}

// add notes a row, unless its key is as it was or is none.
func (t *keyTask) add(row int, before, after key) {
	if t.ref.Incoming {
		if before.hasNull() || after != nil && t.text(before) == t.text(after) {
			return
		}
		t.took(bucketOf(t.ref, before))
	} else if after == nil || before != nil && t.text(before) == t.text(after) {
		return
	}
	t.olds, t.news, t.rows = append(t.olds, before), append(t.news, after), append(t.rows, row)
}

// columnsOf are the values of one key.
func columnsOf(ref *translator.KeyRef, all key) key { return all[ref.First : ref.First+len(ref.Types)] }

// action is what the key says of rows that lose the row they refer to, or its key.
func (t *keyTask) action() byte {
	if t.news[0] == nil {
		return t.ref.Key.Delete
	}
	return t.ref.Key.Update
}

func (t *keyTask) text(k key) string { return keyText(t.ref, k) }

// keyText tells keys apart that are not equal.
func keyText(ref *translator.KeyRef, k key) string {
	var out []byte
	for i, v := range k {
		if v.IsString() && ref.Types[i].OID == sqltype.Bpchar {
			v = value.String(trimmed(v.Str()))
		}
		out = value.AppendSortKey(out, v, false)
	}
	return string(out)
}

func trimmed(s string) string {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

func (k key) hasNull() bool {
	return slices.ContainsFunc(k, func(v value.Value) bool { return v.IsNullish() })
}

func (k key) allNull() bool {
	return !slices.ContainsFunc(k, func(v value.Value) bool { return !v.IsNullish() })
}

// keyValues are the columns of all keys, by row.
func (e *execution) keyValues(ctx context.Context, keys *translator.Keys, ns store.Namespace, docs []bson.Raw) ([]key, error) {
	out := make([]key, len(docs))
	last := keys.Refs[len(keys.Refs)-1]
	n := last.First + len(last.Types)
	if keys.Stages == nil {
		for i, d := range docs {
			out[i] = make(key, 0, n)
			for j := range keys.Refs {
				for _, f := range keys.Refs[j].Fields {
					out[i] = append(out[i], value.Lookup(d, f))
				}
			}
		}
		return out, nil
	}
	if len(docs) == 0 {
		return out, nil
	}
	stages, err := e.b.Stages(keys.Stages)
	if err != nil {
		return nil, err
	}
	rows := make([]written, len(docs))
	for i, d := range docs {
		rows[i] = written{row: d}
	}
	cur, err := e.overlay(ctx, agg.Documents(documents(rows)), stages, ns)
	if err != nil {
		return nil, err
	}
	found, err := drain(ctx, cur, e.limit())
	if err != nil {
		return nil, err
	}
	for i, d := range found {
		out[i] = slots(d, n)
	}
	return out, nil
}

// settleKeys does what the noted keys ask for, until nothing is left.
func (e *execution) settleKeys(ctx context.Context) error {
	for e.keys != nil && len(e.keys.tasks) > 0 {
		t := e.keys.tasks[0]
		e.keys.tasks = e.keys.tasks[1:]
		if err := e.settleKey(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (e *execution) settleKey(ctx context.Context, t *keyTask) error {
	if !t.ref.Incoming {
		err := e.test(ctx, &KeyCheck{ref: t.ref, keys: t.news})
		if err != nil && sqlerr.As(err).Code == sqlerr.ForeignKeyViolation {
			return e.firstMissing(ctx, t, err)
		}
		return err
	}
	switch action := t.action(); action {
	case 'a', 'r':
		return e.test(ctx, &KeyCheck{ref: t.ref, keys: t.olds, restrict: action == 'r'})
	case 'c':
		return e.cascade(ctx, t)
	}
	return e.setAside(ctx, t)
}

// firstMissing gives the error of the first row of a write one of whose keys is
// missing, where one of the keys of t is.
func (e *execution) firstMissing(ctx context.Context, t *keyTask, missing error) error {
	tasks := []*keyTask{t}
	for _, o := range e.keys.tasks {
		if o.write == t.write && !o.ref.Incoming && !e.st.Keys.Deferred(o.ref.Key) {
			tasks = append(tasks, o)
		}
	}
	if len(tasks) == 1 {
		return missing
	}
	among := func(rows int) error {
		for _, o := range tasks {
			n, _ := slices.BinarySearch(o.rows, rows)
			if err := e.checkPresent(ctx, &KeyCheck{ref: o.ref, keys: o.news[:n]}); err != nil {
				return err
			}
		}
		return nil
	}
	n := sort.Search(t.rows[len(t.rows)-1], func(i int) bool { return among(i+1) != nil })
	if err := among(n + 1); err != nil {
		return err
	}
	return missing
}

// test makes a check, now or at the commit.
func (e *execution) test(ctx context.Context, c *KeyCheck) error {
	if !c.restrict && e.st.Keys.Deferred(c.ref.Key) {
		e.st.Keys.Defer(c)
		return nil
	}
	if err := e.checkKeys(ctx, c); err != nil {
		return err
	}
	e.st.Keys.Checked(c)
	return nil
}

// CheckKeys makes checks that were deferred.
func CheckKeys(ctx context.Context, st *Stores, checks []*KeyCheck) error {
	e := &execution{st: st, q: st.Main, keys: &keyQueue{locked: map[string]bool{}}}
	for _, c := range checks {
		if err := e.checkKeys(ctx, c); err != nil {
			return translator.MapError(err)
		}
	}
	return nil
}

func (e *execution) checkKeys(ctx context.Context, c *KeyCheck) error {
	if c.ref.Incoming {
		return e.checkUnreferenced(ctx, c)
	}
	return e.checkPresent(ctx, c)
}

// statement runs a statement of its own within this one and gives its rows.
func (e *execution) statement(ctx context.Context, on store.Queryer, sql string, types []sqltype.OID, args []value.Value) ([]bson.Raw, *translator.Program, error) {
	prog, err := e.st.Keys.Program(ctx, sql, types)
	if err != nil {
		return nil, nil, err
	}
	bound, err := prog.Bind(ctx, args, e.st.Session)
	if err != nil {
		return nil, nil, err
	}
	st := *e.st
	st.Main, st.Begin = on, nil
	sub := newExecution(&st, bound)
	sub.keys, sub.nested = e.keys, true
	defer sub.release()
	rows, err := sub.run(ctx)
	if err != nil {
		return nil, nil, err
	}
	if e.keys == nil {
		e.keys = sub.keys
	}
	if rows.cur == nil {
		return nil, prog, nil
	}
	docs, err := drain(ctx, rows.cur, e.limit())
	return docs, prog, err
}
