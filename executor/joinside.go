package executor

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/store"
	"weir/translator"
)

// joinSide is the right side of a join in the store: while the left side has few
// rows, only those that can match are fetched, for many left rows at a time.
type joinSide struct {
	e     *execution
	name  string
	fetch *translator.Fetch
	asked int64 // what look-ups have cost, in rows
}

func (e *execution) keyedSource(name string, f *translator.Fetch) *joinSide {
	k := e.sides[name]
	if k == nil {
		k = &joinSide{e: e, name: name, fetch: f}
		if e.sides == nil {
			e.sides = map[string]*joinSide{}
		}
		e.sides[name] = k
	}
	return k
}

// What a look-up costs beside its values, and the least that may be spent, in
// rows read.
const (
	seekCost   = 100
	seekBudget = 2000
)

// Open reads all rows.
func (k *joinSide) Open(ctx context.Context, r agg.Request) (store.Cursor, agg.Satisfied, error) {
	all, err := k.e.named(ctx, k.name)
	if err != nil {
		return nil, agg.Satisfied{}, err
	}
	return all.Open(ctx, r)
}

// SeekMany implements agg.BatchSeeker. A hundredth of the rows may be looked up; what that has cost when it turns out to be too little is
// small beside reading everything.
func (k *joinSide) SeekMany(ctx context.Context, path string, values []value.Value, _ bool) (store.Cursor, bool, error) {
	k.asked += seekCost + int64(len(values))
	_, outside := k.e.q.(store.Store)
	switch {
	case !outside: // an error of the hint would end the transaction
		return nil, false, nil
	case path != k.fetch.Key || k.e.fetched[k.name] != nil:
		return nil, false, nil
	case k.asked > max(seekBudget, k.fetch.Rows/100):
		return nil, false, nil
	}
	in := values[:0:0]
	for _, v := range values {
		switch {
		case v.IsNullish():
		case v.Kind() == bson.TypeRegex:
			return nil, false, nil
		default:
			if v, ok := v.PlainEqual(); ok { // else it equals nothing there
				in = append(in, v)
			}
		}
	}
	if len(in) == 0 {
		return agg.Documents(nil), true, nil
	}
	remote, err := k.e.b.Remote(k.fetch.Remote)
	if err != nil {
		return nil, false, err
	}
	var filter value.Builder
	filter.Open(bson.TypeEmbeddedDocument, path)
	filter.Add("$in", value.ArrayFrom(in))
	filter.Close()
	// The table's own conditions come first: they are fewer to test than values.
	at := len(remote)
	if at > 0 && value.Lookup(remote[at-1], "$match").IsMissing() {
		at--
	}
	pipeline := slices.Insert(slices.Clone(remote), at, matchStage(filter.Doc()))
	cur, err := k.e.q.Aggregate(ctx, k.fetch.NS, pipeline, store.AggregateOptions{AllowDiskUse: true, Hint: value.String(k.fetch.Index).RawValue()})
	if err != nil && ctx.Err() == nil {
		return nil, false, nil // the index is gone: all rows will do
	}
	return cur, err == nil, err
}
