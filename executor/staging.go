package executor

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/update"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
	"weir/translator"
)

// All parts of a statement see what was there before it. So each part finds out
// what it writes, tests it and makes the rows that it returns before it writes
// anything; where WITH queries write, too, all wait until the last part has read
// what it reads. A row that two parts change is changed by the first.

// staged is what one part of a statement writes.
type staged struct {
	w    *translator.Write
	ops  []store.WriteOp
	fine []string // columns to mark
}

// stage writes, or has it wait for the statement's other parts.
func (e *execution) stage(ctx context.Context, w *translator.Write, ops []store.WriteOp) error {
	if e.parts {
		e.staged = append(e.staged, staged{w, ops, e.fine})
		e.fine = nil
		return nil
	}
	_, err := e.apply(ctx, w, ops)
	return err
}

// flush writes what waits.
func (e *execution) flush(ctx context.Context) error {
	for _, s := range e.staged {
		e.fine = s.fine
		if _, err := e.apply(ctx, s.w, s.ops); err != nil {
			return err
		}
	}
	e.staged = nil
	return nil
}

// first gives the error of a statement one of whose rows cannot be written, for
// cause. PostgreSQL writes row by row: those before it, ops, may fail before.
func (e *execution) first(ctx context.Context, w *translator.Write, ops []store.WriteOp, cause error) error {
	if len(ops)+len(e.staged) == 0 || e.st.Copy != nil {
		return cause
	}
	if err := e.atomically(ctx); err != nil {
		return err
	}
	if _, outside := e.q.(store.Store); outside {
		return cause // what is written would stay
	}
	e.staged = append(e.staged, staged{w, ops, e.fine})
	if err := e.flush(ctx); err != nil {
		return err
	}
	return cause
}

// refused is a row that may not be written.
type refused struct {
	row   int  // its number
	after bool // it is tested when it has been written
	err   error
}

// before is the number of operations that come before the error.
func (r *refused) before() int {
	if r.after {
		return r.row + 1
	}
	return r.row
}

// unwritten keeps the rows that no other part of the statement has changed.
func (e *execution) unwritten(w *translator.Write, rows []keyedRow) []keyedRow {
	if !e.parts {
		return rows
	}
	return slices.DeleteFunc(rows, func(r keyedRow) bool { return !e.changes(w.Table.NS, r.key, w.Kind == translator.DeleteRows) })
}

// changes notes that a row is changed, or gone; false: it has been before.
func (e *execution) changes(ns store.Namespace, key value.Value, gone bool) bool {
	name := rowName(ns, key)
	if _, before := e.changed[name]; before {
		return false
	}
	if e.changed == nil {
		e.changed = map[string]bool{}
	}
	e.changed[name] = gone
	return true
}

func rowName(ns store.Namespace, key value.Value) string {
	return ns.DB + "\x00" + ns.Coll + "\x00" + keyOf(key)
}

// revise makes of a document what an update makes of it.
func (e *execution) revise(w *translator.Write, doc bson.Raw, upd bson.RawValue) (bson.Raw, error) {
	u, err := update.Compile(upd, update.Options{Env: e.environment(w.Table.NS)})
	if err != nil {
		return nil, err
	}
	c := &expr.Context{Now: e.b.Now, Root: doc}
	if e.st.Session != nil {
		c.Session = e.st.Session
	}
	r, err := u.Apply(c, doc, nil)
	return r.Doc, err
}

// reread gives the documents of rows as they are stored now, in order; nil for
// those that are gone.
func (e *execution) reread(ctx context.Context, w *translator.Write, rows []keyedRow) ([]bson.Raw, error) {
	keys := make([]value.Value, len(rows))
	for i, r := range rows {
		keys[i] = r.key
	}
	docs, err := e.byKeys(ctx, w, keys)
	if err != nil {
		return nil, err
	}
	out := make([]bson.Raw, len(rows))
	for i, r := range rows {
		out[i] = docs[keyOf(r.key)]
	}
	return out, nil
}

func secondTime(command, hint string) error {
	return sqlerr.New(sqlerr.CardinalityViolation, "%s command cannot affect row a second time", command).WithHint("%s", hint)
}
