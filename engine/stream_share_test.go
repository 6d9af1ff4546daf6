package engine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/store"
)

// A stream that nothing concerns moves on all the same, and resumes from there.
func TestIdleStreamMovesOn(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	ctx := context.Background()
	other := store.Namespace{DB: "d", Coll: "other"}
	cs, err := e.Watch(ctx, other, nil, store.WatchOptions{})
	require.NoError(t, err)
	defer cs.Close()
	token := append(bson.Raw(nil), cs.ResumeToken()...)
	for i := range 20 {
		_, err := e.Write(ctx, crashNS, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: i}})}, store.WriteOptions{})
		require.NoError(t, err)
		doc, err := cs.Next(ctx, 0)
		require.NoError(t, err)
		require.Nil(t, doc)
		require.NotEqual(t, token, cs.ResumeToken())
		token = append(token[:0], cs.ResumeToken()...)
	}
	_, err = e.Write(ctx, other, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: "x"}})}, store.WriteOptions{})
	require.NoError(t, err)
	again, err := e.Watch(ctx, other, nil, store.WatchOptions{ResumeAfter: token})
	require.NoError(t, err)
	defer again.Close()
	for _, s := range []store.ChangeStream{cs, again} {
		doc, err := s.Next(ctx, time.Second)
		require.NoError(t, err)
		require.Equal(t, "x", doc.Lookup("documentKey", "_id").StringValue())
	}
}

// Streams of every scope see every change that is theirs, in order, while many
// write.
func TestStreamsMissNothing(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	ctx := context.Background()
	const writers, each = 6, 60
	type reader struct {
		cs   store.ChangeStream
		want int
	}
	var readers []reader
	for w := range writers {
		cs, err := e.Watch(ctx, store.Namespace{DB: "d", Coll: fmt.Sprint("c", w)}, nil, store.WatchOptions{})
		require.NoError(t, err)
		readers = append(readers, reader{cs, each})
	}
	all, err := e.Watch(ctx, store.Namespace{DB: "d"}, nil, store.WatchOptions{})
	require.NoError(t, err)
	cluster, err := e.Watch(ctx, store.Namespace{}, nil, store.WatchOptions{Cluster: true})
	require.NoError(t, err)
	readers = append(readers, reader{all, writers * each}, reader{cluster, writers * each})
	done := make(chan error, writers+len(readers))
	for w := range writers {
		go func() {
			for i := range each {
				if _, err := e.Write(ctx, store.Namespace{DB: "d", Coll: fmt.Sprint("c", w)}, []store.WriteOp{insertOp(t, bson.D{{Key: "_id", Value: i}})}, store.WriteOptions{}); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for _, r := range readers {
		go func() {
			defer r.cs.Close()
			next := map[string]int{}
			for range r.want {
				doc, err := r.cs.Next(ctx, 20*time.Second)
				if err != nil || doc == nil {
					done <- fmt.Errorf("no event after %v: %w", next, err)
					return
				}
				coll := doc.Lookup("ns", "coll").StringValue()
				if got := int(doc.Lookup("documentKey", "_id").AsInt64()); got != next[coll] {
					done <- fmt.Errorf("%s: event %d in place of %d", coll, got, next[coll])
					return
				}
				next[coll]++
			}
			done <- nil
		}()
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
}
