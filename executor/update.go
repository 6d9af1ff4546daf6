package executor

import (
	"context"
	"io"

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
		return e.updateDirectly(ctx, q)
	}
	rows, err := e.keyed(ctx, q)
	if err != nil {
		return nil, err
	}
	c := &changing{e: e, w: w, rows: e.unwritten(w, rows)}
	if err := c.read(ctx); err != nil {
		return nil, err
	}
	for i := range c.rows {
		if err := c.change(ctx, i, w.Targets); err != nil {
			return nil, err
		}
	}
	switch bad, err := e.check(ctx, w, c.news); {
	case err != nil:
		return nil, err
	case bad != nil:
		return nil, e.first(ctx, w, c.ops[:bad.before()], bad.err)
	}
	out, err := e.result(ctx, w, int64(len(c.rows)), c.news)
	if err != nil {
		return nil, e.first(ctx, w, c.ops, err)
	}
	if err := e.stage(ctx, w, c.ops); err != nil {
		return nil, err
	}
	return out, e.noteKeys(ctx, w.Keys, w.Table.NS, c.olds, raws(c.news))
}

// changing is rows that are updated by their keys.
type changing struct {
	e     *execution
	w     *translator.Write
	rows  []keyedRow
	there []bson.Raw // their documents, if the rows that come of them are needed
	ops   []store.WriteOp
	olds  []bson.Raw
	news  []written
}

// read reads the rows if it is asked what becomes of them.
func (c *changing) read(ctx context.Context) error {
	w := c.w
	if len(c.rows) == 0 || w.Returning == nil && len(w.Checks) == 0 && (w.Keys == nil || c.e.st.Keys == nil) {
		return nil
	}
	docs, err := c.e.reread(ctx, w, c.rows)
	if err != nil {
		return err
	}
	var rows []keyedRow
	for i, d := range docs {
		if d != nil {
			rows, c.there = append(rows, c.rows[i]), append(c.there, d)
		}
	}
	c.rows = rows
	return nil
}

// change adds what a row becomes.
func (c *changing) change(ctx context.Context, i int, targets []translator.WriteTarget) error {
	e, r := c.e, c.rows[i]
	values := slots(r.doc, len(targets))
	if err := notNull(c.w, targets, values); err != nil {
		return e.first(ctx, c.w, c.ops, err)
	}
	upd, err := e.setUpdate(targets, values)
	if err != nil {
		return e.first(ctx, c.w, c.ops, err)
	}
	c.ops = append(c.ops, store.WriteOp{Kind: store.Update, Filter: keyFilter(r.key), Update: upd})
	if c.there == nil {
		return nil
	}
	doc, err := e.revise(c.w, c.there[i], upd)
	if err != nil {
		return err
	}
	c.olds = append(c.olds, joined(c.w, c.there[i]))
	c.news = append(c.news, written{row: joined(c.w, doc), other: value.Lookup(r.doc, "o")})
	return nil
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

func (e *execution) updateDirectly(ctx context.Context, q *translator.Query) (*Rows, error) {
	w := q.Write
	upd, err := e.directUpdate(w)
	if err != nil {
		// A value that cannot be computed matters where there is a row for it.
		if cur, opening := e.open(ctx, q.Root); opening == nil {
			_, none := cur.Next(ctx)
			if err := cur.Close(); err == nil && none == io.EOF {
				return e.result(ctx, w, 0, nil)
			}
		}
		return nil, err
	}
	return e.directly(ctx, q, store.WriteOp{Kind: store.Update, Update: upd})
}

// directly writes all rows that the filter finds in one operation; beside other
// parts of the statement, by their keys.
func (e *execution) directly(ctx context.Context, q *translator.Query, op store.WriteOp) (*Rows, error) {
	w := q.Write
	if e.parts {
		return e.directlyByKeys(ctx, q, op)
	}
	var err error
	if op.Filter, err = e.directFilter(w.Direct); err != nil {
		return nil, err
	}
	op.Multi = true
	res, err := e.apply(ctx, w, []store.WriteOp{op})
	if err != nil {
		return nil, err
	}
	return e.result(ctx, w, res.Matched+res.Deleted, nil)
}

func (e *execution) directlyByKeys(ctx context.Context, q *translator.Query, op store.WriteOp) (*Rows, error) {
	cur, err := e.open(ctx, q.Root)
	if err != nil {
		return nil, err
	}
	docs, err := drain(ctx, cur, e.limit())
	if err != nil {
		return nil, err
	}
	var ops []store.WriteOp
	for _, d := range docs {
		if key := value.Lookup(d, "_id"); e.changes(q.Write.Table.NS, key, op.Kind == store.Delete) {
			op.Filter = keyFilter(key)
			ops = append(ops, op)
		}
	}
	if err := e.stage(ctx, q.Write, ops); err != nil {
		return nil, err
	}
	return e.result(ctx, q.Write, int64(len(ops)), nil)
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
		return e.directly(ctx, q, store.WriteOp{Kind: store.Delete})
	}
	rows, err := e.keyed(ctx, q)
	if err != nil {
		return nil, err
	}
	rows = e.unwritten(w, rows)
	var olds []written
	if w.Returning != nil || w.Keys != nil {
		docs, err := e.reread(ctx, w, rows)
		if err != nil {
			return nil, err
		}
		there := rows[:0]
		for i, d := range docs {
			if d != nil {
				there = append(there, rows[i])
				olds = append(olds, written{row: joined(w, d), other: value.Lookup(rows[i].doc, "o")})
			}
		}
		rows = there
	}
	ops := make([]store.WriteOp, len(rows))
	for i, r := range rows {
		ops[i] = store.WriteOp{Kind: store.Delete, Filter: keyFilter(r.key)}
	}
	out, err := e.result(ctx, w, int64(len(rows)), olds)
	if err != nil {
		return nil, err
	}
	if err := e.stage(ctx, w, ops); err != nil {
		return nil, err
	}
	return out, e.noteKeys(ctx, w.Keys, w.Table.NS, raws(olds), nil)
}
