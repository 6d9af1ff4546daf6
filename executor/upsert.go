package executor

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/store"
	"weir/translator"
)

// upserting is an INSERT … ON CONFLICT at work. What it finds in the store is as
// it was before the statement; what the statement has made of it is kept here.
type upserting struct {
	e    *execution
	w    *translator.Write
	keys [][]string // the unique keys to look at
	ops  []store.WriteOp
	out  []written

	inserted []bson.Raw
	olds     []bson.Raw      // rows that were there
	news     []bson.Raw      // and what became of them
	own      map[string]bool // the unique keys of rows that are written
	mine     map[string]bool // the rows that are updated
}

// upsert is INSERT … ON CONFLICT, row by row; failed is why there are no more rows.
func (e *execution) upsert(ctx context.Context, w *translator.Write, docs, rows []bson.Raw, failed error) (*Rows, error) {
	u := &upserting{e: e, w: w, keys: conflictKeys(w), own: map[string]bool{}, mine: map[string]bool{}}
	for i, d := range docs {
		if err := u.row(ctx, d, rows[i]); err != nil {
			return nil, err
		}
	}
	if failed != nil {
		return nil, e.first(ctx, w, u.ops, failed)
	}
	out, err := e.result(ctx, w, int64(len(u.out)), u.out)
	if err != nil {
		return nil, e.first(ctx, w, u.ops, err)
	}
	if err := e.stage(ctx, w, u.ops); err != nil {
		return nil, err
	}
	if err := e.noteKeys(ctx, w.Keys, w.Table.NS, nil, u.inserted); err != nil {
		return nil, err
	}
	return out, e.noteKeys(ctx, w.Conflict.Keys, w.Table.NS, u.olds, u.news)
}

// row inserts a row, or does what the statement says with the one that is there.
func (u *upserting) row(ctx context.Context, doc, values bson.Raw) error {
	e, w := u.e, u.w
	there, own, err := u.conflicting(ctx, doc)
	switch {
	case err != nil:
		return err
	case there == nil && !own:
		row := written{row: doc}
		if err := u.check(ctx, row, e.inserts(w, []bson.Raw{doc})[0]); err != nil {
			return err
		}
		u.inserted = append(u.inserted, doc)
		return nil
	}
	// What is wrong with a row is told even if it is not inserted.
	if bad, err := e.check(ctx, w, []written{{row: doc}}); err != nil {
		return err
	} else if bad != nil && !bad.after {
		return e.first(ctx, w, u.ops, bad.err)
	}
	switch {
	case w.Conflict.Stages == nil:
		return nil
	case own:
		return e.first(ctx, w, u.ops, secondTime("ON CONFLICT DO UPDATE", "Ensure that no rows proposed for insertion within the same command have duplicate constrained values."))
	}
	return u.resolve(ctx, there, values)
}

// check tests a row and has it written.
func (u *upserting) check(ctx context.Context, row written, op store.WriteOp) error {
	bad, err := u.e.check(ctx, u.w, []written{row})
	switch {
	case err != nil:
		return err
	case bad != nil && bad.after:
		return u.e.first(ctx, u.w, append(u.ops, op), bad.err)
	case bad != nil:
		return u.e.first(ctx, u.w, u.ops, bad.err)
	}
	for _, paths := range u.keys {
		if name, ok := uniqueKey(row.row, paths); ok {
			u.own[name] = true
		}
	}
	u.ops, u.out = append(u.ops, op), append(u.out, row)
	return nil
}

// resolve updates the row that is there, unless WHERE says no.
func (u *upserting) resolve(ctx context.Context, there, values bson.Raw) error {
	e, w := u.e, u.w
	stages, err := e.b.Stages(w.Conflict.Stages)
	if err != nil {
		return err
	}
	old := joined(w, there)
	both := written{row: old, other: value.Document(values)}
	cur, err := e.overlay(ctx, agg.Documents([]bson.Raw{both.doc()}), stages, w.Table.NS)
	if err != nil {
		return err
	}
	news, err := drain(ctx, cur, e.limit())
	if err != nil {
		return e.first(ctx, w, u.ops, err)
	}
	if len(news) == 0 {
		return nil
	}
	key := value.Lookup(there, "_id")
	sets := slots(news[0], len(w.Conflict.Sets))
	if err := notNull(w, w.Conflict.Sets, sets); err != nil {
		return e.first(ctx, w, u.ops, err)
	}
	upd, err := e.setUpdate(w.Conflict.Sets, sets)
	if err != nil {
		return err
	}
	doc, err := e.revise(w, there, upd)
	if err != nil {
		return err
	}
	row := written{row: joined(w, doc)}
	if err := u.check(ctx, row, store.WriteOp{Kind: store.Update, Filter: keyFilter(key), Update: upd}); err != nil {
		return err
	}
	e.changes(w.Table.NS, key, false)
	u.mine[keyOf(key)] = true
	u.olds, u.news = append(u.olds, old), append(u.news, row.row)
	return nil
}

