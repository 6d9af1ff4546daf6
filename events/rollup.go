package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// The minutes of event_stats are summed up in event_rollups when they are over, each into
// the bucket of every level that it belongs to: what EVENT_STATS() tells of hours and days
// is read from few documents. A sum is always made anew of all that it is the sum of and
// tells how far it goes (summed_to), so that whoever makes it, and however often, it says
// the same, and a reader adds to it the minutes from there on. How far all sums go at least
// is one document, which is written after them.

// rollupLevels are the widths of the sums, each a multiple of the one before.
var rollupLevels = []time.Duration{5 * time.Minute, time.Hour, Day}

const (
	// rollupLate is how much later than its end a minute may still grow before it is
	// summed up: the counters of many subscriptions are saved in turns. What comes later
	// has it summed up again.
	rollupLate = time.Minute
	// rollupEvery is the pace at which it is looked for minutes to sum up.
	rollupEvery = 15 * time.Second
	// rollupRest is left to the others between two sums: after the first start there may
	// be a month to sum up.
	rollupRest = 50 * time.Millisecond
	// rollupClaim is how long the other gateways leave it to one.
	rollupClaim = time.Minute
)

const rollupStateID = "state"

// rollups are what a gateway knows of the sums.
type rollups struct {
	due  time.Time  // when minutes are to be summed up; used by housekeeping only
	busy sync.Mutex // held while they are
}

// rollupState is how far the sums go.
type rollupState struct {
	upTo  time.Time   // zero: there are none
	again []time.Time // minutes that grew after they were summed up
}

// rolledUp reads how far the sums go.
func (m *Manager) rolledUp(ctx context.Context) (s rollupState, err error) {
	err = query(ctx, m.st, collRollups, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: rollupStateID}}}}}, func(doc bson.Raw) error {
		if v := value.Lookup(doc, "summed_to"); v.Kind() == bson.TypeDateTime {
			s.upTo = time.UnixMilli(v.AsDate()).UTC()
		}
		if v := value.Lookup(doc, "again"); v.IsArray() {
			for _, at := range value.Items(nil, v.Doc()) {
				s.again = append(s.again, time.UnixMilli(at.AsDate()).UTC())
			}
		}
		return nil
	})
	return s, err
}

// rollUp sums up what is over, beside housekeeping and on one gateway at a time.
func (m *Manager) rollUp() {
	if m.clock().Before(m.rollups.due) || !m.rollups.busy.TryLock() {
		return
	}
	m.rollups.due = m.clock().Add(rollupEvery)
	if !m.beside(func(ctx context.Context) {
		defer m.rollups.busy.Unlock()
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = m.rollSome(ctx); err != nil && ctx.Err() == nil {
				m.log.Warn("summing up counters failed; it is tried again", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(rollupRest):
			}
		}
	}) {
		m.rollups.busy.Unlock()
	}
}

// rollSome sums up the minutes of an hour; more tells that there are others.
func (m *Manager) rollSome(ctx context.Context) (more bool, err error) {
	mine, err := m.claimRollup(ctx)
	if err != nil || !mine {
		return false, err
	}
	s, err := m.rolledUp(ctx)
	if err != nil {
		return false, err
	}
	if len(s.again) > 0 {
		return true, m.rollAgain(ctx, s)
	}
	whole := m.clock().UTC().Add(-rollupLate).Truncate(rollupLevels[0])
	from, err := m.rollupFrom(ctx, s.upTo, whole)
	if err != nil || !from.Before(whole) && from.Equal(s.upTo) {
		return false, err
	}
	to := from.Truncate(time.Hour).Add(time.Hour)
	if to.After(whole) {
		to = whole
	}
	if err := m.sumHour(ctx, from, to, to); err != nil {
		return false, err
	}
	_, err = updateOne(ctx, m.st, collRollups, bson.D{{Key: "_id", Value: rollupStateID}, {Key: "by", Value: m.gateway}},
		bson.D{{Key: "$max", Value: bson.D{{Key: "summed_to", Value: to}}}}, false)
	return to.Before(whole), err
}

