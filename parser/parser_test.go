package parser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"weir/parser/ast"
	"weir/sqlerr"
)

// TestGolden runs testdata: "parse" prints each statement, "tree" dumps it; an
// error is shown with its caret. Whatever parses is also printed and read again.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return golden(t, d)
		})
	})
}

func golden(t *testing.T, d *datadriven.TestData) string {
	statements, err := Parse(d.Input)
	if err != nil {
		return caret(d.Input, err)
	}
	var b strings.Builder
	for _, s := range statements {
		roundTrip(t, s)
		checkPlaces(t, d.Input, s)
		if d.Cmd == "tree" {
			b.WriteString(dump(s))
		} else {
			b.WriteString(ast.Print(s) + "\n")
		}
	}
	return b.String()
}

func roundTrip(t testing.TB, s ast.Statement) {
	t.Helper()
	if _, ok := s.(*ast.Unsupported); ok {
		return
	}
	text := ast.Print(s)
	again, err := Parse(text)
	if err != nil {
		if sqlerr.As(err).Code == sqlerr.StatementTooComplex {
			return // printing adds parentheses
		}
		t.Fatalf("%s\n%s", text, caret(text, err))
	}
	require.Len(t, again, 1, text)
	require.True(t, ast.Equal(s, again[0]), "%s\n%s\n%s", text, dump(s), dump(again[0]))
}

// checkPlaces: every node lies within its statement.
func checkPlaces(t *testing.T, sql string, s ast.Statement) {
	t.Helper()
	from, to := s.Bytes()
	require.True(t, 0 <= from && from < to && to <= len(sql), "%d %d", from, to)
	require.Equal(t, strings.TrimSpace(sql[from:to]), sql[from:to])
	ast.Inspect(s, func(n ast.Node) bool {
		if n.Pos() != 0 {
			require.True(t, s.Pos() <= n.Pos() && n.End() <= s.End() && n.Pos() <= n.End(), "%T %d–%d in %d–%d: %s", n, n.Pos(), n.End(), s.Pos(), s.End(), sql)
		}
		return true
	})
}

func TestParseIsWholeBatch(t *testing.T) {
	list, err := Parse("select 1; selec 2")
	require.Nil(t, list)
	require.Equal(t, 11, sqlerr.As(err).Position)
	require.Equal(t, `syntax error at or near "selec"`, err.Error())
	for _, empty := range []string{"", " ", ";", " ; -- nothing\n ;;"} {
		list, err = Parse(empty)
		require.NoError(t, err)
		require.Empty(t, list)
	}
}

func TestNextGoesOnAfterErrors(t *testing.T) {
	sql := "select 1 ; selec 2; /* ; */ select 'é;' ;"
	p := New(sql)
	first, err := p.Next()
	require.NoError(t, err)
	from, to := first.Bytes()
	require.Equal(t, "select 1", sql[from:to])
	_, err = p.Next()
	require.Equal(t, 12, sqlerr.As(err).Position)
	third, err := p.Next()
	require.NoError(t, err)
	from, to = third.Bytes()
	require.Equal(t, "select 'é;'", sql[from:to])
	require.Equal(t, 29, third.Pos())
	last, err := p.Next()
	require.NoError(t, err)
	require.Nil(t, last)
}

func TestParseExpr(t *testing.T) {
	e, err := ParseExpr("a + 1 = 2 and not b")
	require.NoError(t, err)
	require.Equal(t, "a + 1 = 2 AND NOT b", ast.Print(e))
	_, err = ParseExpr("a b")
	require.Equal(t, 3, sqlerr.As(err).Position)
	_, err = ParseExpr("")
	require.EqualError(t, err, "syntax error at end of input")
}

// TestPositionsAreCharacters: not bytes.
func TestPositionsAreCharacters(t *testing.T) {
	_, err := Parse("select 'äöü€' as \"ß\" fro t")
	require.Equal(t, 22, sqlerr.As(err).Position)
}

func TestDepthIsLimited(t *testing.T) {
	const n = 10000
	for _, sql := range []string{
		"select " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n),
		"select " + strings.Repeat("not ", n) + "true",
		"select " + strings.Repeat("- ", n) + "1",
		"select " + strings.Repeat("f(", n) + strings.Repeat(")", n),
		"select " + strings.Repeat("case when ", n),
		"select array" + strings.Repeat("[", n),
		"select " + strings.Repeat("(select ", n),
		"select * from " + strings.Repeat("(", n) + "t",
		"select * from " + strings.Repeat("(select * from ", n),
		"select 1 group by " + strings.Repeat("rollup (", n),
		strings.Repeat("(", n) + "select 1" + strings.Repeat(")", n),
		strings.Repeat("explain ", n) + "select 1",
		strings.Repeat("with a as (", n),
		"select " + strings.Repeat("x.y[", n),
		"select * from a " + strings.Repeat("join a ", n),
	} {
		_, err := Parse(sql)
		require.Error(t, err, sql[:40])
		if e := sqlerr.As(err); e.Code != sqlerr.SyntaxError || !strings.HasPrefix(sql, "explain") {
			require.Equal(t, sqlerr.StatementTooComplex, e.Code, sql[:40])
			require.Greater(t, e.Position, 100, sql[:40])
		}
	}
}

