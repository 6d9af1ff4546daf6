package events

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// bulkStore takes writes, one at a time.
type bulkStore struct {
	store.Store
	mu     sync.Mutex
	writes [][]store.WriteOp
	fails  func(ops []store.WriteOp) error
}

func (s *bulkStore) Write(_ context.Context, _ store.Namespace, ops []store.WriteOp, _ store.WriteOptions) (store.WriteResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, ops)
	if s.fails != nil {
		if err := s.fails(ops); err != nil {
			return store.WriteResult{}, err
		}
	}
	time.Sleep(time.Millisecond) // of a virtual clock
	return store.WriteResult{Matched: int64(len(ops))}, nil
}

func newTestBulk() (*bulk, *bulkStore) {
	st := &bulkStore{}
	return &bulk{st: st, hurry: make(chan struct{}, 1), spawn: func(f func()) { go f() }}, st
}

func bulkOp(i int32) store.WriteOp {
	return store.WriteOp{Kind: store.Update, Filter: marshal(bson.D{{Key: "_id", Value: i}})}
}

func TestBulkGathersWhatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, st := newTestBulk()
		done := 0
		for i := range int32(10) {
			b.submit([]store.WriteOp{bulkOp(i)}, false, func(err error) { require.NoError(t, err); done++ })
		}
		synctest.Wait()
		require.Zero(t, done)
		time.Sleep(bulkPace + 2*time.Millisecond)
		synctest.Wait()
		require.Equal(t, 10, done)
		require.Len(t, st.writes, 1)
		time.Sleep(time.Second) // the writer ends
	})
}

func TestBulkWritesAtOnceForWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newTestBulk()
		from := time.Now()
		require.NoError(t, b.write([]store.WriteOp{bulkOp(1)}))
		require.Equal(t, time.Millisecond, time.Since(from))
		ended := make(chan error, 1)
		b.submit([]store.WriteOp{bulkOp(2)}, false, func(err error) { ended <- err })
		b.urge() // somebody came to wait
		from = time.Now()
		require.NoError(t, <-ended)
		require.Equal(t, time.Millisecond, time.Since(from))
		for i := range int32(bulkPaced) { // it is much
			b.submit([]store.WriteOp{bulkOp(i)}, false, func(err error) { ended <- err })
		}
		from = time.Now()
		for range bulkPaced {
			require.NoError(t, <-ended)
		}
		require.Less(t, time.Since(from), bulkPace)
		time.Sleep(time.Second)
	})
}

// Of parts that are written together each has the outcome of its own operations.
func TestBulkPartsFailAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, st := newTestBulk()
		bad := errors.New("refused")
		st.fails = func(ops []store.WriteOp) error {
			for _, op := range ops {
				if op.Filter.Lookup("_id").Int32() == 7 {
					return bad
				}
			}
			return nil
		}
		var got [10]error
		for i := range int32(10) {
			b.submit([]store.WriteOp{bulkOp(i)}, false, func(err error) { got[i] = err })
		}
		time.Sleep(time.Second)
		synctest.Wait()
		for i, err := range got {
			if i == 7 {
				require.ErrorIs(t, err, bad)
			} else {
				require.NoError(t, err)
			}
		}
	})
}
