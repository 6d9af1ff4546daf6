package ast

import "strings"

// Precedences as in the parser, lowest first; what is no operator is primary.
const (
	precOr = iota + 1
	precAnd
	precNot
	precIs
	precComparison
	precLike
	precOperator
	precAdd
	precMultiply
	precPower
	precAt
	precCollate
	precSign
	precCast
	precPrimary
)

func operatorPrec(o *Operator) int {
	if o.Schema != nil {
		return precOperator
	}
	switch o.Symbol {
	case "<", ">", "=", "<=", ">=", "<>":
		return precComparison
	case "+", "-":
		return precAdd
	case "*", "/", "%", "DIV", "MOD":
		return precMultiply
	case "^":
		return precPower
	}
	return precOperator
}

func exprPrec(e Expr) int {
	switch e := e.(type) {
	case *OrExpr:
		return precOr
	case *AndExpr:
		return precAnd
	case *NotExpr:
		return precNot
	case *IsExpr, *IsDistinctFrom:
		return precIs
	case *BetweenExpr, *InExpr, *LikeExpr:
		return precLike
	case *BinaryExpr:
		return operatorPrec(e.Op)
	case *QuantifiedExpr:
		return operatorPrec(e.Op)
	case *UnaryExpr:
		if e.Op.Schema == nil && (e.Op.Symbol == "-" || e.Op.Symbol == "+") {
			return precSign
		}
		return precOperator
	case *AtTimeZone:
		return precAt
	case *CollateExpr:
		return precCollate
	case *CastExpr:
		return precCast
	case *OverlapsExpr, *CurrentOf:
		return precOr
	}
	return precPrimary
}

// operand writes e, in parentheses if it binds less tight than min.
func (p *printer) operand(e Expr, min int) {
	if exprPrec(e) < min {
		p.s("(")
		p.expr(e)
		p.s(")")
		return
	}
	p.expr(e)
}

func (p *printer) expr(e Expr) {
	if !p.operation(e) && !p.predicate(e) && !p.literal(e) && !p.reference(e) && !p.construct(e) {
		p.function(e)
	}
}

func (p *printer) operation(e Expr) bool {
	switch e := e.(type) {
	case *UnaryExpr:
		p.prefix(e.Op)
		p.opt(exprPrec(e) == precOperator, " ")
		p.operand(e.Operand, exprPrec(e)+1)
	case *BinaryExpr:
		p.binary(e)
	case *AndExpr:
		p.logical(e.Operands, " AND ", precAnd+1)
	case *OrExpr:
		p.logical(e.Operands, " OR ", precOr+1)
	case *NotExpr:
		p.s("NOT ")
		p.operand(e.Operand, precNot)
	case *CastExpr:
		p.operand(e.Operand, precCast)
		p.s("::")
		p.typeName(e.Type)
	case *CollateExpr:
		p.operand(e.Operand, precCollate)
		p.s(" COLLATE ")
		p.name(e.Collation)
	case *AtTimeZone:
		p.operand(e.Operand, precAt)
		p.s(" AT TIME ZONE ")
		p.operand(e.Zone, precAt+1)
	default:
		return false
	}
	return true
}

func (p *printer) binary(e *BinaryExpr) {
	prec := operatorPrec(e.Op)
	left := prec
	if prec == precComparison {
		left++
	}
	p.operand(e.Left, left)
	p.s(" ")
	p.operator(e.Op)
	p.s(" ")
	p.operand(e.Right, prec+1)
}

func (p *printer) logical(operands []Expr, word string, min int) {
	for i, e := range operands {
		p.opt(i > 0, word)
		p.operand(e, min)
	}
}

var testWords = [...]string{"NULL", "TRUE", "FALSE", "UNKNOWN", "NORMALIZED", "DOCUMENT"}

func (p *printer) predicate(e Expr) bool {
	switch e := e.(type) {
	case *IsExpr:
		p.operand(e.Operand, precIs)
		p.s(" IS ")
		p.opt(e.Not, "NOT ")
		p.opt(e.Form != "", e.Form+" ")
		p.s(testWords[e.Test])
	case *IsDistinctFrom:
		p.operand(e.Left, precIs+1)
		p.s(" IS ")
		p.opt(e.Not, "NOT ")
		p.s("DISTINCT FROM ")
		p.operand(e.Right, precIs+1)
	case *BetweenExpr:
		p.operand(e.Operand, precLike+1)
		p.opt(e.Not, " NOT")
		p.s(" BETWEEN ")
		p.opt(e.Symmetric, "SYMMETRIC ")
		p.operand(e.Low, precLike+1)
		p.s(" AND ")
		p.operand(e.High, precLike+1)
	case *InExpr:
		p.operand(e.Operand, precLike+1)
		p.opt(e.Not, " NOT")
		p.s(" IN (")
		p.listOrQuery(e.List, e.Query)
		p.s(")")
	case *LikeExpr:
		p.operand(e.Operand, precLike+1)
		p.opt(e.Not, " NOT")
		p.s([...]string{" LIKE ", " ILIKE ", " SIMILAR TO ", " REGEXP "}[e.Kind])
		p.operand(e.Pattern, precLike+1)
		if e.Escape != nil {
			p.s(" ESCAPE ")
			p.operand(e.Escape, precLike+1)
		}
	case *QuantifiedExpr:
		p.quantified(e)
	case *OverlapsExpr:
		p.expr(e.Left)
		p.s(" OVERLAPS ")
		p.expr(e.Right)
	case *ExistsExpr:
		p.s("EXISTS (")
		p.node(e.Query)
		p.s(")")
	case *CurrentOf:
		p.s("CURRENT OF ")
		p.id(e.Cursor)
	default:
		return false
	}
	return true
}

