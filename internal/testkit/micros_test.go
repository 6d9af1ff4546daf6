package testkit_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/gateway"
	"weir/internal/testkit"
	"weir/store"
)

// TestStoredMicros: what documents hold of timestamps with microseconds, and
// what becomes of them when another program changes the date.
func TestStoredMicros(t *testing.T) {
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			g := testkit.Start(t, mode, nil)
			conn, coll := g.Connect(t), g.Mongo(t).Collection("m")
			execute(t, conn, `CREATE TABLE m (id int PRIMARY KEY, t timestamp, z timestamptz, n int)`)
			execute(t, conn, `INSERT INTO m VALUES (1, '2024-01-01 00:00:00.123456', '1969-12-31 23:59:59.999999+00'), (2, '2024-01-01', NULL)`)
			doc := func(id int) bson.M {
				var out bson.M
				require.NoError(t, coll.FindOne(t.Context(), bson.M{"id": id}).Decode(&out))
				delete(out, "_id")
				return out
			}
			date := func(ms int64) bson.DateTime { return bson.DateTime(ms) }
			require.Equal(t, bson.M{"id": int32(1), "t": date(1704067200123), "z": date(-1), "_us": bson.D{{Key: "t", Value: int64(1704067200123456)}, {Key: "z", Value: int64(-1)}}}, doc(1))
			require.Equal(t, bson.M{"id": int32(2), "t": date(1704067200000)}, doc(2))

			execute(t, conn, `UPDATE m SET t = '2024-01-01 00:00:00.5' WHERE id = 1`)
			require.Equal(t, bson.D{{Key: "z", Value: int64(-1)}}, doc(1)["_us"])
			execute(t, conn, `UPDATE m SET z = t + interval '7 us' WHERE id = 2`)
			require.Equal(t, bson.D{{Key: "z", Value: int64(1704067200000007)}}, doc(2)["_us"])

			_, err := coll.UpdateOne(t.Context(), bson.M{"id": 1}, bson.M{"$set": bson.M{"z": date(1704067200001)}})
			require.NoError(t, err)
			_, err = coll.UpdateOne(t.Context(), bson.M{"id": 2}, bson.M{"$set": bson.M{"n": 5}})
			require.NoError(t, err)
			require.Equal(t, "1|2024-01-01 00:00:00.5|2024-01-01 00:00:00.001+00|NULL\n2|2024-01-01 00:00:00|2024-01-01 00:00:00.000007+00|5", asText(t, conn, `SELECT * FROM m ORDER BY id`))
			require.Equal(t, "1", asText(t, conn, `SELECT id FROM m WHERE z = '2024-01-01 00:00:00.001+00'`))
			require.Equal(t, "2024-01-01 00:00:00.001+00|2024-01-01 00:00:00.000007+00", asText(t, conn, `SELECT max(z), min(z) FROM m`))
			require.Equal(t, "2\n1", asText(t, conn, `SELECT id FROM m ORDER BY z`))
			execute(t, conn, `ALTER TABLE m RENAME COLUMN z TO y`)
			require.Equal(t, bson.D{{Key: "y", Value: int64(1704067200000007)}}, doc(2)["_us"])
			execute(t, conn, `ALTER TABLE m DROP COLUMN y`)
			require.Equal(t, bson.M{"id": int32(2), "t": date(1704067200000), "n": int32(5), "_us": bson.D{}}, doc(2))
			execute(t, conn, `ALTER TABLE m ALTER COLUMN t TYPE date`)
			require.Equal(t, bson.M{"id": int32(2), "t": date(1704067200000), "n": int32(5)}, doc(2))
		})
	}
}

