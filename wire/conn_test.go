package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// patience only bounds a failure: a machine may be busy.
const patience = 2 * time.Minute

func open(t testing.TB, addr, params string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, "postgres://u:secret@"+addr+"/d?"+params)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func sqlState(err error) string {
	if e, ok := err.(*pgconn.PgError); ok {
		return e.Code
	}
	return fmt.Sprintf("%v", err)
}

func TestPgxModes(t *testing.T) {
	addr := serve(t, &fakeHandler{}, Options{})
	for _, mode := range []string{"simple_protocol", "exec", "describe_exec", "cache_describe", "cache_statement"} {
		t.Run(mode, func(t *testing.T) {
			c := open(t, addr, "sslmode=disable&default_query_exec_mode="+mode)
			for range 3 {
				var b []byte
				require.NoError(t, c.QueryRow(t.Context(), "rows 1", pgx.QueryResultFormats{0}).Scan(&b))
				require.Equal(t, "1", string(b))
			}
			_, err := c.Exec(t.Context(), "fail")
			require.Equal(t, "22012", sqlState(err))
			require.NoError(t, c.Ping(t.Context()))
		})
	}
}

func TestPgxBatch(t *testing.T) {
	c := open(t, serve(t, &fakeHandler{}, Options{}), "sslmode=disable&default_query_exec_mode=exec")
	var b pgx.Batch
	for range 50 {
		b.Queue("set a b")
	}
	b.Queue("fail")
	b.Queue("set a b")
	r := c.SendBatch(t.Context(), &b)
	for range 50 {
		_, err := r.Exec()
		require.NoError(t, err)
	}
	_, err := r.Exec()
	require.Equal(t, "22012", sqlState(err))
	require.Error(t, r.Close())
	require.NoError(t, c.Ping(t.Context()))
}

func TestManyRowsPassTheBuffer(t *testing.T) {
	c := open(t, serve(t, &fakeHandler{}, Options{}), "sslmode=disable&default_query_exec_mode=simple_protocol")
	res, err := c.PgConn().Exec(t.Context(), "rows 100000").ReadAll()
	require.NoError(t, err)
	require.Len(t, res[0].Rows, 100000)
	require.Equal(t, "100000", string(res[0].Rows[99999][0]))
}

func TestCancelHitsTheRunningStatementOnly(t *testing.T) {
	h := &fakeHandler{waiting: make(chan *Startup)}
	c := open(t, serve(t, h, Options{}), "sslmode=disable")
	// A cancel of an idle connection does nothing to what comes later.
	require.NoError(t, c.PgConn().CancelRequest(t.Context()))
	require.NoError(t, c.Ping(t.Context()))
	for _, run := range []string{"wait", "copyin"} {
		done := make(chan error, 1)
		go func() {
			_, err := c.PgConn().Exec(context.Background(), run).ReadAll()
			done <- err
		}()
		st := <-h.waiting
		if run == "copyin" {
			st.Control.Cancel()
		} else {
			require.NoError(t, c.PgConn().CancelRequest(t.Context()))
		}
		require.Equal(t, "57014", sqlState(<-done))
		require.NoError(t, c.Ping(t.Context()))
	}
}

func TestCancelNeedsTheKey(t *testing.T) {
	h := &fakeHandler{waiting: make(chan *Startup, 1)}
	addr := serve(t, h, Options{})
	c := open(t, addr, "sslmode=disable")
	done := make(chan error, 1)
	go func() {
		_, err := c.PgConn().Exec(context.Background(), "wait").ReadAll()
		done <- err
	}()
	st := <-h.waiting
	pid := st.ProcessID
	bad := dial(t, addr)
	_, err := bad.nc.Write([]byte{0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, byte(pid >> 24), byte(pid >> 16), byte(pid >> 8), byte(pid), 1, 2, 3, 4})
	require.NoError(t, err)
	require.Equal(t, "<EOF>", bad.until("Z")) // answered by nothing, and acted upon before
	select {
	case err := <-done:
		require.Fail(t, "cancelled by a wrong key", err)
	default:
	}
	st.Control.Cancel()
	require.Equal(t, "57014", sqlState(<-done))
}

