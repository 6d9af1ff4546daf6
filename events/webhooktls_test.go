package events_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// secure is a receiver with a certificate that no authority of the system signed.
type secure struct {
	*httptest.Server
	fault func(n int, w http.ResponseWriter, conn net.Conn) // of the nth request, from 1 on; nil: none

	mu    sync.Mutex
	proto []int
	ids   []string            // webhook-id of each request
	taken map[string]struct{} // keys of documents in requests that were answered
	from  map[string]struct{} // addresses of connections
}

type connKey struct{}

func newSecure(t *testing.T, http2 bool, fault func(int, http.ResponseWriter, net.Conn)) *secure {
	t.Helper()
	s := &secure{fault: fault, taken: map[string]struct{}{}, from: map[string]struct{}{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *secure) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var many []struct{ Subject string }
	body, _ := io.ReadAll(r.Body)
	if json.Unmarshal(body, &many) != nil {
		many = append(many, struct{ Subject string }{})
		_ = json.Unmarshal(body, &many[0])
	}
	s.mu.Lock()
	s.proto = append(s.proto, r.ProtoMajor)
	s.ids = append(s.ids, r.Header.Get("webhook-id"))
	s.from[r.RemoteAddr] = struct{}{}
	n := len(s.ids)
	s.mu.Unlock()
	if s.fault != nil {
		s.fault(n, w, r.Context().Value(connKey{}).(net.Conn))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range many {
		s.taken[e.Subject] = struct{}{}
	}
}

// has waits until the documents of so many events were taken.
func (s *secure) has(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.taken) == n }, patience, 5*time.Millisecond)
}

func (s *secure) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

// ca is the receiver's certificate as its own authority.
func (s *secure) ca() string { return asPEM(s.Certificate().Raw) }

// trust makes a connection that knows the receiver's authority.
func (s *secure) trust(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	exec(t, conn, `CREATE CONNECTION hooks TO WEBHOOK (base_url = '%s/', ca = '%s')`, s.URL, s.ca())
}

const unknownAuthority = "certificate signed by unknown authority"

// TestWebhookOfUnknownAuthority delivers nothing to a receiver whose certificate nobody
// vouches for: that is a failure as an endpoint that does not answer is, until somebody
// names the authority.
func TestWebhookOfUnknownAuthority(t *testing.T) {
	t.Parallel()
	s := newSecure(t, true, nil)
	g, conn := brokered(t)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION dies ON docs DELIVER TO '%s/dies' WITH (max_retry_attempts = 2, retry_delay_ms = 1)`, s.URL)
	exec(t, conn, `CREATE CONNECTION hooks TO WEBHOOK (base_url = '%s/')`, s.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION waits ON docs DELIVER TO 'waits' USING hooks WITH (%s)`, fast)
	insertDocs(t, g.Store(), g.Database, 0, 3)

	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT coalesce(sum(errors), 0)::bigint FROM weir.error_summary WHERE subscription_id = 'dies' AND reason = 'max_attempts' AND last_status IS NULL`) == 3
	}, patience, 5*time.Millisecond)
	for _, sql := range []string{`SELECT min(last_error) FROM DEAD_LETTER_EVENTS() WHERE attempts = 3`, `SELECT min(error) FROM EVENT_ATTEMPTS() WHERE outcome = 'retrying' AND status_code IS NULL`} {
		require.Contains(t, scalar[string](t, conn, sql), unknownAuthority)
	}
	require.Eventually(t, func() bool {
		return scalar[string](t, conn, `SELECT status FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = 'waits'`) == "degraded"
	}, patience, 5*time.Millisecond)
	require.Contains(t, scalar[string](t, conn, `SELECT last_error FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = 'waits'`), unknownAuthority)
	require.Empty(t, s.requests())

	exec(t, conn, `ALTER CONNECTION hooks SET (ca = '%s')`, s.ca())
	s.has(t, 3)
	exec(t, conn, `REDRIVE DEAD LETTERS FOR dies`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE status = 'open' AND redrive_count = 1`) == 3
	}, patience, 5*time.Millisecond, "what uses no connection trusts none of its authorities")
}

// authority makes one that signed nothing but itself.
func authority(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	own := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, own, own, public, private)
	require.NoError(t, err)
	return asPEM(der)
}

func asPEM(certificate []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}

