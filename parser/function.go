package parser

import (
	"weir/parser/ast"
)

// call reads the arguments of a function and what may follow them.
func (p *Parser) call(name *ast.Name) ast.Expr {
	f := &ast.FunctionCall{Name: name}
	p.expectOp("(")
	p.enter()
	leave := p.inside()
	p.arguments(f)
	leave()
	p.leave()
	p.expectOp(")")
	if p.tok.kind == tokenString && f.Args != nil && !f.Distinct && !f.Variadic && f.OrderBy == nil {
		return p.literalOfCall(f)
	}
	p.callTail(f)
	return f
}

// literalOfCall reads type(mod, …) 'text', which begins like a call.
func (p *Parser) literalOfCall(f *ast.FunctionCall) ast.Expr {
	typ := &ast.TypeName{Schema: f.Name.Qualifier(), Name: f.Name.Last(), Mods: f.Args, Span: p.spanAt(f.Name.Start)}
	return &ast.TypedLiteral{Type: typ, Value: p.str(), Span: p.spanAt(f.Name.Start)}
}

func (p *Parser) arguments(f *ast.FunctionCall) {
	switch {
	case p.atOp(")"):
		return
	case p.acceptOp("*"):
		f.Star = true
		return
	}
	if p.accept("distinct") {
		f.Distinct = true
	} else {
		p.accept("all")
	}
	for first := true; first || p.acceptOp(","); first = false {
		f.Variadic = p.accept("variadic")
		f.Args = append(f.Args, p.argument(f.Name, len(f.Args)))
		if f.Variadic {
			break
		}
	}
	if p.at("order") {
		f.OrderBy = p.orderBy()
	}
	if p.at("separator") {
		p.next()
		f.Separator = p.expr()
	}
	if p.accept("limit") {
		f.Limit = p.expr()
	}
}

func (p *Parser) argument(f *ast.Name, n int) ast.Expr {
	t := p.tok
	if t.isTypeFunctionName() && (p.peek(1).op("=>") || p.peek(1).op(":=")) {
		arg := &ast.NamedArg{Name: makeIdent(p.next())}
		p.next()
		arg.Value = p.expr()
		arg.Span = p.span(t)
		return arg
	}
	if n == 0 && p.peek(1).op(",") && takesUnit(f.Last()) {
		if unit := intervalUnit(t); unit != "" {
			p.next()
			return &ast.IntervalUnit{Unit: unit, Span: p.span(t)}
		}
	}
	return p.expr()
}

func takesUnit(f ast.Ident) bool {
	return !f.Quoted && (f.Name == "timestampdiff" || f.Name == "timestampadd")
}

// callTail reads [WITHIN GROUP (ORDER BY …)] [FILTER (WHERE cond)] [OVER window]
func (p *Parser) callTail(f *ast.FunctionCall) {
	if p.accept("within") {
		p.expect("group")
		p.expectOp("(")
		leave := p.inside()
		f.WithinGroup = p.orderBy()
		leave()
		p.expectOp(")")
	}
	if p.accept("filter") {
		p.expectOp("(")
		leave := p.inside()
		p.expect("where")
		f.Filter = p.expr()
		leave()
		p.expectOp(")")
	}
	if p.accept("over") {
		f.Over = p.windowSpec()
	}
	f.Span = p.spanAt(f.Name.Start)
}

// formCall reads the calls that SQL writes with words between the arguments.
func (p *Parser) formCall(t *token) ast.Expr {
	f := &ast.FunctionCall{Name: p.nameFrom(makeIdent(p.next()))}
	p.expectOp("(")
	leave := p.inside()
	switch t.name {
	case "extract":
		p.extract(f)
	case "substring":
		p.substring(f)
	case "overlay":
		p.overlay(f)
	case "position":
		p.position(f)
	case "trim":
		p.trim(f)
	case "normalize":
		p.normalize(f)
	}
	leave()
	p.expectOp(")")
	p.callTail(f)
	return f
}

