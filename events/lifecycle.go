package events

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// setStatus changes the state of a subscription in the store, errStale: there is none
// that only finds; the gateways follow when the definitions' version changes.
func (m *Manager) setStatus(ctx context.Context, id, status, desired, reason string, only ...bson.E) error {
	set := bson.D{{Key: "status", Value: status}, {Key: "desired_status", Value: desired}, {Key: "status_reason", Value: reason},
		{Key: "status_since", Value: m.clock()}, {Key: "updated_at", Value: m.clock()}}
	if len(only) == 0 {
		only = bson.D{notDraining}
	}
	ok, err := changeDefinition(ctx, m.st, append(bson.D{{Key: "_id", Value: id}}, only...), bson.E{Key: "$set", Value: set})
	switch {
	case err != nil:
		return fmt.Errorf("save subscription %s: %w", id, err)
	case !ok:
		return errStale // it was dropped, or is about to be
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.subs[id]; s != nil {
		s.Status, s.Desired, s.Reason, s.Since = status, desired, reason, m.clock()
	}
	return nil
}

// notDraining finds definitions that are not being dropped.
var notDraining = bson.E{Key: "status", Value: bson.D{{Key: "$ne", Value: StateDraining}}}

// suspend stops a subscription for a reason that a person must look at. The
// dispatcher that calls it ends with its error.
func (m *Manager) suspend(ctx context.Context, s *subscription, reason, detail string) error {
	status, desired := StateSuspended, m.stored(s).Desired
	if reason == "dead_letter" { // on_dead_letter = pause is the user's own wish
		status, desired = StatePaused, StatePaused
	}
	if err := m.setStatus(ctx, s.ID, status, desired, reason); err != nil && !errors.Is(err, errStale) {
		return err
	}
	m.log.Warn("subscription stopped", "subscription", s.ID, "status", status, "reason", reason, "detail", detail)
	if _, err := m.bump(ctx, s.Database); err != nil {
		return err
	}
	return errSuspended
}

// historyLost records a gap for each subscription of a database, and suspends
// those that ask for it; goOn tells that others are to go on from now.
func (m *Manager) historyLost(ctx context.Context, r *reader, cause error) (goOn bool, err error) {
	now, from := m.clock(), any(nil)
	if at, ok := r.tokenTime(); ok {
		from = time.Unix(int64(at.T), 0)
	}
	lost := sha256.Sum256(r.state.Token)
	for _, s := range m.of(r.db) {
		def := m.stored(s)
		if !def.active() {
			continue
		}
		action := def.Spec.OnHistoryLost
		gap := bson.D{ // the same one when this begins anew after a crash
			{Key: "_id", Value: s.ID + ":" + hex.EncodeToString(lost[:8])}, {Key: "subscription_id", Value: s.ID}, {Key: "stream_id", Value: r.db},
			{Key: "reason", Value: cause.Error()}, {Key: "from_timestamp", Value: from}, {Key: "to_timestamp", Value: now},
			{Key: "action", Value: action}, {Key: "created_at", Value: now},
		}
		if err := insertAll(ctx, m.st, collGaps, []bson.Raw{marshal(gap)}); err != nil {
			return false, fmt.Errorf("record the gap: %w", err)
		}
		if action == "backfill" {
			if err := m.backfillGap(ctx, def.Spec); err != nil {
				return false, err
			}
		}
		if action != "suspend" {
			goOn = true
			continue
		}
		if err := m.suspend(ctx, s, "history_lost", cause.Error()); !errors.Is(err, errSuspended) {
			return false, err
		}
	}
	return goOn, r.forgetToken(ctx)
}

// forgetToken lets the next run begin at now. The gap is recorded.
func (r *reader) forgetToken(ctx context.Context) error {
	ok, err := updateOne(ctx, r.st, collReaders, bson.D{{Key: "_id", Value: r.db}, {Key: "epoch", Value: r.lease.epoch}},
		bson.D{{Key: "$unset", Value: bson.D{{Key: "token", Value: ""}}}}, false)
	if err == nil && !ok {
		err = errFenced
	}
	r.state.Token = nil
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
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
			defer cancel()
			_ = m.saveCounters(last, math.MaxInt, 0)
			return m.farewell(last)
		case <-tick.C:
		}
	}
}

