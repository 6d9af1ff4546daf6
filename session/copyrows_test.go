package session

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/sqltype"
)

// TestCopyRowsInOrder: of a result that is written in chunks beside its reading
// each row comes once and in its place, heavy ones between light ones too, up to
// the one that cannot be written.
func TestCopyRowsInOrder(t *testing.T) {
	g := startGateway(t)
	conn := g.pgx(t, "")
	copied := func(sql string) (string, string, error) {
		var out bytes.Buffer
		tag, err := conn.PgConn().CopyTo(t.Context(), &out, sql)
		return out.String(), tag.String(), err
	}
	const rows = 20_000
	_, err := conn.Exec(t.Context(), fmt.Sprintf(`CREATE TABLE many AS SELECT g AS n, repeat('x', CASE WHEN g %% 700 = 0 THEN 40000 ELSE g %% 50 END) AS filling,
		CASE WHEN g %% 3 = 0 THEN NULL ELSE g * 0.5 END AS half FROM generate_series(1, %d) g`, rows))
	require.NoError(t, err)

	var want strings.Builder
	for n := 1; n <= rows; n++ {
		size, half := n%50, `\N`
		if n%700 == 0 {
			size = 40000
		}
		if n%3 != 0 {
			half = fmt.Sprintf("%.1f", float64(n)*0.5)
		}
		fmt.Fprintf(&want, "%d\t%s\t%s\n", n, strings.Repeat("x", size), half)
	}
	text, tag, err := copied(`COPY (SELECT n, filling, half FROM many ORDER BY n) TO STDOUT`)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("COPY %d", rows), tag)
	require.True(t, want.String() == text, "rows are missing or stand elsewhere")

	csv, _, err := copied(`COPY (SELECT n, filling, half FROM many ORDER BY n) TO STDOUT WITH (FORMAT csv, DELIMITER E'\t', NULL '\N')`)
	require.NoError(t, err)
	require.True(t, text == csv, "csv differs from text")

	binary, _, err := copied(`COPY (SELECT n FROM many ORDER BY n) TO STDOUT WITH (FORMAT binary)`)
	require.NoError(t, err)
	require.Len(t, binary, 19+rows*(2+4+4)+2)
	require.True(t, strings.HasSuffix(binary, fmt.Sprintf("\x00\x01\x00\x00\x00\x04\x00\x00%c%c\xff\xff", rows>>8, rows&255)))

	text, _, err = copied(`SET weir.strict = on; COPY (SELECT n, 1 / (9000 - n) FROM many ORDER BY n) TO STDOUT`)
	var failed *pgconn.PgError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "22012", failed.Code)
	require.Less(t, strings.Count(text, "\n"), 9000)
	require.NoError(t, conn.Ping(t.Context()))
}

// TestCopyPartStops: a chunk has the rows before one that cannot be written, and
// a panic is kept for the connection's goroutine.
func TestCopyPartStops(t *testing.T) {
	cols := []column{{name: "d", path: []string{"d"}, typ: sqltype.Of(sqltype.Int4)}}
	row := func(v any) []byte {
		b, err := bson.Marshal(bson.D{{Key: "d", Value: v}})
		require.NoError(t, err)
		return b
	}
	f := &copyFormat{kind: "text", delim: '\t', null: `\N`}
	p := &copyPart{writer: copyWriter{f: f, cols: cols, enc: encoder(cols, nil, &sqltype.Env{})}, done: make(chan struct{}, 2)}
	good := row(int32(7))
	p.rows = slices.Concat(good, row("seven"), good)
	p.write()
	require.Error(t, p.err)
	require.Nil(t, p.broken)
	require.Equal(t, 1, p.n)
	require.Equal(t, "d\x00\x00\x00\x067\n", string(p.out))

	p.rows = good[:6]
	p.write()
	require.NotNil(t, p.broken)
}