// extract reads field FROM expr
func (p *Parser) extract(f *ast.FunctionCall) {
	f.Form = ast.CallExtract
	t := p.tok
	if t.kind != tokenString && t.kind != tokenQuoted && (t.kind != tokenWord || t.keyword.class != plain && !isIntervalField(t)) {
		p.fail()
	}
	p.next()
	field := &ast.StringLiteral{Value: t.name, Span: p.span(t)}
	p.expect("from")
	f.Args = []ast.Expr{field, p.expr()}
}

// substring reads expr FROM a [FOR b] | expr FOR b [FROM a] | expr SIMILAR p ESCAPE e | expr, …
func (p *Parser) substring(f *ast.FunctionCall) {
	if p.atOp(")") {
		return
	}
	f.Args = []ast.Expr{p.argument(f.Name, 0)}
	switch {
	case p.accept("from"):
		f.Form = ast.CallSubstring
		f.Args = append(f.Args, p.expr())
		if p.accept("for") {
			f.Args = append(f.Args, p.expr())
		}
	case p.at("for"):
		t := p.next()
		f.Form = ast.CallSubstring
		length := p.expr()
		var start ast.Expr = &ast.NumberLiteral{Text: "1", Integer: true, Span: ast.Span{Start: t.pos, Stop: t.pos}}
		if p.accept("from") {
			start = p.expr()
		}
		f.Args = append(f.Args, start, length)
	case p.accept("similar"):
		f.Form = ast.CallSimilar
		f.Args = append(f.Args, p.expr())
		p.expect("escape")
		f.Args = append(f.Args, p.expr())
	default:
		p.moreArguments(f)
	}
}

func (p *Parser) moreArguments(f *ast.FunctionCall) {
	for p.acceptOp(",") {
		f.Args = append(f.Args, p.argument(f.Name, len(f.Args)))
	}
}

// overlay reads expr PLACING expr FROM a [FOR b] | expr, …
func (p *Parser) overlay(f *ast.FunctionCall) {
	if p.atOp(")") {
		return
	}
	f.Args = []ast.Expr{p.argument(f.Name, 0)}
	if !p.accept("placing") {
		p.moreArguments(f)
		return
	}
	f.Form = ast.CallOverlay
	f.Args = append(f.Args, p.expr())
	p.expect("from")
	f.Args = append(f.Args, p.expr())
	if p.accept("for") {
		f.Args = append(f.Args, p.expr())
	}
}

// position reads needle IN haystack
func (p *Parser) position(f *ast.FunctionCall) {
	f.Form = ast.CallPosition
	needle := p.restrictedExpr()
	p.expect("in")
	f.Args = []ast.Expr{p.restrictedExpr(), needle}
}

var trimNames = map[string]string{"both": "btrim", "leading": "ltrim", "trailing": "rtrim"}

// trim reads [BOTH | LEADING | TRAILING] [[chars] FROM] expr, …
func (p *Parser) trim(f *ast.FunctionCall) {
	f.Form = ast.CallTrim
	name := "btrim"
	if side := p.acceptAny("both", "leading", "trailing"); side != "" {
		name = trimNames[side]
	}
	f.Name.Parts[0].Name, f.Name.Parts[0].Text = name, name
	if p.accept("from") {
		f.Args = p.exprList()
		return
	}
	chars := p.expr()
	if p.accept("from") {
		f.Args = append(p.exprList(), chars)
		return
	}
	f.Args = []ast.Expr{chars}
	p.moreArguments(f)
}

// normalize reads expr [, NFC | NFD | NFKC | NFKD]
func (p *Parser) normalize(f *ast.FunctionCall) {
	f.Form = ast.CallNormalize
	f.Args = []ast.Expr{p.expr()}
	if p.acceptOp(",") {
		t := p.tok
		form := p.expectAny("nfc", "nfd", "nfkc", "nfkd")
		f.Args = append(f.Args, &ast.StringLiteral{Value: form, Span: p.span(t)})
	}
}
