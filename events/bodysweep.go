package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// Images are taken away that no row of the log and no dead letter names: rows
// expire one by one, and what several share is needed for as long as one of them.
// One gateway looks, a page at a time, and rests between two rounds.

const (
	// bodyGrace is for how long an image is kept that was written just now: its rows
	// come after it.
	bodyGrace = 10 * time.Minute
	sweepPage = 2000
	sweepTime = 50 * time.Millisecond // of a look
	sweepRest = 20                    // times the time that a round took
	sweepEach = time.Minute           // at least
)

// bodySweep is where a round is. Housekeeping uses it alone.
type bodySweep struct {
	from  time.Time // the last image that was looked at was written then
	id    string    // of that
	due   time.Time // of the next round
	spent time.Duration
}

// sweepBodies looks at some images.
func (m *Manager) sweepBodies(ctx context.Context) error {
	s := &m.sweep
	if m.clock().Before(s.due) {
		return nil
	}
	if s.from.IsZero() {
		gateways, err := m.liveGateways(ctx)
		if err != nil || place(gateways, collBodies) != m.gateway {
			s.due = m.clock().Add(sweepEach)
			return err
		}
	}
	began := time.Now()
	for time.Since(began) < sweepTime {
		end, err := m.sweepPage(ctx)
		if err != nil {
			return fmt.Errorf("take away images of events: %w", err)
		}
		if end {
			rest := max(sweepEach, sweepRest*(s.spent+time.Since(began)))
			*s = bodySweep{due: m.clock().Add(rest)}
			return nil
		}
	}
	s.spent += time.Since(began)
	return nil
}

// sweepPage looks at the next images; end: there are no more.
func (m *Manager) sweepPage(ctx context.Context) (end bool, err error) {
	cutoff := m.clock().Add(-bodyGrace)
	var ids []string
	next := m.sweep
	look := func(match bson.D) error {
		return query(ctx, m.st, collBodies, []bson.D{{{Key: "$match", Value: match}}, {{Key: "$sort", Value: asc("written_at", "_id")}}, {{Key: "$limit", Value: int64(sweepPage - len(ids))}},
			{{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}, {Key: "written_at", Value: 1}}}}}, func(doc bson.Raw) error {
			next.id, next.from = strings.Clone(text(value.Lookup(doc, "_id"))), time.UnixMilli(value.Lookup(doc, "written_at").AsDate())
			ids = append(ids, next.id)
			return nil
		})
	}
	if !m.sweep.from.IsZero() { // a batch has one time
		err = look(bson.D{{Key: "written_at", Value: m.sweep.from}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: m.sweep.id}}}})
	}
	if err == nil && len(ids) < sweepPage {
		err = look(bson.D{{Key: "written_at", Value: bson.D{{Key: "$gt", Value: m.sweep.from}, {Key: "$lt", Value: cutoff}}}})
	}
	if err != nil || len(ids) == 0 {
		return true, err
	}
	if err := m.dropUnnamed(ctx, ids, cutoff); err != nil {
		return false, err
	}
	m.sweep = next
	return len(ids) < sweepPage, nil
}

// dropUnnamed takes the images away that nothing names. What is written anew
// meanwhile, for rows that are about to come, stays.
func (m *Manager) dropUnnamed(ctx context.Context, ids []string, cutoff time.Time) error {
	named, err := m.namedBodies(ctx, ids)
	if err != nil {
		return err
	}
	var unnamed []string
	for _, id := range ids {
		if !named[id] {
			unnamed = append(unnamed, id)
		}
	}
	if len(unnamed) == 0 {
		return nil
	}
	res, err := m.st.Write(ctx, ns(collBodies), []store.WriteOp{{Kind: store.Delete, Multi: true, Filter: marshal(bson.D{
		{Key: "_id", Value: bson.D{{Key: "$in", Value: unnamed}}}, {Key: "written_at", Value: bson.D{{Key: "$lt", Value: cutoff}}}})}}, store.WriteOptions{})
	if err == nil {
		err = res.Err()
	}
	return err
}

// namedBodies finds which images rows or dead letters name. An id begins with the
// position of its rows, which the log has an index of.
func (m *Manager) namedBodies(ctx context.Context, ids []string) (map[string]bool, error) {
	positions := make([]string, len(ids))
	for i, id := range ids {
		positions[i] = id[:min(len(id), positionLen)]
	}
	slices.Sort(positions)
	named := map[string]bool{}
	take := func(row bson.Raw) error {
		for _, id := range bodiesOf(row) {
			named[strings.Clone(id)] = true
		}
		return nil
	}
	only := bson.D{{Key: "$project", Value: bson.D{{Key: "_id", Value: 0}, {Key: fieldBodies, Value: 1}}}}
	err := query(ctx, m.st, collLog, []bson.D{{{Key: "$match", Value: bson.D{
		{Key: "position", Value: bson.D{{Key: "$in", Value: slices.Compact(positions)}}}, {Key: fieldBodies, Value: bson.D{{Key: "$exists", Value: true}}}}}}, only}, take)
	if err != nil {
		return nil, err
	}
	err = query(ctx, m.st, collDead, []bson.D{{{Key: "$match", Value: bson.D{{Key: fieldBodies, Value: bson.D{{Key: "$in", Value: ids}}}}}}, only}, take)
	return named, err
}
