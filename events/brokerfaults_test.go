package events_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/internal/testkit"
	"weir/store"
)

// taken is an event that a broker took: its id and the key of its document.
type taken struct{ id, key string }

// broker is a real server behind a proxy, and what it took so far, in order.
type broker struct {
	proxy   *testkit.Proxy
	connect string // the connection's kind and options
	deliver string
	taken   func() []taken
}

// keyOf finds the key in a CloudEvent.
func keyOf(t *testing.T, body string) string {
	_, rest, found := strings.Cut(body, `"subject":"`)
	require.True(t, found, body)
	key, _, _ := strings.Cut(rest, `"`)
	return key
}

func redisBroker(t *testing.T) *broker {
	port, client := redisServer(t, "")
	p := testkit.StartProxy(t, "127.0.0.1:"+port)
	return &broker{p, fmt.Sprintf(`REDIS (url = 'redis://%s')`, p.Addr()), `REDIS 'events' USING bus`, func() (out []taken) {
		for _, e := range client.XRange(context.Background(), "events", "-", "+").Val() {
			out = append(out, taken{e.Values["id"].(string), keyOf(t, e.Values["body"].(string))})
		}
		return out
	}}
}

func natsBroker(t *testing.T) *broker {
	port := testkit.FreePort(t)
	server(t, "nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", t.TempDir(), "--auth", "tok")
	stream := makeStream(t, port, "tok")
	p := testkit.StartProxy(t, "127.0.0.1:"+port)
	var got []taken
	return &broker{p, fmt.Sprintf(`NATS (url = 'nats://tok@%s')`, p.Addr()), `NATS 'events.docs' USING bus`, func() []taken {
		for {
			m, err := stream.GetMsg(context.Background(), uint64(len(got)+1))
			if err != nil {
				return got
			}
			got = append(got, taken{m.Header.Get(jetstream.MsgIDHeader), keyOf(t, string(m.Data))})
		}
	}}
}

func kafkaBroker(t *testing.T) *broker {
	p, client := testkit.StartKafka(t, "docs", 1)
	var mu sync.Mutex
	var got []taken
	return &broker{p, fmt.Sprintf(`KAFKA (brokers = '%s')`, p.Addr()), `KAFKA 'docs' USING bus`, func() []taken {
		mu.Lock()
		defer mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got = append(got, taken{string(r.Headers[0].Value), string(r.Key)}) })
		return slices.Clone(got)
	}}
}

// writeRounds makes an update of each of a few documents, round by round.
func writeRounds(t *testing.T, st store.Store, db string, from, n int) {
	t.Helper()
	for round := from; round < from+n; round++ {
		for k := range faultKeys {
			filter, err := bson.Marshal(bson.D{{Key: "_id", Value: fmt.Sprintf("k%d", k)}})
			require.NoError(t, err)
			set, err := bson.Marshal(bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: round}}}})
			require.NoError(t, err)
			res, err := st.Write(t.Context(), store.Namespace{DB: db, Coll: "docs"}, []store.WriteOp{{Kind: store.Update, Filter: filter, Upsert: true,
				Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: set}}}, store.WriteOptions{})
			require.NoError(t, err)
			require.NoError(t, res.Err())
		}
	}
}

const faultKeys = 4

