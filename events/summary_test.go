package events_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// TestSummaryCompletesWhatAnotherPutOff delivers with tracking = 'summary' while a row
// becomes one that is to be retried, as a gateway writes that lost its lease and comes
// late: it was delivered, and says so.
func TestSummaryCompletesWhatAnotherPutOff(t *testing.T) {
	t.Parallel()
	e := openEngine(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		late := store.WriteOp{Kind: store.Update, Filter: stageOf(t, bson.D{{Key: "_id", Value: req.Header.Get("webhook-id")}}),
			Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: stageOf(t, bson.D{{Key: "$set", Value: bson.D{{Key: "processing_status", Value: "retrying"}}}})}}
		res, err := e.Write(req.Context(), store.Namespace{DB: "weir", Coll: "event_log"}, []store.WriteOp{late}, store.WriteOptions{})
		if err != nil || res.Modified != 1 {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(srv.Close)
	n := startNode(t, e, 0)
	defer n.end(t)
	conn := connect(t, n.Gateway, "summed")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO '%s' WITH (tracking = 'summary', max_retry_attempts = 0)`, srv.URL)
	insertDocs(t, e, "summed", 0, 20)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('s') WHERE processing_status = 'completed' AND processing_completed_at IS NOT NULL`) == 20
	}, patience, 10*time.Millisecond)
	require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS()`))
}
