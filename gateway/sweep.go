package gateway

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
)

// sweepTemporary drops the temporary databases of gateways that ended without
// doing so. One is dropped when its gateway was not alive at two looks in turn:
// a gateway that only paused has come back by then.
func (g *Gateway) sweepTemporary(ctx context.Context) error {
	tick := time.NewTicker(g.opts.TempSweep)
	defer tick.Stop()
	var suspects map[string]bool
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		left, err := g.leftTemporary(ctx)
		if err == nil {
			err = g.dropBoth(ctx, left, suspects)
			suspects = left
		}
		if err != nil && ctx.Err() == nil {
			g.opts.Logger.Warn("temporary databases of other gateways stay for now", "error", err)
		}
	}
}

// leftTemporary lists temporary databases whose gateway is not alive.
func (g *Gateway) leftTemporary(ctx context.Context) (map[string]bool, error) {
	names, err := g.store.Databases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the databases: %w", err)
	}
	left := map[string]bool{}
	for _, db := range names {
		if owner := catalog.TempOwner(db); owner != "" && owner != g.events.Gateway() {
			left[db] = true
		}
	}
	if len(left) == 0 {
		return left, nil
	}
	alive, err := g.events.Gateways(ctx)
	if err != nil {
		return nil, err
	}
	for db := range left {
		if alive[catalog.TempOwner(db)] {
			delete(left, db)
		}
	}
	return left, nil
}

// dropBoth drops the databases that are in both sets.
func (g *Gateway) dropBoth(ctx context.Context, now, before map[string]bool) error {
	drop, err := bson.Marshal(bson.D{{Key: "dropDatabase", Value: 1}})
	if err != nil {
		return err
	}
	for db := range now {
		if !before[db] {
			continue
		}
		if _, err := g.store.Command(ctx, db, drop); err != nil {
			return fmt.Errorf("drop %s: %w", db, err)
		}
		delete(now, db)
		g.opts.Logger.Info("dropped the temporary relations of a gateway that is gone", "database", db)
	}
	return nil
}
