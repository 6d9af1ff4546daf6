package events_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// leaseless is a store that takes no lease any more, nor renews one, when it is cut.
type leaseless struct {
	store.Store
	cut   atomic.Bool
	hangs chan struct{} // until it is closed a stream does not end that is cut, nil: streams end
}

func (s *leaseless) Watch(ctx context.Context, scope store.Namespace, p []bson.Raw, o store.WatchOptions) (store.ChangeStream, error) {
	stream, err := s.Store.Watch(ctx, scope, p, o)
	return &leaselessStream{stream, s}, err
}

type leaselessStream struct {
	store.ChangeStream
	of *leaseless
}

func (s *leaselessStream) Close() error {
	if s.of.cut.Load() && s.of.hangs != nil {
		<-s.of.hangs
	}
	return s.ChangeStream.Close()
}

func (s *leaseless) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if s.cut.Load() && ns.Coll == "event_readers" {
		return store.WriteResult{}, errDead
	}
	return s.Store.Write(ctx, ns, ops, o)
}

func (s *leaseless) Command(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	if s.cut.Load() && bytes.Contains(cmd, []byte("event_readers")) {
		return nil, errDead
	}
	return s.Store.Command(ctx, db, cmd)
}

// TestFencedGatewayIsSilent has a gateway lose its lease while sends of many
// subscriptions stall, or while its reader is long in ending: none of them goes on until
// the others have ended, as another gateway may deliver by then.
func TestFencedGatewayIsSilent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stalled int64
		hangs   bool
	}{"sends stall": {150, false}, "the reader hangs": {1, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireSilent(t, c.stalled, c.hangs)
		})
	}
}

func requireSilent(t *testing.T, stalled int64, hangs bool) {
	const lease = time.Second
	var under, refused atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body) // the end of a connection is noticed then
		if req.URL.Path == "/stalls" {
			under.Add(1)
			<-req.Context().Done()
			return
		}
		refused.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(srv.Close)
	s := &leaseless{Store: openEngine(t)}
	if hangs {
		s.hangs = make(chan struct{})
	}
	n := startNode(t, s, lease)
	t.Cleanup(func() {
		if hangs {
			close(s.hangs)
		}
		n.stop()
		<-n.ended
	})
	conn := connect(t, n.Gateway, "fenced")
	for i := range stalled {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION s%d ON docs DELIVER TO '%s/stalls'`, i, srv.URL)
	}
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION z ON docs DELIVER TO '%s/refuses' WITH (%s)`, srv.URL, fast)
	insertDocs(t, s.Store, "fenced", 0, 1)
	require.Eventually(t, func() bool { return under.Load() == stalled && refused.Load() > 0 }, patience, 5*time.Millisecond)
	s.cut.Store(true)
	began, last := time.Now(), refused.Load()
	for quiet := time.Now(); time.Since(quiet) < 3*lease; time.Sleep(lease / 20) {
		if now := refused.Load(); now != last {
			last, quiet = now, time.Now()
			require.Less(t, time.Since(began), 5*lease, "it goes on to send without a lease")
		}
	}
}
