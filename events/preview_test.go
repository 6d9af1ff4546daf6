package events_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
)

var (
	somePosition = regexp.MustCompile(`[0-9a-f]{24}`)
	someTime     = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?Z`)
	someMillis   = regexp.MustCompile(`"ts_ms":\d+`)
)

// TestTestShowsWhatEachTargetGets compares what TEST shows of an event, for each
// target and format, with and without SEND.
func TestTestShowsWhatEachTargetGets(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var bodies []string
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(body))
		if strings.HasSuffix(r.URL.Path, "/no") {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer hook.Close()
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{SecretKey: []byte("a key for tests")})
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, n int)`)
	for _, sql := range []string{`CREATE CONNECTION log TO KAFKA (brokers = '127.0.0.1:1')`, `CREATE CONNECTION bus TO NATS (url = 'nats://127.0.0.1:1')`, `CREATE CONNECTION cache TO REDIS (url = 'redis://127.0.0.1:1')`} {
		exec(t, conn, "%s", sql)
	}
	const change = `{"operationType":"insert","ns":{"db":"DB","coll":"docs"},"documentKey":{"_id":7},"fullDocument":{"_id":7,"n":42}}`
	cloud := func(name string) string {
		return `{"specversion":"1.0","id":"` + name + `:POS","type":"com.mongodb.document.inserted","source":"weir://DB/docs","subject":"7","time":"TIME","sequence":"POS","datacontenttype":"application/json","data":` + change + `}`
	}
	url := "'" + hook.URL + "/in'"
	for _, c := range []struct{ name, target, with, result, sent, payload string }{
		{"plain", "", "", "would be logged", "would be logged", ""},
		{"hook", url, "", "would be sent", "delivered", cloud("hook")},
		{"raw", url, "payload_format = 'change_event'", "would be sent", "delivered", change},
		{"bare", url, "payload_format = 'cloudevents_binary'", "would be sent", "delivered", change},
		{"deb", url, "payload_format = 'debezium'", "would be sent", "delivered",
			`{"after":"{\"_id\":7,\"n\":42}","before":null,"documentKey":"{\"_id\":7}","op":"c","source":{"collection":"docs","connector":"mongodb","db":"DB","event_id":"deb:POS","name":"weir","sequence":"POS","ts_ms":MS},"ts_ms":MS,"updateDescription":null}`},
		{"debmade", url, "payload_format = 'debezium', transform = '(full_document->>''n'')::int + 1 AS n'", "would be sent", "delivered",
			`{"after":"{\"n\":43}","before":null,"documentKey":"{\"_id\":7}","op":"c","source":{"collection":"docs","connector":"mongodb","db":"DB","event_id":"debmade:POS","name":"weir","sequence":"POS","ts_ms":MS},"ts_ms":MS,"updateDescription":null}`},
		{"batch", url, "payload_format = 'change_event', batch_processing = true", "would be sent", "delivered", `[{"id":"batch:POS","event":` + change + `}]`},
		{"many", url, "batch_processing = true", "would be sent", "delivered", "[" + cloud("many") + "]"},
		{"made", url, "payload_format = 'change_event', transform = 'document_key->>''_id'' AS id, (full_document->>''n'')::int + 1 AS n'", "would be sent", "delivered", `{"id":"7","n":43}`},
		{"nulls", url, "payload_format = 'change_event', transform = 'removed_fields, full_document->''none'' AS missing, jsonb ''null'' AS json, NULL AS sql, ''null'' AS word, jsonb_build_object(''a'', NULL) AS inner'", "would be sent", "delivered",
			`{"removed_fields":null,"missing":null,"json":null,"sql":null,"word":"null","inner":{"a":null}}`},
		{"times", url, "payload_format = 'change_event', transform = 'interval ''1 day 2 h'' AS i, time ''10:20:30.5'' AS t, date ''2024-02-29'' - date ''2024-01-01'' AS days'", "would be sent", "delivered",
			`{"i":"1 day 02:00:00","t":"10:20:30.5","days":59}`},
		{"broken", url, "transform = '1 / ((full_document->>''n'')::int - 42) AS n'", "transform_error: division by zero", "transform_error: division by zero", ""},
		{"refused", "'" + hook.URL + "/no'", "payload_format = 'change_event'", "would be sent", "HTTP 418", change},
		{"told", "NOTIFY news", "", "would be sent", "delivered", `{"id":"told:POS","ns":"DB.docs","op":"insert","key":{"_id":7}}`},
		{"pulled", "PULL", "", "would be logged", "would be logged", ""},
		{"copied", "COLLECTION copies", "", "would be sent", "delivered", `{"_id":"copied:POS","position":"POS","type":"com.mongodb.document.inserted","time":{"$date":"TIME"},"data":` + change + `}`},
		{"kafka", "KAFKA 'topic' USING log", "", "would be sent", "", cloud("kafka")},
		{"nats", "NATS 'subject' USING bus", "payload_format = 'change_event'", "would be sent", "", change},
		{"redis", "REDIS 'stream' USING cache", "payload_format = 'cloudevents'", "would be sent", "", cloud("redis")},
	} {
		target := ""
		if c.target != "" {
			target = "DELIVER TO " + c.target
		}
		with := ""
		if c.with != "" {
			with = "WITH (" + c.with + ")"
		}
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s ON docs %s %s`, c.name, target, with)
		exec(t, conn, `PAUSE EVENT_SUBSCRIPTION %s`, c.name)
		defer func() {
			try := func(send string) (result, payload string) {
				var id string
				require.NoError(t, conn.QueryRow(context.Background(), `TEST EVENT_SUBSCRIPTION `+c.name+` ON LAST 1 EVENTS`+send).Scan(&id, &result, &payload), c.name)
				require.True(t, strings.HasPrefix(id, c.name+":"), id)
				return result, payload
			}
			result, payload := try("")
			require.Equal(t, c.result, result, c.name)
			norm := func(s string) string {
				s = someMillis.ReplaceAllString(someTime.ReplaceAllString(somePosition.ReplaceAllString(s, "POS"), "TIME"), `"ts_ms":MS`)
				return strings.ReplaceAll(s, g.Database, "DB")
			}
			if c.payload != "" {
				require.Equal(t, c.payload, norm(payload), c.name)
			}
			if c.sent == "" {
				return // nobody is there
			}
			mu.Lock()
			before := len(bodies)
			mu.Unlock()
			result, payload = try(" SEND")
			require.Contains(t, result, c.sent, c.name)
			mu.Lock()
			defer mu.Unlock()
			if strings.HasPrefix(c.target, "'") && c.sent != c.result {
				require.Equal(t, []string{payload}, bodies[before:], c.name)
			} else {
				require.Len(t, bodies, before, c.name)
			}
		}()
	}
	exec(t, conn, `INSERT INTO docs (_id, n) VALUES (7, 42)`)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS()`) == 19 }, patience, 10*time.Millisecond)
}

