package events

import (
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A server gives of a database the changes of those collections only that subscriptions
// want when the reader begins: what nobody wants is neither looked up nor sent. All else
// comes as it is: drops, renames, whatever a newer server tells of. And so does what is
// written in transactions, whatever the collection: only their events share a cluster
// time, and are counted by it, so that positions are the same under any match.
//
// A collection that is wanted later has the stream opened anew, at its token, for all of
// the database: that happens once in the life of a reader.

// coarseMost is from how many collections on all of the database is read.
const coarseMost = 200

// coarse gives the collections that routes want changes of; nil: any.
func coarse(routes []*route) (names []string) {
	for _, rt := range routes {
		if len(rt.patterns) > 0 || len(rt.names) == 0 {
			return nil
		}
		for name := range rt.names {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) > coarseMost {
		return nil
	}
	return names
}

// coarseStage leaves the changes of other collections out.
func coarseStage(names []string) bson.Raw {
	return marshal(bson.D{{Key: "$match", Value: bson.D{{Key: "$or", Value: bson.A{
		bson.D{{Key: "ns.coll", Value: bson.D{{Key: "$in", Value: names}}}},
		bson.D{{Key: "operationType", Value: bson.D{{Key: "$nin", Value: bson.A{"insert", "update", "replace", "delete"}}}}},
		bson.D{{Key: "txnNumber", Value: bson.D{{Key: "$exists", Value: true}}}},
	}}}}})
}

// errWiden has the stream opened anew for all of the database.
var errWiden = errors.New("a collection is wanted that the change stream leaves out")

// only gives the collections that a stream is to be opened for; nil: all.
func (r *reader) only() []string {
	r.width.Lock()
	defer r.width.Unlock()
	if r.widened || r.data.Capabilities().Embedded { // where nothing is sent
		return nil
	}
	return coarse(r.currentRoutes())
}

// opens notes what the stream is open for.
func (r *reader) opens(names []string) {
	r.width.Lock()
	defer r.width.Unlock()
	if r.matching = names; names != nil {
		return
	}
	select { // it is as wide as it can be
	case <-r.widen:
	default:
	}
}

// covers tells whether the open stream gives all that the routes want; else it will
// soon be one that does.
func (r *reader) covers() bool {
	r.width.Lock()
	defer r.width.Unlock()
	if r.matching == nil {
		return true
	}
	routes := r.currentRoutes()
	want := coarse(routes)
	if len(routes) == 0 || want != nil && !slices.ContainsFunc(want, func(name string) bool { return !slices.Contains(r.matching, name) }) {
		return true
	}
	if !r.widened {
		r.widened = true
		r.widen <- struct{}{} // once in the life of a reader: it has room
	}
	return false
}

// awaitWider ends a run when the stream is to be opened for all of the database.
func (r *reader) awaitWider(ctx context.Context) error {
	select {
	case <-r.widen:
		return errWiden
	case <-ctx.Done():
		return nil
	}
}