// conflicting finds the document that an insert would clash with; own tells that
// the statement itself has made it.
func (u *upserting) conflicting(ctx context.Context, doc bson.Raw) (there bson.Raw, own bool, err error) {
	for _, paths := range u.keys {
		name, ok := uniqueKey(doc, paths)
		if !ok {
			continue
		}
		if u.own[name] {
			return nil, true, nil
		}
		values := make([]value.Value, len(paths))
		for i, p := range paths {
			values[i] = atPath(doc, strings.Split(p, "."))
		}
		found, err := u.e.rowWith(ctx, u.w, paths, values)
		if err != nil {
			return nil, false, err
		}
		if found == nil {
			continue
		}
		gone, changed := u.e.changed[rowName(u.w.Table.NS, value.Lookup(found, "_id"))]
		switch {
		case !changed:
			return found, false, nil
		case !gone && !u.mine[keyOf(value.Lookup(found, "_id"))]:
			return nil, true, nil // another part of the statement has changed it
		}
	}
	return nil, false, nil
}

// uniqueKey names a row's values of a unique key; ok is false if one is NULL.
func uniqueKey(row bson.Raw, paths []string) (name string, ok bool) {
	out := []byte(strings.Join(paths, "\x00"))
	for _, p := range paths {
		v := atPath(row, strings.Split(p, "."))
		if v.IsNullish() {
			return "", false
		}
		out = value.AppendSortKey(append(out, 0), v, false)
	}
	return string(out), true
}

// rowWith finds the document of the row that has the values at the paths.
func (e *execution) rowWith(ctx context.Context, w *translator.Write, paths []string, values []value.Value) (bson.Raw, error) {
	dates := make([]value.Value, len(values))
	fine := false
	for i, v := range values {
		dates[i] = v.Floor()
		fine = fine || (v.Kind() == bson.TypeDateTime || v.Kind() == bson.TypeDecimal128) && slices.Contains(w.Fine, paths[i])
	}
	stages := []bson.Raw{matchStage(equals(paths, dates)), limitOne}
	if fine { // one of the rows of that millisecond
		stages = stages[:1]
	}
	cur, err := e.q.Aggregate(ctx, w.Table.NS, stages, store.AggregateOptions{})
	if err != nil {
		return nil, err
	}
	docs, err := drain(ctx, cur, e.limit())
	if err != nil {
		return nil, err
	}
next:
	for _, d := range docs {
		row := joined(w, d)
		for i, p := range paths {
			if fine && !value.Equal(atPath(row, strings.Split(p, ".")), values[i]) {
				continue next
			}
		}
		return d, nil
	}
	return nil, nil
}

var limitOne = func() bson.Raw {
	var b value.Builder
	b.Add("$limit", value.Int32(1))
	return b.Doc()
}()

// conflictKeys are the unique keys to look at: the target, or all there are.
func conflictKeys(w *translator.Write) [][]string {
	if len(w.Conflict.Target) > 0 {
		var paths []string
		for _, t := range w.Conflict.Target {
			paths = append(paths, strings.Join(t.Path, "."))
		}
		return [][]string{paths}
	}
	keys := [][]string{{"_id"}}
	for _, ix := range w.Table.Indexes {
		if !ix.Unique || len(ix.Keys) == 1 && ix.Keys[0].Path == "_id" {
			continue
		}
		var paths []string
		for _, k := range ix.Keys {
			paths = append(paths, k.Path)
		}
		keys = append(keys, paths)
	}
	return keys
}

func atPath(doc bson.Raw, path []string) value.Value {
	v := value.Document(doc)
	for _, name := range path {
		if !v.IsDocument() {
			return value.Value{}
		}
		v = value.Lookup(v.Doc(), name)
	}
	return v
}
