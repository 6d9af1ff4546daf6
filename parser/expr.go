package parser

import (
	"strings"

	"weir/parser/ast"
)

// Precedences, lowest first (PostgreSQL manual, 4.1.6).
const (
	precOr = iota + 1
	precAnd
	precNot
	precIs         // IS ISNULL NOTNULL
	precComparison // < > = <= >= <>
	precLike       // BETWEEN IN LIKE ILIKE SIMILAR REGEXP
	precOperator   // all other operators
	precAdd        // + -
	precMultiply   // * / % DIV MOD
	precPower      // ^
	precAt         // AT TIME ZONE
	precCollate
	precSign // prefix + -
	precCast // ::
)

// expr reads an expression: PostgreSQL's a_expr.
func (p *Parser) expr() ast.Expr { return p.exprAbove(precOr) }

// exprList reads expr, …
func (p *Parser) exprList() []ast.Expr {
	list := []ast.Expr{p.expr()}
	for p.acceptOp(",") {
		list = append(list, p.expr())
	}
	return list
}

// parenExprs reads (expr, …)
func (p *Parser) parenExprs() []ast.Expr {
	p.expectOp("(")
	defer p.inside()()
	list := p.exprList()
	p.expectOp(")")
	return list
}

// inside makes an expression in brackets free of what surrounds them.
func (p *Parser) inside() func() {
	r, l := p.restricted, p.labels
	p.restricted, p.labels = false, false
	return func() { p.restricted, p.labels = r, l }
}

// restrictedExpr reads PostgreSQL's b_expr, which has no AND, OR, NOT, IN, LIKE, BETWEEN and IS NULL.
func (p *Parser) restrictedExpr() ast.Expr {
	outer := p.restricted
	p.restricted = true
	e := p.exprAbove(precComparison)
	p.restricted = outer
	return e
}

// exprAbove reads an expression whose operators bind at least as tight as prec.
func (p *Parser) exprAbove(prec int) ast.Expr {
	p.enter()
	e := p.infix(p.prefix(), prec)
	p.leave()
	return e
}

// prefix reads a prefix operator with its operand, or a primary.
func (p *Parser) prefix() ast.Expr {
	t := p.tok
	switch t.kind {
	case tokenWord:
		if t.name == "not" && !p.restricted {
			p.next()
			return &ast.NotExpr{Operand: p.exprAbove(precNot), Span: p.span(t)}
		}
		if t.name == "operator" && p.peek(1).op("(") {
			op := p.operator()
			return &ast.UnaryExpr{Op: op, Operand: p.exprAbove(precOperator + 1), Span: p.span(t)}
		}
	case tokenOp:
		switch {
		case t.name == "+" || t.name == "-":
			op := p.operator()
			return &ast.UnaryExpr{Op: op, Operand: p.exprAbove(precSign), Span: p.span(t)}
		case isUserOperator(t.name):
			op := p.operator()
			return &ast.UnaryExpr{Op: op, Operand: p.exprAbove(precOperator + 1), Span: p.span(t)}
		}
	}
	return p.primary()
}

// isUserOperator: operators without a precedence of their own, which may be prefixes.
func isUserOperator(s string) bool {
	switch s {
	case "+", "-", "*", "/", "%", "^", "<", ">", "=", "<=", ">=", "<>", "=>":
		return false
	}
	return strings.IndexByte(operatorChars, s[0]) >= 0
}

func (p *Parser) operator() *ast.Operator {
	t := p.next()
	if t.kind == tokenWord && t.name == "operator" {
		return p.qualifiedOperator(t)
	}
	return &ast.Operator{Span: ast.Span{Start: t.pos, Stop: t.stop}, Symbol: t.name}
}

// qualifiedOperator reads ([schema .] op) after OPERATOR.
func (p *Parser) qualifiedOperator(t *token) *ast.Operator {
	p.expectOp("(")
	op := &ast.Operator{}
	for p.tok.isColID() {
		op.Schema = append(op.Schema, p.colID())
		p.expectOp(".")
	}
	op.Symbol = p.operatorSymbol()
	p.expectOp(")")
	op.Span = p.span(t)
	return op
}

// operatorSymbol takes any operator.
func (p *Parser) operatorSymbol() string {
	if p.tok.kind != tokenOp || strings.IndexByte(operatorChars, p.tok.name[0]) < 0 || p.tok.name == "=>" {
		p.fail()
	}
	return p.next().name
}

// binaryPrec gives the precedence of an operator token, 0 for what is none.
func (p *Parser) binaryPrec(t *token) int {
	if t.kind == tokenOp {
		switch t.name {
		case "<", ">", "=", "<=", ">=", "<>", "<=>":
			return precComparison
		case "+", "-":
			return precAdd
		case "*", "/", "%":
			return precMultiply
		case "^":
			return precPower
		case "::":
			return precCast
		}
		if isUserOperator(t.name) {
			return precOperator
		}
		return 0
	}
	if t.kind != tokenWord {
		return 0
	}
	return p.wordPrec(t)
}

