package parser

import "weir/parser/ast"

// copy reads COPY table [(column, …)] | (query) FROM | TO where [options] [WHERE cond]
func (p *Parser) copy() ast.Statement {
	t := p.next()
	s := &ast.Copy{}
	binary := p.tok
	if p.at("binary") && !p.peek(1).op("(") && !p.atCopyDirection(1) {
		p.next()
		s.Options = append(s.Options, wordOption(binary, "format", "binary"))
	}
	if p.atOp("(") {
		p.next()
		s.Query = p.copyQuery()
		p.expectOp(")")
		p.expect("to")
	} else {
		s.Table = p.name()
		s.Columns = p.columns()
		s.From = p.expectAny("from", "to") == "from"
	}
	p.copyFile(s)
	p.copyDelimiters(s)
	p.copyOptions(s)
	if s.From {
		s.Where = p.where()
	}
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) atCopyDirection(n int) bool { return p.peek(n).is("from") || p.peek(n).is("to") }

func (p *Parser) copyQuery() ast.Statement {
	t := p.tok
	if p.at("subscribe") {
		return p.placed(t, p.subscribe())
	}
	return p.preparable()
}

// copyFile reads 'file' | PROGRAM 'command' | STDIN | STDOUT
func (p *Parser) copyFile(s *ast.Copy) {
	if p.acceptAny("stdin", "stdout") != "" {
		return
	}
	s.Program = p.accept("program")
	s.File = p.str()
}

// copyDelimiters reads [[USING] DELIMITERS 'c'], the oldest spelling.
func (p *Parser) copyDelimiters(s *ast.Copy) {
	t := p.tok
	if p.at("using", "delimiters") || p.at("delimiters") {
		p.accept("using")
		p.next()
		s.Options = append(s.Options, p.valueOption(t, "delimiter"))
	}
}

// copyOptions reads [WITH] (option, …) or the options of the old spelling.
func (p *Parser) copyOptions(s *ast.Copy) {
	p.accept("with")
	if p.acceptOp("(") {
		for first := true; first || p.acceptOp(","); first = false {
			s.Options = append(s.Options, p.copyOption())
		}
		p.expectOp(")")
		return
	}
	for {
		o := p.oldCopyOption()
		if o == nil {
			return
		}
		s.Options = append(s.Options, o)
	}
}

// copyOption reads name [value | * | (item, …)]
func (p *Parser) copyOption() *ast.Option {
	t := p.tok
	o := &ast.Option{Name: p.label()}
	switch {
	case p.atOp(",") || p.atOp(")"):
	case p.atOp("*"):
		star := p.next()
		o.Value = &ast.Star{Span: p.span(star)}
	case p.atOp("("):
		o.Value = p.copyList()
	default:
		o.Value = p.optionValue()
	}
	o.Span = p.span(t)
	return o
}

// copyList reads (name | 'text', …)
func (p *Parser) copyList() ast.Expr {
	t := p.next()
	row := &ast.RowExpr{Explicit: true}
	for first := true; first || p.acceptOp(","); first = false {
		row.Items = append(row.Items, p.optionValue())
	}
	p.expectOp(")")
	row.Span = p.span(t)
	return row
}

func wordOption(t *token, name, value string) *ast.Option {
	at := ast.Span{Start: t.pos, Stop: t.stop}
	return &ast.Option{Span: at, Name: ast.Ident{Span: at, Name: name, Text: name}, Value: &ast.StringLiteral{Span: at, Value: value}}
}

// valueOption reads [AS] 'text'
func (p *Parser) valueOption(t *token, name string) *ast.Option {
	p.accept("as")
	o := &ast.Option{Name: ast.Ident{Span: p.span(t), Name: name, Text: name}, Value: p.stringLiteral()}
	o.Span = p.span(t)
	return o
}

// oldCopyOption reads BINARY | CSV | HEADER | FREEZE | DELIMITER 'c' | NULL 's' | QUOTE 'c' | ESCAPE 'c' | ENCODING 'e' | FORCE …
func (p *Parser) oldCopyOption() *ast.Option {
	t := p.tok
	switch word := p.acceptAny("binary", "csv", "header", "freeze", "delimiter", "null", "quote", "escape", "encoding", "force"); word {
	case "binary", "csv":
		return wordOption(t, "format", word)
	case "header", "freeze":
		return wordOption(t, word, "true")
	case "delimiter", "null", "quote", "escape", "encoding":
		return p.valueOption(t, word)
	case "force":
		return p.forceOption(t)
	}
	return nil
}

// forceOption reads QUOTE * | QUOTE column, … | NOT NULL column, … | NULL column, …
func (p *Parser) forceOption(t *token) *ast.Option {
	name := "force_quote"
	switch p.expectAny("quote", "not", "null") {
	case "not":
		p.expect("null")
		name = "force_not_null"
	case "null":
		name = "force_null"
	}
	o := &ast.Option{Name: ast.Ident{Span: p.span(t), Name: name, Text: name}}
	if star := p.tok; p.acceptOp("*") {
		o.Value = &ast.Star{Span: p.span(star)}
	} else {
		row := &ast.RowExpr{Explicit: true}
		for _, c := range p.colIDs() {
			row.Items = append(row.Items, &ast.ColumnRef{Parts: []ast.Ident{c}, Span: c.Span})
		}
		o.Value = row
	}
	o.Span = p.span(t)
	return o
}
