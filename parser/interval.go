package parser

import (
	"strings"

	"weir/parser/ast"
)

// intervalUnits are MySQL's units of INTERVAL expr unit and TIMESTAMPDIFF.
var intervalUnits = map[string]bool{
	"microsecond": true, "second": true, "minute": true, "hour": true, "day": true, "week": true, "month": true,
	"quarter": true, "year": true, "second_microsecond": true, "minute_microsecond": true, "minute_second": true,
	"hour_microsecond": true, "hour_second": true, "hour_minute": true, "day_microsecond": true, "day_second": true,
	"day_minute": true, "day_hour": true, "year_month": true, "millisecond": true,
}

// intervalUnit gives the unit that a word means, or "".
func intervalUnit(t *token) string {
	if t.kind != tokenWord {
		return ""
	}
	name := strings.TrimPrefix(t.name, "sql_tsi_")
	if intervalUnits[name] {
		return name
	}
	if name = strings.TrimSuffix(name, "s"); intervalUnits[name] {
		return name
	}
	return ""
}

// interval reads INTERVAL 'text' [fields], INTERVAL(p) 'text', MySQL's
// INTERVAL expr unit, or a column of that name (then nil).
func (p *Parser) interval() ast.Expr {
	t, n := p.tok, p.peek(1)
	switch {
	case n.kind == tokenString:
		if !p.labels && !isIntervalField(p.peek(2)) && intervalUnit(p.peek(2)) != "" {
			return p.intervalOf(t)
		}
		return p.intervalLiteral(t)
	case n.op("(") && p.peek(2).kind == tokenInteger && p.peek(3).op(")") && p.peek(4).kind == tokenString:
		return p.intervalLiteral(t)
	case n.kind == tokenInteger, n.kind == tokenNumber, n.kind == tokenParam, n.op("("):
		return p.intervalOf(t)
	case (n.op("-") || n.op("+")) && intervalUnit(p.peek(3)) != "":
		return p.intervalOf(t)
	case n.isColID() && n.keyword.class <= unreserved && (intervalUnit(p.peek(2)) != "" || continuesOperand(p.peek(2))):
		return p.intervalOf(t)
	}
	return nil
}

// continuesOperand: after INTERVAL x, what cannot follow a column and its label.
func continuesOperand(t *token) bool {
	return t.kind == tokenOp && !t.op(",") && !t.op(")") && !t.op("]") && !t.op(";") && !t.op(":")
}

func isIntervalField(t *token) bool {
	return t.is("year") || t.is("month") || t.is("day") || t.is("hour") || t.is("minute") || t.is("second")
}

// intervalOf reads INTERVAL expr unit
func (p *Parser) intervalOf(t *token) ast.Expr {
	p.next()
	e := &ast.Interval{Value: p.expr(), Unit: intervalUnit(p.tok)}
	if e.Unit == "" {
		p.fail()
	}
	p.next()
	e.Span = p.span(t)
	return e
}

// intervalLiteral reads INTERVAL [(p)] 'text' [fields]
func (p *Parser) intervalLiteral(t *token) ast.Expr {
	typ := &ast.TypeName{Name: makeIdent(p.next()), Builtin: true}
	if p.acceptOp("(") {
		typ.Mods = []ast.Expr{p.number()}
		p.expectOp(")")
	}
	value := p.str()
	if typ.Mods == nil {
		p.intervalFields(typ)
	}
	typ.Span = p.span(t)
	return &ast.TypedLiteral{Type: typ, Value: value, Span: p.span(t)}
}

// intervalFields reads YEAR | … | DAY TO SECOND [(p)]
func (p *Parser) intervalFields(typ *ast.TypeName) {
	if !isIntervalField(p.tok) {
		return
	}
	from := p.next().name
	typ.Fields = from
	last := from
	if to := p.peek(1); p.at("to") && isIntervalField(to) && validFields(from, to.name) {
		p.next()
		last = p.next().name
		typ.Fields += " to " + last
	}
	if last == "second" && p.acceptOp("(") {
		if p.tok.kind != tokenInteger {
			p.fail()
		}
		typ.Mods = []ast.Expr{p.number()}
		p.expectOp(")")
	}
}

func validFields(from, to string) bool {
	switch from {
	case "year":
		return to == "month"
	case "day":
		return to == "hour" || to == "minute" || to == "second"
	case "hour":
		return to == "minute" || to == "second"
	case "minute":
		return to == "second"
	}
	return false
}
