package sqlfunc

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// edges are literals at the edges of their types.
var edges = map[sqltype.OID][]string{
	sqltype.Int2: {"0", "-1", "32767", "-32768"}, sqltype.Int4: {"0", "1", "-1", "7", "2147483647", "-2147483648"},
	sqltype.Int8:   {"0", "-1", "9223372036854775807", "-9223372036854775808"},
	sqltype.Float8: {"0", "-1.5", "NaN", "Infinity", "-Infinity", "1e308", "1e-308"}, sqltype.Float4: {"0", "1.5", "NaN", "Infinity", "3e38"},
	sqltype.Numeric: {"0", "-1.50", "NaN", "Infinity", "1e30", "0.0000000001"},
	sqltype.Text:    {"", "a", "äöü", "2024-01-01", "%_\\", "(a+)+$", "YYYY-MM-DD HH24:MI:SS TH", "FM999,999.99S", "$.a[*] ? (@ > 1)", "year", "{}", "%s%I%L%5$s"},
	sqltype.Name:    {"", "UTF8"}, sqltype.CharByte: {"", "x"}, sqltype.Bool: {"t", "f"},
	sqltype.Date: {"2024-02-29", "infinity", "-infinity", "0001-01-01 BC", "5874897-12-31"}, sqltype.Time: {"00:00", "24:00", "12:34:56.789"},
	sqltype.Timetz: {"00:00+00", "12:34:56-15:59"}, sqltype.Timestamp: {"2024-02-29 12:00", "infinity", "-infinity", "4713-01-01 BC", "294276-12-31 23:59:59"},
	sqltype.Timestamptz: {"2024-02-29 12:00+00", "infinity", "-infinity", "294276-12-31 23:59:59+00"},
	sqltype.Interval:    {"0", "1 year -1 day 25:00", "-178000000 years", "2147483647 days"},
	sqltype.UUID:        {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, sqltype.Bytea: {"", "\\x00ff"},
	sqltype.JSON: {"null", "{}", `{"a":[1,null]}`, `"x"`}, sqltype.JSONB: {"null", "{}", "[]", `{"a":[1,null,"x"]}`, `"x"`, "1.5"},
	sqltype.Oid: {"0", "23", "4294967295"}, sqltype.Regclass: {"0"}, sqltype.Xid: {"3"}, sqltype.JSONPath: {"$", "$.a[last to 0]", "strict $.b.size()"},
	sqltype.Bpchar: {"", "a  "}, sqltype.Varchar: {"x"}, sqltype.Inet: {"127.0.0.1"}, sqltype.Tid: {"(0,1)"}, sqltype.Cid: {"1"},
	sqltype.OidVector: {"1 2"}, sqltype.Int2Vector: {"1"}, sqltype.ACLItem: {"=r/anna"}, sqltype.PgNodeTree: {"1"},
	sqltype.Text.Array(): {"{}", "{a,NULL}", "{{a,b},{c,d}}"}, sqltype.Int4.Array(): {"{}", "{1,NULL,3}", "{{1},{2}}"},
	sqltype.Float8.Array(): {"{}", "{0.5,NULL}"}, sqltype.ACLItem.Array(): {"{}", "{=r/anna,b=a*/c}"}, sqltype.Regtype: {"23"},
}

// concrete stands for polymorphic types.
func concrete(t sqltype.OID) sqltype.OID {
	switch t {
	case sqltype.AnyArray, sqltype.AnyCompatibleArray:
		return sqltype.Int4.Array()
	case sqltype.Any, sqltype.AnyElement, sqltype.AnyNonArray, sqltype.AnyCompatible, sqltype.AnyCompatibleNonArray:
		return sqltype.Int4
	}
	return t
}

// Every function answers or refuses any arguments of its types, and what it
// answers prints.
func TestFunctionsTakeEdges(t *testing.T) {
	g := newGolden(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, f := range g.table.All() {
		if f.Kind != Scalar && f.Kind != SetReturning || strings.HasPrefix(f.Name, "pg_sleep") || f.Ret == sqltype.Record {
			continue
		}
		for range 20 {
			g.tryEdges(t, f, rng)
		}
	}
}

func (g *golden) tryEdges(t *testing.T, f *Func, rng *rand.Rand) {
	var args []typedValue
	var shown []string
	for _, a := range f.Args {
		a = concrete(a)
		pool := edges[a]
		if len(pool) == 0 {
			return // record and the like
		}
		s := pool[rng.IntN(len(pool))]
		v, err := sqltype.ParseText(s, sqltype.Of(a), g.env)
		require.NoError(t, err, "%s: %s %q", f.Name, a, s)
		if rng.IntN(12) == 0 {
			v, s = value.Null(), "NULL"
		}
		args, shown = append(args, typedValue{v, a}), append(shown, s)
	}
	defer func() {
		if r := recover(); r != nil {
			assert.Fail(t, "panic", "%s(%s): %v", f.Name, strings.Join(shown, " | "), r)
		}
	}()
	v, ret, err := g.call(f, args)
	if err != nil {
		assert.NotEqual(t, sqlerr.InternalError, sqlerr.As(err).Code, "%s(%s): %v", f.Name, strings.Join(shown, " | "), err)
		return
	}
	if v.IsNullish() || f.Ret == sqltype.Void {
		return
	}
	_, err = sqltype.AppendText(nil, v, sqltype.Of(concrete(ret)), g.env)
	assert.NoError(t, err, "%s(%s) = %s", f.Name, strings.Join(shown, " | "), v)
}
