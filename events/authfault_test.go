package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/testkit"
)

// requireRefused writes with credentials that the broker refuses: the
// subscription is suspended, loses nothing and spends no attempts; with the right
// ones it goes on after RESUME.
func requireRefused(t *testing.T, g *testkit.Gateway, conn *pgx.Conn, repair string) {
	t.Helper()
	insertDocs(t, g.Store(), g.Database, 0, 7)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_SUBSCRIPTIONS() WHERE status = 'suspended' AND status_reason = 'auth'`) == 1
	}, patience, 10*time.Millisecond)
	require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS()`))
	exec(t, conn, "%s", repair)
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION sent`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('sent') WHERE processing_status = 'completed'`) == 7
	}, patience, 10*time.Millisecond)
}

func TestRefusedCredentials(t *testing.T) {
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		port, _ := redisServer(t, "right")
		g, conn := brokered(t)
		exec(t, conn, `CREATE CONNECTION c TO REDIS (url = 'redis://127.0.0.1:%s', password = 'wrong')`, port)
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION sent ON docs DELIVER TO REDIS 'x' USING c WITH (max_retry_attempts = 1)`)
		requireRefused(t, g, conn, `ALTER CONNECTION c SET (password = 'right')`)
	})
	t.Run("nats", func(t *testing.T) {
		t.Parallel()
		port := testkit.FreePort(t)
		server(t, "nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", t.TempDir(), "--auth", "right")
		makeStream(t, port, "right")
		g, conn := brokered(t)
		exec(t, conn, `CREATE CONNECTION c TO NATS (url = 'nats://127.0.0.1:%s', token = 'wrong')`, port)
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION sent ON docs DELIVER TO NATS 'events.x' USING c WITH (max_retry_attempts = 1, processing_timeout_ms = 500)`)
		requireRefused(t, g, conn, `ALTER CONNECTION c SET (token = 'right')`)
	})
	t.Run("kafka", func(t *testing.T) {
		t.Parallel()
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "x"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "ada", "right"))
		require.NoError(t, err)
		defer cluster.Close()
		cluster.ControlKey(kmsg.SASLAuthenticate.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			if strings.HasSuffix(string(req.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes), "right") {
				return nil, nil, false
			}
			resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse) // as a broker answers; the fake one hangs up
			resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
			return resp, nil, true
		})
		g, conn := brokered(t)
		exec(t, conn, `CREATE CONNECTION c TO KAFKA (brokers = '%s', sasl_mechanism = 'PLAIN', username = 'ada', password = 'wrong')`, strings.Join(cluster.ListenAddrs(), ","))
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION sent ON docs DELIVER TO KAFKA 'x' USING c WITH (max_retry_attempts = 1, processing_timeout_ms = 1000)`)
		requireRefused(t, g, conn, `ALTER CONNECTION c SET (password = 'right')`)
	})
}
