package events_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
	"weir/store"
)

// hidden are the credentials of these tests.
var hidden = []string{"hush-1", "hush-2", "hush-3", "hush-4", "whsec_AAAA"}

// requireHidden fails where a text holds a credential.
func requireHidden(t *testing.T, text string) {
	t.Helper()
	for _, h := range hidden {
		require.NotContains(t, text, h)
	}
}

// allText is all that a query shows, in one text.
func allText(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		for _, v := range rows.RawValues() {
			b.Write(v)
			b.WriteByte('|')
		}
	}
	require.NoError(t, rows.Err())
	return b.String()
}

// storedText is what the store holds of a collection of the runtime.
func storedText(t *testing.T, st store.Store, coll string) string {
	t.Helper()
	cur, err := st.Aggregate(t.Context(), store.Namespace{DB: "weir", Coll: coll}, nil, store.AggregateOptions{})
	require.NoError(t, err)
	defer func() { _ = cur.Close() }()
	var b strings.Builder
	for {
		doc, err := cur.Next(t.Context())
		if err != nil {
			return b.String()
		}
		b.Write(doc)
	}
}

// sealedGateway runs a gateway that has a key for credentials, and a receiver that tells
// the headers of what comes.
func sealedGateway(t *testing.T) (*httptest.Server, <-chan http.Header, *testkit.Gateway, *pgx.Conn) {
	t.Helper()
	got := make(chan http.Header, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { got <- req.Header }))
	t.Cleanup(srv.Close)
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{SecretKey: []byte("a key for tests"), EventProbe: soon})
	return srv, got, g, g.Connect(t)
}

// TestHeadersWithCredentials makes subscriptions and a connection whose headers and
// URLs hold credentials: they are sent, shown nowhere, and stored encrypted.
func TestHeadersWithCredentials(t *testing.T) {
	t.Parallel()
	srv, got, g, conn := sealedGateway(t)
	exec(t, conn, `CREATE CONNECTION team TO WEBHOOK (base_url = '%s', headers = JSON_OBJECT('Authorization', 'Bearer hush-1', 'x-team', 'ops'))`, srv.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO 'in' USING team WITH (headers = JSON_OBJECT('X-Api-Key', 'hush-2', 'x-other', 'basic hush-3', 'accept', 'text/plain'))`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION u ON docs DELIVER TO '%s' WITH (secret = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')`, strings.Replace(srv.URL, "http://", "http://ada:hush-4@", 1))
	for _, sql := range []string{
		`SELECT * FROM EVENT_SUBSCRIPTIONS()`, `SHOW EVENT_SUBSCRIPTIONS`, `SHOW CREATE EVENT_SUBSCRIPTION s`, `SHOW CREATE EVENT_SUBSCRIPTION u`, `EXPLAIN EVENT_SUBSCRIPTION u`,
		`SELECT * FROM EVENT_CONNECTIONS()`, `SHOW CONNECTIONS`, `SHOW CREATE CONNECTION team`,
	} {
		requireHidden(t, allText(t, conn, sql))
	}
	require.Equal(t, `{"accept": "text/plain", "x-other": "***", "X-Api-Key": "***"}`, scalar[string](t, conn, `SELECT (options->'headers')::text FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = 's'`))
	require.Equal(t, `{"x-team": "ops", "Authorization": "***"}`, scalar[string](t, conn, `SELECT (options->'headers')::text FROM EVENT_CONNECTIONS()`))
	for _, coll := range []string{"event_subscriptions", "event_connections"} {
		requireHidden(t, storedText(t, g.Store(), coll))
	}
	insertDocs(t, g.Store(), g.Database, 0, 1)
	sent := map[string][]string{}
	for range 2 {
		for name, v := range <-got {
			sent[name] = append(sent[name], v...)
		}
	}
	require.ElementsMatch(t, []string{"Bearer hush-1", "Basic YWRhOmh1c2gtNA=="}, sent["Authorization"])
	require.Equal(t, []string{"hush-2"}, sent["X-Api-Key"])
	require.Equal(t, []string{"basic hush-3"}, sent["X-Other"])
	require.Equal(t, []string{"ops"}, sent["X-Team"])
}