func TestNotificationsReachAnIdleClient(t *testing.T) {
	h := &fakeHandler{}
	addr := serve(t, h, Options{})
	c := open(t, addr, "sslmode=disable")
	for i := range 20 {
		want := fmt.Sprint("n", i)
		go h.sessions[0].notify(want)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		n, err := c.WaitForNotification(ctx)
		cancel()
		require.NoError(t, err)
		require.Equal(t, want, n.Payload)
	}
	require.NoError(t, c.Ping(t.Context()))
}

func TestTerminate(t *testing.T) {
	h := &fakeHandler{waiting: make(chan *Startup, 1)}
	addr := serve(t, h, Options{})
	idle := connected(t, addr)
	h.sessions[0].startup.Control.Terminate(nil)
	require.Equal(t, "E:FATAL 57P01 terminating connection due to administrator command <EOF>", idle.until("Z"))
	busy := connected(t, addr)
	busy.send(t, "Q wait")
	(<-h.waiting).Control.Terminate(nil)
	require.Equal(t, "T[n:23:0] E:FATAL 57P01 terminating connection due to administrator command <EOF>", busy.until("Z"))
}

func TestLeavingClientEndsItsStatement(t *testing.T) {
	h := &fakeHandler{waiting: make(chan *Startup, 1)}
	c := connected(t, serve(t, h, Options{}))
	c.send(t, "Q wait")
	<-h.waiting
	require.NoError(t, c.nc.Close())
	require.Eventually(t, func() bool {
		h.sessions[0].mu.Lock()
		defer h.sessions[0].mu.Unlock()
		return h.sessions[0].closed
	}, patience, 10*time.Millisecond)
}

func certificate(t testing.TB) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLSAndPasswords(t *testing.T) {
	h := &fakeHandler{password: "secret"}
	addr := serve(t, h, Options{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}})
	for _, params := range []string{
		"sslmode=disable", "sslmode=require", "sslmode=require&channel_binding=require",
		"sslmode=require&sslnegotiation=direct", "sslmode=prefer&channel_binding=disable",
	} {
		t.Run(params, func(t *testing.T) {
			c := open(t, addr, params)
			require.NoError(t, c.Ping(t.Context()))
		})
	}
	_, err := pgx.Connect(t.Context(), "postgres://u:wrong@"+addr+"/d?sslmode=require")
	require.ErrorContains(t, err, "28P01")

	// Notifications and cancels work on TLS too.
	c := open(t, addr, "sslmode=require")
	last := h.sessions[len(h.sessions)-1]
	for range 5 {
		go last.notify("x")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := c.WaitForNotification(ctx)
		cancel()
		require.NoError(t, err)
	}
	require.NoError(t, c.Ping(t.Context()))

	strict := serve(t, h, Options{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}, RequireTLS: true})
	_, err = pgx.Connect(t.Context(), "postgres://u:secret@"+strict+"/d?sslmode=disable")
	require.ErrorContains(t, err, "28000")
}

func TestTooManyConnections(t *testing.T) {
	addr := serve(t, &fakeHandler{}, Options{MaxConnections: 1})
	open(t, addr, "sslmode=disable")
	_, err := pgx.Connect(t.Context(), "postgres://u@"+addr+"/d?sslmode=disable")
	require.ErrorContains(t, err, "53300")
}

