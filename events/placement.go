package events

import (
	"context"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Which gateway reads a database: the live one with the highest hash of both
// names. Each gateway finds the same by itself, and one that comes or goes moves
// only its own share.
const (
	// placeGrace is how long a free database waits for the gateway that it
	// belongs to before any other takes it.
	placeGrace = 400 * time.Millisecond
	// moveAfter is for how long another gateway must have had the better claim
	// before a database moves, so that a restart does not move it twice.
	moveAfter = time.Minute
	// placeEvery is how often the holder of a database looks.
	placeEvery = 5 * time.Second
)

// claims is what a gateway remembers of databases that belong to another one.
type claims struct {
	free   map[string]time.Time // since when it was seen free
	yield  map[string]time.Time // since when it belongs elsewhere, though it is here
	looked map[string]time.Time
}

func newClaims() claims {
	return claims{free: map[string]time.Time{}, yield: map[string]time.Time{}, looked: map[string]time.Time{}}
}

// place finds the gateway that a database belongs to, "": there is none.
func place(gateways []string, db string) (best string) {
	var high uint64
	for _, g := range gateways {
		h := fnv.New64a()
		_, _ = h.Write([]byte(db))
		_, _ = h.Write([]byte{0})
		_, _ = h.Write([]byte(g))
		if w := mix(h.Sum64()); best == "" || w > high || w == high && g > best {
			best, high = g, w
		}
	}
	return best
}

// mix spreads the bits of a hash: names that differ at the end only would else
// keep their order for every database.
func mix(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// liveGateways lists the gateways with a heartbeat, and this one.
func (m *Manager) liveGateways(ctx context.Context) ([]string, error) {
	ids := []string{m.gateway}
	err := query(ctx, m.st, collGateways, []bson.D{
		{{Key: "$match", Value: gatewayAlive}},
		{{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}}}},
	}, func(doc bson.Raw) error {
		if id := text(value.Lookup(doc, "_id")); !slices.Contains(ids, id) {
			ids = append(ids, strings.Clone(id))
		}
		return nil
	})
	return ids, err
}

// mayTake tells whether this gateway takes a free database: one that belongs to
// it, or that the one which it belongs to left free for a while.
func (m *Manager) mayTake(ctx context.Context, db string) (bool, error) {
	gateways, err := m.liveGateways(ctx)
	if err != nil {
		return false, err
	}
	if place(gateways, db) == m.gateway {
		delete(m.claims.free, db)
		return true, nil
	}
	since, ok := m.claims.free[db]
	if !ok {
		m.claims.free[db] = m.clock()
		return false, nil
	}
	if m.clock().Sub(since) < placeGrace {
		return false, nil
	}
	delete(m.claims.free, db)
	return true, nil
}

// mustYield tells whether a database that is read here has belonged to another
// gateway for long enough to move.
func (m *Manager) mustYield(ctx context.Context, db string) (bool, error) {
	now := m.clock()
	if now.Sub(m.claims.looked[db]) < placeEvery {
		return false, nil
	}
	m.claims.looked[db] = now
	gateways, err := m.liveGateways(ctx)
	if err != nil {
		return false, err
	}
	if place(gateways, db) == m.gateway {
		delete(m.claims.yield, db)
		return false, nil
	}
	since, ok := m.claims.yield[db]
	if !ok {
		m.claims.yield[db] = now
		return false, nil
	}
	if now.Sub(since) < moveAfter {
		return false, nil
	}
	delete(m.claims.yield, db)
	return true, nil
}
