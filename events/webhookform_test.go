package events_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/gateway"
	"weir/internal/testkit"
)

// posts are the requests that a webhook endpoint got, by path.
type posts struct {
	mu   sync.Mutex
	got  map[string][]post
	fail map[string]int // requests of a path that are still refused
}

type post struct {
	header http.Header
	body   string
}

func (p *posts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, "/")
	p.got[name] = append(p.got[name], post{r.Header, string(body)})
	if p.fail[name] > 0 {
		p.fail[name]--
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// wait gives the requests of a path once there are so many.
func (p *posts) wait(t *testing.T, name string, n int) []post {
	t.Helper()
	var out []post
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		out = slices.Clone(p.got[name])
		return len(out) >= n
	}, patience, 5*time.Millisecond, name)
	require.Len(t, out, n, name)
	return out
}

const ownSecret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// signed tells whether a request has the signature of Standard Webhooks.
func signed(p post) bool {
	key, _ := base64.StdEncoding.DecodeString(ownSecret)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(p.header.Get("webhook-id") + "." + p.header.Get("webhook-timestamp") + "." + p.body))
	return slices.Contains(strings.Fields(p.header.Get("webhook-signature")), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// TestFormsOfWebhooks reads what each payload format and kind of event comes to:
// headers, signature, body.
func TestFormsOfWebhooks(t *testing.T) {
	t.Parallel()
	p := &posts{got: map[string][]post{}, fail: map[string]int{"many": 2}}
	srv := httptest.NewServer(p)
	defer srv.Close()
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{})
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, n int)`)
	create := func(name, options string) {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s ON docs FOR INSERT, UPDATE, REPLACE, DELETE, DDL DELIVER TO '%s/%s' WITH (secret = 'whsec_%s', retry_delay_ms = 1 %s)`, name, srv.URL, name, ownSecret, options)
	}
	create("cloud", ", preserve_order = 'strict'")
	create("bare", ", payload_format = 'cloudevents_binary', preserve_order = 'strict'")
	create("many", ", batch_processing = true, batch_size = 3, batch_wait_ms = 60000, preserve_order = 'strict'")
	create("raw", ", payload_format = 'change_event', batch_processing = true, batch_size = 3, batch_wait_ms = 60000, preserve_order = 'strict'")

	exec(t, conn, `INSERT INTO docs VALUES (7, 1)`)
	exec(t, conn, `UPDATE docs SET n = 2 WHERE _id = 7`)
	_, err := g.Mongo(t).Collection("docs").ReplaceOne(t.Context(), bson.D{{Key: "_id", Value: 7}}, bson.D{{Key: "n", Value: 3}})
	require.NoError(t, err)
	exec(t, conn, `DELETE FROM docs WHERE _id = 7`)
	exec(t, conn, `CREATE INDEX by_n ON docs (n)`)
	exec(t, conn, `ALTER TABLE docs RENAME TO gone`)

	cloud := p.wait(t, "cloud", 6)
	types := []string{"document.inserted", "document.updated", "document.replaced", "document.deleted", "index.created", "collection.renamed"}
	var ids []string
	for i, c := range cloud {
		require.True(t, signed(c), c.body)
		require.Equal(t, "application/cloudevents+json", c.header.Get("Content-Type"))
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(c.body), &e))
		require.Equal(t, c.header.Get("webhook-id"), e["id"])
		require.True(t, strings.HasPrefix(e["id"].(string), "cloud:"+e["sequence"].(string)))
		require.Equal(t, "1.0", e["specversion"])
		require.Equal(t, "weir://"+g.Database+"/docs", e["source"])
		if i != 4 { // which DDL of indexes has which name is not told by the type alone
			require.Equal(t, "com.mongodb."+types[i], e["type"])
		}
		ids = append(ids, e["id"].(string))
		data := e["data"].(map[string]any)
		require.Equal(t, g.Database, data["ns"].(map[string]any)["db"])
		if i < 4 {
			require.Equal(t, "7", e["subject"])
			require.Equal(t, map[string]any{"_id": 7.0}, data["documentKey"])
		}
	}
	require.True(t, slices.IsSorted(ids))

	for i, c := range p.wait(t, "bare", 6) {
		require.True(t, signed(c), c.body)
		require.Equal(t, "application/json", c.header.Get("Content-Type"))
		require.Equal(t, c.header.Get("webhook-id"), c.header.Get("ce-id"))
		require.Equal(t, "1.0", c.header.Get("ce-specversion"))
		if i != 4 {
			require.Equal(t, "com.mongodb."+types[i], c.header.Get("ce-type"))
		}
		require.Contains(t, c.body, `"operationType"`)
	}

	// A batch that fails is halved. A list that is sent again has the same id, and
	// another one another id.
	many := p.wait(t, "many", 5)
	seen := map[string]string{}
	for i, m := range many {
		require.True(t, signed(m), m.body)
		require.Equal(t, "application/cloudevents-batch+json", m.header.Get("Content-Type"))
		var list []map[string]any
		require.NoError(t, json.Unmarshal([]byte(m.body), &list))
		require.Len(t, list, []int{3, 1, 1, 2, 3}[i])
		id := m.header.Get("webhook-id")
		if body, sent := seen[id]; sent {
			require.Equal(t, body, m.body)
		}
		seen[id] = m.body
	}
	require.Len(t, seen, 4)
	for _, m := range p.wait(t, "raw", 2) {
		require.Equal(t, "application/json", m.header.Get("Content-Type"))
		var list []struct {
			ID    string         `json:"id"`
			Event map[string]any `json:"event"`
		}
		require.NoError(t, json.Unmarshal([]byte(m.body), &list))
		require.Len(t, list, 3)
		for _, e := range list {
			require.True(t, strings.HasPrefix(e.ID, "raw:"))
			require.Contains(t, e.Event, "operationType")
		}
	}
}

