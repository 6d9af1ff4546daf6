package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
)

// maxShards is the most that delivery_shards may be.
const maxShards = 64

// With delivery_shards = n the events of a subscription are delivered by n
// dispatchers, each with the keys whose hash is its own and with a cursor of its
// own. A cursor's document holds a lease, so that the gateways share the shards
// whichever of them reads the database.

// sharded tells whether the subscription's dispatchers have leases of their own.
func (s *stored) sharded() bool { return s.Spec.DeliveryShards > 1 }

// cursorID names the cursor of a shard.
func cursorID(subscription string, shard int) string {
	return subscription + ":" + strconv.Itoa(shard)
}

// cursorIDs names the cursors of the shards from one number up to another.
func cursorIDs(subscription string, from, to int) bson.A {
	ids := bson.A{}
	for i := from; i < to; i++ {
		ids = append(ids, cursorID(subscription, i))
	}
	return ids
}

// shardOf finds the shard that delivers an ordering key.
func shardOf(key string, shards int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return int(mix(h.Sum64()) % uint64(shards))
}

// lookAtShards starts the shards that this gateway may take, and ends those that
// are not to run here any more.
func (m *Manager) lookAtShards(ctx context.Context) error {
	ids := bson.A{}
	var subs []*subscription
	for _, s := range m.withShards() {
		def := m.stored(s)
		m.endShards(s, &def)
		if def.sharded() && def.delivers(m.clock()) {
			subs = append(subs, s)
			ids = append(ids, cursorIDs(s.ID, 0, def.Spec.DeliveryShards)...)
		}
	}
	if len(subs) == 0 {
		return nil
	}
	free, err := m.freeCursors(ctx, ids)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range subs {
		def := m.stored(s)
		for i := range def.Spec.DeliveryShards {
			errs = append(errs, m.lookAtShard(ctx, s, &def, i, free[cursorID(s.ID, i)]))
		}
	}
	return errors.Join(errs...)
}

// withShards gives the subscriptions that have shards, or something of them running here.
func (m *Manager) withShards() (out []*subscription) {
	all := m.list()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range all {
		if s.sharded() || len(s.shards) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// freeCursors lists the cursors that no gateway has a lease on.
func (m *Manager) freeCursors(ctx context.Context, ids bson.A) (map[string]bool, error) {
	free := map[string]bool{}
	err := query(ctx, m.st, collCursors, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}}},
		{{Key: "$project", Value: bson.D{{Key: "free", Value: leaseFree}}}}}, func(doc bson.Raw) error {
		if value.Lookup(doc, "free").AsBool() {
			free[string([]byte(text(value.Lookup(doc, "_id"))))] = true
		}
		return nil
	})
	return free, err
}

// leaseFree is the expression that tells whether a document's lease has run out.
var leaseFree = bson.D{{Key: "$lte", Value: bson.A{bson.D{{Key: "$ifNull", Value: bson.A{"$expires_at", time.Unix(0, 0)}}}, "$$NOW"}}}

// endShards stops what runs under an older definition, or is not to run.
func (m *Manager) endShards(s *subscription, def *stored) {
	var old []*running[*dispatcher]
	m.mu.Lock()
	for i, d := range s.shards {
		if !def.sharded() || !def.delivers(m.clock()) || d.it.version != def.Version || !d.alive() {
			old = append(old, d)
			delete(s.shards, i)
		}
	}
	m.mu.Unlock()
	stopAll(old)
}

// stopShards stops all that runs here.
func (m *Manager) stopShards(s *subscription) {
	var old []*running[*dispatcher]
	m.mu.Lock()
	for _, d := range s.shards {
		old = append(old, d)
	}
	s.shards = nil
	m.mu.Unlock()
	stopAll(old)
}

// stopAll ends dispatchers together: each may take a moment for its sends.
func stopAll(all []*running[*dispatcher]) {
	for _, d := range all {
		d.cancel()
	}
	for _, d := range all {
		d.stop()
	}
}

func (m *Manager) lookAtShard(ctx context.Context, s *subscription, def *stored, shard int, free bool) error {
	id := cursorID(s.ID, shard)
	m.mu.Lock()
	d := s.shards[shard]
	m.mu.Unlock()
	switch {
	case d != nil:
		elsewhere, err := m.mustYield(ctx, id)
		if err != nil || !elsewhere {
			return err
		}
		m.mu.Lock()
		delete(s.shards, shard)
		m.mu.Unlock()
		d.stop()
		return nil
	case !free:
		return nil
	}
	if mine, err := m.mayTake(ctx, id); err != nil || !mine {
		return err
	}
	l := &lease{st: m.st, coll: collCursors, id: id, owner: m.gateway, ttl: m.lease}
	doc, err := l.acquire(ctx)
	if err != nil || doc == nil {
		return err
	}
	if err := m.reload(ctx, s.Database); err != nil || m.stored(s).Version != def.Version {
		l.release(ctx) // what is in force has changed meanwhile; the next look goes by that
		return err
	}
	m.startShard(s, def, shard, l)
	return nil
}

