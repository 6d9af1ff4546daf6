package executor

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
	"weir/translator"
)

// merging gathers the operations of a MERGE.
type merging struct {
	e    *execution
	w    *translator.Write
	ops  []store.WriteOp
	rows []mergedRow
	// bad is the first row that cannot be written.
	bad *refused
}

// mergedRow is what an action makes of a row: old is nil for one that is
// inserted, new for one that is deleted.
type mergedRow struct {
	action   int
	old, new bson.Raw
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
	m := &merging{e: e, w: w}
	there, err := m.there(ctx, rows)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if err := m.row(r, there); err != nil {
			m.bad = &refused{row: len(m.ops), err: err}
			break
		}
	}
	if err := m.check(ctx); err != nil {
		return nil, err
	}
	if m.bad != nil {
		return nil, e.first(ctx, w, m.ops[:m.bad.before()], m.bad.err)
	}
	if err := e.stage(ctx, w, m.ops); err != nil {
		return nil, err
	}
	for i := range w.Actions {
		if err := m.noteKeys(ctx, i); err != nil {
			return nil, err
		}
	}
	return e.result(ctx, w, int64(len(m.ops)), nil)
}

// there are the documents of the rows that matched, by their keys.
func (m *merging) there(ctx context.Context, rows []bson.Raw) (map[string]bson.Raw, error) {
	var keys []value.Value
	for _, r := range rows {
		a := &m.w.Actions[value.Lookup(r, "w").AsInt64()]
		if a.Kind != translator.InsertRows && (len(a.Checks) > 0 || a.Write.Keys != nil) {
			keys = append(keys, value.Lookup(r, "k"))
		}
	}
	return m.e.byKeys(ctx, m.w, keys)
}

// check tests what becomes of the rows.
func (m *merging) check(ctx context.Context) error {
	for i := range m.w.Actions {
		var news []written
		var at []int
		for j, r := range m.rows {
			if r.action == i && r.new != nil {
				news, at = append(news, written{row: r.new}), append(at, j)
			}
		}
		bad, err := m.e.check(ctx, &m.w.Actions[i].Write, news)
		if err != nil {
			return err
		}
		if bad != nil && (m.bad == nil || at[bad.row] < m.bad.row) {
			bad.row = at[bad.row]
			m.bad = bad
		}
	}
	return nil
}

// noteKeys notes what an action did to foreign keys.
func (m *merging) noteKeys(ctx context.Context, action int) error {
	var olds, news []bson.Raw
	a := &m.w.Actions[action].Write
	for _, r := range m.rows {
		if r.action != action {
			continue
		}
		if a.Kind != translator.InsertRows {
			olds = append(olds, r.old)
		}
		if a.Kind != translator.DeleteRows {
			news = append(news, r.new)
		}
	}
	return m.e.noteKeys(ctx, a.Keys, a.Table.NS, olds, news)
}

// row adds the operation of a row.
func (m *merging) row(r bson.Raw, there map[string]bson.Raw) error {
	e, n := m.e, int(value.Lookup(r, "w").AsInt64())
	a := &m.w.Actions[n]
	values := make([]value.Value, len(a.Targets))
	for i := range values {
		values[i] = value.Lookup(r, slotName(a.First+i))
	}
	if a.Kind == translator.InsertRows {
		return m.insert(n, values)
	}
	key := value.Lookup(r, "k")
	if !e.changes(m.w.Table.NS, key, a.Kind == translator.DeleteRows) {
		return secondTime("MERGE", "Ensure that not more than one source row matches any one target row.")
	}
	row := mergedRow{action: n}
	doc := there[keyOf(key)]
	if doc != nil {
		row.old = joined(&a.Write, doc)
	}
	op := store.WriteOp{Kind: store.Delete, Filter: keyFilter(key)}
	if a.Kind == translator.UpdateRows {
		if err := notNull(&a.Write, a.Targets, values); err != nil {
			return err
		}
		upd, err := e.setUpdate(a.Targets, values)
		if err != nil {
			return err
		}
		op = store.WriteOp{Kind: store.Update, Filter: op.Filter, Update: upd}
		if doc != nil {
			if doc, err = e.revise(&a.Write, doc, upd); err != nil {
				return err
			}
			row.new = joined(&a.Write, doc)
		}
	}
	m.ops, m.rows = append(m.ops, op), append(m.rows, row)
	return nil
}

// insert adds a row that matched none.
func (m *merging) insert(action int, values []value.Value) error {
	a := &m.w.Actions[action].Write
	var b value.Builder
	for i, v := range values {
		if !v.IsMissing() {
			b.Add(slotName(i), v)
		}
	}
	doc, err := newDocument(a, b.Doc())
	if err != nil {
		return err
	}
	if doc, err = m.e.roundRow(a, doc); err != nil {
		return err
	}
	m.ops = append(m.ops, m.e.inserts(a, []bson.Raw{doc})...)
	m.rows = append(m.rows, mergedRow{action: action, new: doc})
	return nil
}
