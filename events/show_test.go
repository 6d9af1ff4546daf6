package events_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"weir/gateway"
	"weir/internal/testkit"
)

// optionValues are values that each option takes, in the spellings that are accepted.
var optionValues = map[string][]string{
	"service_name": {`'users'`, `'it''s "x" \ ü'`}, "description": {`'a
b'`}, "created_by": {`'ada'`}, "tags": {`ARRAY['a', 'b c']`, `JSON_ARRAY('x')`, `'a, b'`},
	"watch_collections": {`ARRAY['docs', 'o*']`, `'docs,other'`}, "event_types": {`'insert, DDL'`, `JSON_ARRAY('update', 'rename')`},
	"update_fields": {`'a.b, c'`}, "event_filter": {`JSON_OBJECT('fullDocument.n', JSON_OBJECT('$gt', 1))`, `'{"fullDocument.t": {"$date": "2026-01-01T00:00:00Z"}, "operationType": {"$in": ["insert"]}}'`},
	`"where"`: {`'full_document->>''n'' = ''it''''s'''`}, "headers": {`JSON_OBJECT('x-a', 'b''c')`}, "payload_format": {`'change_event'`, `'debezium'`},
	"transform": {`'event_id, full_document->>''n'' AS n'`}, "batch_processing": {`true`, `'on'`}, "batch_size": {`7`, `'8'`}, "batch_wait_ms": {`0`},
	"preserve_order": {`'strict'`, `false`, `true`}, "ordering_key": {`'fullDocument.a'`, `ARRAY['fullDocument.a', 'ns.coll']`},
	"full_document": {`'required'`, `'off'`, `'UPDATELOOKUP'`}, "full_document_before_change": {`'required'`, `'whenAvailable'`},
	"max_retry_attempts": {`-1`, `0`, `1000`}, "retry_delay_ms": {`1`}, "max_retry_delay_ms": {`86400000`}, "exponential_backoff": {`false`},
	"max_age": {`INTERVAL '90 minutes'`, `'2 days'`, `INTERVAL '1.5 seconds'`}, "retry_statuses": {`ARRAY[409, 410]`, `'404'`}, "terminal_statuses": {`JSON_ARRAY(500)`},
	"processing_timeout_ms": {`10`}, "dead_letter_queue_enabled": {`'no'`}, "on_dead_letter": {`'pause'`, `'block_key'`}, "on_history_lost": {`'skip'`, `'backfill'`},
	"on_collection_drop": {`'suspend'`}, "correlation_path": {`'fullDocument.c'`}, "causation_path": {`ARRAY['a.b', 'c']`}, "process_path": {`'x'`},
	"source_service": {`'$fullDocument.from'`, `'shop'`}, "target_service": {`'t'`}, "interaction_type": {`'sync'`}, "tracking": {`'summary'`},
	"retention": {`INTERVAL '1 day 2 hours'`, `'36 hours'`, `'1.5 days'`, `'02:03:04.000005'`}, "delivery_shards": {`1`, `64`}, "inbox": {`true`, `'off'`}, "dedupe_window": {`'90 seconds'`},
}

// targetOf is a kind of target: how the two forms say it, and the options that it
// cannot honour.
type targetOf struct{ option, clause, lacks string }

var (
	webhookOnly = " headers retry_statuses terminal_statuses"
	fixedForm   = webhookOnly + " payload_format dedupe_window"
	targets     = []targetOf{
		{``, ``, " inbox dedupe_window"},
		{`target = 'http://127.0.0.1:1/x'`, `DELIVER TO 'http://127.0.0.1:1/x'`, " inbox dedupe_window"},
		{`target = 'in?x=1', connection = 'hooks'`, `DELIVER TO 'in?x=1' USING hooks`, " inbox dedupe_window"},
		{`target = 'collection:sent'`, `DELIVER TO COLLECTION sent`, fixedForm},
		{`target = 'collection:far.sent', connection = 'elsewhere'`, `DELIVER TO COLLECTION far.sent USING elsewhere`, fixedForm},
		{`target = 'notify:Some channel'`, `DELIVER TO NOTIFY "Some channel"`, fixedForm + " transform inbox"},
		{`target = 'pull'`, `DELIVER TO PULL`, fixedForm + " transform inbox"},
		{`target = 'kafka:t.1', connection = 'log'`, `DELIVER TO KAFKA 't.1' USING log`, webhookOnly + " inbox dedupe_window"},
		{`target = 'nats:a.b', connection = 'bus'`, `DELIVER TO NATS 'a.b' USING bus`, webhookOnly + " inbox"},
		{`target = 'redis:it''s', connection = 'cache'`, `DELIVER TO REDIS 'it''s' USING cache`, webhookOnly + " inbox"},
		{`target = 'redis-channel:news', connection = 'cache'`, `DELIVER TO REDIS CHANNEL 'news' USING cache`, webhookOnly + " inbox dedupe_window"},
	}
)

