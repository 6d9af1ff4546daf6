package parser

import (
	"strings"

	"weir/parser/ast"
)

// is reads ISNULL | NOTNULL | IS [NOT] …
func (p *Parser) is(left ast.Expr) ast.Expr {
	e := &ast.IsExpr{Operand: left}
	switch p.next().name {
	case "isnull":
	case "notnull":
		e.Not = true
	default:
		e.Not = p.accept("not")
		if p.accept("distinct") {
			p.expect("from")
			right := p.exprAbove(precIs + 1)
			return &ast.IsDistinctFrom{Not: e.Not, Left: left, Right: right, Span: p.spanAt(left.Pos())}
		}
		if p.restricted && !p.at("document") {
			p.fail()
		}
		p.isTest(e)
	}
	e.Span = p.spanAt(left.Pos())
	return e
}

func (p *Parser) isTest(e *ast.IsExpr) {
	switch p.expectAny("null", "true", "false", "unknown", "document", "normalized", "nfc", "nfd", "nfkc", "nfkd") {
	case "null":
		e.Test = ast.TestNull
	case "true":
		e.Test = ast.TestTrue
	case "false":
		e.Test = ast.TestFalse
	case "unknown":
		e.Test = ast.TestUnknown
	case "document":
		e.Test = ast.TestDocument
	case "normalized":
		e.Test = ast.TestNormalized
	default:
		e.Test, e.Form = ast.TestNormalized, strings.ToUpper(p.last.name)
		p.expect("normalized")
	}
}

// like reads [NOT] BETWEEN | IN | LIKE | ILIKE | SIMILAR TO | REGEXP …
func (p *Parser) like(left ast.Expr) ast.Expr {
	not := p.accept("not")
	switch op := p.next(); op.name {
	case "between":
		return p.between(left, not)
	case "in":
		return p.in(left, not)
	default:
		return p.pattern(left, not, op)
	}
}

func (p *Parser) between(left ast.Expr, not bool) ast.Expr {
	e := &ast.BetweenExpr{Operand: left, Not: not}
	e.Symmetric = p.accept("symmetric")
	if !e.Symmetric {
		p.accept("asymmetric")
	}
	e.Low = p.restrictedExpr()
	p.expect("and")
	e.High = p.exprAbove(precLike + 1)
	e.Span = p.spanAt(left.Pos())
	p.refuseChain("between", "like", "ilike", "similar")
	return e
}

// refuseChain: these predicates do not associate.
func (p *Parser) refuseChain(words ...string) {
	if p.atAny(words...) || p.tok.is("not") && p.binaryPrec(p.tok) == precLike {
		p.fail()
	}
}

func (p *Parser) in(left ast.Expr, not bool) ast.Expr {
	e := &ast.InExpr{Operand: left, Not: not}
	e.Query, e.List = p.parens()
	e.Span = p.spanAt(left.Pos())
	return e
}

var likeKinds = map[string]ast.LikeKind{
	"like": ast.Like, "ilike": ast.ILike, "similar": ast.SimilarTo, "regexp": ast.Regexp, "rlike": ast.Regexp,
}

var likeOperators = map[ast.LikeKind][2]string{
	ast.Like:  {"~~", "!~~"},
	ast.ILike: {"~~*", "!~~*"},
}

func (p *Parser) pattern(left ast.Expr, not bool, word *token) ast.Expr {
	e := &ast.LikeExpr{Kind: likeKinds[word.name], Operand: left, Not: not}
	if e.Kind == ast.SimilarTo {
		p.expect("to")
	}
	if names, ok := likeOperators[e.Kind]; ok && p.atAny("any", "some", "all") {
		op := &ast.Operator{Span: ast.Span{Start: word.pos, Stop: word.stop}, Symbol: names[0]}
		if not {
			op.Symbol = names[1]
		}
		return p.quantified(left, op)
	}
	e.Pattern = p.exprAbove(precLike + 1)
	if p.accept("escape") {
		e.Escape = p.exprAbove(precLike + 1)
	}
	e.Span = p.spanAt(left.Pos())
	p.refuseChain("between", "like", "ilike", "similar")
	return e
}
