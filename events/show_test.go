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
	"retention": {`INTERVAL '1 day 2 hours'`, `'36 hours'`}, "delivery_shards": {`1`, `64`},
}

// TestShowCreateRoundTrips makes subscriptions of random options and makes each
// again from what SHOW CREATE prints: the same statement comes out.
func TestShowCreateRoundTrips(t *testing.T) {
	g := testkit.Start(t, testkit.Embedded, &gateway.Options{})
	conn := g.Connect(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 40 {
		options := []string{`subscription_id = 'id-1'`, `target = 'http://127.0.0.1:1/x'`}
		for name, values := range optionValues {
			if r.IntN(2) == 0 {
				options = append(options, name+" = "+values[r.IntN(len(values))])
			}
		}
		if slices.Contains(options, `preserve_order = 'strict'`) {
			options = slices.DeleteFunc(options, func(o string) bool { return o == "delivery_shards = 64" })
		}
		sql := fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION "Some Name" AS (%s)`, strings.Join(options, ", "))
		exec(t, conn, "%s", sql)
		show := func() (name, text string) {
			require.NoError(t, conn.QueryRow(t.Context(), `SHOW CREATE EVENT_SUBSCRIPTION "Some Name"`).Scan(&name, &text))
			return name, text
		}
		_, first := show()
		options1 := scalar[string](t, conn, `SELECT options::text FROM EVENT_SUBSCRIPTIONS()`)
		exec(t, conn, `DROP EVENT_SUBSCRIPTION "Some Name"`)
		exec(t, conn, "%s", first)
		_, second := show()
		require.Equal(t, first, second, sql)
		require.Equal(t, options1, scalar[string](t, conn, `SELECT options::text FROM EVENT_SUBSCRIPTIONS()`), sql)
		exec(t, conn, `DROP EVENT_SUBSCRIPTION "Some Name"`)
	}
}