func TestBigMessageGrowsWithItsBytes(t *testing.T) {
	addr := serve(t, &fakeHandler{}, Options{})
	c := connected(t, addr)
	// A length of nearly 1 GiB without the bytes costs no memory: the client
	// just goes away.
	_, err := c.nc.Write([]byte{'Q', 0x3f, 0xff, 0xff, 0xff, 'x'})
	require.NoError(t, err)
	require.NoError(t, c.nc.Close())
	// One that is there is taken.
	big := connected(t, addr)
	big.send(t, "Q "+strings.Repeat(" ", 3<<20)+"rows 1")
	require.Equal(t, "T[n:23:0] D*1 C:SELECT 1 ZI", big.until("Z"))
	// One beyond the limit ends the connection.
	over := connected(t, addr)
	_, err = over.nc.Write([]byte{'Q', 0x7f, 0xff, 0xff, 0xff})
	require.NoError(t, err)
	require.Equal(t, "E:FATAL 08P01 invalid message length <EOF>", over.until("Z"))
}

func TestIdleConnectionsHoldNoBigBuffers(t *testing.T) {
	h := &fakeHandler{}
	srv := NewServer(h, Options{})
	a, b := net.Pipe()
	done := make(chan struct{})
	c := &conn{srv: srv, nc: b, raw: b, in: &input{conn: b}, out: &output{w: b, srv: srv}}
	c.ctx, c.terminate = context.WithCancelCause(t.Context())
	c.session, _ = h.NewSession(t.Context(), &Startup{Control: c})
	go func() { defer close(done); _ = c.loop() }()
	cl := &client{nc: a}
	cl.send(t, "Q "+strings.Repeat(" ", 1<<20)+"set a b")
	buf := make([]byte, 1<<16)
	_, err := a.Read(buf)
	require.NoError(t, err)
	cl.send(t, "X")
	<-done
	require.LessOrEqual(t, len(c.in.buf), idleBuffer)
	require.Nil(t, c.out.buf)
}

func FuzzMessages(f *testing.F) {
	f.Add(startupPacket(3<<16, "user", "u"), []byte("Q\x00\x00\x00\x0brows 1\x00"))
	f.Add(startupPacket(3<<16|2, "user", "u", "options", "-c a=b"), []byte("P\x00\x00\x00\x0e\x00rows 3\x00\x00\x00B\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00E\x00\x00\x00\x09\x00\x00\x00\x00\x00S\x00\x00\x00\x04"))
	f.Add(startupPacket(3<<16, "user", "u"), []byte("Q\x00\x00\x00\x09wait\x00"))
	f.Add(startupPacket(3<<16, "user", "u"), []byte("Q\x00\x00\x00\x0apanic\x00Q\x00\x00\x00\x0brows 1\x00"))
	f.Add(startupPacket(codeSSL), []byte{})
	f.Add([]byte{0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 1}, []byte{})
	srv := NewServer(&fakeHandler{}, Options{MaxMessage: 1 << 16})
	f.Fuzz(func(t *testing.T, first, rest []byte) {
		a, b := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); srv.serve(context.Background(), b) }()
		go func() {
			buf := make([]byte, 4096)
			for {
				if _, err := a.Read(buf); err != nil {
					return
				}
			}
		}()
		_, _ = a.Write(first)
		_, _ = a.Write(rest)
		_ = a.Close()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("the connection hangs")
		}
	})
}

// Clients that leave in the middle of anything leave nothing behind.
func TestManyClientsComeAndGo(t *testing.T) {
	h := &fakeHandler{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := NewServer(h, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			c := connected(t, l.Addr().String())
			switch i % 4 {
			case 0: // in the middle of a result
				c.send(t, "Q rows 200000")
				_, _ = c.fe.Receive()
			case 1: // in the middle of a message
				_, _ = c.nc.Write([]byte("Q\x00\x00\x10\x00rows"))
			case 2: // in a COPY
				c.send(t, "Q copyin")
				c.until("G")
				c.send(t, "d one")
			default:
				c.send(t, "Q rows 10")
				c.until("Z")
				c.send(t, "X")
			}
			_ = c.nc.Close()
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool { return srv.Connections() == 0 }, patience, time.Millisecond)
	for _, s := range h.sessions {
		s.mu.Lock()
		require.True(t, s.closed)
		s.mu.Unlock()
	}
	cancel()
	require.NoError(t, <-done)
}