// TestStatementsInTransactionBlocks asks every statement within a block: those that
// change subscriptions or connections are refused, the others run.
func TestStatementsInTransactionBlocks(t *testing.T) {
	t.Parallel()
	conn := testkit.Start(t, testkit.Embedded, &gateway.Options{}).Connect(t)
	exec(t, conn, `CREATE TABLE docs (n int)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO PULL`)
	exec(t, conn, `CREATE CONNECTION c TO NATS (url = 'nats://127.0.0.1:1')`)
	for _, sql := range []string{
		`CREATE EVENT_SUBSCRIPTION x ON docs`, `ALTER EVENT_SUBSCRIPTION s SET (tags = 'a')`, `ALTER EVENT_SUBSCRIPTION s RENAME TO r`, `DROP EVENT_SUBSCRIPTION s`,
		`PAUSE EVENT_SUBSCRIPTION s`, `RESUME EVENT_SUBSCRIPTION s`, `REWIND EVENT_SUBSCRIPTION s TO NOW`, `BACKFILL EVENT_SUBSCRIPTION s`, `REDRIVE DEAD LETTERS FOR s`,
		`DISCARD DEAD LETTERS FOR s`, `ROTATE SECRET FOR s`, `TEST EVENT_SUBSCRIPTION s SEND`, `CREATE CONNECTION d TO NATS (url = 'nats://h')`,
		`ALTER CONNECTION c SET (username = 'u')`, `DROP CONNECTION c`,
	} {
		_, err := conn.PgConn().Exec(t.Context(), "BEGIN; "+sql).ReadAll()
		require.ErrorContains(t, err, "25001", sql)
		exec(t, conn, `ROLLBACK`)
	}
	for _, sql := range []string{
		`SHOW EVENT_SUBSCRIPTIONS`, `SHOW CONNECTIONS`, `SHOW CREATE EVENT_SUBSCRIPTION s`, `SHOW CREATE CONNECTION c`, `EXPLAIN EVENT_SUBSCRIPTION s`, `TEST EVENT_SUBSCRIPTION s`,
		`COMMENT ON EVENT_SUBSCRIPTION s IS 'x'`, `COMMENT ON CONNECTION c IS 'x'`, `GRANT USAGE ON EVENT_SUBSCRIPTION s TO ada`, `REVOKE USAGE ON EVENT_SUBSCRIPTION s FROM ada`,
		`ACKNOWLEDGE EVENT_SUBSCRIPTION s UP TO '000000000000000000000000'`, `SUBSCRIBE TO s UP TO now() - interval '1 hour'`,
	} {
		_, err := conn.PgConn().Exec(t.Context(), "BEGIN; "+sql+"; COMMIT").ReadAll()
		require.NoError(t, err, sql)
	}
}

// TestNotificationsAreBounded notifies of keys of all lengths: a payload has at most
// 8,000 bytes.
func TestNotificationsAreBounded(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{})
	conn, listener := g.Connect(t), g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id text PRIMARY KEY)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO NOTIFY news WITH (preserve_order = 'strict')`)
	exec(t, listener, `LISTEN news`)
	for _, length := range []int{1, 7800, 7900, 7950, 8000, 9000} {
		exec(t, conn, `INSERT INTO docs VALUES (repeat('x', %d))`, length)
		n, err := listener.WaitForNotification(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(n.Payload), 8000)
		var p struct {
			ID, NS, Op string
			Key        map[string]string
			Truncated  bool
		}
		require.NoError(t, json.Unmarshal([]byte(n.Payload), &p))
		require.True(t, strings.HasPrefix(p.ID, "s:"))
		require.Equal(t, g.Database+".docs", p.NS)
		require.Equal(t, "insert", p.Op)
		if p.Truncated {
			require.Nil(t, p.Key)
			require.Greater(t, length, 7850)
		} else {
			require.Len(t, p.Key["_id"], length)
			require.Less(t, length, 7950)
		}
	}
}

// TestDebeziumForm has envelopes that tell of what has no document: which one was
// deleted, and what happened to a collection.
func TestDebeziumForm(t *testing.T) {
	p := &posts{got: map[string][]post{}}
	server := httptest.NewServer(p)
	defer server.Close()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, n int)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION deb ON DATABASE FOR INSERT, UPDATE, DELETE, DDL DELIVER TO '%s/deb' WITH (payload_format = 'debezium')`, server.URL)
	for _, sql := range []string{"INSERT INTO docs VALUES (7, 1)", "UPDATE docs SET n = 2", "DELETE FROM docs", "ALTER TABLE docs RENAME TO papers", "DROP TABLE papers"} {
		exec(t, conn, "%s", sql)
	}
	var got []string
	for _, one := range p.wait(t, "deb", 5) {
		var e struct {
			Op, DocumentKey string
			To              struct{ Coll string }
			Source          struct{ Collection string }
		}
		require.NoError(t, json.Unmarshal([]byte(one.body), &e))
		got = append(got, e.Op+" "+e.Source.Collection+" "+e.DocumentKey+e.To.Coll)
	}
	require.Equal(t, []string{`c docs {"_id":7}`, `u docs {"_id":7}`, `d docs {"_id":7}`, "rename docs papers", "drop papers "}, got)
}
