package events_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/internal/testkit"
)

// TestLargeEventsTakeTurns has a hundred subscriptions deliver the same events of
// more than 10 MB, to receivers of which the first requests hang: what all of them
// hold in memory stays bounded, and every event is delivered, in order.
func TestLargeEventsTakeTurns(t *testing.T) {
	const subscriptions, large, size = 100, 3, 10 << 20
	g := testkit.Start(t, testkit.Embedded, nil)
	conn, ctx := g.Connect(t), t.Context()
	var hung, got atomic.Int64
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || !strings.Contains(string(body), fmt.Sprint(size)) {
			return
		}
		hung.Add(1)
		<-release
		got.Add(1)
	}))
	defer srv.Close()
	for i := range subscriptions {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION s%d ON docs DELIVER TO '%s' WITH (transform = 'event_id, length(full_document->>''pad'') AS n')`, i, srv.URL)
		exec(t, conn, `PAUSE EVENT_SUBSCRIPTION s%d`, i)
	}
	for i := range large {
		_, err := g.Mongo(t).Collection("docs").InsertOne(ctx, bson.D{{Key: "_id", Value: i}, {Key: "pad", Value: strings.Repeat("x", size)}})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS()`) == subscriptions*large
	}, patience, 20*time.Millisecond)

	live := func() uint64 { // what is garbage already does not count, however busy the machine is
		runtime.GC()
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before, most := live(), uint64(0)
	for i := range subscriptions {
		exec(t, conn, `RESUME EVENT_SUBSCRIPTION s%d`, i)
	}
	require.Eventually(t, func() bool { return hung.Load() > 0 }, patience, 10*time.Millisecond)
	for range 5 {
		most = max(most, live())
		time.Sleep(50 * time.Millisecond) // the others have time to take more than they should
	}
	close(release)
	require.Eventually(t, func() bool {
		most = max(most, live())
		return got.Load() == subscriptions*large
	}, 3*patience, 100*time.Millisecond)
	t.Logf("%d MB before, %d MB at most", before>>20, most>>20)
	require.Less(t, most, before+200<<20)
}
