package executor

import (
	"context"

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

// SeekMany implements agg.BatchSeeker. Values find their rows by an index, a
// few times cheaper than all rows are read; without one, once, when the left
// side is at its end, so that at least not all rows have to come here.
func (k *joinSide) SeekMany(ctx context.Context, path string, values []value.Value, more bool) (store.Cursor, bool, error) {
	k.asked += seekCost + int64(len(values))
	switch {
	case path != k.fetch.Key || k.e.fetched[k.name] != nil:
		return nil, false, nil
	case k.fetch.Indexed && k.asked > max(seekBudget, k.fetch.Rows/4):
		return nil, false, nil
	case !k.fetch.Indexed && (more || k.asked > 2*seekBudget || k.asked > seekCost+int64(len(values))):
		return nil, false, nil
	}
	in := values[:0:0]
	for _, v := range values {
		switch {
		case v.IsNullish(): // equals nothing
		case v.Kind() == bson.TypeRegex:
			return nil, false, nil
		default:
			in = append(in, v)
		}
	}
	if len(in) == 0 {
		return agg.Documents(nil), true, nil
	}
	remote, err := k.e.b.Stages(k.fetch.Remote)
	if err != nil {
		return nil, false, err
	}
	var filter value.Builder
	filter.Open(bson.TypeEmbeddedDocument, path)
	filter.Add("$in", value.ArrayFrom(in))
	filter.Close()
	cur, err := k.e.q.Aggregate(ctx, k.fetch.NS, append([]bson.Raw{matchStage(filter.Doc())}, remote...), store.AggregateOptions{AllowDiskUse: true})
	return cur, err == nil, err
}
