package ast

import (
	"strconv"
	"strings"
)

// Print writes a node as SQL in PostgreSQL's spelling, on one line. What it
// writes parses to an equal tree.
func Print(n Node) string {
	if n == nil {
		return ""
	}
	p := &printer{}
	p.node(n)
	return string(p.b)
}

// QuoteIdent writes a name so that it is read as exactly this name.
func QuoteIdent(name string) string {
	if isBareName(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// QuoteString writes a string constant.
func QuoteString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// quotedWords cannot stand bare as a name everywhere.
const quotedWords = ` all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both
 case cast catalog char character check coalesce collate collation column concurrently constraint constraints create cross
 current_catalog current_date current_role current_schema current_time current_timestamp current_user dec decimal default
 deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest
 group grouping having ilike in initially inner inout int integer intersect interval into is isnull join lateral leading least
 left like limit local localtime localtimestamp names national natural nchar none normalize not notnull null nullif numeric
 offset on only or order out outer over overlaps overlay placing position precision primary real references returning right
 row schema select session session_user setof similar smallint some substring symmetric table tablesample then time timestamp
 to trailing transaction treat trim true union unique user using values varchar variadic verbose when where window with xml `

func isBareName(name string) bool {
	for i, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && (c >= '0' && c <= '9' || c == '$')) {
			return false
		}
	}
	return name != "" && !strings.Contains(strings.ReplaceAll(quotedWords, "\n", " "), " "+name+" ")
}

type printer struct{ b []byte }

// s writes pieces with nothing between them.
func (p *printer) s(pieces ...string) {
	for _, s := range pieces {
		p.b = append(p.b, s...)
	}
}

// opt writes s if cond.
func (p *printer) opt(cond bool, s string) {
	if cond {
		p.s(s)
	}
}

func (p *printer) int(n int) { p.b = strconv.AppendInt(p.b, int64(n), 10) }

func (p *printer) str(s string) { p.s(QuoteString(s)) }

func (i Ident) String() string {
	if i.Quoted {
		return `"` + strings.ReplaceAll(i.Name, `"`, `""`) + `"`
	}
	return i.Text
}

func (p *printer) id(i Ident) { p.s(i.String()) }

// optID writes s and the name, if there is one.
func (p *printer) optID(s string, i Ident) {
	if !i.IsZero() {
		p.s(s)
		p.id(i)
	}
}

func (p *printer) ids(list []Ident) { commas(p, list, p.id) }

// columns writes  (name, …) with a space before it, or nothing.
func (p *printer) columns(list []Ident) {
	if list != nil {
		p.s(" (")
		p.ids(list)
		p.s(")")
	}
}

func (p *printer) dotted(parts []Ident) {
	for i, part := range parts {
		p.opt(i > 0, ".")
		p.id(part)
	}
}

func (p *printer) name(n *Name) { p.dotted(n.Parts) }

func (p *printer) names(list []*Name) { commas(p, list, p.name) }

// commas writes list with commas.
func commas[T any](p *printer, list []T, write func(T)) {
	for i, x := range list {
		p.opt(i > 0, ", ")
		write(x)
	}
}

// nodes writes children with commas.
func nodes[T Node](p *printer, list []T) { commas(p, list, func(n T) { p.node(n) }) }

func (p *printer) optNode(s string, n Node) {
	if n != nil {
		p.s(s)
		p.node(n)
	}
}

func (p *printer) behavior(b Behavior) {
	p.s([...]string{"", " RESTRICT", " CASCADE"}[b])
}

// node writes any node; each family knows its own.
func (p *printer) node(n Node) {
	if e, ok := n.(Expr); ok {
		p.expr(e)
		return
	}
	_ = p.query(n) || p.table(n) || p.dml(n) || p.create(n) || p.define(n) || p.alter(n) || p.role(n) ||
		p.transaction(n) || p.session(n) || p.event(n) || p.part(n)
}

// part writes what belongs to no family.
func (p *printer) part(n Node) bool {
	switch n := n.(type) {
	case *Name:
		p.name(n)
	case *TypeName:
		p.typeName(n)
	case *Operator:
		p.operator(n)
	case *Option:
		p.option(n, " = ")
	case *When:
		p.s("WHEN ")
		p.expr(n.Cond)
		p.s(" THEN ")
		p.expr(n.Then)
	default:
		return false
	}
	return true
}

func (p *printer) option(o *Option, sep string) {
	p.optID("", o.Prefix)
	p.opt(!o.Prefix.IsZero(), ".")
	p.id(o.Name)
	if row, ok := o.Value.(*RowExpr); ok && row.Explicit && sep == " " {
		p.s(" (")
		nodes(p, row.Items)
		p.s(")")
		return
	}
	if o.Value != nil {
		p.s(sep)
		p.expr(o.Value)
	}
}

// options writes  WITH (name = value, …) or the like.
func (p *printer) options(before string, list []*Option, sep string) {
	if list == nil {
		return
	}
	p.s(before, "(")
	commas(p, list, func(o *Option) { p.option(o, sep) })
	p.s(")")
}

var typeSpellings = map[string]string{
	"int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision", "bool": "boolean",
	"bpchar": "character", "varchar": "character varying", "varbit": "bit varying", "timestamptz": "timestamp", "timetz": "time",
}

func (p *printer) typeName(t *TypeName) {
	p.opt(t.SetOf, "SETOF ")
	p.simpleType(t)
	p.opt(t.Builtin && strings.HasSuffix(t.Name.Name, "tz"), " with time zone")
	p.opt(t.Fields != "", " "+t.Fields)
	p.opt(t.Fields != "", p.sub(func(q *printer) { q.mods(t) }))
	for _, d := range t.Dims {
		p.s("[")
		if d >= 0 {
			p.int(d)
		}
		p.s("]")
	}
}

// sub writes into a string.
func (p *printer) sub(write func(*printer)) string {
	q := &printer{}
	write(q)
	return string(q.b)
}

func (p *printer) simpleType(t *TypeName) {
	switch s, ok := typeSpellings[t.Name.Name]; {
	case t.Like != nil:
		p.name(t.Like)
		p.s("%TYPE")
		return
	case t.Builtin && ok:
		p.s(s)
	case t.Builtin:
		p.s(t.Name.Name)
	default:
		p.optID("", t.Schema)
		p.opt(!t.Schema.IsZero(), ".")
		p.id(t.Name)
	}
	if t.Fields == "" {
		p.mods(t)
	}
}

func (p *printer) mods(t *TypeName) {
	if t.Mods != nil {
		p.s("(")
		nodes(p, t.Mods)
		p.s(")")
	}
}

func (p *printer) operator(o *Operator) {
	if o.Schema == nil {
		p.s(o.Symbol)
		return
	}
	p.s("OPERATOR(")
	p.dotted(o.Schema)
	p.s(".", o.Symbol, ")")
}
