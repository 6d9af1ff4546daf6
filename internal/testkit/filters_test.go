package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/internal/testkit"
)

// filtersVariable names the seed of TestFilters.
const filtersVariable = "WEIR_TEST_FILTERS"

const (
	filterConditions = 60
	filterDocuments  = 60
	filterWrites     = 120
	filterExplained  = 6 // of each kind
)

// TestFilters compares what subscriptions log of random events: by WHERE, with what
// PostgreSQL, and a query of CHANGE_STREAM_EVENTS(), say of the same condition over
// the same rows; by event_filter, with what a change stream gives that has the same
// $match, whose values are not hashed. EXPLAIN tells the same of the last events.
func TestFilters(t *testing.T) {
	server := testkit.Postgres(t)
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) { sameFilters(t, mode, server) })
	}
}

func sameFilters(t *testing.T, mode testkit.Mode, server *pgx.ConnConfig) {
	ctx := context.Background()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv(filtersVariable); v != "" {
		var err error
		seed, err = strconv.ParseUint(v, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("%s=%d", filtersVariable, seed)
	r := newFilters(seed)
	g := testkit.Start(t, mode, nil)
	conn, db := g.Connect(t), g.Mongo(t)
	reference, err := pgx.ConnectConfig(ctx, testkit.PostgresDatabase(t, server, "weir_filters_"+string(mode)))
	require.NoError(t, err)
	defer reference.Close(ctx)
	require.NoError(t, db.CreateCollection(ctx, "docs", options.CreateCollection().SetChangeStreamPreAndPostImages(bson.D{{Key: "enabled", Value: true}})))

	conditions, documents := map[string]string{"everything": "true"}, map[string]bson.D{}
	for i := range filterConditions {
		conditions[fmt.Sprintf("w%d", i)] = r.where(i % 3)
	}
	for name, where := range conditions {
		_, err := conn.Exec(ctx, fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION %s ON docs WHERE %s WITH (full_document_before_change = 'whenAvailable')`, name, where))
		require.NoError(t, err, where)
	}
	for i := range filterDocuments {
		name, filter := fmt.Sprintf("f%d", i), r.filter(i%3)
		text, err := bson.MarshalExtJSON(filter, true, false)
		require.NoError(t, err)
		if _, err := conn.Exec(ctx, fmt.Sprintf(`CREATE EVENT_SUBSCRIPTION %s ON docs WITH (full_document_before_change = 'whenAvailable', event_filter = '%s')`, name, text)); err == nil {
			documents[name] = filter
		} else {
			require.Contains(t, err.Error(), "event_filter", string(text))
		}
	}
	stream := watch(t, db, bson.D{})
	defer stream.Close(ctx)
	begin := stream.ResumeToken()
	writeFiltered(t, r, db.Collection("docs"))

	awaitEvents(t, conn, filterWrites+1)
	_, err = db.Collection("docs").InsertOne(ctx, bson.D{{Key: "_id", Value: -1}}) // is logged when all of those are
	require.NoError(t, err)
	awaitEvents(t, conn, filterWrites+2)
	logged := loggedBySubscription(t, conn)
	for i := range filterExplained {
		explained(t, conn, fmt.Sprintf("w%d", i), logged)
		explained(t, conn, fmt.Sprintf("f%d", i), logged)
	}
	copyEvents(t, conn, reference)
	for name, where := range conditions {
		want := oneByOne(t, reference, where)
		require.Equal(t, want, orEmpty(logged[name]), "%s: WHERE %s", name, where)
		if !slices.Contains(values(want), "failed") {
			got := map[string]string{}
			for _, token := range column(t, conn, "SELECT resume_token FROM CHANGE_STREAM_EVENTS('everything') WHERE "+where) {
				got[token] = "completed"
			}
			require.Equal(t, want, got, "query: %s", where)
		}
	}
	last := column(t, conn, "SELECT resume_token FROM CHANGE_STREAM_EVENTS('everything') ORDER BY position DESC LIMIT 2")
	for name, filter := range documents {
		want, got := matching(t, db, begin, filter), maps.Clone(orEmpty(logged[name]))
		maps.DeleteFunc(got, func(token, _ string) bool { return slices.Contains(last, token) })
		require.Equal(t, want, got, "%s: %v", name, filter)
	}
}

func awaitEvents(t *testing.T, conn *pgx.Conn, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return len(column(t, conn, "SELECT resume_token FROM CHANGE_STREAM_EVENTS('everything')")) == n
	}, 20*time.Second, 20*time.Millisecond)
}

// explained compares the verdicts of EXPLAIN on the last events, those of the last
// minute, with the log.
func explained(t *testing.T, conn *pgx.Conn, name string, logged map[string]map[string]string) {
	t.Helper()
	if logged[name] == nil {
		return // nothing was wanted, or its filter was refused
	}
	var verdicts []string
	for _, line := range column(t, conn, "EXPLAIN EVENT_SUBSCRIPTION "+name) {
		if strings.HasPrefix(line, "    ") && strings.Contains(line, " docs ") {
			verdicts = append(verdicts, line)
		}
	}
	tokens := column(t, conn, "SELECT resume_token FROM CHANGE_STREAM_EVENTS('everything') ORDER BY position DESC LIMIT 5")
	tokens = tokens[:min(len(tokens), len(verdicts))] // a slow machine may be over the minute
	slices.Reverse(tokens)
	for i, token := range tokens {
		want := ": not wanted"
		switch logged[name][token] {
		case "completed":
			want = ": wanted"
		case "failed":
			want = ": dead letter"
		}
		require.Contains(t, verdicts[i], want, name)
	}
}

func writeFiltered(t *testing.T, r *filters, c *mongo.Collection) {
	t.Helper()
	ctx := context.Background()
	there := []int{}
	for n := 1; n <= filterWrites; {
		if len(there) < 5 || r.IntN(3) == 0 {
			_, err := c.InsertOne(ctx, append(bson.D{{Key: "_id", Value: n}}, r.document()...))
			require.NoError(t, err)
			there = append(there, n)
			n++
			continue
		}
		i := r.IntN(len(there))
		id := bson.D{{Key: "_id", Value: there[i]}}
		var changed int64
		switch r.IntN(4) {
		case 0:
			res, err := c.ReplaceOne(ctx, id, append(r.document(), bson.E{Key: "n", Value: n}))
			require.NoError(t, err)
			changed = res.ModifiedCount
		case 1:
			res, err := c.DeleteOne(ctx, id)
			require.NoError(t, err)
			changed, there = res.DeletedCount, slices.Delete(there, i, i+1)
		default:
			if res, err := c.UpdateOne(ctx, id, r.update()); err == nil { // else a path leads through a word
				changed = res.ModifiedCount
			}
		}
		n += int(changed)
	}
	_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: 0}})
	require.NoError(t, err)
}

// watch opens a change stream with a $match, as a reader's is.
func watch(t *testing.T, db *mongo.Database, filter bson.D, after ...bson.Raw) *mongo.ChangeStream {
	t.Helper()
	o := options.ChangeStream().SetFullDocument(options.WhenAvailable).SetFullDocumentBeforeChange(options.WhenAvailable).SetMaxAwaitTime(100 * time.Millisecond)
	if len(after) > 0 {
		o.SetStartAfter(after[0])
	}
	stream, err := db.Watch(context.Background(), mongo.Pipeline{{{Key: "$match", Value: filter}}}, o)
	require.NoError(t, err, "%v", filter)
	return stream
}

// matching gives the tokens of the events that a server's $match lets through.
func matching(t *testing.T, db *mongo.Database, begin bson.Raw, filter bson.D) map[string]string {
	t.Helper()
	last := bson.D{{Key: "documentKey._id", Value: 0}}
	either := bson.D{{Key: "$or", Value: bson.A{last, bson.D{{Key: "$and", Value: bson.A{bson.D{{Key: "$or", Value: bson.A{filter}}}}}}}}}
	stream := watch(t, db, either, begin)
	defer stream.Close(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out := map[string]string{}
	for stream.Next(ctx) {
		if id, ok := stream.Current.Lookup("documentKey", "_id").AsInt64OK(); ok && id == 0 {
			break // judged by the log alone: the match lets it through whatever it is
		}
		out[stream.Current.Lookup("_id", "_data").StringValue()] = "completed"
	}
	require.NoError(t, stream.Err())
	return out
}

// copyEvents gives PostgreSQL the rows of the log.
func copyEvents(t *testing.T, from, to *pgx.Conn) {
	t.Helper()
	ctx := context.Background()
	_, err := to.Exec(ctx, `CREATE TABLE ev (position text, resume_token text, event_type text, document_key jsonb, full_document jsonb, full_document_before_change jsonb,
		update_description jsonb, updated_fields jsonb, removed_fields text[], event_data jsonb)`)
	require.NoError(t, err)
	const columns = "position, resume_token, event_type, document_key::text, full_document::text, full_document_before_change::text, update_description::text, updated_fields::text, removed_fields::text, event_data::text"
	rows, err := from.PgConn().Exec(ctx, "SELECT "+columns+" FROM CHANGE_STREAM_EVENTS('everything')").ReadAll()
	require.NoError(t, err)
	for _, row := range rows[0].Rows {
		res := to.PgConn().ExecParams(ctx, "INSERT INTO ev VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6::jsonb, $7::jsonb, $8::jsonb, $9::text[], $10::jsonb)", row, nil, nil, nil).Read()
		require.NoError(t, res.Err)
	}
}

// oneByOne asks a condition of all events, one after the other where it fails for some.
func oneByOne(t *testing.T, conn *pgx.Conn, where string) map[string]string {
	t.Helper()
	out := map[string]string{}
	add := func(tokens []string, status string) {
		for _, token := range tokens {
			out[token] = status
		}
	}
	if tokens, err := tokensOf(conn, "SELECT resume_token FROM ev WHERE "+where); err == nil {
		add(tokens, "completed")
		return out
	}
	for _, token := range column(t, conn, "SELECT resume_token FROM ev") {
		tokens, err := tokensOf(conn, "SELECT resume_token FROM (SELECT * FROM ev WHERE resume_token = '"+token+"' OFFSET 0) one WHERE "+where)
		if err == nil {
			add(tokens, "completed")
			continue
		}
		var refused *pgconn.PgError
		require.True(t, errors.As(err, &refused))
		require.Contains(t, []string{"22P02", "22003", "22023", "22038"}, refused.Code, "%s: %v", where, err)
		add([]string{token}, "failed")
	}
	return out
}

func tokensOf(conn *pgx.Conn, sql string) ([]string, error) {
	rows, err := conn.Query(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func column(t *testing.T, conn *pgx.Conn, sql string) []string {
	t.Helper()
	out, err := tokensOf(conn, sql)
	require.NoError(t, err, sql)
	return out
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func values(m map[string]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

func loggedBySubscription(t *testing.T, conn *pgx.Conn) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	rows, err := conn.Query(context.Background(), "SELECT subscription_id, resume_token, processing_status FROM CHANGE_STREAM_EVENTS()", pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	var id, token, status string
	_, err = pgx.ForEachRow(rows, []any{&id, &token, &status}, func() error {
		if out[id] == nil {
			out[id] = map[string]string{}
		}
		out[id][token] = status
		return nil
	})
	require.NoError(t, err)
	return out
}
