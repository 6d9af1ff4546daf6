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
func (e *execution) with(ctx context.Context, w *translator.With) (*rowset, error) {
	if r, ok := e.fetched[w.Name]; ok {
		return r, nil
	}
	rows, err := e.query(ctx, &w.Query)
	if err != nil {
		return nil, err
	}
	r := &rowset{}
	if rows.cur != nil {
		if r.docs, err = drain(ctx, rows.cur, e.limit()); err != nil {
			return nil, err
		}
	}
	if w.Recursive != nil {
		if r, err = e.recurse(ctx, w, r); err != nil {
			return nil, err
		}
	}
	e.store(w.Name, r)
	return r, nil
}

// recurse runs the recursive term over the rows of the last round until it
// yields none. Without ALL, rows that were there before do not count.
func (e *execution) recurse(ctx context.Context, w *translator.With, base *rowset) (*rowset, error) {
	if e.working == nil {
		e.working = map[string]*rowset{}
	}
	defer delete(e.working, w.Name)
	seen := map[string]bool{}
	round, err := e.fresh(ctx, w.Recursive, base.docs, seen)
	if err != nil {
		return nil, err
	}
	all := &rowset{docs: round}
	size := int64(0)
	for len(round) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e.working[w.Name] = &rowset{round}
		cur, err := e.open(ctx, w.Recursive.Term)
		if err != nil {
			return nil, err
		}
		docs, err := drain(ctx, cur, e.limit()-size)
		if err != nil {
			return nil, err
		}
		if round, err = e.fresh(ctx, w.Recursive, docs, seen); err != nil {
			return nil, err
		}
		for _, d := range round {
			size += int64(len(d)) + 24
		}
		all.docs = append(all.docs, round...)
	}
	return all, nil
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
