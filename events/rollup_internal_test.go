package events

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine"
	"weir/engine/value"
	"weir/store"
)

// TestSumsAreThoseOfTheMinutes counts at random over some days, sums up now and then, is
// cut off in the midst of it, has minutes that grow late, and asks for buckets of all
// widths and of some stretches of time: they are what the minutes come to.
func TestSumsAreThoseOfTheMinutes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 3))
		e, err := engine.Open("", engine.Options{InternalDatabases: []string{Database}})
		require.NoError(t, err)
		st := &cutOff{Store: e, left: -1}
		now := time.Date(2026, 3, 4, 22, 17, 30, 0, time.UTC)
		m := New(Deps{Store: st}, Options{Gateway: "g", Now: func() time.Time { return now }})
		ctx := t.Context()
		require.NoError(t, prepare(ctx, e))
		ids := bson.A{}
		for i := range 3 {
			id := fmt.Sprint("s", i)
			ids = append(ids, id)
			require.NoError(t, insertAll(ctx, e, collSubscriptions, []bson.Raw{marshal(bson.D{{Key: "_id", Value: id}})}))
		}
		type minute struct {
			at time.Time
			id string
		}
		counted := map[minute]*tally{}
		count := func(at time.Time) {
			id := ids[r.IntN(len(ids))].(string)
			one := tally{total: int64(r.IntN(5)), failed: int64(r.IntN(2)), bytes: int64(r.IntN(1000))}
			one.lag.add(int64(r.IntN(100_000)))
			op := minuteOp(&Spec{ID: id}, &one, at)
			res, err := e.Write(ctx, ns(collStats), []store.WriteOp{op}, store.WriteOptions{})
			require.NoError(t, err)
			require.NoError(t, res.Err())
			sum := counted[minute{at, id}]
			if sum == nil {
				sum = &tally{}
				counted[minute{at, id}] = sum
			}
			sum.total, sum.failed, sum.bytes = sum.total+one.total, sum.failed+one.failed, sum.bytes+one.bytes
			for _, c := range one.lag {
				sum.lag.count(c.class, c.n)
			}
		}
		ask := func() {
			for _, width := range []time.Duration{2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, Day, 7 * Day} {
				match := bson.D{}
				low, high := time.Time{}, now.Add(Day)
				if r.IntN(2) == 0 {
					low = now.Add(-time.Duration(r.IntN(4000)) * time.Minute)
					high = low.Add(time.Duration(r.IntN(3000)) * time.Minute)
					match = bson.D{{Key: "bucket", Value: bson.D{{Key: "$gte", Value: low}, {Key: "$lt", Value: high}}}}
				}
				want, got := map[string]string{}, map[string]string{}
				sums := map[bucketID]*tally{}
				for k, n := range counted {
					at := time.UnixMilli(k.at.UnixMilli() / width.Milliseconds() * width.Milliseconds())
					if at.Before(low) || !at.Before(high) {
						continue
					}
					b := sums[bucketID{k.id, at.UnixMilli()}]
					if b == nil {
						b = &tally{}
						sums[bucketID{k.id, at.UnixMilli()}] = b
					}
					b.total, b.failed, b.bytes = b.total+n.total, b.failed+n.failed, b.bytes+n.bytes
					for _, c := range n.lag {
						b.lag.count(c.class, c.n)
					}
				}
				for k, b := range sums {
					p99, _ := b.lag.quantile(0.99)
					want[fmt.Sprint(k)] = fmt.Sprint(b.total, b.failed, b.bytes, p99)
				}
				rows, err := m.bucketRows(catalog.WithFilter(ctx, marshal(match)), ids, r.IntN(2) == 0, width)
				require.NoError(t, err)
				for {
					row, err := rows.Next(ctx)
					if err == io.EOF {
						break
					}
					require.NoError(t, err)
					n := func(name string) int64 { return value.Lookup(row, name).AsInt64() }
					at := value.Lookup(row, "bucket").AsDate()
					if time.UnixMilli(at).Before(low) || !time.UnixMilli(at).Before(high) {
						continue // as the statement does
					}
					k := fmt.Sprint(bucketID{text(value.Lookup(row, "subscription_id")), at})
					require.NotContains(t, got, k, "a row comes once")
					got[k] = fmt.Sprint(n("received"), n("failed"), n("bytes"), row.Lookup("lag_p99_ms").Double())
				}
				require.NoError(t, rows.Close())
				require.Equal(t, want, got, "seed %d, width %s, %s", seed, width, match)
			}
		}
		for range 400 {
			count(now.Add(-time.Duration(r.IntN(3*1440)) * time.Minute).Truncate(time.Minute))
		}
		ask()
		for range 40 {
			now = now.Add(time.Duration(r.IntN(40)) * time.Minute)
			for range r.IntN(5) {
				count(now.Truncate(time.Minute))
			}
			if r.IntN(4) == 0 { // and then this one, which was summed up
				late := now.Add(-time.Duration(r.IntN(2000)) * time.Minute).Truncate(time.Minute)
				count(late)
				require.NoError(t, m.grewLate(ctx, late))
			}
			st.left = -1
			if r.IntN(3) == 0 {
				st.left = r.IntN(6)
			}
			again := false
			for more := true; more; {
				var err error
				if more, err = m.rollSome(ctx); err != nil {
					require.ErrorIs(t, err, errCutOff)
					again = true
					break
				}
			}
			if again { // what is late is not there yet
				st.left = -1
				s, err := m.rolledUp(ctx)
				require.NoError(t, err)
				if len(s.again) == 0 {
					ask()
				}
				continue
			}
			ask()
		}
		require.NoError(t, e.Close())
	}
}

var errCutOff = fmt.Errorf("cut off")

// cutOff is a store that fails after some writes; left < 0: never.
type cutOff struct {
	store.Store
	left int
}

func (c *cutOff) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if c.left == 0 {
		return store.WriteResult{}, errCutOff
	}
	c.left--
	return c.Store.Write(ctx, ns, ops, o)
}
