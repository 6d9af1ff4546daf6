package testkit_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"golang.org/x/sync/errgroup"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/gateway"
	"weir/internal/testkit"
)

// server is a MongoDB server that can be stopped and started at its address.
type server struct {
	t      *testing.T
	dir    string
	addr   string
	cancel context.CancelFunc
	group  *errgroup.Group
	engine *engine.Engine
}

func startServer(t *testing.T) *server {
	s := &server{t: t, dir: t.TempDir(), addr: "127.0.0.1:" + testkit.FreePort(t)}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	var err error
	s.engine, err = engine.Open(s.dir, engine.Options{})
	require.NoError(s.t, err)
	ln, err := net.Listen("tcp", s.addr)
	require.NoError(s.t, err)
	s.addr = ln.Addr().String()
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	s.group = &errgroup.Group{}
	srv := opmsg.NewServer(s.engine, opmsg.Options{})
	s.group.Go(func() error { return srv.Serve(ctx, ln) })
}

func (s *server) stop() {
	if s.engine == nil {
		return
	}
	s.cancel()
	require.NoError(s.t, s.group.Wait())
	require.NoError(s.t, s.engine.Close())
	s.engine = nil
}

func (s *server) gateway() *testkit.Gateway {
	return testkit.Start(s.t, testkit.Remote, &gateway.Options{
		MongoURI: "mongodb://" + s.addr + "/?directConnection=true&serverSelectionTimeoutMS=1000",
	})
}

func fill(t *testing.T, conn *pgx.Conn) {
	for _, sql := range []string{"SET weir.strict = on", "CREATE TABLE t (id int PRIMARY KEY, s text)",
		"INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 5000) g",
		"CREATE EVENT_SUBSCRIPTION ready ON t DELIVER TO PULL"} { // returns when everything is up
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
	}
}

func usable(t *testing.T, conn *pgx.Conn) {
	require.Eventually(t, func() bool {
		n := 0
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM t").Scan(&n)
		return err == nil && n == 5000
	}, patience, 50*time.Millisecond)
	_, err := conn.Exec(t.Context(), "UPDATE t SET s = 'y' WHERE id = 1")
	require.NoError(t, err)
}

// TestServerRestartUnderCursor ends a cursor, and a transaction with writes,
// with the server that holds them; the session outlives it.
func TestServerRestartUnderCursor(t *testing.T) {
	s := startServer(t)
	conn := s.gateway().Connect(t)
	fill(t, conn)
	for _, begin := range []string{"DECLARE c CURSOR FOR SELECT * FROM t", "UPDATE t SET s = 'n' WHERE id < 10"} {
		for _, sql := range []string{"BEGIN", begin} {
			_, err := conn.Exec(t.Context(), sql)
			require.NoError(t, err, sql)
		}
		next := "SELECT count(*) FROM t"
		if strings.HasPrefix(begin, "DECLARE") {
			_, err := conn.Exec(t.Context(), "FETCH 10 FROM c")
			require.NoError(t, err)
			next = "FETCH ALL FROM c"
		}
		s.stop()
		s.start()
		tag, err := conn.Exec(t.Context(), next)
		require.Error(t, err, "%s", tag)
		var e *pgconn.PgError
		require.True(t, errors.As(err, &e))
		t.Logf("%s: %s", next, err)
		require.Contains(t, []string{"08", "40", "34", "25"}, e.Code[:2], "%v", err)
		_, err = conn.Exec(t.Context(), "SELECT 1")
		require.Error(t, err, "the block has failed")
		_, err = conn.Exec(t.Context(), "ROLLBACK")
		require.NoError(t, err)
		usable(t, conn)
	}
	n := 0
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM t WHERE s = 'n'").Scan(&n))
	require.Zero(t, n)
}

// sqlCode is the SQLSTATE of an error.
func sqlCode(t *testing.T, err error) string {
	var e *pgconn.PgError
	require.ErrorAs(t, err, &e)
	t.Log(err, e.Detail, e.Hint)
	return e.Code
}

// half starts a query whose rows do not fit into what is under way, and reads some.
func half(t *testing.T, conn *pgx.Conn) pgx.Rows {
	rows, err := conn.Query(t.Context(), "SELECT id, s || repeat('y', 20000) FROM t")
	require.NoError(t, err)
	for range 5 {
		require.True(t, rows.Next())
	}
	return rows
}

// TestServerGoneUnderQuery ends the server while a query's rows are read: that
// is an error of the connection to it, and the session lives on.
func TestServerGoneUnderQuery(t *testing.T) {
	s := startServer(t)
	conn := s.gateway().Connect(t)
	fill(t, conn)
	rows := half(t, conn)
	s.stop()
	n := 5
	for rows.Next() {
		n++
	}
	require.Less(t, n, 5000)
	require.Contains(t, []string{"08006", "57P01"}, sqlCode(t, rows.Err()))
	require.ErrorContains(t, rows.Err(), "MongoDB server")
	_, err := conn.Exec(t.Context(), "SELECT count(*) FROM t")
	require.Contains(t, []string{"08006", "08001", "57P01"}, sqlCode(t, err))
	var one int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT 1").Scan(&one), "what needs no server goes on")
	s.start()
	usable(t, conn)
}

// TestKilledCursor kills a query's cursor on the server.
func TestKilledCursor(t *testing.T) {
	s := startServer(t)
	conn := s.gateway().Connect(t)
	fill(t, conn)
	rows := half(t, conn)
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + s.addr + "/?directConnection=true"))
	require.NoError(t, err)
	defer client.Disconnect(context.WithoutCancel(t.Context()))
	ops, err := client.Database("admin").Aggregate(t.Context(), bson.A{
		bson.M{"$currentOp": bson.M{"allUsers": true, "idleCursors": true}},
		bson.M{"$match": bson.M{"type": "idleCursor", "ns": bson.M{"$regex": `\.t$`}}},
	})
	require.NoError(t, err)
	killed := 0
	for ops.Next(t.Context()) {
		id := ops.Current.Lookup("cursor", "cursorId").AsInt64()
		db, coll, _ := strings.Cut(ops.Current.Lookup("ns").StringValue(), ".")
		require.NoError(t, client.Database(db).RunCommand(t.Context(), bson.D{{Key: "killCursors", Value: coll}, {Key: "cursors", Value: bson.A{id}}}).Err())
		killed++
	}
	require.Positive(t, killed)
	for rows.Next() {
	}
	require.Equal(t, "57014", sqlCode(t, rows.Err()))
	require.ErrorContains(t, rows.Err(), "ended the query's cursor")
	usable(t, conn)
}