func (p *printer) listOrQuery(list []Expr, q *Query) {
	if q != nil {
		p.node(q)
		return
	}
	nodes(p, list)
}

func (p *printer) quantified(e *QuantifiedExpr) {
	p.operand(e.Left, operatorPrec(e.Op)+1)
	p.s(" ")
	p.operator(e.Op)
	if e.All {
		p.s(" ALL (")
	} else {
		p.s(" ANY (")
	}
	if e.Query != nil {
		p.node(e.Query)
	} else {
		p.expr(e.Array)
	}
	p.s(")")
}

func (p *printer) literal(e Expr) bool {
	switch e := e.(type) {
	case *StringLiteral:
		p.str(e.Value)
	case *NumberLiteral:
		p.s(e.Text)
	case *BoolLiteral:
		if e.Value {
			p.s("TRUE")
		} else {
			p.s("FALSE")
		}
	case *NullLiteral:
		p.s("NULL")
	case *BitLiteral:
		p.s(map[bool]string{true: "X", false: "B"}[e.Hex])
		p.str(e.Digits)
	case *Parameter:
		p.s("$")
		p.int(e.Number)
	case *TypedLiteral:
		p.typedLiteral(e)
	case *Interval:
		p.interval(e)
	case *IntervalUnit:
		p.s(strings.ToUpper(e.Unit))
	case *Default:
		p.s("DEFAULT")
	case *ValueKeyword:
		p.s(strings.ToUpper(e.Keyword))
		if e.Precision >= 0 {
			p.s("(")
			p.int(e.Precision)
			p.s(")")
		}
	default:
		return false
	}
	return true
}

// typedLiteral writes the fields of an interval behind its text.
func (p *printer) typedLiteral(e *TypedLiteral) {
	if e.Type.Fields == "" {
		p.typeName(e.Type)
		p.s(" ")
		p.str(e.Value)
		return
	}
	p.s("interval ")
	p.str(e.Value)
	p.s(" ", e.Type.Fields)
	p.mods(e.Type)
}

func (p *printer) interval(e *Interval) {
	p.s("INTERVAL ")
	if _, ok := e.Value.(*NumberLiteral); ok {
		p.expr(e.Value)
	} else {
		p.s("(")
		p.expr(e.Value)
		p.s(")")
	}
	p.s(" ", strings.ToUpper(e.Unit))
}

func (p *printer) reference(e Expr) bool {
	switch e := e.(type) {
	case *ColumnRef:
		p.dotted(e.Parts)
	case *Star:
		p.dotted(e.Qualifier)
		p.opt(e.Qualifier != nil, ".")
		p.s("*")
	case *Field:
		p.base(e.Of, false)
		p.s(".")
		p.id(e.Name)
	case *FieldStar:
		p.base(e.Of, false)
		p.s(".*")
	case *Subscript:
		p.subscripted(e.Of, e.Apart)
		p.s("[")
		p.expr(e.Index)
		p.s("]")
	case *Slice:
		p.subscripted(e.Of, e.Apart)
		p.s("[")
		p.optNode("", nodeOf(e.Low))
		p.s(":")
		p.optNode("", nodeOf(e.High))
		p.s("]")
	default:
		return false
	}
	return true
}

// nodeOf keeps a missing expression a missing node.
func nodeOf[T Node](e T) Node {
	if any(e) == nil {
		return nil
	}
	return e
}

// base writes what a field or a subscript is taken of.
func (p *printer) base(e Expr, subscript bool) {
	switch e.(type) {
	case *ColumnRef:
		if subscript {
			p.expr(e)
			return
		}
	case *Parameter, *Field, *Subscript, *Slice, *SubqueryExpr:
		p.expr(e)
		return
	}
	p.s("(")
	p.expr(e)
	p.s(")")
}

func (p *printer) construct(e Expr) bool {
	switch e := e.(type) {
	case *CaseExpr:
		p.caseExpr(e)
	case *RowExpr:
		p.opt(e.Explicit, "ROW")
		p.s("(")
		nodes(p, e.Items)
		p.s(")")
	case *ArrayExpr:
		p.opt(!e.Nested, "ARRAY")
		p.s("[")
		nodes(p, e.Items)
		p.s("]")
	case *ArraySubquery:
		p.s("ARRAY(")
		p.node(e.Query)
		p.s(")")
	case *SubqueryExpr:
		p.s("(")
		p.node(e.Query)
		p.s(")")
	case *GroupingSet:
		p.s([...]string{"GROUPING SETS ", "ROLLUP ", "CUBE ", ""}[e.Kind], "(")
		nodes(p, e.Items)
		p.s(")")
	default:
		return false
	}
	return true
}

func (p *printer) caseExpr(e *CaseExpr) {
	p.s("CASE")
	p.optNode(" ", nodeOf(e.Operand))
	for _, w := range e.Whens {
		p.s(" ")
		p.node(w)
	}
	p.optNode(" ELSE ", nodeOf(e.Else))
	p.s(" END")
}

// prefix writes an operator in front of its operand. Those that the grammar
// knows between operands only can stand there as OPERATOR(…).
func (p *printer) prefix(o *Operator) {
	switch o.Symbol {
	case "*", "/", "%", "^", "<", ">", "=", "<=", ">=", "<>", "!=":
		if o.Schema == nil {
			p.s("OPERATOR(" + o.Symbol + ")")
			return
		}
	}
	p.operator(o)
}

// subscripted writes what subscripts stand behind.
func (p *printer) subscripted(of Expr, apart bool) {
	if !apart {
		p.base(of, true)
		return
	}
	p.s("(")
	p.expr(of)
	p.s(")")
}
