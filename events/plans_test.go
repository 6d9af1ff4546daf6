package events_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/internal/testkit"
)

// What is asked of the log is what its indexes answer: orders by what every event
// has need no place for NULLs, and limits stand right behind them.
func TestEventsAreAskedForByIndex(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, note text)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION feed ON docs`)
	for sql, stages := range map[string]string{
		`SELECT * FROM CHANGE_STREAM_EVENTS() ORDER BY position DESC LIMIT 5`:                                        `{"$sort":{"position":-1}} {"$limit":5}`,
		`SELECT event_id FROM CHANGE_STREAM_EVENTS() ORDER BY event_timestamp DESC LIMIT 5`:                          `{"$sort":{"event_timestamp":-1}} {"$limit":5}`,
		`SELECT * FROM CHANGE_STREAM_EVENTS('feed') WHERE processing_status = 'queued' ORDER BY position LIMIT 5`:    `{"$match":{"processing_status":{"$eq":"queued"}}} {"$sort":{"position":1}} {"$limit":5}`,
		`SELECT * FROM CHANGE_STREAM_EVENTS() WHERE business_process_id = 'p' ORDER BY event_timestamp`:              `{"$match":{"business_process_id":{"$eq":"p"}}} {"$sort":{"event_timestamp":1}}`,
		`SELECT * FROM weir.process_timeline WHERE correlation_id = 'c' ORDER BY event_timestamp DESC LIMIT 5`:       `{"$match":{"correlation_id":{"$eq":"c"},"$and":[{"correlation_id":{"$ne":null}}]}} {"$sort":{"event_timestamp":-1}} {"$limit":5}`,
		`SELECT * FROM DEAD_LETTER_EVENTS() WHERE status = 'open' ORDER BY created_at DESC LIMIT 5`:                  `{"$match":{"status":{"$eq":"open"}}} {"$sort":{"created_at":-1}} {"$limit":5}`,
		`SELECT * FROM EVENT_STATS() WHERE lag_p99_ms IS NOT NULL AND subscription_id = 's' ORDER BY bucket LIMIT 5`: ``, // the filter is not the store's alone
		`SELECT * FROM EVENT_STATS() ORDER BY bucket DESC LIMIT 5`:                                                   `{"$sort":{"bucket":-1}} {"$limit":5}`,
		`SELECT * FROM EVENT_ATTEMPTS() ORDER BY started_at DESC LIMIT 5`:                                            `{"$sort":{"started_at":-1}} {"$limit":5}`,
	} {
		rows, err := conn.Query(t.Context(), `EXPLAIN `+sql)
		require.NoError(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		var got []string
		for _, line := range lines {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "{") {
				got = append(got, line)
			}
		}
		if stages != "" {
			require.Equal(t, stages, strings.Join(got, " "), sql)
		}
		exec(t, conn, "%s", strings.ReplaceAll(sql, "%", "%%"))
	}
	// So the store reads them.
	for pipeline, plan := range map[string]string{
		`[{"$match": {"database_name": "d"}}, {"$sort": {"position": -1}}, {"$limit": 5}]`:                          "position",
		`[{"$match": {"database_name": "d"}}, {"$sort": {"event_timestamp": -1}}, {"$limit": 5}]`:                   "time_database",
		`[{"$match": {"database_name": "d"}}, {"$match": {"business_process_id": {"$eq": "p"}}}]`:                   "process",
		`[{"$match": {"database_name": "d"}}, {"$match": {"correlation_id": {"$eq": "c"}}}]`:                        "correlation",
		`[{"$match": {"subscription_id": "feed"}}, {"$sort": {"position": -1}}, {"$limit": 5}]`:                     "subscription_position",
		`[{"$match": {"processing_status": {"$eq": "failed"}}}, {"$sort": {"event_timestamp": -1}}, {"$limit": 5}]`: "open_time_database",
		`[{"$match": {"processing_status": {"$in": ["queued", "processing", "retrying"]}}}]`:                        "open_time_database",
		`[{"$match": {"subscription_id": {"$in": ["feed"]}}}, {"$sort": {"event_timestamp": -1}}, {"$limit": 5}]`:   "subscription_time",
		`[{"$match": {"subscription_id": "feed", "event_timestamp": {"$gt": {"$date": "2026-01-01T00:00:00Z"}}}}]`:  "subscription_time",
		`[{"$match": {"causation_id": {"$eq": "c"}}}]`:                                                              "causation",
		`[{"$match": {"trace_parent": {"$gte": "00-a-", "$lt": "00-a."}}}]`:                                         "trace",
	} {
		var stages bson.A
		require.NoError(t, bson.UnmarshalExtJSON([]byte(pipeline), false, &stages))
		cmd, err := bson.Marshal(bson.D{{Key: "explain", Value: bson.D{{Key: "aggregate", Value: "event_log"}, {Key: "pipeline", Value: stages}, {Key: "cursor", Value: bson.D{}}}}, {Key: "verbosity", Value: "queryPlanner"}})
		require.NoError(t, err)
		reply, err := g.Store().Command(t.Context(), "weir", cmd)
		require.NoError(t, err)
		text := reply.String()
		require.Contains(t, text, `"indexName": "`+plan+`"`, pipeline)
		require.NotContains(t, text, `"stage": "SORT"`, pipeline)
	}
}

// The minutes of EVENT_STATS() say the same whether the store orders and cuts them
// or they are added up.
func TestMinutesAndBucketsAgree(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn := g.Connect(t)
	exec(t, conn, `CREATE TABLE docs (_id int PRIMARY KEY, note text)`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION feed ON docs`)
	exec(t, conn, `INSERT INTO docs (_id, note) SELECT i, 'n' FROM generate_series(1, 50) i`)
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT coalesce(sum(received), 0)::bigint FROM EVENT_STATS()`) == 50
	}, patience, 20e6)
	require.Equal(t, int64(50), scalar[int64](t, conn, `SELECT sum(delivered)::bigint FROM EVENT_STATS() WHERE lag_p99_ms IS NOT NULL AND subscription_id = 'feed' AND bucket >= now() - interval '5 minutes'`))
	require.Equal(t, int64(0), scalar[int64](t, conn, `SELECT count(*) FROM EVENT_STATS() WHERE bucket < now() - interval '1 hour' OR subscription_id = 'other'`))
	require.Equal(t, int64(50), scalar[int64](t, conn, `SELECT sum(received)::bigint FROM EVENT_STATS(interval '1 hour') WHERE bucket >= now() - interval '2 hours'`))
	require.Equal(t, int64(50), scalar[int64](t, conn, `SELECT sum(received)::bigint FROM weir.event_throughput WHERE bucket >= now() - interval '5 minutes' AND bucket <= now()`))
	require.Equal(t, int64(0), scalar[int64](t, conn, `SELECT count(*) FROM weir.event_throughput WHERE bucket < now() - interval '30 minutes'`))
	require.True(t, scalar[bool](t, conn, `SELECT bool_and(lag_p50_ms <= lag_p99_ms) FROM EVENT_STATS()`))
	require.Equal(t, scalar[float64](t, conn, `SELECT max(lag_p99_ms) FROM EVENT_STATS()`), scalar[float64](t, conn, `SELECT lag_p99_ms FROM EVENT_STATS() ORDER BY lag_p99_ms DESC, bucket LIMIT 1`))
}
