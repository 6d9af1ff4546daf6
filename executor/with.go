package executor

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/store"
	"weir/translator"
)

// initPlan runs a subquery that the pipelines take as a constant.
func (e *execution) initPlan(ctx context.Context, p *translator.InitPlan) error {
	cur, err := e.open(ctx, p.Fetch)
	if err != nil {
		return err
	}
	docs, err := drain(ctx, cur, e.limit())
	if err != nil {
		return err
	}
	values := make([]value.Value, len(docs))
	for i, d := range docs {
		if values[i] = value.Lookup(d, p.Path[0]); values[i].IsMissing() {
			values[i] = value.Null()
		}
	}
	v, err := p.Result(values)
	if err != nil {
		return err
	}
	return e.b.SetInit(p, v)
}

// with gives the rows of a WITH query; it runs once.
func (e *execution) with(ctx context.Context, w *translator.With) (*agg.Spool, error) {
	if r, ok := e.fetched[w.Name]; ok {
		return r, nil
	}
	cur, err := e.withRows(ctx, w)
	if err != nil {
		return nil, err
	}
	r, err := e.spool(ctx, cur)
	if err != nil {
		return nil, err
	}
	e.store(w.Name, r)
	return r, nil
}

// withRows runs a WITH query.
func (e *execution) withRows(ctx context.Context, w *translator.With) (store.Cursor, error) {
	rows, err := e.query(ctx, &w.Query)
	if err != nil {
		return nil, err
	}
	cur := rows.cur
	if cur == nil {
		cur = agg.Documents(nil)
	}
	if w.Recursive == nil {
		return cur, nil
	}
	r := &recursion{e: e, w: w, base: cur}
	return r, r.next(ctx)
}

// fresh keeps the rows that have not been seen.
func (e *execution) fresh(ctx context.Context, r *translator.Recursive, docs []bson.Raw, seen map[string]bool) ([]bson.Raw, error) {
	if r.All || len(docs) == 0 {
		return docs, nil
	}
	stages, err := e.b.Stages([]translator.Stage{r.Keys})
	if err != nil {
		return nil, err
	}
	cur, err := e.overlay(ctx, agg.Documents(docs), stages, store.Namespace{})
	if err != nil {
		return nil, err
	}
	keyed, err := drain(ctx, cur, e.limit())
	if err != nil {
		return nil, err
	}
	var out []bson.Raw
	for i, d := range keyed {
		k := string(value.AppendSortKey(nil, value.Lookup(d, "k"), false))
		if !seen[k] {
			seen[k] = true
			out = append(out, docs[i])
		}
	}
	return out, nil
}
