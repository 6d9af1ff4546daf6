package events

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// setStatus changes the state of a subscription in the store, then here.
func (m *Manager) setStatus(ctx context.Context, s *subscription, status, desired, reason string) error {
	next := s.stored
	next.Status, next.Desired, next.Reason, next.Since, next.UpdatedAt = status, desired, reason, m.clock(), m.clock()
	if err := saveSubscription(ctx, m.st, &next); err != nil {
		return fmt.Errorf("save subscription %s: %w", s.ID, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s.stored = next
	return nil
}

// suspend stops delivery for a reason that a person must look at. It is called
// by the dispatcher itself, which ends with its error.
func (m *Manager) suspend(ctx context.Context, s *subscription, reason, detail string) error {
	status, desired := StateSuspended, s.Desired
	if reason == "dead_letter" { // on_dead_letter = pause is the user's own wish
		status, desired = StatePaused, StatePaused
	}
	if err := m.setStatus(ctx, s, status, desired, reason); err != nil {
		return err
	}
	m.log.Warn("subscription stopped", "subscription", s.ID, "status", status, "reason", reason, "detail", detail)
	return errSuspended
}

// stopDispatcher ends a subscription's dispatcher and waits until it wrote what it knew.
func (m *Manager) stopDispatcher(s *subscription) {
	m.mu.Lock()
	d := s.dispatcher
	s.dispatcher = nil
	m.mu.Unlock()
	d.stop()
}

// historyLost records a gap for each subscription of a database, and suspends
// those that ask for it; goOn tells that others are to go on from now.
func (m *Manager) historyLost(ctx context.Context, r *reader, cause error) (goOn bool, err error) {
	now := m.clock()
	for _, s := range m.list() {
		if s.Spec.Database != r.db || !s.active() {
			continue
		}
		action := s.Spec.OnHistoryLost
		gap := bson.D{
			{Key: "_id", Value: bson.NewObjectID().Hex()}, {Key: "subscription_id", Value: s.ID}, {Key: "stream_id", Value: r.db},
			{Key: "reason", Value: cause.Error()}, {Key: "from_timestamp", Value: positionTime(r.state.LastPos)}, {Key: "to_timestamp", Value: now},
			{Key: "action", Value: action}, {Key: "created_at", Value: now},
		}
		if err := insertAll(ctx, m.st, collGaps, []bson.Raw{marshal(gap)}); err != nil {
			return false, fmt.Errorf("record the gap: %w", err)
		}
		if action == "suspend" {
			if err := m.setStatus(ctx, s, StateSuspended, s.Desired, "history_lost"); err != nil {
				return false, err
			}
			m.stopDispatcher(s)
			continue
		}
		goOn = true
	}
	return goOn, m.forgetToken(ctx, r.db)
}

func positionTime(position string) any {
	t, _, ok := ParsePosition(position)
	if !ok {
		return nil
	}
	return time.Unix(int64(t.T), 0)
}

// forgetToken lets the next reader of a database begin at now. The gap is recorded.
func (m *Manager) forgetToken(ctx context.Context, db string) error {
	_, err := updateOne(ctx, m.st, collReaders, bson.D{{Key: "_id", Value: db}},
		bson.D{{Key: "$unset", Value: bson.D{{Key: "token", Value: ""}, {Key: "last_pos", Value: ""}, {Key: "published_pos", Value: ""}}}}, false)
	return err
}

// Intervals of housekeeping.
const (
	housekeepingEvery = time.Second
	gatewayTTL        = 30 * time.Second
)

// housekeeping keeps the gateway's row, renews leases and writes counters.
func (m *Manager) housekeeping(ctx context.Context) error {
	tick := time.NewTicker(housekeepingEvery)
	defer tick.Stop()
	for {
		if err := m.keepHouse(ctx); err != nil && ctx.Err() == nil {
			m.log.Warn("housekeeping failed; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (m *Manager) keepHouse(ctx context.Context) error {
	if err := m.beat(ctx); err != nil {
		return err
	}
	return m.saveCounters(ctx)
}

// beat writes this gateway's row of event_gateways.
func (m *Manager) beat(ctx context.Context) error {
	m.mu.Lock()
	streams, subs := len(m.scope), len(m.subs)
	m.mu.Unlock()
	now := m.clock()
	_, err := updateOne(ctx, m.st, collGateways, bson.D{{Key: "_id", Value: m.gateway}}, bson.D{{Key: "$set", Value: bson.D{
		{Key: "version", Value: m.version}, {Key: "started_at", Value: m.started}, {Key: "heartbeat_at", Value: now},
		{Key: "status", Value: "running"}, {Key: "streams", Value: int32(streams)}, {Key: "subscriptions", Value: int32(subs)},
		{Key: "expire_at", Value: now.Add(gatewayTTL)},
	}}}, true)
	return err
}

// saveCounters adds what was counted since the last time to the stored totals
// and to the buckets of event_stats.
func (m *Manager) saveCounters(ctx context.Context) error {
	var subs, buckets []store.WriteOp
	for _, s := range m.list() {
		delta := s.count.unsaved()
		if delta.empty() {
			continue
		}
		subs = append(subs, updateOp(bson.D{{Key: "_id", Value: s.ID}}, bson.D{{Key: "$inc", Value: bson.D{
			{Key: "counters.events_total", Value: delta.total}, {Key: "counters.delivered_total", Value: delta.delivered}, {Key: "counters.failed_total", Value: delta.failed}}},
			{Key: "$set", Value: delta.stamps()}}, false))
		buckets = append(buckets, m.bucketOp(s, &delta.tally))
	}
	for coll, ops := range map[string][]store.WriteOp{collSubscriptions: subs, collStats: buckets} {
		if len(ops) == 0 {
			continue
		}
		if _, err := m.st.Write(ctx, ns(coll), ops, store.WriteOptions{Unordered: true}); err != nil {
			return fmt.Errorf("save counters: %w", err)
		}
	}
	return nil
}

func updateOp(filter, update bson.D, upsert bool) store.WriteOp {
	return store.WriteOp{Kind: store.Update, Filter: marshal(filter), Update: documentValue(marshal(update)), Upsert: upsert}
}
