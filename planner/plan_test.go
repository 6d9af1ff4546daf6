package planner

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"weir/catalog"
	"weir/parser"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
	"weir/store"
)

// textCatalog is a catalog written as text, a relation a line:
//
//	orders: _id objectid, total numeric, address{zip text, city text}, tags text[]
//	declared t: id int4 notnull, name text default 'x' | check total_ok total > 0 | unique t_key id | index t_name name
//	view v: SELECT …
//	function EVENTS(source text): id text, at timestamptz
type textCatalog struct {
	tables map[string]*catalog.Table
	funcs  map[string]*catalog.Table
}

func (c *textCatalog) Table(_ context.Context, schema, name string, quoted bool) (*catalog.Table, bool, error) {
	if schema != "" && schema != "public" {
		t, ok := c.tables[schema+"."+name]
		return t, ok, nil
	}
	if t, ok := c.tables[name]; ok {
		return t, true, nil
	}
	t, ok := c.tables[strings.ToLower(name)]
	return t, ok, nil
}

func (c *textCatalog) TableFunction(_, name string) (*catalog.Table, bool) {
	t, ok := c.funcs[strings.ToLower(name)]
	return t, ok
}

func (c *textCatalog) Near(_ context.Context, name string) []string {
	var all []string
	for n := range c.tables {
		all = append(all, n)
	}
	return catalog.NearNames(name, all)
}

func (c *textCatalog) TypeNamed(context.Context, string, string) (sqltype.OID, error) {
	return sqltype.Invalid, nil
}

func (c *textCatalog) DomainOf(context.Context, sqltype.OID) (*catalog.Domain, error) {
	return nil, nil
}
func (c *textCatalog) References(context.Context, *catalog.Table) (out, in []catalog.Reference, err error) {
	return nil, nil, nil
}
func (c *textCatalog) Within(*catalog.Table) catalog.Resolver { return c }

func (c *textCatalog) Refresh(_ context.Context, t *catalog.Table) (*catalog.Table, error) {
	return t, nil
}

func (c *textCatalog) add(t *testing.T, line string) {
	head, rest, ok := strings.Cut(line, ":")
	require.True(t, ok, "no colon in %q", line)
	kind, name, ok := strings.Cut(strings.TrimSpace(head), " ")
	if !ok {
		kind, name = "open", kind
	}
	tab := &catalog.Table{OID: uint32(20000 + len(c.tables) + len(c.funcs)), Schema: "public", Name: name, Version: 1}
	if s, n, ok := strings.Cut(name, "."); ok && kind != "function" {
		tab.Schema, tab.Name = s, n
	}
	tab.NS = store.Namespace{DB: "app", Coll: tab.Name}
	parts := strings.Split(rest, "|")
	switch kind {
	case "view":
		tab.Kind, tab.Definition = catalog.View, strings.TrimSpace(rest)
		c.tables[name] = tab
		return
	case "function":
		fn, params, _ := strings.Cut(strings.TrimSuffix(name, ")"), "(")
		tab.Name, tab.Kind, tab.Schema = fn, catalog.Function, "weir"
		for _, p := range strings.Split(params, ",") {
			if n, ty, ok := strings.Cut(strings.TrimSpace(p), " "); ok {
				tab.Params = append(tab.Params, catalog.Param{Name: n, Type: mustType(t, ty)})
			}
		}
	case "virtual":
		tab.Kind = catalog.Virtual
	case "open":
		tab.Open, tab.PrimaryKey = true, []string{"_id"}
	}
	tab.Columns = parseColumns(t, parts[0], nil)
	for _, p := range parts[1:] {
		w := strings.Fields(p)
		switch w[0] {
		case "check":
			tab.Checks = append(tab.Checks, catalog.Check{Name: w[1], SQL: strings.Join(w[2:], " ")})
		case "unique", "index":
			ix := catalog.Index{Name: w[1], Unique: w[0] == "unique"}
			for _, k := range w[2:] {
				ix.Keys = append(ix.Keys, catalog.IndexKey{Path: k})
			}
			tab.Indexes = append(tab.Indexes, ix)
		case "key":
			tab.PrimaryKey = w[1:]
		case "rows":
			_, err := fmt.Sscan(w[1], &tab.Estimate)
			require.NoError(t, err)
		}
	}
	if kind == "function" {
		c.funcs[strings.ToLower(tab.Name)] = tab
		return
	}
	c.tables[name] = tab
}

