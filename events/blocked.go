package events

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// eachBlocked calls f with the ordering keys that open dead letters block, with
// some of them more than once (on_dead_letter = block_key).
func eachBlocked(ctx context.Context, st store.Store, spec *Spec, f func(key string)) error {
	if spec.OnDeadLetter != "block_key" {
		return nil
	}
	order := makePaths(spec.OrderingKey)
	err := queryWhole(ctx, st, collDead, []bson.D{{{Key: "$match", Value: openDead(spec.ID)}}}, func(row bson.Raw) error {
		row = slices.Clone(row)
		f(orderingKey(spec, order, row, position(row)))
		return nil
	})
	if err != nil {
		return fmt.Errorf("find the blocked keys of %s: %w", spec.ID, err)
	}
	return nil
}

// recountBlocked stores how many keys of a subscription are blocked that nobody
// delivers: a dispatcher does so itself.
func (m *Manager) recountBlocked(ctx context.Context, id string) error {
	m.mu.Lock()
	s := m.subs[id]
	m.mu.Unlock()
	if s == nil {
		return nil
	}
	def := m.stored(s)
	if def.delivers(m.clock()) {
		return nil
	}
	keys := make([]map[string]bool, def.Spec.DeliveryShards)
	for i := range keys {
		keys[i] = map[string]bool{}
	}
	if err := eachBlocked(ctx, m.st, def.Spec, func(key string) { keys[shardOf(key, len(keys))][key] = true }); err != nil {
		return err
	}
	for shard, of := range keys {
		if _, err := updateOne(ctx, m.st, collCursors, bson.D{{Key: "_id", Value: cursorID(id, shard)}}, bson.D{{Key: "$set", Value: bson.D{{Key: "blocked", Value: int64(len(of))}}}}, false); err != nil {
			return fmt.Errorf("store the blocked keys of %s: %w", id, err)
		}
	}
	return nil
}
