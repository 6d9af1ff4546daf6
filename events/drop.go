package events

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// drop is DROP EVENT_SUBSCRIPTION. Pending events are not sent.
func (c *call) drop(ctx context.Context, n *ast.DropEventSubscription) error {
	s, err := c.findStoredAny(ctx, n.Name)
	if err != nil {
		if n.IfExists {
			c.notice("NOTICE", sqlerr.SuccessfulCompletion, "event subscription \"%s\" does not exist, skipping", n.Name.Name)
			return nil
		}
		return err
	}
	open, err := c.m.countOpen(ctx, s.ID)
	if err != nil {
		return err
	}
	if open > 0 && n.Behavior != ast.Cascade && s.Status != StateDraining {
		return sqlerr.New(sqlerr.DependentObjectsStillExist, "cannot drop event subscription \"%s\" because it has open dead letters", s.Spec.Name).At(n.Name.Pos()).
			WithDetail("%d dead letters are open.", open).
			WithHint("REDRIVE or DISCARD DEAD LETTERS FOR %s first, or use DROP … CASCADE to drop them too.", ast.QuoteIdent(s.Spec.Name))
	}
	_, err = c.m.remove(ctx, s, true)
	return err
}

func (m *Manager) countOpen(ctx context.Context, id string) (int64, error) {
	var n int64
	err := query(ctx, m.st, collDead, []bson.D{
		{{Key: "$match", Value: openDead(id)}},
		{{Key: "$count", Value: "n"}},
	}, func(doc bson.Raw) error {
		n = doc.Lookup("n").AsInt64()
		return nil
	})
	return n, err
}

// openDead finds the dead letters of a subscription that nobody has closed.
func openDead(id string) bson.D {
	return bson.D{{Key: "subscription_id", Value: id}, {Key: "status", Value: bson.D{{Key: "$in", Value: bson.A{"open", "redriving"}}}}}
}

// remove takes a subscription and all that is its own away, the definition last,
// under a hold: of several gateways one does it, and when that one dies another goes
// on (finishDrops). done is false when another one is at it and that is not awaited.
func (m *Manager) remove(ctx context.Context, s *found, wait bool) (done bool, err error) {
	now := m.clock()
	h := newHold(m, s, m.lease)
	h.drops, h.waits = true, wait
	h.also = bson.D{{Key: "status", Value: StateDraining}, {Key: "desired_status", Value: StateDraining}, {Key: "status_reason", Value: ""}}
	if s.Status != StateDraining {
		h.also = append(h.also, bson.E{Key: "status_since", Value: now}, bson.E{Key: "updated_at", Value: now})
	}
	ok, err := h.take(ctx)
	if err != nil || !ok {
		return false, err
	}
	if err := h.during(ctx, func(ctx context.Context) error { return m.clear(ctx, s, h) }); err != nil {
		return false, err
	}
	m.mu.Lock()
	m.leaveOut(s.ID)
	m.mu.Unlock()
	_, err = m.bump(ctx, s.Spec.Database)
	return true, err
}

// clear removes the documents of a subscription.
func (m *Manager) clear(ctx context.Context, s *found, h *hold) error {
	own := bson.D{{Key: "subscription_id", Value: s.ID}}
	for _, d := range []struct {
		coll   string
		filter bson.D
	}{
		{collLog, own}, {collDead, own}, {collAttempts, own}, {collBackfills, own}, {collRedrives, own}, {collGaps, own}, {collStats, own}, {collRollups, own}, {collHours, own},
		{collCursors, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: cursorIDs(s.ID, 0, maxShards)}}}}},
		{collSubscriptions, h.mine()},
	} {
		if !h.good() { // the id may be somebody else's by now
			return h.lost()
		}
		res, err := m.st.Write(ctx, ns(d.coll), []store.WriteOp{{Kind: store.Delete, Filter: marshal(d.filter), Multi: true}}, store.WriteOptions{Durable: true})
		if err == nil {
			err = res.Err()
		}
		if err != nil {
			return fmt.Errorf("remove what belongs to %s: %w", s.ID, err)
		}
	}
	return nil
}

// finishDrops goes on with the DROPs of gateways that died in the midst of them.
func (m *Manager) finishDrops(ctx context.Context) {
	if m.clock().Sub(m.dropsSeen) < strayEvery || !m.finishing.TryLock() {
		return
	}
	m.dropsSeen = m.clock()
	var cut []found
	for _, s := range m.found("") {
		if s.Status == StateDraining && !m.clock().Before(s.HeldUntil) {
			cut = append(cut, s)
		}
	}
	if len(cut) == 0 {
		m.finishing.Unlock()
		return
	}
	m.within(func() {
		defer m.finishing.Unlock()
		for i := range cut {
			m.finishDrop(ctx, &cut[i])
		}
	})
}

// finishDrop removes what is to go and nobody waits for.
func (m *Manager) finishDrop(ctx context.Context, s *found) {
	switch done, err := m.remove(ctx, s, false); {
	case ctx.Err() != nil:
	case err != nil:
		m.log.Warn("a DROP that was cut off could not be finished; it is tried again", "subscription", s.ID, "error", err)
	case done:
		m.log.Info("a DROP that was cut off is finished", "subscription", s.ID)
		m.census.forget()
		m.graves.forget()
	}
}

// draining refuses a subscription that is being dropped.
func (c *call) draining(s *found, pos int) error {
	c.drains = true
	return sqlerr.New(sqlerr.ObjectInUse, "event subscription \"%s\" is being dropped", s.Spec.Name).At(pos).
		WithHint("Try again when EVENT_SUBSCRIPTIONS() does not list it any more; what a gateway that died left of it is removed within %d seconds.", int((2*defaultLease+strayEvery)/time.Second))
}
