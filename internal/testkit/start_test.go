package testkit_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
)

// logText is a log that a test reads while it is written.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) has(s string) func() bool {
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return strings.Contains(l.buf.String(), s)
	}
}

// patience only bounds a failure: a machine may be busy.
const patience = 2 * time.Minute

// TestGatewayAwaitsItsStore opens a gateway whose MongoDB is not there yet.
func TestGatewayAwaitsItsStore(t *testing.T) {
	s := startServer(t)
	s.stop()
	var log logText
	o := gateway.Options{MongoURI: "mongodb://" + s.addr + "/?directConnection=true&serverSelectionTimeoutMS=300", Logger: slog.New(slog.NewTextHandler(&log, nil))}
	_, err := gateway.Open(t.Context(), o)
	require.ErrorContains(t, err, "connect to MongoDB")

	o.Await = true
	ctx, stop := context.WithCancel(t.Context())
	opened := make(chan *gateway.Gateway, 1)
	var group sync.WaitGroup
	group.Go(func() {
		g, err := gateway.Open(ctx, o)
		if err != nil {
			t.Errorf("open: %v", err)
			close(opened)
			return
		}
		opened <- g
		if err := g.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
		_ = g.Close()
	})
	defer func() { stop(); group.Wait() }()
	require.Eventually(t, log.has("the MongoDB cannot be reached; it is tried again"), patience, 10*time.Millisecond)
	s.start()
	g, ok := <-opened
	require.True(t, ok)
	works(t, g.SQLAddr())
}

// TestStoreVanishesAtTheStart has the MongoDB go away between the opening of a
// gateway and the start of its event runtime.
func TestStoreVanishesAtTheStart(t *testing.T) {
	s := startServer(t)
	p := testkit.StartProxy(t, s.addr)
	var log logText
	g, err := gateway.Open(t.Context(), gateway.Options{MongoURI: "mongodb://" + p.Addr().String() + "/?directConnection=true&serverSelectionTimeoutMS=300", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	p.Set(testkit.Refuse)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	require.Eventually(t, log.has("the event runtime cannot start yet; it is tried again"), patience, 10*time.Millisecond)
	select {
	case err := <-ended:
		t.Fatalf("the gateway ended: %v", err)
	default:
	}
	p.Set(testkit.Pass)
	works(t, g.SQLAddr())
	stop()
	require.NoError(t, <-ended)
	require.NoError(t, g.Close())
}

// works makes a subscription.
func works(t *testing.T, addr net.Addr) {
	t.Helper()
	require.Eventually(t, func() bool {
		conn, err := pgx.Connect(t.Context(), "postgres://t@"+addr.String()+"/start?sslmode=disable")
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close(t.Context()) }()
		_, err = conn.Exec(t.Context(), `CREATE EVENT_SUBSCRIPTION IF NOT EXISTS s ON docs`)
		if err != nil {
			t.Log(err)
		}
		return err == nil
	}, patience, 50*time.Millisecond)
}
