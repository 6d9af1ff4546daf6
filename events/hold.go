package events

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/sqlerr"
)

// A statement that changes what a dispatcher works on keeps all dispatchers of the
// subscription away meanwhile. What holds them is a time in the definition that the
// statement moves on for as long as it works, so that nothing is held for ever when
// its gateway dies.

// holdFor is how long a subscription is held by a statement that is not heard of, in
// leases.
const holdFor = 2

// held runs f while no gateway delivers the subscription's events.
func (c *call) held(ctx context.Context, s *found, f func(context.Context) error) error {
	h := newHold(c.m, s, holdFor*c.m.lease)
	h.waits = true
	if ok, err := h.take(ctx); err != nil || !ok {
		return err
	}
	err := h.during(ctx, f)
	if endErr := h.release(ctx); err == nil {
		err = endErr
	}
	return err
}

// hold is what one statement has on a subscription.
type hold struct {
	m     *Manager
	s     *found
	id    string
	ttl   time.Duration // it lasts for so long when it is not moved on
	also  bson.D        // is set with it
	waits bool          // until it is free
	drops bool          // the subscription goes away under it
	moved atomic.Pointer[time.Time]
}

func newHold(m *Manager, s *found, ttl time.Duration) *hold {
	return &hold{m: m, s: s, id: bson.NewObjectID().Hex(), ttl: ttl}
}

// during runs f under the hold, when nothing delivers any more.
func (h *hold) during(ctx context.Context, f func(context.Context) error) error {
	g, gctx := errgroup.WithContext(ctx)
	worked := make(chan struct{})
	g.Go(func() error { return h.keep(gctx, worked) })
	g.Go(func() error {
		defer close(worked)
		if err := h.m.adopt(gctx, h.s.Spec.Database, h.s.ID); err != nil {
			return err
		}
		if err := h.m.quiet(gctx, h.s); err != nil {
			return err
		}
		if err := h.m.endTransactions(gctx, h.s.ID); err != nil {
			return err
		}
		return f(gctx)
	})
	return g.Wait()
}

// take waits until no other statement holds the subscription. It is not taken when
// there is no such subscription any more, or when it does not wait.
func (h *hold) take(ctx context.Context) (bool, error) {
	limit := time.NewTimer(2 * holdFor * h.m.lease)
	defer limit.Stop()
	for {
		free := bson.D{{Key: "_id", Value: h.s.ID}, {Key: "held_until", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gt", Value: h.m.clock()}}}}}}
		if !h.drops {
			free = append(free, notDraining)
		}
		began := time.Now()
		ok, err := h.set(ctx, free, h.until(), h.also...)
		h.moved.Store(&began)
		if err != nil || ok || !h.waits {
			return ok, err
		}
		if there, err := h.there(ctx); err != nil || !there {
			return false, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-limit.C:
			return false, sqlerr.New(sqlerr.ObjectInUse, "event subscription \"%s\" is being changed by another statement", h.s.Spec.Name).WithHint("Try again when that is done.")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// there tells whether the subscription is still to be had: for what does not drop it,
// one that is being dropped is not.
func (h *hold) there(ctx context.Context) (there bool, err error) {
	filter := bson.D{{Key: "_id", Value: h.s.ID}}
	if !h.drops {
		filter = append(filter, notDraining)
	}
	err = query(ctx, h.m.st, collSubscriptions, []bson.D{{{Key: "$match", Value: filter}}, {{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}}}}}, func(bson.Raw) error {
		there = true
		return nil
	})
	if err == nil && !there && !h.drops {
		err = errStale
	}
	return there, err
}

func (h *hold) until() time.Time { return h.m.clock().Add(h.ttl) }

func (h *hold) set(ctx context.Context, filter bson.D, until time.Time, also ...bson.E) (bool, error) {
	ok, err := changeDefinition(ctx, h.m.st, filter, bson.E{Key: "$set", Value: append(bson.D{{Key: "held_until", Value: until}, {Key: "held_by", Value: h.id}}, also...)})
	if err != nil {
		err = fmt.Errorf("hold %s: %w", h.s.ID, err)
	}
	return ok, err
}

// mine finds the definition while the hold is on it.
func (h *hold) mine() bson.D {
	return bson.D{{Key: "_id", Value: h.s.ID}, {Key: "held_by", Value: h.id}}
}

// patience is for how long the holder goes by what it has.
func (h *hold) patience() time.Duration { return h.ttl * 4 / 5 }

// good tells whether the hold lasts, by the gateway's monotonic clock.
func (h *hold) good() bool { return time.Since(*h.moved.Load()) < h.patience() }

func (h *hold) lost() error {
	return sqlerr.New(sqlerr.ObjectInUse, "event subscription \"%s\" could not be held while it is changed", h.s.Spec.Name).
		WithHint("The store did not answer in time. Run the statement again.")
}

// keep moves the hold on until what it is for is done. Where it cannot do so in time
// it ends with an error, before a dispatcher may begin.
func (h *hold) keep(ctx context.Context, worked <-chan struct{}) error {
	for {
		select {
		case <-worked:
			return nil
		case <-ctx.Done():
			return nil
		case <-time.After(h.m.lease / 3):
		}
		began := time.Now()
		last, cancel := context.WithDeadline(ctx, h.moved.Load().Add(h.patience()))
		ok, err := h.set(last, h.mine(), h.until())
		if err == nil && ok {
			_, err = h.m.announce(last, h.s.Spec.Database)
		}
		cancel()
		switch {
		case err == nil && ok:
			h.moved.Store(&began)
		case err == nil && h.drops: // it is gone, or another one's by now: clear looks
			return nil
		case err == nil, !h.good():
			return h.lost()
		}
	}
}

// release ends the hold, also for who has given up: that one does not wait for delivery
// to begin again.
func (h *hold) release(ctx context.Context) error {
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.ttl) // then it has ended by itself
	defer cancel()
	if _, err := h.set(whole, h.mine(), time.Time{}); err != nil {
		return err
	}
	if ctx.Err() != nil {
		_, err := h.m.bump(whole, h.s.Spec.Database)
		return err
	}
	return h.m.adopt(ctx, h.s.Spec.Database, h.s.ID)
}
