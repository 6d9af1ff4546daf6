package executor

import (
	"context"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
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
	rows, failed := drain(ctx, cur, e.limit())
	docs := make([]bson.Raw, len(rows))
	for i, r := range rows {
		if docs[i], err = newDocument(w, r); err == nil {
			docs[i], err = e.roundRow(w, docs[i])
		}
		if err != nil {
			docs, failed = docs[:i], err
			break
		}
	}
	if len(docs) > 1 || w.Conflict != nil {
		if err := e.atomically(ctx); err != nil {
			return nil, err
		}
	}
	if w.Conflict != nil {
		return e.upsert(ctx, w, docs, rows, failed)
	}
	news := make([]written, len(docs))
	for i, d := range docs {
		news[i] = written{row: d}
	}
	ops := e.inserts(w, docs)
	switch bad, err := e.check(ctx, w, news); {
	case err != nil:
		return nil, err
	case bad != nil:
		return nil, e.first(ctx, w, ops[:bad.before()], bad.err)
	case failed != nil:
		return nil, e.first(ctx, w, ops, failed)
	case e.st.Copy != nil && e.st.Copy.Failed != nil:
		return nil, e.st.Copy.Failed
	}
	out, err := e.result(ctx, w, int64(len(docs)), news)
	if err != nil {
		return nil, e.first(ctx, w, ops, err)
	}
	if err := e.stage(ctx, w, ops); err != nil {
		return nil, err
	}
	return out, e.noteKeys(ctx, w.Keys, w.Table.NS, nil, docs)
}

func (e *execution) inserts(w *translator.Write, rows []bson.Raw) []store.WriteOp {
	ops := make([]store.WriteOp, len(rows))
	for i, r := range rows {
		ops[i] = store.WriteOp{Kind: store.Insert, Document: e.divided(w, r)}
	}
	return ops
}

func slots(row bson.Raw, n int) []value.Value {
	out := make([]value.Value, n)
	for i := range out {
		out[i] = value.Lookup(row, slotName(i))
	}
	return out
}