// TestWebhookTrustsItsAuthorityAlone names an authority, but not that of the receiver.
func TestWebhookTrustsItsAuthorityAlone(t *testing.T) {
	t.Parallel()
	s := newSecure(t, true, nil)
	g, conn := brokered(t)
	exec(t, conn, `CREATE CONNECTION hooks TO WEBHOOK (base_url = '%s/', ca = '%s')`, s.URL, authority(t))
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO 'in' USING hooks WITH (max_retry_attempts = 0)`)
	insertDocs(t, g.Store(), g.Database, 0, 1)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS()`) == 1 }, patience, 5*time.Millisecond)
	require.Contains(t, scalar[string](t, conn, `SELECT last_error FROM DEAD_LETTER_EVENTS()`), unknownAuthority)
	require.Empty(t, s.requests())
}

// TestWebhookBatchesShareAConnection sends to receivers of HTTP/2 and HTTP/1.1 over TLS.
func TestWebhookBatchesShareAConnection(t *testing.T) {
	t.Parallel()
	for version, http2 := range map[int]bool{1: false, 2: true} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			s := newSecure(t, http2, nil)
			g, conn := brokered(t)
			s.trust(t, conn)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO 'in' USING hooks WITH (batch_processing = true, batch_size = 4, batch_wait_ms = 60000, preserve_order = 'strict')`)
			insertDocs(t, g.Store(), g.Database, 0, 20)
			s.has(t, 20)
			s.mu.Lock()
			defer s.mu.Unlock()
			require.Equal(t, slices.Repeat([]int{version}, 5), s.proto)
			require.Len(t, s.from, 1)
		})
	}
}

// TestWebhookConnectionsThatEnd has connections end under events: none is lost, and what
// comes again comes with its id.
func TestWebhookConnectionsThatEnd(t *testing.T) {
	t.Parallel()
	const n = 20
	for name, of := range map[string]struct {
		http2  bool
		fault  func(http.ResponseWriter, net.Conn)
		repeat bool
	}{
		"goaway": {true, func(w http.ResponseWriter, _ net.Conn) { w.Header().Set("Connection", "close") }, false},
		"reset":  {true, func(http.ResponseWriter, net.Conn) { panic(http.ErrAbortHandler) }, true},
		"closed": {true, func(_ http.ResponseWriter, c net.Conn) { _ = c.Close(); panic(http.ErrAbortHandler) }, true},
		"begun": {true, func(w http.ResponseWriter, c net.Conn) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = http.NewResponseController(w).Flush()
			_ = c.Close()
		}, true},
		"closed1": {false, func(_ http.ResponseWriter, c net.Conn) { _ = c.Close(); panic(http.ErrAbortHandler) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSecure(t, of.http2, func(n int, w http.ResponseWriter, c net.Conn) {
				if n%6 == 3 {
					of.fault(w, c)
				}
			})
			g, conn := brokered(t)
			s.trust(t, conn)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO 'in' USING hooks WITH (preserve_order = 'strict', %s)`, fast)
			insertDocs(t, g.Store(), g.Database, 0, n)
			s.has(t, n)
			ids := s.requests()
			for i, id := range ids {
				switch again := i > 0 && ids[i-1] == id; {
				case of.repeat && i%6 == 3:
					require.True(t, again, "%d %v", i, ids)
				default:
					require.False(t, again, "%d %v", i, ids)
				}
			}
			if name != "reset" {
				require.Greater(t, len(s.from), 1)
			}
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(ids))), n)
			require.Eventually(t, func() bool {
				return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('s') WHERE processing_status = 'completed'`) == n
			}, patience, 5*time.Millisecond)
		})
	}
}

// TestWebhookRedirects follows none: where events go is said in the subscription.
func TestWebhookRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := newSecure(t, true, nil)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect} {
		s := newSecure(t, true, func(n int, w http.ResponseWriter, _ net.Conn) {
			w.Header().Set("Location", elsewhere.URL+"/there")
			w.WriteHeader(status)
		})
		g, conn := brokered(t)
		s.trust(t, conn)
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO 'in' USING hooks WITH (%s)`, fast)
		insertDocs(t, g.Store(), g.Database, 0, 1)
		require.Eventually(t, func() bool {
			return scalar[int64](t, conn, fmt.Sprintf(`SELECT coalesce(sum(errors), 0)::bigint FROM weir.error_summary WHERE reason = 'terminal_status' AND last_status = %d`, status)) == 1
		}, patience, 5*time.Millisecond)
		require.Equal(t, fmt.Sprintf("HTTP %d %s", status, http.StatusText(status)), scalar[string](t, conn, `SELECT last_error FROM DEAD_LETTER_EVENTS()`))
		require.Len(t, s.requests(), 3)
		exec(t, conn, `ALTER EVENT_SUBSCRIPTION s SET (retry_statuses = '%d')`, status)
		insertDocs(t, g.Store(), g.Database, 1, 1)
		require.Eventually(t, func() bool { return len(s.requests()) > 3+5 }, patience, 5*time.Millisecond)
	}
	require.Empty(t, elsewhere.requests())
}
