package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
	"weir/store"
)

// TestCloseUnderLoad: what is under way when the engine is closed, or comes
// afterwards, is answered or refused with the server's error; nothing that was
// acknowledged is lost.
func TestCloseUnderLoad(t *testing.T) {
	for range 10 {
		closeUnderLoad(t)
	}
}

func closeUnderLoad(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	e, err := engine.Open(dir, engine.Options{TTLInterval: -1})
	require.NoError(t, err)
	ns := store.Namespace{DB: "d", Coll: "c"}
	works := []func(i int) error{
		func(i int) error {
			tx, err := e.Begin(ctx)
			if err != nil {
				return err
			}
			return errors.Join(put(ctx, tx, "t", fmt.Sprint(i%7), int32(i)), tx.Commit(ctx))
		},
		func(int) error {
			cur, err := e.Aggregate(ctx, ns, nil, store.AggregateOptions{})
			for err == nil {
				_, err = cur.Next(ctx)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			if cur != nil {
				err = errors.Join(err, cur.Close())
			}
			return err
		},
		func(i int) error {
			name := fmt.Sprint("x", i%3)
			_, err := e.Command(ctx, "d", mustRaw(bson.D{{Key: "createIndexes", Value: name}, {Key: "indexes", Value: bson.A{
				bson.D{{Key: "key", Value: bson.D{{Key: "v", Value: 1}}}, {Key: "name", Value: "v_1"}}}}}))
			if err != nil {
				return err
			}
			_, err = e.Command(ctx, "d", mustRaw(bson.D{{Key: "drop", Value: name}}))
			return err
		},
	}
	acked := make([]int, 2)
	for g := range acked {
		works = append(works, func(i int) error {
			err := put(ctx, e, "c", fmt.Sprint(g, " ", i), 1)
			if err == nil {
				acked[g]++
			}
			return err
		})
	}
	var group sync.WaitGroup
	started := make(chan struct{}, len(works))
	failed := make([]error, len(works))
	for g, work := range works {
		group.Go(func() {
			for i := 0; failed[g] == nil; i++ {
				if failed[g] = work(i); i == 5 || failed[g] != nil && i < 5 {
					started <- struct{}{}
				}
			}
		})
	}
	for range works {
		<-started
	}
	require.NoError(t, e.Close())
	group.Wait()
	for g, err := range failed {
		require.Contains(t, []int32{mongoerr.InterruptedAtShutdown, mongoerr.Interrupted, mongoerr.NoSuchTransaction},
			mongoerr.CodeOf(err), "%d: %v", g, err)
	}
	e, err = engine.Open(dir, engine.Options{TTLInterval: -1})
	require.NoError(t, err)
	reply, err := e.Command(ctx, "d", mustRaw(bson.D{{Key: "count", Value: "c"}}))
	require.NoError(t, err)
	require.GreaterOrEqual(t, reply.Lookup("n").AsInt64(), int64(acked[0]+acked[1]))
	require.NoError(t, e.Close())
}