// claimRollup tells whether this gateway is the one to sum up.
func (m *Manager) claimRollup(ctx context.Context) (bool, error) {
	for range 2 {
		now := m.clock()
		filter := bson.D{{Key: "_id", Value: rollupStateID}, {Key: "$or", Value: bson.A{
			bson.D{{Key: "by", Value: m.gateway}}, bson.D{{Key: "until", Value: bson.D{{Key: "$lte", Value: now}}}}}}}
		claim := bson.D{{Key: "$set", Value: bson.D{{Key: "by", Value: m.gateway}, {Key: "until", Value: now.Add(rollupClaim)}}}}
		ok, err := updateOne(ctx, m.st, collRollups, filter, claim, false)
		if err != nil || ok {
			return ok, err
		}
		if err := insertAll(ctx, m.st, collRollups, []bson.Raw{marshal(bson.D{{Key: "_id", Value: rollupStateID}, {Key: "until", Value: time.Unix(0, 0)}})}); err != nil {
			return false, err
		}
	}
	return false, nil
}

// rollupFrom gives the beginning of what is to be summed up next, from a time on: where
// nothing was counted there are no sums.
func (m *Manager) rollupFrom(ctx context.Context, from, whole time.Time) (time.Time, error) {
	next := whole
	stages := []bson.D{{{Key: "$match", Value: bson.D{{Key: "bucket", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: whole}}}}}},
		{{Key: "$sort", Value: asc("bucket")}}, {{Key: "$limit", Value: 1}}, {{Key: "$project", Value: asc("bucket")}}}
	err := query(ctx, m.st, collStats, stages, func(doc bson.Raw) error {
		next = time.UnixMilli(value.Lookup(doc, "bucket").AsDate()).UTC().Truncate(rollupLevels[0])
		return nil
	})
	return later(next, from), err
}

