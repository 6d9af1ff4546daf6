package events

import (
	"context"
	"fmt"
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
	h := &hold{c: c, s: s, id: bson.NewObjectID().Hex()}
	if err := h.take(ctx); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	worked := make(chan struct{})
	g.Go(func() error { return h.keep(gctx, worked) })
	g.Go(func() error {
		defer close(worked)
		if err := c.m.adopt(gctx, s.Spec.Database, s.ID); err != nil {
			return err
		}
		if err := c.m.quiet(gctx, s); err != nil {
			return err
		}
		return f(gctx)
	})
	err := g.Wait()
	if endErr := h.release(context.WithoutCancel(ctx)); err == nil {
		err = endErr
	}
	return err
}

// hold is what one statement has on a subscription.
type hold struct {
	c  *call
	s  *found
	id string
}

// take waits until no other statement holds the subscription.
func (h *hold) take(ctx context.Context) error {
	limit := time.NewTimer(2 * holdFor * h.c.m.lease)
	defer limit.Stop()
	for {
		free := bson.D{{Key: "_id", Value: h.s.ID}, {Key: "held_until", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gt", Value: h.c.m.clock()}}}}}}
		ok, err := h.set(ctx, free, h.until())
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return sqlerr.New(sqlerr.ObjectInUse, "event subscription \"%s\" is being changed by another statement", h.s.Spec.Name).WithHint("Try again when that is done.")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (h *hold) until() time.Time { return h.c.m.clock().Add(holdFor * h.c.m.lease) }

func (h *hold) set(ctx context.Context, filter bson.D, until time.Time) (bool, error) {
	ok, err := changeDefinition(ctx, h.c.m.st, filter, bson.E{Key: "$set", Value: bson.D{{Key: "held_until", Value: until}, {Key: "held_by", Value: h.id}}})
	if err != nil {
		err = fmt.Errorf("hold %s: %w", h.s.ID, err)
	}
	return ok, err
}

// mine finds the definition while the hold is on it.
func (h *hold) mine() bson.D {
	return bson.D{{Key: "_id", Value: h.s.ID}, {Key: "held_by", Value: h.id}}
}

// keep moves the hold on until what it is for is done. Where it cannot do so in time
// it ends with an error, before a dispatcher may begin.
func (h *hold) keep(ctx context.Context, worked <-chan struct{}) error {
	lease := h.c.m.lease
	moved := time.Now()
	for {
		select {
		case <-worked:
			return nil
		case <-ctx.Done():
			return nil
		case <-time.After(lease / 3):
		}
		began := time.Now()
		last, cancel := context.WithDeadline(ctx, moved.Add(holdFor*lease*4/5))
		ok, err := h.set(last, h.mine(), h.until())
		if err == nil && ok {
			_, err = h.c.m.announce(last, h.s.Spec.Database)
		}
		cancel()
		switch {
		case err == nil && ok:
			moved = began
		case err == nil, time.Since(moved) > holdFor*lease*4/5:
			return sqlerr.New(sqlerr.ObjectInUse, "event subscription \"%s\" could not be held while it is changed", h.s.Spec.Name).
				WithHint("The store did not answer in time. Run the statement again.")
		}
	}
}

func (h *hold) release(ctx context.Context) error {
	if _, err := h.set(ctx, h.mine(), time.Time{}); err != nil {
		return err
	}
	return h.c.m.adopt(ctx, h.s.Spec.Database, h.s.ID)
}
