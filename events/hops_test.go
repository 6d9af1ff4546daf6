package events_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/gateway"
	"weir/internal/testkit"
)

// heard is the text of a log.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// TestHops has a receiver write what it gets back into the collection, with the hops
// that it was told: they count up, and the log warns.
func TestHops(t *testing.T) {
	t.Parallel()
	log := &heard{}
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	coll := g.Mongo(t).Collection("docs")
	var mu sync.Mutex
	var hops []string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var ce struct{ ID string }
		_ = json.NewDecoder(req.Body).Decode(&ce)
		mu.Lock()
		defer mu.Unlock()
		hops = append(hops, req.Header.Get("weir-hops"))
		n, _ := strconv.Atoi(hops[len(hops)-1])
		if n < 17 {
			_, _ = coll.InsertOne(req.Context(), bson.D{{Key: "_id", Value: ce.ID}, {Key: "metadata", Value: bson.D{{Key: "hops", Value: n}}}})
		}
	}))
	defer srv.Close()
	conn := g.Connect(t)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs FOR INSERT DELIVER TO '%s' WITH (subscription_id = 's')`, srv.URL)
	insertDocs(t, g.Store(), g.Database, 0, 1)
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(hops) == 17 }, patience, 5*time.Millisecond)
	want := make([]string, 17)
	for i := range want {
		want[i] = strconv.Itoa(i + 1)
	}
	require.Equal(t, want, hops)
	require.Equal(t, 1, strings.Count(log.String(), "events seem to go round"))
	require.Contains(t, log.String(), "hops=16")
}
