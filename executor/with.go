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
	rows, err := e.query(ctx, &w.Query)
	if err != nil {
		return nil, err
	}
	cur := rows.cur
	if cur == nil {
		cur = agg.Documents(nil)
	}
	if w.Recursive != nil {
		base, err := drain(ctx, cur, e.limit())
		if err != nil {
			return nil, err
		}
		if base, err = e.recurse(ctx, w, base); err != nil {
			return nil, err
		}
		cur = agg.Documents(base)
	}
	r, err := e.spool(ctx, cur)
	if err != nil {
		return nil, err
	}
	e.store(w.Name, r)
	return r, nil
}

// recurse runs the recursive term over the rows of the last round until it
// yields none. Without ALL, rows that were there before do not count.
func (e *execution) recurse(ctx context.Context, w *translator.With, base []bson.Raw) ([]bson.Raw, error) {
	if e.working == nil {
		e.working = map[string]*agg.Spool{}
	}
	defer delete(e.working, w.Name)
	seen := map[string]bool{}
	round, err := e.fresh(ctx, w.Recursive, base, seen)
	if err != nil {
		return nil, err
	}
	all := round
	size := int64(0)
	for len(round) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e.working[w.Name] = agg.SpoolOf(round)
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
		all = append(all, round...)
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
