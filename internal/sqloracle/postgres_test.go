package sqloracle

import (
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/stretchr/testify/require"

	"weir/parser"
	"weir/parser/ast"
)

// TestPostgres: what PostgreSQL's grammar takes we take, and print so that it
// has the same fingerprint; what it refuses we refuse, but for the additions of
// our dialect. testdata/additions and testdata/respelled list the exceptions.
func TestPostgres(t *testing.T) {
	additions, respelled := set(t, "additions"), set(t, "respelled")
	all := append(golden(t), lists(t, "postgres")...)
	all = append(all, shared(t, "pgregress/statements.jsonl")...)
	equal := 0
	for _, s := range all {
		want, refused := pg.Fingerprint(s.sql)
		trees, err := parser.Parse(s.sql)
		switch {
		case refused != nil:
			ours := s.from == "mysql" || s.from == "events" || additions[s.key()]
			if err == nil && !ours && !unsupported(trees) {
				t.Errorf("%s: only PostgreSQL refuses: %s: %v", s.from, s.sql, refused)
			}
			continue
		case err != nil:
			t.Errorf("%s: only we refuse: %s: %v", s.from, s.sql, err)
			continue
		case unsupported(trees) || s.from == "mysql" || respelled[s.key()]:
			continue
		}
		text := printed(trees)
		got, err := pg.Fingerprint(text)
		if err != nil || got != want {
			t.Errorf("%s: another statement:\n  %s\n  %s\n  %v", s.from, s.sql, text, err)
			continue
		}
		equal++
	}
	t.Logf("%d of %d statements printed with the same fingerprint", equal, len(all))
	require.Greater(t, equal, 250)
}

// TestRefused: texts with an error in them are no statements to PostgreSQL either.
func TestRefused(t *testing.T) {
	for _, s := range lists(t, "refused") {
		_, theirs := pg.Parse(s.sql)
		require.Error(t, theirs, s.sql)
		_, ours := parser.Parse(s.sql)
		require.Error(t, ours, s.sql)
	}
}

// unsupported tells whether statements are such that we know only to refuse them.
func unsupported(list []ast.Statement) bool {
	for _, s := range list {
		if _, ok := s.(*ast.Unsupported); ok {
			return true
		}
	}
	return false
}

func printed(list []ast.Statement) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString(ast.Print(s) + ";")
	}
	return b.String()
}

func set(t testing.TB, name string) map[string]bool {
	out := map[string]bool{}
	for _, s := range lists(t, name) {
		out[s.key()] = true
	}
	return out
}
