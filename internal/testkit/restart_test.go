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
	s := &server{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
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
	}, 15*time.Second, 50*time.Millisecond)
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
