package events

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// lookUp finds the documents of updates that came without one, for routes
// that ask for updateLookup: one query per collection and batch. What is gone
// stays without. Like the server's option, it reads the document as it is now.
func (r *reader) lookUp(ctx context.Context) error {
	wanted := map[string][]int{} // events by collection
	for i := range r.events {
		e := &r.events[i]
		if e.Op == "update" && e.Full.IsNullish() && r.router.of(e.Op, e.Coll).lookup {
			wanted[e.Coll] = append(wanted[e.Coll], i)
		}
	}
	for coll, at := range wanted {
		if err := r.lookUpIn(ctx, coll, at); err != nil {
			return fmt.Errorf("look up documents of %s: %w", coll, err)
		}
	}
	return nil
}

func (r *reader) lookUpIn(ctx context.Context, coll string, at []int) error {
	var ids []value.Value
	byID := map[string][]int{}
	for _, i := range at {
		id := value.Lookup(r.events[i].Key.Doc(), "_id")
		key := string(value.AppendSortKey(nil, id, false))
		if byID[key] == nil {
			ids = append(ids, id)
		}
		byID[key] = append(byID[key], i)
	}
	var in, filter, stage value.Builder
	in.Add("$in", value.ArrayFrom(ids))
	filter.Add("_id", in.DocumentOf())
	stage.Add("$match", filter.DocumentOf())
	// As the server's option does it: no older than the event.
	return drainBy(ctx, r.data, store.Namespace{DB: r.db, Coll: coll}, []bson.Raw{stage.Doc()}, store.AggregateOptions{After: r.events[len(r.events)-1].Time}, func(doc bson.Raw) error {
		doc = slices.Clone(doc)
		for _, i := range byID[string(value.AppendSortKey(nil, value.Lookup(doc, "_id"), false))] {
			r.events[i].setFull(doc)
		}
		return nil
	})
}