// TestMaskedHeadersStandForWhatIsStored gives headers as they are shown.
func TestMaskedHeadersStandForWhatIsStored(t *testing.T) {
	t.Parallel()
	srv, got, g, conn := sealedGateway(t)
	refused := func(sql, hint string) {
		t.Helper()
		_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		var e *pgconn.PgError
		require.True(t, errors.As(err, &e), sql)
		require.Equal(t, "22023", e.Code)
		require.Contains(t, e.Hint, hint)
		require.NotZero(t, e.Position)
	}
	n := 0
	next := func() http.Header {
		insertDocs(t, g.Store(), g.Database, n, 1)
		n++
		return <-got
	}
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO '%s' WITH (headers = JSON_OBJECT('Authorization', 'Bearer hush-1'))`, srv.URL)
	exec(t, conn, `ALTER EVENT_SUBSCRIPTION s SET (headers = JSON_OBJECT('authorization', '***', 'x-team', 'a'))`)
	h := next()
	require.Equal(t, "Bearer hush-1", h.Get("Authorization"))
	require.Equal(t, "a", h.Get("x-team"))
	var name, create string
	require.NoError(t, conn.QueryRow(t.Context(), `SHOW CREATE EVENT_SUBSCRIPTION s`).Scan(&name, &create))
	exec(t, conn, "%s", strings.Replace(create, "CREATE", "CREATE OR REPLACE", 1))
	require.Equal(t, "Bearer hush-1", next().Get("Authorization"))
	refused(`ALTER EVENT_SUBSCRIPTION s SET (headers = JSON_OBJECT('cookie', '***'))`, "the value of cookie itself")
	exec(t, conn, `DROP EVENT_SUBSCRIPTION s`)
	refused(create, "*** stands for one that is not shown")
	refused(`CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO 'http://ada:***@h/'`, "*** stands for a password")
	exec(t, conn, `CREATE CONNECTION team TO WEBHOOK (base_url = '%s', headers = JSON_OBJECT('x-token', 'hush-2'))`, srv.URL)
	exec(t, conn, `ALTER CONNECTION team SET (headers = JSON_OBJECT('x-token', '***', 'x-team', 'b'))`)
	exec(t, conn, `CREATE OR REPLACE CONNECTION team TO WEBHOOK (base_url = '%s', headers = JSON_OBJECT('x-token', '***', 'x-team', 'c'))`, srv.URL)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO '' USING team`)
	h = next()
	require.Equal(t, "hush-2", h.Get("x-token"))
	require.Equal(t, "c", h.Get("x-team"))
	refused(`CREATE CONNECTION other TO WEBHOOK (base_url = 'http://h', headers = JSON_OBJECT('x-token', '***'))`, "the value of x-token itself")
}

// TestCredentialsWithoutKey tells that they are stored as they are, reads such
// definitions where there is a key, and keeps what another key encrypted.
func TestCredentialsWithoutKey(t *testing.T) {
	t.Parallel()
	got := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { got <- req.Header.Get("x-token") }))
	defer srv.Close()
	e := openEngine(t)
	const db = "keyless"
	begin := func(key string) (*node, *pgx.Conn) {
		n := startNodeBy(t, gateway.Options{Store: e, EventProbe: soon, SecretKey: []byte(key)})
		return n, connect(t, n.Gateway, db)
	}
	n, conn := begin("")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO '%s' WITH (headers = JSON_OBJECT('x-token', 'hush-1'))`, srv.URL)
	_, err := conn.Exec(t.Context(), `CREATE CONNECTION team TO WEBHOOK (base_url = 'http://h', headers = JSON_OBJECT('x-token', 'hush-1'))`)
	require.ErrorContains(t, err, "55000")
	exec(t, conn, `CREATE CONNECTION team TO WEBHOOK (base_url = 'http://h', headers = JSON_OBJECT('x-team', 'a'))`)
	n.end(t)
	require.Contains(t, storedText(t, e, "event_subscriptions"), "hush-1")

	n, conn = begin("one key")
	insertDocs(t, e, db, 0, 1)
	require.Equal(t, "hush-1", <-got)
	exec(t, conn, `ALTER EVENT_SUBSCRIPTION s SET (description = 'x')`)
	requireHidden(t, storedText(t, e, "event_subscriptions"))
	insertDocs(t, e, db, 1, 1)
	require.Equal(t, "hush-1", <-got)
	n.end(t)

	n, conn = begin("another key")
	_, err = conn.Exec(t.Context(), `ALTER EVENT_SUBSCRIPTION s SET (description = 'y')`)
	require.ErrorContains(t, err, "55000")
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION s`)
	n.end(t)

	n, conn = begin("one key")
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION s`)
	insertDocs(t, e, db, 2, 1)
	require.Equal(t, "hush-1", <-got)
	exec(t, conn, `DROP EVENT_SUBSCRIPTION s`)
	n.end(t)
}