func (m *Manager) keepHouse(ctx context.Context) error {
	if err := m.beat(ctx); err != nil {
		return err
	}
	if err := m.reopenStale(ctx); err != nil {
		return err
	}
	if err := m.announceStray(ctx); err != nil {
		return err
	}
	m.finishDrops(ctx)
	if err := m.saveCounters(ctx, countersAtOnce, countersRest); err != nil {
		return err
	}
	if err := m.sweepBodies(ctx); err != nil {
		return err
	}
	if err := m.keepShardsUp(ctx); err != nil {
		return err
	}
	m.rollUp()
	m.minutes.rest(m.clock())
	m.hours.rest(m.clock())
	m.lookAtOplog()
	return nil
}

// Now is the server's time, as far as this gateway knows it.
func (m *Manager) Now() time.Time { return m.clock() }

// Gateway is the id of this gateway in event_gateways.
func (m *Manager) Gateway() string { return m.gateway }

// Gateways gives the ids of the gateways that are alive.
func (m *Manager) Gateways(ctx context.Context) (map[string]bool, error) {
	alive := marshal(bson.D{{Key: "$match", Value: gatewayAlive}})
	cur, err := m.st.Aggregate(ctx, ns(collGateways), []bson.Raw{alive}, store.AggregateOptions{Primary: true})
	if err != nil {
		return nil, fmt.Errorf("read the gateways: %w", err)
	}
	defer cur.Close()
	out := map[string]bool{}
	for {
		doc, err := cur.Next(ctx)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the gateways: %w", err)
		}
		if id, ok := doc.Lookup("_id").StringValueOK(); ok {
			out[id] = true
		}
	}
}

// farewell takes this gateway's row away.
func (m *Manager) farewell(ctx context.Context) error {
	_, err := m.st.Write(ctx, ns(collGateways), []store.WriteOp{{Kind: store.Delete, Filter: marshal(bson.D{{Key: "_id", Value: m.gateway}})}}, store.WriteOptions{})
	if err != nil {
		m.log.Debug("the row of this gateway stays until it expires", "error", err)
	}
	return nil
}