func (p *Parser) wordPrec(t *token) int {
	switch t.name {
	case "collate":
		return precCollate
	case "at":
		if p.at("at", "time") {
			return precAt
		}
	case "operator":
		if p.peek(1).op("(") {
			return precOperator
		}
	case "is":
		return precIs
	case "div", "mod":
		if p.startsOperand(p.peek(1)) {
			return precMultiply
		}
	}
	if p.restricted {
		return 0
	}
	switch t.name {
	case "or":
		return precOr
	case "and":
		return precAnd
	case "isnull", "notnull":
		return precIs
	case "between", "in", "like", "ilike":
		return precLike
	case "similar":
		if p.peek(1).is("to") { // not so in SUBSTRING(a SIMILAR b ESCAPE c)
			return precLike
		}
	case "regexp", "rlike":
		if p.startsOperand(p.peek(1)) {
			return precLike
		}
	case "not":
		switch n := p.peek(1); {
		case n.is("between"), n.is("in"), n.is("like"), n.is("ilike"), n.is("similar"):
			return precLike
		case n.is("regexp"), n.is("rlike"):
			return precLike
		}
	}
	return 0
}

// startsOperand tells MySQL's word operators from labels of the same spelling.
func (p *Parser) startsOperand(t *token) bool {
	switch t.kind {
	case tokenString, tokenInteger, tokenNumber, tokenParam, tokenQuoted:
		return true
	case tokenWord:
		return t.keyword.class != reserved || t.name == "case" || t.name == "null" || t.name == "cast"
	}
	return t.op("(") || t.op("-") || t.op("+")
}

// infix goes on after an operand.
func (p *Parser) infix(left ast.Expr, min int) ast.Expr {
	for {
		prec := p.binaryPrec(p.tok)
		if prec == 0 || prec < min {
			return left
		}
		left = p.binary(left, prec)
	}
}

func (p *Parser) binary(left ast.Expr, prec int) ast.Expr {
	switch prec {
	case precOr:
		return &ast.OrExpr{Operands: p.operands("or", left), Span: p.spanAt(left.Pos())}
	case precAnd:
		return &ast.AndExpr{Operands: p.operands("and", left), Span: p.spanAt(left.Pos())}
	case precIs:
		return p.is(left)
	case precLike:
		return p.like(left)
	case precAt:
		p.expect("at", "time", "zone")
		return &ast.AtTimeZone{Operand: left, Zone: p.exprAbove(precAt + 1), Span: p.spanAt(left.Pos())}
	case precCollate:
		p.next()
		return &ast.CollateExpr{Operand: left, Collation: p.name(), Span: p.spanAt(left.Pos())}
	case precCast:
		p.next()
		return &ast.CastExpr{Operand: left, Type: p.typeName(), Span: p.spanAt(left.Pos())}
	}
	return p.operation(left, prec)
}

// operands reads the rest of a AND b AND c as one list.
func (p *Parser) operands(word string, left ast.Expr) []ast.Expr {
	prec := precAnd
	if word == "or" {
		prec = precOr
	}
	list := []ast.Expr{left}
	for p.accept(word) {
		list = append(list, p.exprAbove(prec+1))
	}
	return list
}

// operation reads op right | op ANY (…).
func (p *Parser) operation(left ast.Expr, prec int) ast.Expr {
	op := p.operator()
	if op.Symbol == "div" || op.Symbol == "mod" {
		op.Symbol = strings.ToUpper(op.Symbol)
	}
	if p.atAny("any", "some", "all") && op.Symbol != "<=>" {
		return p.quantified(left, op)
	}
	right := p.exprAbove(prec + 1)
	span := p.spanAt(left.Pos())
	if prec == precComparison && p.binaryPrec(p.tok) == precComparison {
		p.fail() // comparisons do not associate
	}
	if op.Symbol == "<=>" {
		return &ast.IsDistinctFrom{Not: true, Left: left, Right: right, Span: span}
	}
	return &ast.BinaryExpr{Op: op, Left: left, Right: right, Span: span}
}

// quantified reads ANY | SOME | ALL (query | array) after the operator.
func (p *Parser) quantified(left ast.Expr, op *ast.Operator) ast.Expr {
	q := &ast.QuantifiedExpr{Left: left, Op: op, All: p.tok.is("all")}
	p.next()
	query, items := p.parens()
	if len(items) > 1 {
		p.failAt(p.last)
	}
	if q.Query = query; query == nil {
		q.Array = items[0]
	}
	q.Span = p.spanAt(left.Pos())
	return q
}
