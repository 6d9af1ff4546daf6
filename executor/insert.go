package executor

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
	"weir/translator"
)

func slotName(i int) string { return "c" + strconv.Itoa(i) }

// insert makes documents of the rows. One goes in by itself, several in a transaction.
func (e *execution) insert(ctx context.Context, q *translator.Query) (*Rows, error) {
	w := q.Write
	cur, err := e.open(ctx, q.Root)
	if err != nil {
		return nil, err
	}
	rows, err := drain(ctx, cur, e.limit())
	if err != nil {
		return nil, err
	}
	docs := make([]bson.Raw, len(rows))
	for i, r := range rows {
		if docs[i], err = newDocument(w, r); err != nil {
			return nil, err
		}
		if docs[i], err = e.roundRow(w, docs[i]); err != nil {
			return nil, err
		}
	}
	if len(docs) > 1 || w.Conflict != nil {
		if err := e.atomically(ctx); err != nil {
			return nil, err
		}
	}
	if w.Conflict != nil {
		return e.upsert(ctx, w, docs, rows)
	}
	news := make([]written, len(docs))
	for i, d := range docs {
		news[i] = written{row: d}
	}
	if err := e.check(ctx, w, news); err != nil {
		return nil, err
	}
	res, err := e.apply(ctx, w, e.inserts(w, docs))
	if err != nil {
		return nil, err
	}
	if err := e.noteKeys(ctx, w.Keys, w.Table.NS, nil, docs); err != nil {
		return nil, err
	}
	return e.result(ctx, w, res.Inserted, news)
}

func (e *execution) inserts(w *translator.Write, rows []bson.Raw) []store.WriteOp {
	ops := make([]store.WriteOp, len(rows))
	for i, r := range rows {
		ops[i] = store.WriteOp{Kind: store.Insert, Document: e.divided(w, r)}
	}
	return ops
}

// upsert is INSERT … ON CONFLICT, row by row.
func (e *execution) upsert(ctx context.Context, w *translator.Write, docs, rows []bson.Raw) (*Rows, error) {
	var out []written
	var inserted []bson.Raw
	touched := map[string]bool{}
	for i, d := range docs {
		there, err := e.conflicting(ctx, w, d)
		if err != nil {
			return nil, err
		}
		if there == nil {
			row := written{row: d}
			if err := e.check(ctx, w, []written{row}); err != nil {
				return nil, err
			}
			if _, err := e.apply(ctx, w, e.inserts(w, docs[i:i+1])); err != nil {
				return nil, err
			}
			inserted = append(inserted, d)
			touched[keyOf(value.Lookup(d, "_id"))] = true
			out = append(out, row)
			continue
		}
		if w.Conflict.Stages == nil {
			continue
		}
		key := value.Lookup(there, "_id")
		if touched[keyOf(key)] {
			return nil, sqlerr.New(sqlerr.CardinalityViolation, "ON CONFLICT DO UPDATE command cannot affect row a second time").
				WithHint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
		}
		row, err := e.resolve(ctx, w, there, rows[i])
		if err != nil {
			return nil, err
		}
		if row != nil {
			touched[keyOf(key)] = true
			out = append(out, *row)
		}
	}
	if err := e.noteKeys(ctx, w.Keys, w.Table.NS, nil, inserted); err != nil {
		return nil, err
	}
	return e.result(ctx, w, int64(len(out)), out)
}

// resolve updates the row that is there; nil if WHERE says no.
func (e *execution) resolve(ctx context.Context, w *translator.Write, there, row bson.Raw) (*written, error) {
	stages, err := e.b.Stages(w.Conflict.Stages)
	if err != nil {
		return nil, err
	}
	both := written{row: there, other: value.Document(row)}
	cur, err := e.overlay(ctx, agg.Documents([]bson.Raw{both.doc()}), stages, w.Table.NS)
	if err != nil {
		return nil, err
	}
	news, err := drain(ctx, cur, e.limit())
	if err != nil || len(news) == 0 {
		return nil, err
	}
	key := value.Lookup(there, "_id")
	values := slots(news[0], len(w.Conflict.Sets))
	if err := notNull(w, w.Conflict.Sets, values); err != nil {
		return nil, err
	}
	upd, err := e.setUpdate(w.Conflict.Sets, values)
	if err != nil {
		return nil, err
	}
	if _, err := e.apply(ctx, w, []store.WriteOp{{Kind: store.Update, Filter: keyFilter(key), Update: upd}}); err != nil {
		return nil, err
	}
	docs, err := e.byKeys(ctx, w, []value.Value{key})
	if err != nil {
		return nil, err
	}
	out := &written{row: docs[keyOf(key)]}
	if err := e.noteKeys(ctx, w.Conflict.Keys, w.Table.NS, []bson.Raw{there}, []bson.Raw{out.row}); err != nil {
		return nil, err
	}
	return out, e.check(ctx, w, []written{*out})
}

func slots(row bson.Raw, n int) []value.Value {
	out := make([]value.Value, n)
	for i := range out {
		out[i] = value.Lookup(row, slotName(i))
	}
	return out
}

// conflicting finds the document that an insert would clash with.
func (e *execution) conflicting(ctx context.Context, w *translator.Write, doc bson.Raw) (bson.Raw, error) {
	for _, paths := range conflictKeys(w) {
		values := make([]value.Value, len(paths))
		null := false
		for i, p := range paths {
			values[i] = atPath(doc, strings.Split(p, "."))
			null = null || values[i].IsNullish()
		}
		if null {
			continue
		}
		found, err := e.rowWith(ctx, w, paths, values)
		if found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// rowWith finds the row that has the values at the paths.
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
		return row, nil
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
