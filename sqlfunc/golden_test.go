package sqlfunc

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// TestGoldens evaluates lines of SQL: a function call, an operator or a cast
// over typed literals, such as
//
//	lower(text 'ABC')
//	int4 '1' + int4 '2'
//	cast(text '1' as int4)
//
// Every line is an expression of PostgreSQL too, so that the goldens can be
// compared with it.
func TestGoldens(t *testing.T) {
	g := newGolden(t)
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for _, line := range strings.Split(d.Input, "\n") {
				out.WriteString(g.run(line) + "\n")
			}
			return out.String()
		})
	})
}

type golden struct {
	table *Table
	lib   *Library
	ctx   *expr.Context
	env   *sqltype.Env
	t     *testing.T
}

func newGolden(t *testing.T) *golden {
	table := New()
	env := &sqltype.Env{Now: time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC)}
	env.Zone, _ = time.LoadLocation("Europe/Berlin")
	s := &fakeSession{env: env}
	return &golden{t: t, table: table, lib: table.Library(), ctx: &expr.Context{Session: s, Now: env.Now.UnixMilli()}, env: env}
}

// fakeSession is a session without catalog.
type fakeSession struct{ env *sqltype.Env }

func (s *fakeSession) User() string                         { return "anna" }
func (s *fakeSession) SessionUser() string                  { return "anna" }
func (s *fakeSession) Database() string                     { return "shop" }
func (s *fakeSession) BackendPID() uint32                   { return 7 }
func (s *fakeSession) Types() *sqltype.Env                  { return s.env }
func (s *fakeSession) StatementTime() time.Time             { return s.env.Now }
func (s *fakeSession) TransactionTime() time.Time           { return s.env.Now }
func (s *fakeSession) Setting(name string) (string, bool)   { return "on", name == "jit" }
func (s *fakeSession) SetSetting(_, _ string, _ bool) error { return nil }
func (s *fakeSession) Notice(*sqlerr.Error)                 {}
func (s *fakeSession) System() System                       { return nil }

type typedValue struct {
	v value.Value
	t sqltype.OID
}

var (
	literalForm = regexp.MustCompile(`^([a-z0-9]+(?:\[\])?) ('(?:[^']|'')*'|null)`)
	castForm    = regexp.MustCompile(`^cast\((.*) as ([a-z0-9 ]+(?:\(\d+(?:,\d+)?\))?(?:\[\])?)\)$`)
	callForm    = regexp.MustCompile(`^([a-z0-9_]+)\((.*)\)$`)
)

func (g *golden) run(line string) string {
	v, t, err := g.eval(strings.TrimSpace(line))
	if err != nil {
		e := sqlerr.As(err)
		return fmt.Sprintf("ERROR %s: %s", e.Code, e.Message)
	}
	if v.IsNullish() {
		return "NULL"
	}
	b, err := sqltype.AppendText(nil, v, sqltype.Of(t), g.env)
	if err != nil {
		return "ERROR: " + err.Error()
	}
	return string(b)
}

func (g *golden) eval(line string) (value.Value, sqltype.OID, error) {
	if m := castForm.FindStringSubmatch(line); m != nil {
		return g.cast(m[1], m[2])
	}
	if m := callForm.FindStringSubmatch(line); m != nil {
		args, rest, err := g.literals(m[2])
		if err != nil || rest != "" {
			return value.Value{}, 0, fmt.Errorf("bad arguments: %q %v", rest, err)
		}
		f := g.find(g.table.Functions(m[1]), args)
		if f == nil {
			return value.Value{}, 0, sqlerr.New(sqlerr.UndefinedFunction, "no function %s", m[1])
		}
		return g.call(f, args)
	}
	return g.operator(line)
}

func (g *golden) literal(s string) (typedValue, string, error) {
	m := literalForm.FindStringSubmatch(s)
	if m == nil {
		return typedValue{}, s, fmt.Errorf("no literal: %q", s)
	}
	t := typeNamed(m[1])
	if m[2] == "null" {
		return typedValue{value.Null(), t}, s[len(m[0]):], nil
	}
	text := strings.ReplaceAll(m[2][1:len(m[2])-1], "''", "'")
	v, err := sqltype.ParseText(text, sqltype.Of(t), g.env)
	return typedValue{v, t}, s[len(m[0]):], err
}

