package testkit_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// chaosAhead is how many changes may wait; more would only make the test long.
const chaosAhead = 5_000

// chaosWriters change keys one after the other; a key's changes are counted. One
// more changes the schema.
type chaosWriters struct {
	db     *mongo.Database
	fail   func(format string, args ...any)
	ended  sync.WaitGroup
	cancel context.CancelFunc
	counts [chaosKeys]atomic.Int64

	mu     sync.Mutex
	schema []string // what was done to it
}

// write starts writers, of which each has keys of its own. They rest while more
// waits than arrived tells.
func (c *chaos) write(arrived func() int64) *chaosWriters {
	ctx, cancel := context.WithCancel(context.Background())
	w := &chaosWriters{db: c.client.Database(chaosDatabase), fail: c.t.Errorf, cancel: cancel}
	const writers = 4
	for first := range writers {
		w.ended.Go(func() {
			var keys []int
			for key := first; key < chaosKeys; key += writers {
				keys = append(keys, key)
			}
			for n := int64(1); ctx.Err() == nil; n++ {
				if err := w.round(keys, n); err != nil {
					w.fail("write: %v", err)
					return
				}
				time.Sleep(30 * time.Millisecond)
				for ctx.Err() == nil && w.total()-arrived() > chaosAhead {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	w.ended.Go(func() {
		for n := 1; ctx.Err() == nil; n++ {
			if err := w.changeSchema(n); err != nil {
				w.fail("change the schema: %v", err)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return w
}

// round makes change n of keys, of every third in one transaction.
func (w *chaosWriters) round(keys []int, n int64) error {
	if n%3 != 0 {
		for _, key := range keys {
			if err := w.change(context.Background(), key, n); err != nil {
				return err
			}
			w.counts[key].Store(n)
		}
		return nil
	}
	s, err := w.db.Client().StartSession()
	if err != nil {
		return err
	}
	defer s.EndSession(context.Background())
	_, err = s.WithTransaction(context.Background(), func(ctx context.Context) (any, error) {
		for _, key := range keys {
			if err := w.change(ctx, key, n); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	for _, key := range keys {
		if err == nil {
			w.counts[key].Store(n)
		}
	}
	return err
}

func (w *chaosWriters) change(ctx context.Context, key int, n int64) error {
	set := bson.D{{Key: "n", Value: n}}
	if key%3 == 0 && n == 1 {
		set = append(set, bson.E{Key: "pad", Value: strings.Repeat("padding ", 200)})
	}
	_, err := w.db.Collection("docs").UpdateOne(ctx, bson.D{{Key: "_id", Value: key}}, bson.D{{Key: "$set", Value: set}}, options.UpdateOne().SetUpsert(true))
	return err
}

// changeSchema makes a collection, writes into it, renames and drops it.
func (w *chaosWriters) changeSchema(n int) error {
	ctx := context.Background()
	first, then := fmt.Sprintf("tmp%da", n), fmt.Sprintf("tmp%db", n)
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"create " + first, func() error { return w.db.CreateCollection(ctx, first) }},
		{"insert " + first, func() error {
			_, err := w.db.Collection(first).InsertOne(ctx, bson.D{{Key: "_id", Value: n}})
			return err
		}},
		{"rename " + first, func() error {
			return w.db.Client().Database("admin").RunCommand(ctx, bson.D{{Key: "renameCollection", Value: chaosDatabase + "." + first}, {Key: "to", Value: chaosDatabase + "." + then}}).Err()
		}},
		{"drop " + then, func() error { return w.db.Collection(then).Drop(ctx) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		w.mu.Lock()
		w.schema = append(w.schema, step.what)
		w.mu.Unlock()
	}
	return nil
}

func (w *chaosWriters) changesOfSchema() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.schema...)
}

func (w *chaosWriters) stop() {
	w.cancel()
	w.ended.Wait()
}

func (w *chaosWriters) made() (out [chaosKeys]int64) {
	for i := range w.counts {
		out[i] = w.counts[i].Load()
	}
	return out
}

func (w *chaosWriters) total() (n int64) {
	for i := range w.counts {
		n += w.counts[i].Load()
	}
	return n
}

// checksums chains a CRC over the changes of each key.
func (w *chaosWriters) checksums() (sums [chaosKeys]uint32) {
	for key := range w.counts {
		for n := int64(1); n <= w.counts[key].Load(); n++ {
			sums[key] = chain(sums[key], n)
		}
	}
	return sums
}
