package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/internal/testkit"
)

// TestFormsOfBrokers reads what stands beside the bodies in NATS and Redis of all kinds of
// changes, in the binary form of CloudEvents.
func TestFormsOfBrokers(t *testing.T) {
	t.Parallel()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	natsPort := testkit.FreePort(t)
	redisPort, client := redisServer(t, "")
	server(t, "nats-server", "-a", "127.0.0.1", "-p", natsPort, "-js", "-sd", t.TempDir())
	stream := makeStream(t, natsPort, "")
	g, conn := brokered(t)
	exec(t, conn, `CREATE CONNECTION cache TO REDIS (url = 'redis://127.0.0.1:%s')`, redisPort)
	exec(t, conn, `CREATE CONNECTION bus TO NATS (url = 'nats://127.0.0.1:%s')`, natsPort)
	for _, target := range []string{"REDIS 'all' USING cache", "NATS 'events.all' USING bus"} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s ON DATABASE FOR INSERT, UPDATE, REPLACE, DELETE, DDL DELIVER TO %s WITH (payload_format = 'cloudevents_binary', preserve_order = 'strict', %s)`,
			strings.ToLower(strings.Fields(target)[0]), target, fast)
	}
	docs := g.Mongo(t).Collection("docs")
	key := bson.D{{Key: "_id", Value: bson.D{{Key: "k", Value: "ä b"}}}}
	_, err := docs.InsertOne(t.Context(), append(key, bson.E{Key: "correlation_id", Value: "one\ntwo"}, bson.E{Key: "metadata", Value: bson.D{{Key: "causation_id", Value: "c"}, {Key: "traceparent", Value: trace}}}))
	require.NoError(t, err)
	_, err = docs.UpdateOne(t.Context(), key, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: 1}}}})
	require.NoError(t, err)
	_, err = docs.ReplaceOne(t.Context(), key, bson.D{{Key: "n", Value: 2}})
	require.NoError(t, err)
	_, err = docs.DeleteOne(t.Context(), key)
	require.NoError(t, err)
	exec(t, conn, `ALTER TABLE docs RENAME TO papers`)
	require.NoError(t, g.Mongo(t).Drop(t.Context()))

	want := []string{"collection.created /docs", "document.inserted /docs", "document.updated /docs", "document.replaced /docs", "document.deleted /docs",
		"collection.renamed /docs", "collection.dropped /papers", "database.dropped /", "stream.invalidated "}
	form := func(kind, source string) string {
		return strings.TrimPrefix(kind, "com.mongodb.") + " " + strings.TrimPrefix(strings.TrimPrefix(source, "weir://"+g.Database), "weir:///")
	}
	require.Eventually(t, func() bool { return client.XLen(t.Context(), "all").Val() == int64(len(want)) }, patience, 5*time.Millisecond)
	entries := client.XRange(t.Context(), "all", "-", "+").Val()
	var got []string
	for _, e := range entries {
		require.Equal(t, e.Values["id"], e.Values["ce_id"])
		require.Equal(t, e.Values["type"], e.Values["ce_type"])
		require.Equal(t, "redis:"+e.Values["position"].(string), e.Values["id"])
		ttl := client.PTTL(t.Context(), "{all}:weir:"+e.Values["id"].(string)).Val()
		require.True(t, ttl > time.Minute && ttl <= 2*time.Minute, ttl)
		got = append(got, form(e.Values["type"].(string), e.Values["ce_source"].(string)))
	}
	require.Equal(t, want, got)
	for field, is := range map[string]string{"ce_subject": `{"k":"ä b"}`, "ce_correlationid": "one\ntwo", "ce_causationid": "c", "ce_traceparent": trace} {
		require.Equal(t, is, entries[1].Values[field], field)
	}

	require.Eventually(t, func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Msgs == uint64(len(want))
	}, patience, 5*time.Millisecond)
	got = nil
	for i := range want {
		m, err := stream.GetMsg(t.Context(), uint64(i+1))
		require.NoError(t, err)
		h := m.Header
		require.Equal(t, h.Get("Nats-Msg-Id"), h.Get("ce-id"))
		require.Equal(t, "nats:"+h.Get("ce-sequence"), h.Get("ce-id"))
		require.Equal(t, "application/json", h.Get("content-type"))
		got = append(got, form(h.Get("ce-type"), h.Get("ce-source")))
		if i == 1 {
			for name, is := range map[string]string{"ce-subject": "{%22k%22:%22%C3%A4%20b%22}", "ce-correlationid": "one%0Atwo", "x-correlation-id": "", "ce-causationid": "c", "x-causation-id": "c", "traceparent": trace} {
				require.Equal(t, is, h.Get(name), name)
			}
		}
	}
	require.Equal(t, want, got)
}
