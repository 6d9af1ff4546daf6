package events_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// TestRedisKeyOfAnotherType has a subscription deliver to a key that is no stream:
// nothing counts as delivered, not when it is sent again either, and what is redriven
// when the key is free arrives.
func TestRedisKeyOfAnotherType(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	port, client := redisServer(t, "")
	require.NoError(t, client.Set(ctx, "taken", "a text", 0).Err())
	g, conn := brokered(t)
	told, notices := noticed(t, conn)
	exec(t, told, `CREATE CONNECTION cache TO REDIS (url = 'redis://127.0.0.1:%s')`, port)
	exec(t, told, `CREATE EVENT_SUBSCRIPTION streamed ON docs DELIVER TO REDIS 'taken' USING cache WITH (%s)`, fast)
	require.Contains(t, *notices, "WARNING the key taken of Redis is a string, no stream")
	insertDocs(t, g.Store(), g.Database, 0, 3)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE last_error LIKE '%WRONGTYPE%'`) == 3
	}, patience, 10*time.Millisecond)
	require.Zero(t, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE processing_status = 'completed'`))
	require.NoError(t, client.Del(ctx, "taken").Err())
	exec(t, conn, `REDRIVE DEAD LETTERS FOR streamed`)
	require.Eventually(t, func() bool { return client.XLen(ctx, "taken").Val() == 3 }, patience, 10*time.Millisecond)
}

// TestRedisWantsCredentials suspends a subscription whose connection has none, whatever
// the server says to a long command before it has them.
func TestRedisWantsCredentials(t *testing.T) {
	t.Parallel()
	port, _ := redisServer(t, "secret")
	g, conn := brokered(t)
	told, notices := noticed(t, conn)
	exec(t, told, `CREATE CONNECTION cache TO REDIS (url = 'redis://127.0.0.1:%s')`, port)
	exec(t, told, `CREATE EVENT_SUBSCRIPTION streamed ON docs DELIVER TO REDIS 'events' USING cache WITH (%s)`, fast)
	require.Contains(t, *notices, "WARNING Redis does not take the credentials: NOAUTH Authentication required.")
	insertDocs(t, g.Store(), g.Database, 0, 1)
	require.Eventually(t, func() bool {
		return scalar[string](t, conn, `SELECT coalesce(status_reason, '') FROM EVENT_SUBSCRIPTIONS()`) == "auth"
	}, patience, 10*time.Millisecond)
}

// TestBrokersThatCannotBeReached are warned of, with the cause.
func TestBrokersThatCannotBeReached(t *testing.T) {
	t.Parallel()
	_, conn := brokered(t)
	told, notices := noticed(t, conn)
	for target, connection := range map[string]string{
		"REDIS 'x'": "REDIS (url = 'redis://127.0.0.1:1')", "REDIS CHANNEL 'y'": "REDIS (url = 'redis://127.0.0.1:1')",
		"KAFKA 'x'": "KAFKA (brokers = '127.0.0.1:1')", "NATS 'x'": "NATS (url = 'nats://127.0.0.1:1')",
	} {
		*notices = nil
		exec(t, told, `CREATE OR REPLACE CONNECTION far TO %s`, connection)
		exec(t, told, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO %s USING far`, target)
		require.NotEmpty(t, *notices, target)
		require.Regexp(t, `^WARNING (Redis|Kafka|NATS) cannot be reached`, (*notices)[0])
		exec(t, told, `DROP EVENT_SUBSCRIPTION s`)
	}
}

// noticed is a second session, and what it is told beside the answers.
func noticed(t *testing.T, conn *pgx.Conn) (*pgx.Conn, *[]string) {
	t.Helper()
	var notices []string
	cfg := conn.Config().Copy()
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Severity+" "+n.Message) }
	told, err := pgx.ConnectConfig(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = told.Close(context.Background()) })
	return told, &notices
}
