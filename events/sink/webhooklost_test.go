package sink_test

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/events"
	"weir/events/sink"
	"weir/internal/testkit"
)

// TestLostConnectionOfHTTP2 loses the connection to a receiver without a word, as a
// firewall does that forgot it: it is given up, and what is sent again takes a new one.
func TestLostConnectionOfHTTP2(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
		}
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	proxy := testkit.StartProxy(t, srv.Listener.Addr().String())

	client := sink.NewClient(func(netip.Addr) bool { return true })
	asked := client.Transport.(*http.Transport).HTTP2
	require.NotNil(t, asked)
	require.Less(t, asked.SendPingTimeout+asked.PingTimeout, 30*time.Second, "processing_timeout_ms, if it is not given")
	asked.SendPingTimeout, asked.PingTimeout = 50*time.Millisecond, 50*time.Millisecond
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	w, err := sink.NewWebhook(client, &events.Spec{ID: "s", Target: events.Target{Kind: events.TargetWebhook, Name: "in"}},
		&events.Connection{Settings: events.Settings{BaseURL: "https://" + proxy.Addr().String(), CA: string(ca)}}, time.Now)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close()) }()
	row, err := bson.Marshal(bson.D{{Key: "event_type", Value: "insert"}})
	require.NoError(t, err)
	send := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		return w.Deliver(ctx, []events.Delivery{{ID: "s:1", Row: row}})
	}
	require.Eventually(t, func() bool { return send() == nil }, 10*time.Second, time.Millisecond) // a busy machine shakes hands slowly
	proxy.Set(testkit.Lost)
	require.Error(t, send())
	proxy.Set(testkit.Pass)
	require.Eventually(t, func() bool { return send() == nil }, 10*time.Second, time.Millisecond)
}