// TestLongStatements: what is long but flat has no limit and takes linear time.
func TestLongStatements(t *testing.T) {
	start := time.Now()
	for _, sql := range []string{
		"select " + strings.Repeat("1 + ", 250_000) + "1",
		"select " + strings.Repeat("a and ", 170_000) + "b",
		"insert into t values " + strings.Repeat("(1, 'x'), ", 100_000) + "(2, 'y')",
		"select 1 where a in (" + strings.Repeat("'é', ", 170_000) + "'z')",
		"select 1" + strings.Repeat(" union all select 1", 50_000),
		"select '" + strings.Repeat("x''", 340_000) + "'",
	} {
		_, err := Parse(sql)
		require.NoError(t, err)
	}
	require.Less(t, time.Since(start), 15*time.Second)
}

const typical = `SELECT c.name, count(*) AS orders, sum(o.total) FILTER (WHERE o.status = 'paid') AS paid
FROM customers c LEFT JOIN orders o ON o.customer_id = c._id
WHERE c.created_at >= $1 AND c.address.city IN ('Bern', 'Wien') AND o.note IS NOT NULL
GROUP BY c.name HAVING count(*) > 3 ORDER BY 3 DESC NULLS LAST LIMIT 20`

func BenchmarkTypical(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(typical); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzParse looks for panics and for errors without a code. What it accepts is
// printed and read again by FuzzRoundTrip.
func FuzzParse(f *testing.F) {
	fuzz(f, func(*testing.T, ast.Statement) {})
}

// FuzzRoundTrip holds every statement to print, reparse, equal.
func FuzzRoundTrip(f *testing.F) {
	fuzz(f, func(t *testing.T, s ast.Statement) { roundTrip(t, s) })
}

func fuzz(f *testing.F, accepted func(*testing.T, ast.Statement)) {
	f.Add(typical)
	f.Add("alter event_subscription a set ()")
	f.Add("set time zone in")
	f.Add("select operator(%) 0, operator(=) 1")
	f.Add("set transaction snapshot ''")
	f.Add("select varchar(;")
	f.Add("select " + strings.Repeat("+", 100))
	for _, sql := range []string{
		"select a[1:2].b, (x).*, interval '1' day, e'\\u00e9', U&'\\00e9', $$x$$, b'01', `q` from t",
		"with recursive r as (values (1)) select * from r union all (select 2 limit 1) for update",
		"create event_subscription s on a, b for update of x, y, insert where z > 1 deliver to kafka 't' using k",
		"insert into t (a.b, c[1]) values (default, -1) on conflict (a) do update set x = excluded.x returning *",
		"merge into t using s on a = b when matched then delete when not matched then insert values (1)",
		"create table t (a int primary key default 1 + 2, check (a > 0), b char(3)[] collate \"C\")",
		"copy t from stdin csv header delimiter ','",
	} {
		f.Add(sql)
	}
	for _, sql := range goldenInputs(f) {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		if strings.ContainsRune(sql, 0) {
			return
		}
		list, err := Parse(sql)
		if err != nil {
			require.NotEmpty(t, sqlerr.As(err).Code)
			require.NotEqual(t, sqlerr.InternalError, sqlerr.As(err).Code)
			return
		}
		for _, s := range list {
			accepted(t, s)
		}
	})
}

// TestLongRuns: a piece of text over and over costs its length and not a power
// of it, nor a stack of its depth: what costs more does not come to an end here.
func TestLongRuns(t *testing.T) {
	const times = 20_000
	for _, piece := range []string{
		"+", "-", "+-", "*", "/", "<+", "!+", "@", "^-", "(", "[", "{", "[1,", "{a:", "((select ", "$", "$a", "$1 ", "::", ".a", "a,", "1.",
		"'a' ", "'a'\n", "e'a'", "u&'a'", "u&'a' uescape ", "u&\"a\"", "b'1'", "\"a\"", "`a`", "$$a$$", "/*", "/**/", "--\n",
		"not ", "case ", "- ", "a(", "int(", "interval(", "row(", "cast(", "array[", "a between ", "(select ", " union select 1",
		" cross join a", " join b ", " order by a", "a=>", "é", "\x80", "explain ", "prepare a as ", "create schema a ",
	} {
		for _, before := range []string{"", "select ", "select 1 from a ", "create table a (", "alter sequence a increment ", "drop function f("} {
			sql := before + strings.Repeat(piece, times)
			for p := New(sql); ; {
				s, err := p.Next()
				if err != nil || s == nil {
					break
				}
			}
		}
	}
}

// goldenInputs are the statements of testdata.
func goldenInputs(t testing.TB) (list []string) {
	files, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join("testdata", f.Name()))
		require.NoError(t, err)
		for _, block := range strings.Split(string(text), "\n\n") {
			sql, _, _ := strings.Cut(block, "\n----")
			if _, sql, ok := strings.Cut(strings.TrimSpace(sql), "\n"); ok {
				list = append(list, sql)
			}
		}
	}
	return list
}

// TestTruncated: a statement cut off anywhere, or with a word left out, is
// refused or read, with a position in the text, and never panics.
func TestTruncated(t *testing.T) {
	for _, sql := range goldenInputs(t) {
		words := strings.Fields(sql)
		for i := range words {
			checkRefusal(t, strings.Join(words[:i], " "))
			checkRefusal(t, strings.Join(words[:i], " ")+";")
			checkRefusal(t, strings.Join(append(append([]string{}, words[:i]...), words[i+1:]...), " "))
		}
	}
}

func checkRefusal(t *testing.T, sql string) {
	t.Helper()
	list, err := Parse(sql)
	if err == nil {
		for _, s := range list {
			roundTrip(t, s)
		}
		return
	}
	e := sqlerr.As(err)
	require.NotEqual(t, sqlerr.InternalError, e.Code, sql)
	require.LessOrEqual(t, e.Position, utf8.RuneCountInString(sql)+1, sql)
}
