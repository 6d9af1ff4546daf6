package events_test

import (
	"context"
	"fmt"
	osexec "os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/gateway"
	"weir/internal/testkit"
)

// server runs a program until the test ends; stop ends it earlier.
func server(t *testing.T, program string, args ...string) (stop func()) {
	t.Helper()
	path, err := osexec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	cmd := osexec.Command(path, args...)
	require.NoError(t, cmd.Start())
	ended := false
	stop = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	return stop
}

// redisServer starts a Redis of its own, with a password or none, and gives its port and a client.
func redisServer(t *testing.T, password string) (port string, client *redis.Client) {
	t.Helper()
	port = testkit.FreePort(t)
	server(t, "redis-server", "--port", port, "--requirepass", password, "--save", "", "--bind", "127.0.0.1", "--dir", t.TempDir())
	client = redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, Password: password})
	t.Cleanup(func() { _ = client.Close() })
	require.Eventually(t, func() bool { return client.Ping(context.Background()).Err() == nil }, patience, 5*time.Millisecond)
	return port, client
}

// brokered starts a gateway with a key for credentials.
func brokered(t *testing.T) (*testkit.Gateway, *pgx.Conn) {
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{SecretKey: []byte("a key for tests"), EventProbe: soon})
	return g, g.Connect(t)
}

// soon is how long an endpoint rests whose breaker opened.
const soon = 20 * time.Millisecond

const fast = `max_retry_attempts = 1000, retry_delay_ms = 5, max_retry_delay_ms = 20`

func TestRedis(t *testing.T) {
	t.Parallel()
	port := testkit.FreePort(t)
	args := []string{"--port", port, "--requirepass", "secret word", "--save", "", "--bind", "127.0.0.1", "--dir", t.TempDir()}
	stop := server(t, "redis-server", args...)
	g, conn := brokered(t)
	exec(t, conn, `CREATE CONNECTION cache TO REDIS (url = 'redis://127.0.0.1:%s', password = 'secret word')`, port)
	require.Equal(t, "***", scalar[string](t, conn, `SELECT options->>'password' FROM EVENT_CONNECTIONS()`))
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION streamed ON docs DELIVER TO REDIS 'events' USING cache WITH (%s)`, fast)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION told ON docs DELIVER TO REDIS CHANNEL 'news' USING cache WITH (%s)`, fast)
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, Password: "secret word"})
	defer func() { _ = client.Close() }()
	ctx := context.Background()
	require.Eventually(t, func() bool { return client.Ping(ctx).Err() == nil }, patience, 5*time.Millisecond)
	sub := client.Subscribe(ctx, "news")
	defer func() { _ = sub.Close() }()
	_, err := sub.Receive(ctx)
	require.NoError(t, err)
	insertDocs(t, g.Store(), g.Database, 0, 50)
	require.Eventually(t, func() bool { return client.XLen(ctx, "events").Val() == 50 }, patience, 5*time.Millisecond)
	msg, err := sub.ReceiveMessage(ctx)
	require.NoError(t, err)
	require.Contains(t, msg.Payload, `"type":"com.mongodb.document.inserted"`)
	entries := client.XRange(ctx, "events", "-", "+").Val()
	for i, e := range entries {
		require.Contains(t, e.Values["body"], fmt.Sprintf(`"d%d"`, i), "the stream keeps the order")
		require.True(t, strings.HasPrefix(e.Values["id"].(string), "streamed:"))
	}
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION streamed TO BEGINNING`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('streamed') WHERE processing_status = 'completed'`) == 50
	}, patience, 5*time.Millisecond)
	require.EqualValues(t, 50, client.XLen(ctx, "events").Val(), "what comes again is not appended again")

	stop()
	insertDocs(t, g.Store(), g.Database, 50, 5)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('streamed') WHERE processing_status = 'retrying'`) > 0
	}, patience, 5*time.Millisecond)
	server(t, "redis-server", args...)
	require.Eventually(t, func() bool { return client.XLen(ctx, "events").Val() == 5 }, patience, 5*time.Millisecond)
	_, err = conn.Exec(ctx, `DROP CONNECTION cache`)
	require.ErrorContains(t, err, "2BP01")
}

// makeStream waits for a server and makes the stream of events.>.
func makeStream(t *testing.T, port, token string) jetstream.Stream {
	t.Helper()
	var nc *nats.Conn
	require.Eventually(t, func() bool {
		var err error
		nc, err = nats.Connect("nats://127.0.0.1:"+port, nats.Token(token))
		return err == nil
	}, patience, 20*time.Millisecond)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events.>"}})
	require.NoError(t, err)
	return stream
}

func TestNATS(t *testing.T) {
	t.Parallel()
	port := testkit.FreePort(t)
	server(t, "nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", t.TempDir(), "--auth", "tok")
	g, conn := brokered(t)
	ctx := context.Background()
	stream := makeStream(t, port, "tok")
	exec(t, conn, `CREATE CONNECTION bus TO NATS (url = 'nats://127.0.0.1:%s', token = 'tok')`, port)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION published ON docs DELIVER TO NATS 'events.docs' USING bus WITH (%s)`, fast)
	insertDocs(t, g.Store(), g.Database, 0, 50)
	count := func() uint64 {
		info, err := stream.Info(ctx)
		if err != nil {
			return 0
		}
		return info.State.Msgs
	}
	require.Eventually(t, func() bool { return count() == 50 }, patience, 5*time.Millisecond)
	for i := range uint64(50) {
		m, err := stream.GetMsg(ctx, i+1)
		require.NoError(t, err)
		require.Contains(t, string(m.Data), fmt.Sprintf(`"d%d"`, i))
	}
	exec(t, conn, `REWIND EVENT_SUBSCRIPTION published TO BEGINNING`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('published') WHERE processing_status = 'completed'`) == 50
	}, patience, 5*time.Millisecond)
	require.EqualValues(t, 50, count(), "the stream drops duplicates")

	_, err := stream.Info(ctx)
	require.NoError(t, err)
	refused := func(sql, want string) {
		t.Helper()
		_, err := conn.Exec(ctx, sql)
		require.ErrorContains(t, err, want)
	}
	refused(`CREATE EVENT_SUBSCRIPTION wide ON docs DELIVER TO NATS 'events.docs' USING bus WITH (dedupe_window = '1 hour')`, "22023")
	refused(`ALTER EVENT_SUBSCRIPTION published SET (dedupe_window = '1 hour')`, "22023")
	exec(t, conn, `ALTER EVENT_SUBSCRIPTION published SET (dedupe_window = '30 seconds')`)
	var notices []string
	cfg := conn.Config().Copy()
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Severity+" "+n.Message) }
	told, err := pgx.ConnectConfig(ctx, cfg)
	require.NoError(t, err)
	defer func() { _ = told.Close(ctx) }()
	exec(t, told, `CREATE EVENT_SUBSCRIPTION nowhere ON docs DELIVER TO NATS 'other.docs' USING bus`)
	require.Contains(t, notices, "WARNING no JetStream stream takes the subject other.docs yet")
}

func TestKafka(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "orders"))
	require.NoError(t, err)
	defer cluster.Close()
	g, conn := brokered(t)
	exec(t, conn, `CREATE CONNECTION log TO KAFKA (brokers = '%s')`, strings.Join(cluster.ListenAddrs(), ","))
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION produced ON docs DELIVER TO KAFKA 'orders' USING log WITH (%s)`, fast)
	insertDocs(t, g.Store(), g.Database, 0, 50)
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics("orders"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got := map[string]string{}
	for len(got) < 50 {
		fetches := client.PollFetches(ctx)
		require.NoError(t, ctx.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			require.Equal(t, "weir-id", r.Headers[0].Key)
			got[string(r.Headers[0].Value)] = string(r.Key)
		})
	}
	keys := map[string]bool{}
	for _, k := range got {
		keys[k] = true
	}
	require.Len(t, keys, 50)
}

