package executor

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
	"weir/translator"
)

// merging gathers the operations of a MERGE.
type merging struct {
	ops []store.WriteOp
	// inserted and updated are the rows to check, by action.
	inserted map[int][]written
	updated  map[int][]keyedRow
	deleted  map[int][]keyedRow
	touched  map[string]bool
}

// merge is MERGE: the rows come with the number of their action.
func (e *execution) merge(ctx context.Context, q *translator.Query) (*Rows, error) {
	w := q.Write
	cur, err := e.open(ctx, q.Root)
	if err != nil {
		return nil, err
	}
	rows, err := drain(ctx, cur, e.limit())
	if err != nil {
		return nil, err
	}
	m := &merging{inserted: map[int][]written{}, updated: map[int][]keyedRow{}, deleted: map[int][]keyedRow{}, touched: map[string]bool{}}
	for _, r := range rows {
		if err := m.row(e, w, r); err != nil {
			return nil, err
		}
	}
	for i := range w.Actions {
		if err := e.check(ctx, &w.Actions[i].Write, m.inserted[i]); err != nil {
			return nil, err
		}
	}
	olds := make([][]written, len(w.Actions))
	for i := range w.Actions {
		if olds[i], err = e.before(ctx, &w.Actions[i].Write, append(m.updated[i], m.deleted[i]...)); err != nil {
			return nil, err
		}
	}
	if _, err := e.apply(ctx, w, m.ops); err != nil {
		return nil, err
	}
	for i := range w.Actions {
		if err := e.merged(ctx, m, &w.Actions[i].Write, i, olds[i]); err != nil {
			return nil, err
		}
	}
	return e.result(ctx, w, int64(len(rows)), nil)
}

// merged tests what an action did.
func (e *execution) merged(ctx context.Context, m *merging, a *translator.Write, i int, olds []written) error {
	var news []written
	if (len(a.Checks) > 0 || a.Keys != nil) && len(m.updated[i]) > 0 {
		var err error
		if news, err = e.reread(ctx, a, m.updated[i]); err != nil {
			return err
		}
		if err := e.check(ctx, a, news); err != nil {
			return err
		}
	}
	if a.Kind == translator.InsertRows {
		news = m.inserted[i]
	}
	return e.noteKeys(ctx, a.Keys, a.Table.NS, raws(olds), raws(news))
}

// row adds the operation of a row.
func (m *merging) row(e *execution, w *translator.Write, r bson.Raw) error {
	n := int(value.Lookup(r, "w").AsInt64())
	a := &w.Actions[n]
	values := make([]value.Value, len(a.Targets))
	for i := range values {
		values[i] = value.Lookup(r, slotName(a.First+i))
	}
	if a.Kind == translator.InsertRows {
		var b value.Builder
		for i, v := range values {
			if !v.IsMissing() {
				b.Add(slotName(i), v)
			}
		}
		doc, err := newDocument(&a.Write, b.Doc())
		if err != nil {
			return err
		}
		if doc, err = e.roundRow(&a.Write, doc); err != nil {
			return err
		}
		m.inserted[n] = append(m.inserted[n], written{row: doc})
		m.ops = append(m.ops, e.inserts(&a.Write, []bson.Raw{doc})...)
		return nil
	}
	key := value.Lookup(r, "k")
	if name := keyOf(key); m.touched[name] {
		return sqlerr.New(sqlerr.CardinalityViolation, "MERGE command cannot affect row a second time").
			WithHint("Ensure that not more than one source row matches any one target row.")
	} else {
		m.touched[name] = true
	}
	if a.Kind == translator.DeleteRows {
		m.deleted[n] = append(m.deleted[n], keyedRow{key, r})
		m.ops = append(m.ops, store.WriteOp{Kind: store.Delete, Filter: keyFilter(key)})
		return nil
	}
	if err := notNull(&a.Write, a.Targets, values); err != nil {
		return err
	}
	upd, err := e.setUpdate(a.Targets, values)
	if err != nil {
		return err
	}
	m.updated[n] = append(m.updated[n], keyedRow{key, r})
	m.ops = append(m.ops, store.WriteOp{Kind: store.Update, Filter: keyFilter(key), Update: upd})
	return nil
}
