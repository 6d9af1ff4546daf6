package events

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBarriers settles events at random, some after retries, some as dead letters that
// block their key: no change of the schema is taken before an earlier event of its
// collections is settled, and no event before an earlier change is.
func TestBarriers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := newLanes(&budget{limit: 1 << 40})
		colls := []string{"a", "b", "c"}
		var all []*item
		settled := map[*item]bool{}
		ended := func(it *item) bool { // or blocked
			ln := l.byKey[it.key]
			return settled[it] || ln != nil && ln.blocked
		}
		conflict := func(x, y *item) bool {
			touch := func(x, y *item) bool {
				return x.coll == y.coll || x.to != "" && (x.to == y.coll || x.to == y.to) || y.to != "" && y.to == x.coll
			}
			return (x.ddl || y.ddl) && (x.isWide() || y.isWide() || touch(x, y))
		}
		var flying []*item
		step := func() {
			if r.IntN(2) == 0 {
				flying = append(flying, l.take(nil, 1+r.IntN(3))...)
				for _, it := range flying {
					for _, o := range all {
						require.False(t, o.Position < it.Position && !ended(o) && conflict(o, it) && o != it, "seed %d: %s (%s, %s) before %s (%s, counted %t, ddl %t)", seed, it.Position, it.coll, it.to, o.Position, o.key, o.counted, o.ddl)
					}
				}
				return
			}
			if len(flying) == 0 {
				return
			}
			i := r.IntN(len(flying))
			it := flying[i]
			flying = slices.Delete(flying, i, i+1)
			switch r.IntN(6) {
			case 0: // fails, is sent again
				l.release(it)
			case 1:
				if ln := l.byKey[it.key]; !it.ddl && ln.flying == 1 {
					l.block(it.key)
				}
				fallthrough
			default:
				settled[it] = true
				l.settle(it)
			}
		}
		for n := range 60 {
			it := &item{coll: colls[r.IntN(3)], size: 1}
			it.Position = fmt.Sprintf("%03d", n)
			switch r.IntN(12) {
			case 0:
				it.ddl, it.coll = true, ""
			case 1, 2:
				it.ddl = true
			case 3:
				it.ddl, it.to = true, colls[r.IntN(3)]
			}
			it.key = fmt.Sprint(it.coll, "/", r.IntN(4))
			if it.ddl {
				it.key = it.coll + "/"
			}
			all = append(all, it)
			l.add(it)
			for range r.IntN(4) {
				step()
			}
		}
		for range 5000 {
			step()
		}
		for _, it := range all {
			require.True(t, ended(it), "seed %d: %+v is stuck", seed, it)
		}
		require.False(t, l.barrier.on)
		require.Empty(t, l.barrier.held)
	}
}