func (m *Manager) startShard(s *subscription, def *stored, shard int, l *lease) {
	d := m.newDispatcher(s, def)
	d.shard, d.lease = shard, l
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.shards == nil {
		s.shards = map[int]*running[*dispatcher]{}
	}
	s.shards[shard] = spawn(m, d, func(ctx context.Context) error {
		defer l.release(ctx)
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() error { return l.keep(gctx) })
		g.Go(func() error {
			return cmp.Or(m.runDispatcher(gctx, d), context.Canceled) // ends the lease's renewal
		})
		return g.Wait()
	})
}

// leased reads the cursor of a shard under its lease.
func (d *dispatcher) leased(ctx context.Context) (cursor bson.Raw, err error) {
	err = query(ctx, d.st, collCursors, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: d.cursor()}, {Key: "epoch", Value: d.lease.epoch}}}}}, func(doc bson.Raw) error {
		cursor = slices.Clone(doc)
		return nil
	})
	if err == nil && cursor == nil {
		err = errFenced
	}
	return cursor, err
}

func (d *dispatcher) cursor() string { return cursorID(d.spec.ID, d.shard) }

// elsewhere tells whether a key belongs to another shard.
func (d *dispatcher) elsewhere(key string) bool {
	return d.spec.DeliveryShards > 1 && shardOf(key, d.spec.DeliveryShards) != d.shard
}

// moved tells whether a new definition sends keys to other shards than before.
func moved(old, now *Spec) bool {
	return (old.DeliveryShards > 1 || now.DeliveryShards > 1) &&
		(old.DeliveryShards != now.DeliveryShards || old.PreserveOrder != now.PreserveOrder || !slices.Equal(old.OrderingKey, now.OrderingKey))
}

// reshard puts a definition in force that sends keys to other shards: all old
// shards stop, what they know is written, and all new ones begin at the position
// up to which each of the old ones was. Above it the log tells what is settled.
func (c *call) reshard(ctx context.Context, s *found, next *stored) error {
	return c.held(ctx, s, func(ctx context.Context) error {
		low, err := c.m.lowestCursor(ctx, s)
		if err != nil {
			return err
		}
		if err := c.m.setCursors(ctx, s.ID, next.Spec.DeliveryShards, "$set", low); err != nil {
			return err
		}
		if err := c.m.saveDefinition(ctx, next); err != nil {
			return fmt.Errorf("save the subscription: %w", err)
		}
		_, err = c.m.st.Write(ctx, ns(collCursors), []store.WriteOp{{Kind: store.Delete, Multi: true,
			Filter: marshal(bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: cursorIDs(s.ID, next.Spec.DeliveryShards, maxShards)}}}})}}, store.WriteOptions{Durable: true})
		return err
	})
}

// lowestCursor is the position below which all shards have settled everything.
func (m *Manager) lowestCursor(ctx context.Context, s *found) (low string, err error) {
	first := true
	err = query(ctx, m.st, collCursors, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: cursorIDs(s.ID, 0, s.Spec.DeliveryShards)}}}}}}}, func(doc bson.Raw) error {
		if done := string([]byte(text(value.Lookup(doc, "done_pos")))); first || done < low {
			low, first = done, false
		}
		return nil
	})
	return low, err
}

// setCursors changes the cursors of all shards, and makes those that are not there.
// Whoever had them is fenced: it may have gone to sleep and not know that it is late.
func (m *Manager) setCursors(ctx context.Context, id string, shards int, operator, done string) error {
	var ops []store.WriteOp
	for i := range shards {
		ops = append(ops, updateOp(bson.D{{Key: "_id", Value: cursorID(id, i)}}, bson.D{{Key: operator, Value: bson.D{{Key: "done_pos", Value: done}}}, {Key: "$inc", Value: bson.D{{Key: "epoch", Value: int64(1)}}}}, true))
	}
	res, err := m.st.Write(ctx, ns(collCursors), ops, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	return err
}

// quiet waits until no gateway holds a shard of a subscription that is not to
// deliver: one that died holds its own until its lease runs out.
func (m *Manager) quiet(ctx context.Context, s *found) error {
	if !s.sharded() {
		return nil
	}
	limit := time.NewTimer(m.lease + 5*time.Second)
	defer limit.Stop()
	for {
		free, err := m.freeCursors(ctx, cursorIDs(s.ID, 0, s.Spec.DeliveryShards))
		if err != nil || len(free) == s.Spec.DeliveryShards {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return sqlerr.New(sqlerr.CannotConnectNow, "the shards of event subscription \"%s\" do not stop", s.Spec.Name).WithHint("Try again in a moment.")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
