package events_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
)

// TestSecretOfAConnectionStays alters a subscription that is signed with the secret
// of its connection: it gets none of its own by that, and has none to rotate.
func TestSecretOfAConnectionStays(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{SecretKey: []byte("a key for tests")})
	said := &[]string{}
	conn := g.ConnectHearing(t, said)
	exec(t, conn, `CREATE TABLE docs (n int)`)
	exec(t, conn, `CREATE CONNECTION hooks TO WEBHOOK (base_url = 'http://127.0.0.1:1/', secret = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO 'in' USING hooks`)
	exec(t, conn, `ALTER EVENT_SUBSCRIPTION s SET (description = 'x')`)
	require.Empty(t, *said)
	require.Nil(t, scalar[*string](t, conn, `SELECT options->>'secret' FROM EVENT_SUBSCRIPTIONS()`))
	_, err := conn.Exec(t.Context(), `ROTATE SECRET FOR s`)
	var e *pgconn.PgError
	require.True(t, errors.As(err, &e))
	require.Equal(t, "55000", e.Code)
	require.Contains(t, e.Hint, "ALTER CONNECTION hooks SET (secret")
	exec(t, conn, `ALTER EVENT_SUBSCRIPTION s SET (secret = 'whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB')`)
	exec(t, conn, `ROTATE SECRET FOR s`)
	require.Len(t, *said, 1)
	require.Equal(t, "***", scalar[string](t, conn, `SELECT options->>'secret' FROM EVENT_SUBSCRIPTIONS()`))
}