// TestMicrosOfAnotherGateway: statements that a gateway prepared before see the
// first microseconds that another one writes.
func TestMicrosOfAnotherGateway(t *testing.T) {
	first := testkit.Start(t, testkit.Embedded, nil)
	second := testkit.Start(t, testkit.Remote, &gateway.Options{MongoURI: "mongodb://" + first.MongoAddr().String() + "/?directConnection=true"})
	second.Database = first.Database
	for _, pair := range [][2]*testkit.Gateway{{first, second}, {second, first}} {
		a, b := pair[0].Connect(t), pair[1].Connect(t)
		execute(t, a, `DROP TABLE IF EXISTS m`)
		execute(t, a, `CREATE TABLE m (t timestamp PRIMARY KEY)`)
		execute(t, a, `INSERT INTO m VALUES ('2024-01-01')`)
		require.Eventually(t, func() bool {
			_, err := b.Prepare(t.Context(), "q", `SELECT t::text FROM m WHERE t >= $1 ORDER BY t`)
			return err == nil
		}, patience, 10*time.Millisecond)
		read := func() string {
			rows, err := b.Query(t.Context(), "q", time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
			require.NoError(t, err)
			got, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			return strings.Join(got, "|")
		}
		require.Equal(t, "2024-01-01 00:00:00", read())
		execute(t, a, `INSERT INTO m VALUES ('2024-01-01 00:00:00.000001')`)
		require.Eventually(t, func() bool { return read() == "2024-01-01 00:00:00|2024-01-01 00:00:00.000001" }, patience, 10*time.Millisecond)
		execute(t, b, `INSERT INTO m VALUES ('2024-01-01 00:00:00.000002')`)
		_, err := b.Exec(t.Context(), `INSERT INTO m VALUES ('2024-01-01 00:00:00.000002')`)
		require.ErrorContains(t, err, "23505")
		require.Equal(t, "2024-01-01 00:00:00|2024-01-01 00:00:00.000001|2024-01-01 00:00:00.000002", read())
	}
}

// TestCopyMicros: COPY in the binary format takes and gives microseconds.
func TestCopyMicros(t *testing.T) {
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			conn := testkit.Start(t, mode, nil).Connect(t)
			execute(t, conn, `CREATE TABLE m (id int, t timestamp)`)
			start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
			var rows [][]any
			for i := range 12_000 { // several batches
				rows = append(rows, []any{i, start.Add(time.Duration(i) * time.Microsecond)})
			}
			n, err := conn.CopyFrom(t.Context(), pgx.Identifier{"m"}, []string{"id", "t"}, pgx.CopyFromRows(rows))
			require.NoError(t, err)
			require.EqualValues(t, len(rows), n)
			got, err := conn.Query(t.Context(), `SELECT t FROM m ORDER BY t DESC LIMIT 2`)
			require.NoError(t, err)
			times, err := pgx.CollectRows(got, pgx.RowTo[time.Time])
			require.NoError(t, err)
			require.Equal(t, []time.Time{rows[11_999][1].(time.Time), rows[11_998][1].(time.Time)}, times)
			require.Equal(t, "12000|12|2024-01-01 00:00:00.011999", asText(t, conn, `SELECT count(DISTINCT t), count(DISTINCT date_trunc('milliseconds', t)), max(t) FROM m`))
		})
	}
}

// watched is a store that notes what no MongoDB could be given, and that can
// fail writes to a collection.
type watched struct {
	store.Store
	mu    sync.Mutex
	leaks []string
	fail  string
}

func (w *watched) look(what bson.Raw) {
	if value.Document(what).HoldsMicros() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.leaks = append(w.leaks, what.String())
	}
}

func (w *watched) lookAt(ns store.Namespace, ops []store.WriteOp) error {
	for _, op := range ops {
		for _, doc := range []bson.Raw{op.Document, op.Filter} {
			if doc != nil {
				w.look(doc)
			}
		}
		if op.Kind == store.Update {
			var b value.Builder
			b.Add("u", value.FromRaw(op.Update))
			w.look(b.Doc())
		}
	}
	if w.fail == ns.Coll {
		return errors.New("the connection is gone")
	}
	return nil
}

func (w *watched) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	for _, s := range pipeline {
		w.look(s)
	}
	return w.Store.Aggregate(ctx, ns, pipeline, o)
}

func (w *watched) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if err := w.lookAt(ns, ops); err != nil {
		return store.WriteResult{}, err
	}
	return w.Store.Write(ctx, ns, ops, o)
}

func (w *watched) Begin(ctx context.Context) (store.Tx, error) {
	tx, err := w.Store.Begin(ctx)
	return &watchedTx{tx, w}, err
}