func (g *golden) literals(s string) ([]typedValue, string, error) {
	var out []typedValue
	for s != "" {
		v, rest, err := g.literal(s)
		if err != nil {
			return nil, rest, err
		}
		out = append(out, v)
		s = strings.TrimPrefix(rest, ", ")
		if s == rest {
			break
		}
	}
	return out, strings.TrimSpace(strings.TrimPrefix(s, "")), nil
}

func (g *golden) operator(line string) (value.Value, sqltype.OID, error) {
	var args []typedValue
	if literalForm.MatchString(line) {
		l, rest, err := g.literal(line)
		if err != nil {
			return value.Value{}, 0, err
		}
		args, line = append(args, l), strings.TrimSpace(rest)
	}
	name, rest, _ := strings.Cut(line, " ")
	r, _, err := g.literal(rest)
	if err != nil {
		return value.Value{}, 0, err
	}
	args = append(args, r)
	var fs []*Func
	for _, o := range g.table.Operators(name) {
		if (o.Left != 0) == (len(args) == 2) {
			fs = append(fs, o.Func)
		}
	}
	f := g.find(fs, args)
	if f == nil {
		return value.Value{}, 0, sqlerr.New(sqlerr.UndefinedFunction, "no operator %s", name)
	}
	return g.call(f, args)
}

// find chooses by exact types, then by what is coercible.
func (g *golden) find(fs []*Func, args []typedValue) *Func {
	for _, loose := range []bool{false, true} {
		for _, f := range fs {
			if g.fits(f, args, loose) {
				return f
			}
		}
	}
	return nil
}

func (g *golden) fits(f *Func, args []typedValue, loose bool) bool {
	if len(args) > len(f.Args) && !f.Variadic || len(args) < len(f.Args)-f.Optional && !(f.Variadic && len(args) == len(f.Args)-1) {
		return false
	}
	for i, a := range args {
		want := f.Args[min(i, len(f.Args)-1)]
		if want.IsPolymorphic() && want != sqltype.AnyElement && loose && a.t.IsArray() != (want == sqltype.AnyArray || want == sqltype.AnyCompatibleArray) {
			return false
		}
		if want != a.t && !(loose && (g.table.IsBinaryCoercible(a.t, want) || g.table.ImplicitCast(a.t, want))) {
			return false
		}
	}
	return true
}

func (g *golden) call(f *Func, args []typedValue) (value.Value, sqltype.OID, error) {
	vs := make([]value.Value, len(args))
	ret := f.Ret
	for i, a := range args {
		want := f.Args[min(i, len(f.Args)-1)]
		if want.IsPolymorphic() && ret.IsPolymorphic() {
			ret = resolved(ret, a.t)
		}
		vs[i] = a.v
		var c *Cast
		switch {
		case f.AnyAs != 0 && (want.IsPolymorphic() || want == sqltype.Any || want == sqltype.Record) && a.t != f.AnyAs:
			c = g.table.Convert(a.t, f.AnyAs)
		case !want.IsPolymorphic() && want != sqltype.Any && want != a.t:
			c, _ = g.table.Cast(a.t, want)
		}
		require.NotNil(g.t, g.lib.Functions[f.Impl].Eval, f.Impl)
		if c != nil && c.Impl != "" {
			v, err := g.lib.Functions[c.Impl].Eval(g.ctx, []value.Value{a.v, value.Int32(-1), value.Bool(false)})
			if err != nil {
				return v, 0, err
			}
			vs[i] = v
		}
	}
	if f.Kind == SetReturning {
		ret = ret.Array()
		if len(f.Columns) > 1 {
			ret = sqltype.Text.Array()
		}
	}
	v, err := g.lib.Functions[f.Impl].Eval(g.ctx, vs)
	return v, ret, err
}