// inOrder checks that every event of a subscription was taken, and that those of
// a key were in the order of the log, leaving repeats out.
func inOrder(t *testing.T, conn *pgx.Conn, got []taken) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT event_id, document_key->>'_id' FROM CHANGE_STREAM_EVENTS('sent') ORDER BY position`)
	require.NoError(t, err)
	want := map[string][]string{}
	var id, key string
	_, err = pgx.ForEachRow(rows, []any{&id, &key}, func() error {
		want[key] = append(want[key], id)
		return nil
	})
	require.NoError(t, err)
	first, seen := map[string][]string{}, map[string]bool{}
	for _, e := range got {
		if !seen[e.id] {
			seen[e.id] = true
			first[e.key] = append(first[e.key], e.id)
		}
	}
	require.Equal(t, want, first)
}

func distinct(got []taken) int {
	seen := map[string]bool{}
	for _, e := range got {
		seen[e.id] = true
	}
	return len(seen)
}

// TestBrokerFaults has each kind of broker stall, reset connections, be slow and
// refuse, in the midst of what is sent: all of it arrives once the broker is well,
// in order per key, statements do not wait for it, and nothing is left behind.
func TestBrokerFaults(t *testing.T) {
	t.Parallel()
	brokers := map[string]func(*testing.T) *broker{"redis": redisBroker, "nats": natsBroker, "kafka": kafkaBroker}
	faults := map[string]testkit.Fault{"stall": testkit.Stall, "reset": testkit.Reset, "slow": testkit.Slow, "refuse": testkit.Refuse}
	for kind, start := range brokers {
		for name, fault := range faults {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				brokerFault(t, start(t), fault)
			})
		}
	}
}

// TestBrokersTakeOnce has a broker stall or reset connections while the same gateway
// sends on: sends end without an answer, and what they were about is there once, at its
// place, as soon as the broker is well.
func TestBrokersTakeOnce(t *testing.T) {
	t.Parallel()
	brokers := map[string]func(*testing.T) *broker{"redis": redisBroker, "nats": natsBroker, "kafka": kafkaBroker}
	faults := map[string]testkit.Fault{"stall": testkit.Stall, "reset": testkit.Reset}
	for kind, start := range brokers {
		for name, fault := range faults {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				b := start(t)
				g, conn := brokered(t)
				exec(t, conn, `CREATE CONNECTION bus TO %s`, b.connect)
				exec(t, conn, `CREATE EVENT_SUBSCRIPTION sent ON docs DELIVER TO %s WITH (processing_timeout_ms = 300, %s)`, b.deliver, fast)
				const rounds, each = 2, 3
				for round := range rounds {
					b.proxy.Set(fault)
					writeRounds(t, g.Store(), g.Database, round*each, each)
					before := scalar[int64](t, conn, `SELECT count(*) FROM EVENT_ATTEMPTS() WHERE outcome = 'retrying'`)
					require.Eventually(t, func() bool {
						return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_ATTEMPTS() WHERE outcome = 'retrying'`) > before
					}, patience, 10*time.Millisecond)
					b.proxy.Set(testkit.Pass)
					require.Eventually(t, func() bool {
						return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('sent') WHERE processing_status = 'completed'`) == int64((round+1)*each*faultKeys)
					}, patience, 10*time.Millisecond)
				}
				require.Eventually(t, func() bool { return distinct(b.taken()) == rounds*each*faultKeys }, patience, 10*time.Millisecond)
				got := b.taken()
				inOrder(t, conn, got)
				require.Len(t, got, rounds*each*faultKeys)
			})
		}
	}
}

func brokerFault(t *testing.T, b *broker, fault testkit.Fault) {
	g, conn := brokered(t)
	exec(t, conn, `CREATE CONNECTION bus TO %s`, b.connect)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION sent ON docs DELIVER TO %s WITH (processing_timeout_ms = 300, %s)`, b.deliver, fast)
	arrives := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool { return distinct(b.taken()) == n*faultKeys }, patience, 10*time.Millisecond)
	}
	writeRounds(t, g.Store(), g.Database, 0, 5)
	arrives(5)
	b.proxy.Set(fault)
	writeRounds(t, g.Store(), g.Database, 5, 10)
	if fault != testkit.Slow {
		require.Eventually(t, func() bool {
			return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_ATTEMPTS() WHERE outcome = 'retrying'`) > 0
		}, patience, 10*time.Millisecond)
		prompt := func(sql string) {
			t.Helper()
			from := time.Now()
			exec(t, conn, "%s", sql)
			require.Less(t, time.Since(from), 20*time.Second, sql) // the broker stalls for longer
		}
		prompt(`PAUSE EVENT_SUBSCRIPTION sent`)
		prompt(`CREATE EVENT_SUBSCRIPTION other ON docs DELIVER TO ` + b.deliver + ` START AT BEGINNING`)
		prompt(`RESUME EVENT_SUBSCRIPTION sent`)
		prompt(`DROP EVENT_SUBSCRIPTION other CASCADE`)
	}
	b.proxy.Set(testkit.Pass)
	require.Eventually(t, func() bool { return countOf(b.taken(), "sent:") == 15*faultKeys }, patience, 20*time.Millisecond)
	var own []taken
	for _, e := range b.taken() {
		if strings.HasPrefix(e.id, "sent:") {
			own = append(own, e)
		}
	}
	inOrder(t, conn, own)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('sent') WHERE processing_status <> 'completed'`) == 0
	}, patience, 10*time.Millisecond)
	require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS()`))
}

func countOf(got []taken, prefix string) int {
	var own []taken
	for _, e := range got {
		if strings.HasPrefix(e.id, prefix) {
			own = append(own, e)
		}
	}
	return distinct(own)
}

// started counts the goroutines that run or were started by the event runtime.
func started() (n int) {
	buf := make([]byte, 16<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "testing.(*T).Parallel(") {
			continue // a test that waits for its turn
		}
		if strings.Contains(g, "weir/events.") || strings.Contains(g, "weir/events/sink.") {
			n++
		}
	}
	return n
}

// TestStalledBrokersLeaveNothing ends gateways whose brokers stall: soon, and with
// all that they started.
func TestStalledBrokersLeaveNothing(t *testing.T) {
	for kind, start := range map[string]func(*testing.T) *broker{"redis": redisBroker, "nats": natsBroker, "kafka": kafkaBroker} {
		t.Run(kind, func(t *testing.T) {
			b := start(t)
			e := openEngine(t)
			b.proxy.Set(testkit.Stall)
			n := startNode(t, e, 0)
			conn, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://t@%s/stalled?sslmode=disable", n.SQLAddr()))
			require.NoError(t, err)
			exec(t, conn, `CREATE CONNECTION bus TO %s`, b.connect)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION sent ON docs DELIVER TO %s WITH (processing_timeout_ms = 3600000)`, b.deliver)
			writeRounds(t, e, "stalled", 0, 5)
			require.Eventually(t, func() bool {
				return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('sent')`) == 5*faultKeys
			}, patience, 5*time.Millisecond)
			from := time.Now()
			exec(t, conn, `PAUSE EVENT_SUBSCRIPTION sent`)
			exec(t, conn, `RESUME EVENT_SUBSCRIPTION sent`)
			exec(t, conn, `DROP EVENT_SUBSCRIPTION sent CASCADE`)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION again ON docs DELIVER TO %s START AT BEGINNING`, b.deliver)
			require.NoError(t, conn.Close(t.Context()))
			n.end(t)
			require.Less(t, time.Since(from), time.Minute) // of the hour that a send may take
			b.proxy.Set(testkit.Refuse)                    // its own ends, too
			require.Eventually(t, func() bool { return started() == 0 }, patience, 10*time.Millisecond, "goroutines of the runtime are left")
		})
	}
}
