package ast

import "strings"

func (p *printer) function(e Expr) {
	switch e := e.(type) {
	case *FunctionCall:
		p.call(e)
	case *NamedArg:
		p.id(e.Name)
		p.s(" => ")
		p.expr(e.Value)
	case *Coalesce:
		p.keywordCall("COALESCE", e.Args)
	case *NullIf:
		p.keywordCall("NULLIF", []Expr{e.Left, e.Right})
	case *Extremum:
		p.keywordCall(map[bool]string{true: "LEAST", false: "GREATEST"}[e.Least], e.Args)
	case *Grouping:
		p.keywordCall("GROUPING", e.Args)
	}
}

func (p *printer) keywordCall(name string, args []Expr) {
	p.s(name, "(")
	nodes(p, args)
	p.s(")")
}

func (p *printer) call(f *FunctionCall) {
	if f.Form == CallPlain {
		p.plainCall(f)
	} else {
		p.formCall(f)
	}
	if f.WithinGroup != nil {
		p.s(" WITHIN GROUP (ORDER BY ")
		nodes(p, f.WithinGroup)
		p.s(")")
	}
	if f.Filter != nil {
		p.s(" FILTER (WHERE ")
		p.expr(f.Filter)
		p.s(")")
	}
	if f.Over != nil {
		p.s(" OVER ")
		p.node(f.Over)
	}
}

func (p *printer) plainCall(f *FunctionCall) {
	p.name(f.Name)
	p.s("(")
	p.opt(f.Star, "*")
	p.opt(f.Distinct, "DISTINCT ")
	for i, a := range f.Args {
		p.opt(i > 0, ", ")
		p.opt(f.Variadic && i == len(f.Args)-1, "VARIADIC ")
		p.expr(a)
	}
	if f.OrderBy != nil {
		p.s(" ORDER BY ")
		nodes(p, f.OrderBy)
	}
	p.optNode(" SEPARATOR ", nodeOf(f.Separator))
	p.optNode(" LIMIT ", nodeOf(f.Limit))
	p.s(")")
}

// words writes NAME(arg word arg …).
func (p *printer) words(f *FunctionCall, name string, between ...string) {
	p.s(name, "(")
	for i, a := range f.Args {
		p.opt(i > 0, between[max(i-1, 0)])
		p.expr(a)
	}
	p.s(")")
}

func (p *printer) formCall(f *FunctionCall) {
	switch f.Form {
	case CallExtract:
		p.s("EXTRACT(")
		p.field(f.Args[0])
		p.s(" FROM ")
		p.expr(f.Args[1])
		p.s(")")
	case CallSubstring:
		p.words(f, "SUBSTRING", " FROM ", " FOR ")
	case CallSimilar:
		p.words(f, "SUBSTRING", " SIMILAR ", " ESCAPE ")
	case CallOverlay:
		p.words(f, "OVERLAY", " PLACING ", " FROM ", " FOR ")
	case CallPosition:
		p.s("POSITION(")
		p.operand(f.Args[1], precLike+1)
		p.s(" IN ")
		p.operand(f.Args[0], precLike+1)
		p.s(")")
	case CallTrim:
		p.s("TRIM(", map[string]string{"btrim": "BOTH", "ltrim": "LEADING", "rtrim": "TRAILING"}[f.Name.Last().Name], " FROM ")
		nodes(p, f.Args)
		p.s(")")
	case CallNormalize:
		p.s("NORMALIZE(")
		p.expr(f.Args[0])
		if len(f.Args) > 1 {
			p.s(", ", strings.ToUpper(f.Args[1].(*StringLiteral).Value))
		}
		p.s(")")
	}
}

// field writes the field of EXTRACT, as a word where it is one that all know.
func (p *printer) field(e Expr) {
	s, ok := e.(*StringLiteral)
	if ok && strings.Contains(" century day decade dow doy epoch hour isodow isoyear julian microseconds millennium milliseconds minute month quarter second timezone timezone_hour timezone_minute week year ", " "+s.Value+" ") {
		p.s(s.Value)
		return
	}
	p.expr(e)
}