func mustType(t *testing.T, s string) sqltype.Type {
	ty, err := sqltype.ParseName(s)
	require.NoError(t, err)
	return ty
}

// parseColumns reads name type, name{fields}, …
func parseColumns(t *testing.T, s string, parent []string) []catalog.Column {
	var cols []catalog.Column
	depth, start := 0, 0
	for i := 0; i <= len(s); i++ {
		switch {
		case i < len(s) && (s[i] == '{' || s[i] == '('):
			depth++
		case i < len(s) && (s[i] == '}' || s[i] == ')'):
			depth--
		case i == len(s) || s[i] == ',' && depth == 0:
			if f := strings.TrimSpace(s[start:i]); f != "" {
				cols = append(cols, parseColumn(t, f, parent, len(cols)+1))
			}
			start = i + 1
		}
	}
	return cols
}

func parseColumn(t *testing.T, f string, parent []string, attr int) catalog.Column {
	if open := strings.IndexByte(f, '{'); open > 0 && strings.HasSuffix(f, "}") {
		name := f[:open]
		path := append(append([]string(nil), parent...), name)
		return catalog.Column{Name: name, Attr: int16(attr), Path: path, Kinds: catalog.KindDocument, Type: sqltype.Of(sqltype.JSONB),
			Fields: parseColumns(t, f[open+1:len(f)-1], path)}
	}
	f, def, _ := strings.Cut(f, " default ")
	f, notNull := strings.CutSuffix(f, " notnull")
	name, ty, _ := strings.Cut(f, " ")
	c := catalog.Column{Name: name, Attr: int16(attr), Path: append(append([]string(nil), parent...), name), Default: def, NotNull: notNull}
	if ty == "objectid" {
		c.Kinds, c.Type = catalog.KindObjectID, sqltype.Of(sqltype.Text)
		return c
	}
	c.Type = mustType(t, ty)
	c.Kinds = catalog.DeclaredKinds(c.Type)
	return c
}

// TestPlan runs testdata: "catalog" describes relations, "plan" prints plans,
// "strict" likewise in strict mode, with warnings and errors under their place.
func TestPlan(t *testing.T) {
	funcs := sqlfunc.New()
	library := funcs.Library()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		cat := &textCatalog{tables: map[string]*catalog.Table{}, funcs: map[string]*catalog.Table{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "catalog":
				for _, line := range strings.Split(d.Input, "\n") {
					cat.add(t, line)
				}
				return ""
			case "plan", "strict":
				env := &Env{Resolver: cat, Funcs: funcs, Library: library, Strict: d.Cmd == "strict"}
				return planText(env, d.Input, !d.HasArg("types"))
			}
			return "unknown command " + d.Cmd
		})
	})
}

func planText(env *Env, sql string, tree bool) string {
	stmts, err := parser.Parse(sql)
	if err != nil {
		return errorText(sql, sqlerr.As(err))
	}
	var sb strings.Builder
	for _, s := range stmts {
		p, err := Build(context.Background(), env, s, nil)
		if err != nil {
			sb.WriteString(errorText(sql, sqlerr.As(err)))
			continue
		}
		for _, n := range p.Notices {
			sb.WriteString(errorText(sql, n))
		}
		if tree {
			sb.WriteString(Format(p))
			continue
		}
		for _, c := range p.Cols {
			fmt.Fprintf(&sb, "%s %s\n", c.Name, c.Type)
		}
		for i, ty := range p.Params {
			fmt.Fprintf(&sb, "$%d %s\n", i+1, ty)
		}
	}
	return sb.String()
}

// errorText prints an error, the line it is in and a caret below its place.
func errorText(sql string, e *sqlerr.Error) string {
	severity := e.Severity
	if severity == "" {
		severity = "ERROR"
	}
	out := fmt.Sprintf("%s %s: %s\n", severity, e.Code, e.Message)
	if e.Position > 0 {
		line, col := 0, e.Position-1
		lines := strings.Split(sql, "\n")
		for line < len(lines)-1 && col > len([]rune(lines[line])) {
			col -= len([]rune(lines[line])) + 1
			line++
		}
		out += "  " + lines[line] + "\n  " + strings.Repeat(" ", col) + "^\n"
	}
	if e.Detail != "" {
		out += "DETAIL: " + e.Detail + "\n"
	}
	if e.Hint != "" {
		out += "HINT: " + e.Hint + "\n"
	}
	return out
}
