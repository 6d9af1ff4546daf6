package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// A script is a list of records, parted by empty lines; # begins a comment line.
//
//	statement ok                    SQL that must succeed
//	statement error 42P01 [TEXT]    SQL that must fail with this SQLSTATE; TEXT is
//	                                part of "message (SQLSTATE c) at POSITION;
//	                                detail: …; hint: …"
//	query [rowsort] [eventually] [part]  SQL, a line of ----, and the rows; values are
//	                                parted by |, NULL is NULL, the value of a
//	                                column weir_position is @POSITION. eventually asks
//	                                again until the rows are there, at most two minutes;
//	                                part leaves rows out that are not expected.
//	notices                         the lines "SEVERITY CODE MESSAGE at POSITION"
//	                                that the record before brought
//	mongo COLLECTION                Extended JSON, a document a line: inserted by
//	                                the official driver
//	command                         Extended JSON, a command of MongoDB a line
//	extended                        the following records use the extended protocol
//	simple                          … the simple protocol (the default)
//
// The database is empty at the beginning.

// RunScripts runs every script that a pattern finds, in every mode.
func RunScripts(t *testing.T, pattern string) {
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, mode := range Modes() {
		for _, f := range files {
			t.Run(string(mode)+"/"+strings.TrimSuffix(filepath.Base(f), ".test"), func(t *testing.T) {
				RunScript(t, Start(t, mode, nil), f)
			})
		}
	}
}

// record is one part of a script.
type record struct {
	line int
	head []string
	sql  string
	want []string
}

// RunScript runs one script file on a gateway.
func RunScript(t *testing.T, g *Gateway, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	db := g.Mongo(t)
	require.NoError(t, db.Drop(context.Background()))
	t.Cleanup(func() { _ = db.Drop(context.Background()) })
	said := &[]string{}
	r := &runner{t: t, file: filepath.Base(path), conn: g.ConnectHearing(t, said), db: db, mode: pgx.QueryExecModeSimpleProtocol, said: said}
	for _, rec := range parseScript(string(data)) {
		r.run(rec)
	}
}

func parseScript(text string) []record {
	var out []record
	var cur *record
	results := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		switch {
		case line == "":
			cur, results = nil, false
		case strings.HasPrefix(line, "#") && !results:
		case cur == nil:
			out = append(out, record{line: i + 1, head: strings.Fields(line)})
			cur = &out[len(out)-1]
		case line == "----":
			results = true
		case results:
			cur.want = append(cur.want, line)
		default:
			cur.sql += line + "\n"
		}
	}
	return out
}

// runner is the state of a script.
type runner struct {
	t    *testing.T
	file string
	conn *pgx.Conn
	db   *mongo.Database
	mode pgx.QueryExecMode
	said *[]string // the notices since the last statement began
}

func (r *runner) run(rec record) {
	at := fmt.Sprintf("%s:%d: %s", r.file, rec.line, rec.sql)
	switch rec.head[0] {
	case "simple":
		r.mode = pgx.QueryExecModeSimpleProtocol
	case "extended":
		r.mode = pgx.QueryExecModeDescribeExec
	case "mongo":
		r.insert(rec, at)
	case "command":
		for _, line := range strings.Split(strings.TrimSpace(rec.sql), "\n") {
			var doc bson.D
			require.NoError(r.t, bson.UnmarshalExtJSON([]byte(line), false, &doc), at)
			require.NoError(r.t, r.db.RunCommand(context.Background(), doc).Err(), at)
		}
	case "statement":
		_, err := r.query(rec.sql)
		if rec.head[1] == "ok" {
			require.NoError(r.t, explain(err), at)
			return
		}
		require.Equal(r.t, rec.head[2], state(err), "%s: %v", at, err)
		if said := strings.Join(rec.head[3:], " "); said != "" {
			require.Contains(r.t, explain(err).Error(), said, at)
		}
	case "query":
		r.compare(rec, at)
	case "notices":
		require.Equal(r.t, strings.TrimSpace(rec.sql), strings.Join(*r.said, "\n"), at)
	default:
		r.t.Fatalf("%s: unknown record %q", at, rec.head[0])
	}
}

func (r *runner) compare(rec record, at string) {
	sorted, eventually, part := false, false, false
	for _, w := range rec.head[1:] {
		sorted = sorted || w == "rowsort"
		eventually = eventually || w == "eventually"
		part = part || w == "part"
	}
	const patience = 2 * time.Minute // it only bounds a failure: a machine may be busy
	deadline := time.Now().Add(patience)
	for {
		got, err := r.query(rec.sql)
		require.NoError(r.t, explain(err), at)
		want := append([]string{}, rec.want...)
		if part {
			got = slices.DeleteFunc(got, func(row string) bool { return !slices.Contains(want, row) })
		}
		if sorted {
			sort.Strings(got)
			sort.Strings(want)
		}
		if strings.Join(got, "\n") == strings.Join(want, "\n") || !eventually || time.Now().After(deadline) {
			require.Equal(r.t, strings.Join(want, "\n"), strings.Join(got, "\n"), at)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// query gives the rows as text, values parted by |.
func (r *runner) query(sql string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	*r.said = nil
	if r.mode == pgx.QueryExecModeSimpleProtocol {
		return textRows(r.conn.PgConn().Exec(ctx, sql))
	}
	rd := r.conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	return lines(rd), rd.Err
}

func textRows(m *pgconn.MultiResultReader) ([]string, error) {
	results, err := m.ReadAll()
	var out []string
	for _, res := range results {
		out = append(out, lines(res)...)
	}
	return out, err
}

func lines(res *pgconn.Result) []string {
	var out []string
	for _, row := range res.Rows {
		vals := make([]string, len(row))
		for i, v := range row {
			switch vals[i] = string(v); {
			case v == nil:
				vals[i] = "NULL"
			case res.FieldDescriptions[i].Name == "weir_position":
				vals[i] = "@POSITION"
			}
		}
		out = append(out, strings.Join(vals, "|"))
	}
	return out
}

func (r *runner) insert(rec record, at string) {
	for _, line := range strings.Split(strings.TrimSpace(rec.sql), "\n") {
		var doc bson.D
		require.NoError(r.t, bson.UnmarshalExtJSON([]byte(line), false, &doc), at)
		_, err := r.db.Collection(rec.head[1]).InsertOne(context.Background(), doc)
		require.NoError(r.t, err, at)
	}
}

func state(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// explain adds detail and hint to an error.
func explain(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return fmt.Errorf("%w at %d; detail: %s; hint: %s", err, e.Position, e.Detail, e.Hint)
	}
	return err
}