func TestConnectionsAreChecked(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	for sql, code := range map[string]string{
		`CREATE CONNECTION c TO REDIS (url = 'redis://h', password = 'p')`:       "55000", // no key
		`CREATE CONNECTION c TO REDIS (brokers = 'h')`:                           "42704",
		`CREATE CONNECTION c TO NATS (tls = true)`:                               "22023",
		`CREATE CONNECTION c TO MONGODB (uri = 'http://h')`:                      "22023",
		`CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO KAFKA 't' USING nowhere`: "42704",
		`CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO KAFKA 't' USING plain`:   "22023",
		`CREATE EVENT_SUBSCRIPTION s ON docs WITH (delivery_shards = 65)`:        "22023",
		`ALTER CONNECTION nowhere SET (url = 'x')`:                               "42704",
		`CREATE CONNECTION plain TO REDIS (url = 'redis://127.0.0.1:1')`:         "42710",
		`CREATE CONNECTION c TO WEBHOOK (base_url = 'ftp://h')`:                  "22023",
		`CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO REDIS 'x'`:               "22023",
	} {
		exec(t, conn, `CREATE CONNECTION IF NOT EXISTS plain TO REDIS (url = 'redis://127.0.0.1:1')`)
		_, err := conn.Exec(context.Background(), sql)
		require.ErrorContains(t, err, code, sql)
	}
	require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM EVENT_SUBSCRIPTIONS()`))
	require.EqualValues(t, 1, scalar[int64](t, conn, `SELECT count(*) FROM EVENT_CONNECTIONS()`))
}
