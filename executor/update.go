package executor

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
	"weir/translator"
)

// update changes rows: in one operation where the translator found that
// possible, else by key with values computed first.
func (e *execution) update(ctx context.Context, q *translator.Query) (*Rows, error) {
	w := q.Write
	if w.Direct != nil {
		return e.updateDirectly(ctx, w)
	}
	rows, err := e.keyed(ctx, q)
	if err != nil {
		return nil, err
	}
	var ops []store.WriteOp
	for _, r := range rows {
		values := slots(r.doc, len(w.Targets))
		if err := notNull(w, w.Targets, values); err != nil {
			return nil, err
		}
		upd, err := e.setUpdate(w.Targets, values)
		if err != nil {
			return nil, err
		}
		ops = append(ops, store.WriteOp{Kind: store.Update, Filter: keyFilter(r.key), Update: upd})
	}
	olds, err := e.before(ctx, w, rows)
	if err != nil {
		return nil, err
	}
	if _, err := e.apply(ctx, w, ops); err != nil {
		return nil, err
	}
	var news []written
	if w.Returning != nil || len(w.Checks) > 0 || olds != nil {
		if news, err = e.reread(ctx, w, rows); err != nil {
			return nil, err
		}
		if err := e.check(ctx, w, news); err != nil {
			return nil, err
		}
	}
	if olds != nil {
		if err := e.noteKeys(ctx, w.Keys, w.Table.NS, raws(olds), raws(news)); err != nil {
			return nil, err
		}
	}
	return e.result(ctx, w, int64(len(rows)), news)
}

// before are the rows as they are before a write that foreign keys concern; nil
// for others.
func (e *execution) before(ctx context.Context, w *translator.Write, rows []keyedRow) ([]written, error) {
	if w.Keys == nil || e.st.Keys == nil || len(rows) == 0 {
		return nil, nil
	}
	return e.reread(ctx, w, rows)
}

func raws(rows []written) []bson.Raw {
	docs := make([]bson.Raw, len(rows))
	for i, r := range rows {
		docs[i] = r.row
	}
	return docs
}

// keyedRow is a row to write by its key.
type keyedRow struct {
	key value.Value
	doc bson.Raw
}

// keyed reads the rows to write. A row that the statement's joins yield more
// than once is written once.
func (e *execution) keyed(ctx context.Context, q *translator.Query) ([]keyedRow, error) {
	cur, err := e.open(ctx, q.Root)
	if err != nil {
		return nil, err
	}
	docs, err := drain(ctx, cur, e.limit())
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []keyedRow
	for _, d := range docs {
		k := value.Lookup(d, "k")
		if name := keyOf(k); !seen[name] {
			seen[name] = true
			out = append(out, keyedRow{k, d})
		}
	}
	return out, nil
}

// reread gives the rows as they are now, in order.
func (e *execution) reread(ctx context.Context, w *translator.Write, rows []keyedRow) ([]written, error) {
	keys := make([]value.Value, len(rows))
	for i, r := range rows {
		keys[i] = r.key
	}
	docs, err := e.byKeys(ctx, w, keys)
	if err != nil {
		return nil, err
	}
	var out []written
	for _, r := range rows {
		if d := docs[keyOf(r.key)]; d != nil {
			out = append(out, written{row: d, other: value.Lookup(r.doc, "o")})
		}
	}
	return out, nil
}

func (e *execution) updateDirectly(ctx context.Context, w *translator.Write) (*Rows, error) {
	filter, err := e.directFilter(w.Direct)
	if err != nil {
		return nil, err
	}
	upd, err := e.directUpdate(w)
	if err != nil {
		return nil, err
	}
	res, err := e.apply(ctx, w, []store.WriteOp{{Kind: store.Update, Filter: filter, Update: upd, Multi: true}})
	if err != nil {
		return nil, err
	}
	return e.result(ctx, w, res.Matched, nil)
}

func (e *execution) directUpdate(w *translator.Write) (bson.RawValue, error) {
	if w.Direct.Pipeline != nil {
		stages, err := e.b.Remote(w.Direct.Pipeline)
		if err != nil {
			return bson.RawValue{}, err
		}
		var items []value.Value
		for _, s := range stages {
			items = append(items, value.Document(s))
		}
		return value.ArrayFrom(items).RawValue(), nil
	}
	docs, err := e.b.Stages(w.Direct.Set)
	if err != nil {
		return bson.RawValue{}, err
	}
	values := make([]value.Value, len(docs))
	for i, d := range docs {
		values[i] = value.Lookup(d, "v")
	}
	return e.setUpdate(w.Targets, values)
}

// directFilter is all filters in one document.
func (e *execution) directFilter(d *translator.Direct) (bson.Raw, error) {
	stages, err := e.b.Remote(d.Filter)
	if err != nil {
		return nil, err
	}
	var items []value.Value
	for _, s := range stages {
		items = append(items, value.Lookup(s, "$match"))
	}
	switch len(items) {
	case 0:
		return value.EmptyDocument, nil
	case 1:
		return items[0].Doc(), nil
	}
	var b value.Builder
	b.Add("$and", value.ArrayFrom(items))
	return b.Doc(), nil
}

// delete removes rows, in one operation or by key.
func (e *execution) delete(ctx context.Context, q *translator.Query) (*Rows, error) {
	w := q.Write
	if w.Direct != nil {
		filter, err := e.directFilter(w.Direct)
		if err != nil {
			return nil, err
		}
		res, err := e.apply(ctx, w, []store.WriteOp{{Kind: store.Delete, Filter: filter, Multi: true}})
		if err != nil {
			return nil, err
		}
		return e.result(ctx, w, res.Deleted, nil)
	}
	rows, err := e.keyed(ctx, q)
	if err != nil {
		return nil, err
	}
	var olds []written
	if w.Returning != nil || w.Keys != nil {
		if olds, err = e.reread(ctx, w, rows); err != nil {
			return nil, err
		}
	}
	var ops []store.WriteOp
	for _, r := range rows {
		ops = append(ops, store.WriteOp{Kind: store.Delete, Filter: keyFilter(r.key)})
	}
	res, err := e.apply(ctx, w, ops)
	if err != nil {
		return nil, err
	}
	if err := e.noteKeys(ctx, w.Keys, w.Table.NS, raws(olds), nil); err != nil {
		return nil, err
	}
	return e.result(ctx, w, res.Deleted, olds)
}