type watchedTx struct {
	store.Tx
	w *watched
}

func (t *watchedTx) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	for _, s := range pipeline {
		t.w.look(s)
	}
	return t.Tx.Aggregate(ctx, ns, pipeline, o)
}

func (t *watchedTx) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if err := t.w.lookAt(ns, ops); err != nil {
		return store.WriteResult{}, err
	}
	return t.Tx.Write(ctx, ns, ops, o)
}

// TestMicrosStayHere: no statement sends a date with microseconds to a store.
func TestMicrosStayHere(t *testing.T) {
	w := &watched{}
	g := testkit.StartBehind(t, func(st store.Store) store.Store { w.Store = st; return w })
	conn := g.Connect(t)
	execute(t, conn, `SET weir.strict = on`)
	text, err := os.ReadFile("testdata/oracle/micros_stored.sql")
	require.NoError(t, err)
	for _, sql := range statements(string(text)) {
		_, _ = conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		require.Empty(t, w.leaks, sql)
	}
	execute(t, conn, `DROP TABLE IF EXISTS m`)
	execute(t, conn, `CREATE TABLE m (id int, t timestamp, a timestamp[], j jsonb)`)
	at := time.Date(2024, 1, 1, 0, 0, 0, 1000, time.UTC)
	for _, sql := range []string{
		`INSERT INTO m VALUES (1, $1, ARRAY[$1::timestamp], to_jsonb($1::timestamp))`, `SELECT * FROM m WHERE t = $1`, `SELECT * FROM m WHERE t IN ($1, '2024-01-01')`,
		`SELECT * FROM m WHERE t > $1 OR id = 7`, `SELECT t - $1 FROM m`, `SELECT greatest(t, $1) FROM m`, `UPDATE m SET t = $1`, `UPDATE m SET t = $1 WHERE t < $1`,
		`UPDATE m SET t = t + ($1 - t)`, `DELETE FROM m WHERE t = $1`, `SELECT count(*) FROM m GROUP BY t > $1`, `SELECT * FROM m WHERE t = ANY (ARRAY[$1::timestamp])`,
		`SELECT * FROM m a JOIN (SELECT $1::timestamp AS x) b ON a.t = b.x`, `SELECT (SELECT count(*) FROM m b WHERE b.t > a.t AND b.t < $1) FROM m a`,
	} {
		_, err := conn.Exec(t.Context(), sql, at)
		require.NoError(t, err, sql)
		require.Empty(t, w.leaks, sql)
	}
}

// TestMarkWithoutRows: a statement that ends between the mark of its columns and
// its rows leaves a table that works.
func TestMarkWithoutRows(t *testing.T) {
	w := &watched{}
	g := testkit.StartBehind(t, func(st store.Store) store.Store { w.Store = st; return w })
	conn := g.Connect(t)
	execute(t, conn, `CREATE TABLE m (t timestamp UNIQUE)`)
	execute(t, conn, `INSERT INTO m VALUES ('2024-01-01')`)
	w.fail = "m"
	_, err := conn.Exec(t.Context(), `INSERT INTO m VALUES ('2024-01-01 00:00:00.000001')`)
	require.ErrorContains(t, err, "the connection is gone")
	w.fail = ""
	require.Equal(t, "2024-01-01 00:00:00", asText(t, conn, `SELECT t FROM m WHERE t < '2024-01-01 00:00:00.000001'`))
	execute(t, conn, `UPDATE m SET t = t + interval '2 us'`)
	execute(t, conn, `INSERT INTO m VALUES ('2024-01-01')`)
	require.Equal(t, "2024-01-01 00:00:00\n2024-01-01 00:00:00.000002", asText(t, conn, `SELECT t FROM m ORDER BY t`))
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err, sql)
}

// asText is the rows as text, the values parted by |.
func asText(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	require.NoError(t, err, sql)
	var lines []string
	for _, row := range results[len(results)-1].Rows {
		var values []string
		for _, v := range row {
			if v == nil {
				values = append(values, "NULL")
			} else {
				values = append(values, string(v))
			}
		}
		lines = append(lines, strings.Join(values, "|"))
	}
	return strings.Join(lines, "\n")
}