// beat writes this gateway's row of event_gateways, with its open streams for the
// monitoring functions of the others, and learns the server's time.
func (m *Manager) beat(ctx context.Context) error {
	open, err := m.openStreams(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	streams, subs := len(m.streams), 0
	for _, s := range m.subs {
		if m.scope[s.Database].alive() {
			subs++
		}
	}
	m.mu.Unlock()
	m.notices.mu.Lock()
	listens := m.notices.listens
	m.notices.mu.Unlock()
	sent := m.server.local()
	literal := func(v any) bson.D { return bson.D{{Key: "$literal", Value: v}} }
	reply, err := command(ctx, m.st, bson.D{
		{Key: "findAndModify", Value: collGateways}, {Key: "query", Value: bson.D{{Key: "_id", Value: m.gateway}}}, {Key: "upsert", Value: true}, {Key: "new", Value: true},
		{Key: "fields", Value: bson.D{{Key: "heartbeat_at", Value: 1}}},
		{Key: "update", Value: bson.A{bson.D{{Key: "$set", Value: bson.D{
			{Key: "host", Value: literal(m.host)}, {Key: "version", Value: literal(m.version)}, {Key: "started_at", Value: m.server.at(m.started)}, {Key: "heartbeat_at", Value: "$$NOW"},
			{Key: "status", Value: literal("running")}, {Key: "streams", Value: int32(streams)}, {Key: "subscriptions", Value: int32(subs)}, {Key: "connections", Value: int32(m.clients())},
			{Key: "data_cluster", Value: literal(m.cluster)},
			{Key: "sender", Value: literal(m.notices.sender)}, {Key: "listens", Value: listens},
			{Key: "open_streams", Value: literal(open)}, {Key: "expire_at", Value: bson.D{{Key: "$add", Value: bson.A{"$$NOW", gatewayTTL.Milliseconds()}}}},
		}}}}},
	})
	if err != nil {
		return fmt.Errorf("write the heartbeat: %w", err)
	}
	if v := value.Lookup(reply, "value"); v.IsDocument() {
		if at := value.Lookup(v.Doc(), "heartbeat_at"); at.Kind() == bson.TypeDateTime {
			m.server.observe(time.UnixMilli(at.AsDate()), sent, m.server.local())
		}
	}
	return nil
}

// gatewayAlive finds the rows of the gateways with a heartbeat, by the server's clock.
var gatewayAlive = bson.D{{Key: "$expr", Value: bson.D{{Key: "$gt", Value: bson.A{"$expire_at", "$$NOW"}}}}}

// The counters of so many subscriptions are saved every time housekeeping runs, a few
// after the other: at once it would be felt by those whose events come meanwhile.
const (
	countersAtOnce   = 200
	countersTogether = 20
	countersWithin   = 50 * time.Millisecond // they are durable
	countersRest     = housekeepingEvery / (countersAtOnce / countersTogether) * 3 / 4
)

// saveCounters adds what was counted since the last time to the stored totals
// and to the buckets of event_stats, for so many subscriptions: of more than that
// each has its turn.
func (m *Manager) saveCounters(ctx context.Context, atMost int, rest time.Duration) error {
	all := m.list()
	first, _ := slices.BinarySearchFunc(all, m.turn, func(s *subscription, id string) int { return compareText(s.ID, id) })
	var some []*subscription
	var deltas []unsaved
	for i, saved := 0, 0; i < len(all) && saved < atMost; i++ {
		s := all[(first+i)%len(all)]
		if delta := s.count.unsaved(); !delta.empty() {
			some, deltas = append(some, s), append(deltas, delta)
			saved++
		}
		m.turn = all[(first+i+1)%len(all)].ID
		last := i == len(all)-1 || saved == atMost
		if len(some) == 0 || len(some) < countersTogether && !last {
			continue
		}
		if err := m.saveSome(ctx, some, deltas); err != nil {
			return err
		}
		some, deltas = some[:0], deltas[:0]
		if !last && rest > 0 {
			select {
			case <-time.After(rest):
			case <-ctx.Done():
				return nil
			}
		}
	}
	return nil
}

// saveSome saves what was counted of subscriptions.
func (m *Manager) saveSome(ctx context.Context, some []*subscription, deltas []unsaved) error {
	minute := m.clock().Truncate(time.Minute)
	ops := map[string][]store.WriteOp{}
	pairs := map[string]interactions{}
	for i, s := range some {
		delta := &deltas[i]
		spec := m.stored(s).Spec
		ops[collSubscriptions] = append(ops[collSubscriptions], updateOp(bson.D{{Key: "_id", Value: s.ID}}, bson.D{{Key: "$inc", Value: bson.D{
			{Key: "counters.events_total", Value: delta.total}, {Key: "counters.delivered_total", Value: delta.delivered}, {Key: "counters.failed_total", Value: delta.failed}}},
			{Key: "$set", Value: delta.stamps()}}, false))
		ops[collStats] = append(ops[collStats], minuteOp(spec, &delta.tally, minute))
		ops[collHours] = append(ops[collHours], m.hourOp(spec, &delta.tally))
		m.pairs.add(pairs, spec.Database, delta.pairs, m.clock())
	}
	for db, of := range pairs {
		ops[collInteractions] = append(ops[collInteractions], m.interactionsOp(db, of))
	}
	for coll, of := range ops {
		if _, err := m.st.Write(ctx, ns(coll), of, store.WriteOptions{Unordered: true, Within: countersWithin}); err != nil {
			return fmt.Errorf("save counters: %w", err)
		}
	}
	return m.grewLate(ctx, minute)
}

func updateOp(filter, update bson.D, upsert bool) store.WriteOp {
	return store.WriteOp{Kind: store.Update, Filter: marshal(filter), Update: documentValue(marshal(update)), Upsert: upsert}
}
