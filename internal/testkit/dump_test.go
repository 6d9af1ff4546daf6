package testkit_test

import (
	"bytes"
	"net/url"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// A session's key of psql's restricted mode differs from dump to dump.
var restricted = regexp.MustCompile(`(?m)^\\(un)?restrict .*$`)

// TestDumpAndRestore: what pg_dump writes of a database, psql makes again in
// another, and a dump of that is the same.
func TestDumpAndRestore(t *testing.T) {
	for _, program := range []string{"pg_dump", "psql"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("no " + program)
		}
	}
	g := testkit.Start(t, testkit.Embedded, nil)
	c := g.Connect(t)
	_, err := c.Exec(t.Context(), `
		CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s fine');
		CREATE TABLE p (id serial PRIMARY KEY, name text UNIQUE, feels mood, price numeric(8,2) DEFAULT 1.5 CHECK (price > 0),
			at timestamptz DEFAULT now(), tags text[], doc jsonb, gone int, twice numeric GENERATED ALWAYS AS (price * 2) STORED);
		ALTER TABLE p DROP COLUMN gone;
		CREATE TABLE o (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, p_id int REFERENCES p, "Name" text CONSTRAINT byname REFERENCES p (name) ON DELETE CASCADE);
		CREATE INDEX o_p ON o (p_id);
		CREATE INDEX o_p_again ON o (p_id);
		CREATE VIEW a AS SELECT name, price FROM p WHERE price > 1;
		CREATE VIEW b AS SELECT count(*) AS n FROM a;
		COMMENT ON TABLE p IS 'what is sold';
		COMMENT ON COLUMN p.price IS 'in euros';
		INSERT INTO p (name, feels, tags, doc) VALUES ('x', 'ok', '{a,"b c"}', '{"k": [1, null]}'), (E'tab\there', NULL, NULL, NULL);
		INSERT INTO o (p_id, "Name") VALUES (1, 'x'), (2, NULL);
		CREATE TABLE moments (t timestamp PRIMARY KEY, z timestamptz);
		INSERT INTO moments VALUES ('2024-01-01 00:00:00.000001', '0044-03-15 00:00:00.999999+00 BC'), ('2024-01-01 00:00:00.000002', NULL), ('2024-01-01', 'infinity')`)
	require.NoError(t, err)
	dump := func(dsn string) string {
		var out, said bytes.Buffer
		cmd := exec.Command("pg_dump", "--schema=public", dsn)
		cmd.Stdout, cmd.Stderr = &out, &said
		require.NoError(t, cmd.Run(), said.String())
		return restricted.ReplaceAllString(out.String(), "")
	}
	first := dump(g.DSN())
	other, err := url.Parse(g.DSN())
	require.NoError(t, err)
	other.Path += "_restored"
	cmd := exec.Command("psql", "-X", "-q", "-d", other.String())
	cmd.Stdin = bytes.NewReader([]byte(first))
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	require.NotContains(t, regexp.MustCompile(`ERROR:  schema "public" already exists`).ReplaceAllString(string(said), ""), "ERROR")
	require.Equal(t, first, dump(other.String()))
	out, err := exec.Command("psql", "-X", "-At", "-d", other.String(), "-c", "SELECT n FROM b", "-c", "INSERT INTO o DEFAULT VALUES RETURNING id").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "2\n3\nINSERT 0 1\n", string(out))
}