// resolved is a polymorphic result where an argument has the type t.
func resolved(ret, t sqltype.OID) sqltype.OID {
	array := ret == sqltype.AnyArray || ret == sqltype.AnyCompatibleArray
	switch {
	case array && !t.IsArray():
		return t.Array()
	case !array && t.IsArray():
		return t.Elem()
	}
	return t
}

func (g *golden) cast(from, to string) (value.Value, sqltype.OID, error) {
	a, _, err := g.literal(from)
	if err != nil {
		return value.Value{}, 0, err
	}
	t, err := sqltype.ParseName(to)
	if err != nil {
		return value.Value{}, 0, err
	}
	c, ok := g.table.Cast(a.t, t.OID)
	if !ok {
		return value.Value{}, 0, sqlerr.New(sqlerr.CannotCoerce, "cannot cast type %s to %s", a.t, t.OID)
	}
	v := a.v
	if c.Impl != "" {
		if v, err = g.lib.Functions[c.Impl].Eval(g.ctx, []value.Value{v, value.Int32(t.Mod), value.Bool(true)}); err != nil {
			return v, 0, err
		}
	}
	if t.Mod >= 0 && a.t != t.OID {
		if m := modifierImpl(t.OID); m != "" {
			v, err = g.lib.Functions[m].Eval(g.ctx, []value.Value{v, value.Int32(t.Mod), value.Bool(true)})
		}
	}
	return v, t.OID, err
}

func TestAggregates(t *testing.T) {
	g := newGolden(t)
	run := func(impl string, rows ...[]string) string {
		acc := g.lib.Accumulators[impl]()
		for _, r := range rows {
			var args []value.Value
			for _, s := range r {
				v, _, err := g.literal(s)
				require.NoError(t, err)
				args = append(args, v.v)
			}
			require.NoError(t, acc.Add(args))
		}
		v, err := acc.Result()
		require.NoError(t, err)
		if v.IsNullish() {
			return "NULL"
		}
		b, err := sqltype.AppendText(nil, v, sqltype.Of(sqltype.Text), g.env)
		require.NoError(t, err)
		if v.Kind() == value.FromAPD(nan()).Kind() {
			b = sqltype.AppendNumeric(nil, v)
		}
		return string(b)
	}
	one := func(ss ...string) (out [][]string) {
		for _, s := range ss {
			out = append(out, []string{s})
		}
		return out
	}
	require.Equal(t, "NULL", run("sum_int"))
	require.Equal(t, "6", run("sum_int", one("int4 '1'", "int4 null", "int4 '5'")...))
	require.Equal(t, "2.0000000000000000", run("avg_int", one("int4 '1'", "int4 '3'")...))
	require.Equal(t, "1.6666666666666667", run("avg_int", one("int4 '1'", "int4 '1'", "int4 '3'")...))
	require.Equal(t, "1.7500000000000000", run("avg_numeric", one("numeric '1.5'", "numeric '2.0'")...))
	require.Equal(t, "3.50", run("sum_numeric", one("numeric '1.5'", "numeric '2.00'")...))
	require.Equal(t, "a -> b", run("string_agg", []string{"text 'a'", "text ' -> '"}, []string{"text 'b'", "text ' -> '"}))
	require.Equal(t, "1.00000000000000000000", run("var_samp_numeric", one("int4 '1'", "int4 '2'", "int4 '3'")...))
	require.Equal(t, "0.81649658092772603273", run("stddev_pop_numeric", one("int4 '1'", "int4 '2'", "int4 '3'")...))
	require.Equal(t, "2.5", run("percentile_cont_float8", []string{"float8 '2'", "float8 '0.5'"}, []string{"float8 '3'", "float8 '0.5'"}))
	require.Equal(t, "b", run("mode", one("text 'a'", "text 'b'", "text 'b'")...))
	require.Equal(t, "[1, null]", run("jsonb_agg", one("jsonb '1'", "jsonb null")...))
	require.Equal(t, "0", run("count"))
}