// sumHour makes the sums that minutes of an hour belong to; they go up to a time before
// which all is over.
func (m *Manager) sumHour(ctx context.Context, from, to, upTo time.Time) error {
	of := time.Minute
	for i, level := range rollupLevels {
		for at := from.Truncate(level); at.Before(to); at = at.Add(level) {
			if i > 0 { // so far only these are done
				of = rollupLevels[i-1]
			}
			if err := m.sumUp(ctx, of, level, at, upTo); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// ofWidth finds the buckets of a width, and where they are.
func ofWidth(width time.Duration) (coll string, match bson.D) {
	if width == time.Minute {
		return collStats, bson.D{}
	}
	return collRollups, bson.D{{Key: "width", Value: width.Milliseconds()}}
}

// rollupAtATime is how many sums are written together.
const rollupAtATime = 500

// sumUp makes the sums of a level that begin at a time, of what was before to.
func (m *Manager) sumUp(ctx context.Context, of, level time.Duration, from, to time.Time) error {
	if end := from.Add(level); to.After(end) {
		to = end
	}
	sums, read := map[string]*statsBucket{}, newMinuteReader()
	source, match := ofWidth(of)
	match = append(match, bson.E{Key: "bucket", Value: bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: to}}})
	err := query(ctx, m.st, source, []bson.D{{{Key: "$match", Value: match}}}, func(doc bson.Raw) error {
		id := text(value.Lookup(doc, "subscription_id"))
		b := sums[id]
		if b == nil {
			b = newStatsBucket(id, from.UnixMilli())
			sums[b.id] = b
		}
		read.add(b, doc)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", source, err)
	}
	all := make([]*statsBucket, 0, len(sums))
	for _, b := range sums {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *statsBucket) int { return cmp.Compare(a.id, b.id) })
	for some := range slices.Chunk(all, rollupAtATime) {
		if err := m.saveSums(ctx, some, level, to); err != nil {
			return fmt.Errorf("write %s: %w", collRollups, err)
		}
	}
	return m.forgetSums(ctx, all)
}

// saveSums writes sums, but over those that go further: these are of a gateway that
// has taken over.
func (m *Manager) saveSums(ctx context.Context, sums []*statsBucket, level time.Duration, to time.Time) error {
	ops := make([]store.WriteOp, len(sums))
	for i, b := range sums {
		ops[i] = b.rollupOp(level, to)
	}
	return butDuplicates(m.st.Write(ctx, ns(collRollups), ops, store.WriteOptions{Unordered: true}))
}

// rollupOp writes a sum of a level.
func (b *statsBucket) rollupOp(level time.Duration, to time.Time) store.WriteOp {
	at := time.UnixMilli(b.at).UTC()
	set := bson.D{{Key: "subscription_id", Value: b.id}, {Key: "width", Value: level.Milliseconds()}, {Key: "bucket", Value: at}, {Key: "summed_to", Value: to},
		{Key: "expire_at", Value: at.Add(statsRetention)}, {Key: "lag", Value: b.lag.stored()}, {Key: "delivery", Value: b.delivery.stored()}}
	for i, name := range bucketCounters {
		set = append(set, bson.E{Key: name, Value: b.counts[i]})
	}
	id := b.id + ":" + level.String() + ":" + at.Format("20060102T1504")
	return updateOp(bson.D{{Key: "_id", Value: id}, {Key: "summed_to", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gt", Value: to}}}}}}, bson.D{{Key: "$set", Value: set}}, true)
}

// forgetSums takes sums away whose subscription was dropped meanwhile.
func (m *Manager) forgetSums(ctx context.Context, sums []*statsBucket) error {
	gone := bson.A{}
	m.mu.Lock()
	for _, b := range sums {
		if m.subs[b.id] == nil {
			gone = append(gone, b.id)
		}
	}
	m.mu.Unlock()
	if len(gone) == 0 {
		return nil
	}
	known := map[string]bool{} // by another gateway
	err := query(ctx, m.st, collSubscriptions, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: gone}}}}}}, {{Key: "$project", Value: asc("_id")}}}, func(doc bson.Raw) error {
		known[strings.Clone(text(value.Lookup(doc, "_id")))] = true
		return nil
	})
	gone = slices.DeleteFunc(gone, func(id any) bool { return known[id.(string)] })
	if err != nil || len(gone) == 0 {
		return err
	}
	_, err = m.st.Write(ctx, ns(collRollups), []store.WriteOp{{Kind: store.Delete, Multi: true, Filter: marshal(bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: gone}}}})}}, store.WriteOptions{})
	return err
}

// grewLate has a minute summed up again, if it was written when it may have been already.
func (m *Manager) grewLate(ctx context.Context, minute time.Time) error {
	const margin = 10 * time.Second // by which clocks may differ
	if m.clock().Sub(minute) < time.Minute+rollupLate-margin {
		return nil
	}
	_, err := updateOne(ctx, m.st, collRollups, bson.D{{Key: "_id", Value: rollupStateID}}, bson.D{{Key: "$addToSet", Value: bson.D{{Key: "again", Value: minute}}}}, false)
	if err != nil {
		return fmt.Errorf("have counters summed up again: %w", err)
	}
	return nil
}

// rollAgain sums minutes up that grew late. They are named until that is done.
func (m *Manager) rollAgain(ctx context.Context, s rollupState) error {
	var errs error
	for _, minute := range s.again {
		if hour := minute.Truncate(time.Hour); hour.Before(s.upTo) {
			to := hour.Add(time.Hour)
			if to.After(s.upTo) {
				to = s.upTo
			}
			if err := m.sumHour(ctx, hour, to, s.upTo); err != nil {
				errs = errors.Join(errs, err)
				continue
			}
		}
		_, err := updateOne(ctx, m.st, collRollups, bson.D{{Key: "_id", Value: rollupStateID}}, bson.D{{Key: "$pull", Value: bson.D{{Key: "again", Value: minute}}}}, false)
		errs = errors.Join(errs, err)
	}
	return errs
}
