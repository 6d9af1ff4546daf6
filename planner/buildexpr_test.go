package planner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"weir/catalog"
	"weir/parser"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

func TestBuildExpr(t *testing.T) {
	cat := &textCatalog{tables: map[string]*catalog.Table{}, funcs: map[string]*catalog.Table{}}
	cat.add(t, "orders: _id objectid, total numeric, address{zip text}")
	env := &Env{Resolver: cat, Funcs: sqlfunc.New()}
	build := func(sql string) (string, error) {
		e, err := parser.ParseExpr(sql)
		require.NoError(t, err)
		x, scan, err := BuildExpr(t.Context(), env, e, cat.tables["orders"], sqltype.Of(sqltype.Bool))
		if err != nil {
			return "", err
		}
		return exprText(x) + " over " + scanLine(scan), nil
	}
	got, err := build("total > 5 AND address.zip = '8001'")
	require.NoError(t, err)
	require.Equal(t, "(numeric_gt(total#1, 5::numeric) and texteq(zip#3, '8001')) over Scan public.orders [total#1 zip#3=address.zip]", got)

	for sql, want := range map[string]string{
		"totl > 5":                  `42703 column "totl" does not exist`,
		"total":                     "42804 expression must be type boolean, not type numeric",
		"count(*) > 1":              "42803 aggregate functions are not allowed in this condition",
		"EXISTS (SELECT 1)":         "0A000 cannot use subquery in this condition",
		"total = $1":                "42P02 there is no parameter $1",
		"generate_series(1, 2) = 1": "0A000 set-returning functions are not allowed in this condition",
		"row_number() OVER () = 1":  "42P20 window functions are not allowed in this condition",
		"nosuch(total)":             "42883 function nosuch(numeric) does not exist",
		"total > 'many'":            `22P02 invalid input syntax for type numeric: "many"`,
	} {
		_, err := build(sql)
		e := sqlerr.As(err)
		require.NotNil(t, e, sql)
		require.Equal(t, want, e.Code+" "+e.Message, sql)
		require.NotZero(t, e.Position, sql)
	}
}

// WITH queries that use each other twice must not grow without end.
func TestDoublingCTEs(t *testing.T) {
	cat := &textCatalog{tables: map[string]*catalog.Table{}, funcs: map[string]*catalog.Table{}}
	cat.add(t, "orders: _id objectid, total numeric")
	var sb strings.Builder
	sb.WriteString("WITH c0 AS (SELECT total FROM orders)")
	for i := 1; i < 30; i++ {
		sb.WriteString(strings.NewReplacer("{n}", itoa(i), "{p}", itoa(i-1)).Replace(", c{n} AS (SELECT a.total FROM c{p} a JOIN c{p} b USING (total))"))
	}
	sb.WriteString(" SELECT * FROM c29")
	out := planText(&Env{Resolver: cat, Funcs: sqlfunc.New()}, sb.String(), true)
	require.Contains(t, out, "CTEScan")
	require.Less(t, len(out), 200_000)
}

func TestDeepExpressions(t *testing.T) {
	cat := &textCatalog{tables: map[string]*catalog.Table{}, funcs: map[string]*catalog.Table{}}
	out := planText(&Env{Resolver: cat, Funcs: sqlfunc.New()}, "SELECT 1"+strings.Repeat(" + 1", 900), false)
	require.NotEmpty(t, out)
}
