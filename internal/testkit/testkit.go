// Package testkit starts gateways on loopback for tests, and runs script tests
// over the wire (script.go). Each test has a database of its own.
//
//	embedded  the gateway on an engine in memory
//	remote    the gateway on a MongoDB: the one of WEIR_TEST_MONGODB_URI, else a
//	          second engine behind its MongoDB port, through the official driver
package testkit

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/gateway"
	"weir/store"
	"weir/store/remote"
)

// URIVariable names a MongoDB replica set for tests.
const URIVariable = "WEIR_TEST_MONGODB_URI"

// Gateway is a running gateway with a database for one test.
type Gateway struct {
	*gateway.Gateway
	Database string
	mongoURI string
}

// Mode is what a gateway stands in front of.
type Mode string

// The modes.
const (
	Embedded Mode = "embedded"
	Remote   Mode = "remote"
)

// Modes are the modes that every script runs in.
func Modes() []Mode { return []Mode{Embedded, Remote} }

// Start runs a gateway until the test ends. Options may be nil.
func Start(t testing.TB, mode Mode, o *gateway.Options) *Gateway {
	t.Helper()
	if o == nil {
		o = &gateway.Options{}
	}
	o.AllowPrivateTargets = true
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	if mode == Remote && o.MongoURI == "" {
		if o.MongoURI = os.Getenv(URIVariable); o.MongoURI == "" {
			o.MongoURI = startEngine(t)
		}
	} else if mode == Embedded && o.MongoListen == "" {
		o.MongoListen = "127.0.0.1:0"
	}
	return open(t, o)
}

func open(t testing.TB, o *gateway.Options) *Gateway {
	g, err := gateway.Open(context.Background(), *o)
	require.NoError(t, err)
	run(t, g.Run, func() { require.NoError(t, g.Close()) })
	kit := &Gateway{Gateway: g, Database: databaseName(t), mongoURI: o.MongoURI}
	if kit.mongoURI == "" {
		kit.mongoURI = "mongodb://" + g.MongoAddr().String() + "/?directConnection=true"
	}
	return kit
}

// StartBehind is Start in the mode Remote, with what wrap makes of the remote
// store in the place of it.
func StartBehind(t testing.TB, wrap func(store.Store) store.Store) *Gateway {
	t.Helper()
	uri := startEngine(t)
	st, err := remote.Open(context.Background(), uri, remote.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return open(t, &gateway.Options{Store: wrap(st), MongoURI: uri, AllowPrivateTargets: true})
}

// run starts f and ends it with the test, then calls after.
func run(t testing.TB, f func(context.Context) error, after func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return f(ctx) })
	t.Cleanup(func() {
		cancel()
		require.NoError(t, group.Wait())
		after()
	})
}

// startEngine runs an engine behind its MongoDB port.
func startEngine(t testing.TB) string {
	t.Helper()
	e, err := engine.Open("", engine.Options{})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := opmsg.NewServer(e, opmsg.Options{})
	run(t, func(ctx context.Context) error { return s.Serve(ctx, ln) }, func() { require.NoError(t, e.Close()) })
	return fmt.Sprintf("mongodb://%s/?directConnection=true", ln.Addr())
}

// databaseName makes a name that MongoDB takes, different for each test.
func databaseName(t testing.TB) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(t.Name()))
	return "t_" + name[max(0, len(name)-50):]
}

// DSN is the PostgreSQL connection string of the test's database.
func (g *Gateway) DSN() string {
	return fmt.Sprintf("postgres://tester@%s/%s?sslmode=disable", g.SQLAddr(), g.Database)
}

// Connect opens a client that is closed with the test.
func (g *Gateway) Connect(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), g.DSN())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// ConnectHearing is Connect; what the server notes is appended to said, as
// "SEVERITY CODE MESSAGE at POSITION".
func (g *Gateway) ConnectHearing(t testing.TB, said *[]string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(g.DSN())
	require.NoError(t, err)
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		*said = append(*said, fmt.Sprintf("%s %s %s at %d", n.Severity, n.Code, n.Message, n.Position))
	}
	conn, err := pgx.ConnectConfig(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Mongo opens the official driver on the MongoDB behind the gateway.
func (g *Gateway) Mongo(t testing.TB) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(g.mongoURI))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(g.Database)
}

// testWriter sends the log to the test.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