// TestRedriveTransforms has a dead letter sent in the form that its subscription gives it.
func TestRedriveTransforms(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	taken := false
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if got = append(got, string(body)); !taken {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer hook.Close()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, n int)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION made ON docs DELIVER TO '%s' WITH (payload_format = 'change_event', transform = '(full_document->>''n'')::int AS n', max_retry_attempts = 0)`, hook.URL)
	exec(t, conn, `INSERT INTO docs (_id, n) VALUES (1, 42)`)
	open := func() int64 {
		return scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE status = 'open'`)
	}
	require.Eventually(t, func() bool { return open() == 1 }, patience, 10*time.Millisecond)
	mu.Lock()
	taken = true
	mu.Unlock()
	exec(t, conn, `REDRIVE DEAD LETTERS FOR made`)
	require.Eventually(t, func() bool { return scalar[string](t, conn, `SELECT status FROM DEAD_LETTER_EVENTS()`) == "redriven" }, patience, 10*time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{`{"n":42}`, `{"n":42}`}, got)
}

// TestNoSubscriptionOnTheOwnDatabase refuses the database that the runtime writes to.
func TestNoSubscriptionOnTheOwnDatabase(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := connect(t, g.Gateway, "weir")
	for _, sql := range []string{`CREATE EVENT_SUBSCRIPTION s ON event_log`, `CREATE EVENT_SUBSCRIPTION s ON DATABASE DELIVER TO PULL`, `CREATE OR REPLACE EVENT_SUBSCRIPTION s AS (watch_collections = 'x')`} {
		_, err := conn.Exec(context.Background(), sql)
		require.ErrorContains(t, err, "0A000", sql)
		require.ErrorContains(t, err, `database "weir" is the gateway's own`, sql)
	}
	require.Zero(t, scalar[int64](t, conn, `SELECT count(*) FROM EVENT_SUBSCRIPTIONS()`))
}