// randomCreate makes a statement that is right, of either form.
func randomCreate(r *rand.Rand) string {
	target := targets[r.IntN(len(targets))]
	var names []string
	for name := range optionValues {
		names = append(names, name)
	}
	slices.Sort(names)
	options := []string{`subscription_id = 'id-1'`}
	source := []string{"ON docs", "ON DATABASE", `ON docs, "Other"`}[r.IntN(3)]
	short := r.IntN(2) == 0
	strict := false
	for _, name := range names {
		values := optionValues[name]
		value := values[r.IntN(len(values))]
		switch {
		case r.IntN(2) == 0, strings.Contains(target.lacks+" ", " "+name+" "):
			continue
		case short && (name == "watch_collections" || name == "event_types" || name == `"where"`):
			continue // the clauses say it
		case name == "preserve_order":
			strict = value == `'strict'`
		}
		options = append(options, name+" = "+value)
	}
	if strict {
		options = slices.DeleteFunc(options, func(o string) bool { return o == "delivery_shards = 64" })
	}
	if !short {
		if target.option != "" {
			options = append(options, target.option)
		}
		return fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION "Some Name" AS (%s)`, strings.Join(options, ", "))
	}
	events := []string{"", "FOR INSERT, UPDATE OF a.b, c", `FOR DDL, "createIndexes", DELETE`, "FOR REPLACE"}[r.IntN(4)]
	if strings.Contains(events, "OF") {
		options = slices.DeleteFunc(options, func(o string) bool { return strings.HasPrefix(o, "update_fields") })
	}
	where := []string{"", `WHERE full_document->>'n' = 'it''s' AND event_type <> 'x'`}[r.IntN(2)]
	return fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION "Some Name" %s %s %s %s WITH (%s)`, source, events, where, target.clause, strings.Join(options, ", "))
}

// TestShowCreateRoundTrips makes subscriptions of random options and targets and
// makes each again from what SHOW CREATE prints: the same statement comes out.
func TestShowCreateRoundTrips(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for i := range 4 { // which mostly wait
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			showCreateRoundTrips(t, rand.New(rand.NewPCG(seed, uint64(i))), 30)
		})
	}
}

func showCreateRoundTrips(t *testing.T, r *rand.Rand, n int) {
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{})
	conn := g.Connect(t)
	for _, sql := range []string{
		`CREATE CONNECTION hooks TO WEBHOOK (base_url = 'http://127.0.0.1:1/in/')`, `CREATE CONNECTION elsewhere TO MONGODB (uri = 'mongodb://127.0.0.1:1')`,
		`CREATE CONNECTION log TO KAFKA (brokers = '127.0.0.1:1')`, `CREATE CONNECTION bus TO NATS (url = 'nats://127.0.0.1:1')`,
		`CREATE CONNECTION cache TO REDIS (url = 'redis://127.0.0.1:1')`,
	} {
		exec(t, conn, "%s", sql)
	}
	names := []string{`"Some Name"`, `"select"`, `"a""b"`, "plain_1"}
	var name string
	show := func() (text, options string) {
		var shown string
		require.NoError(t, conn.QueryRow(t.Context(), `SHOW CREATE EVENT_SUBSCRIPTION `+name).Scan(&shown, &text))
		return text, scalar[string](t, conn, `SELECT options::text FROM EVENT_SUBSCRIPTIONS()`)
	}
	for range n {
		name = names[r.IntN(len(names))]
		sql := strings.Replace(randomCreate(r), `"Some Name"`, name, 1)
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err, sql)
		text, options := show()
		exec(t, conn, "%s", `DROP EVENT_SUBSCRIPTION `+name)
		exec(t, conn, "%s", text)
		again, optionsAgain := show()
		require.Equal(t, text, again, sql)
		require.Equal(t, options, optionsAgain, sql)
		exec(t, conn, "%s", `DROP EVENT_SUBSCRIPTION `+name)
	}
}
