package parser

import "weir/parser/ast"

// createSequence goes on at SEQUENCE.
func (p *Parser) createSequence(t *token, persistence ast.Persistence) ast.Statement {
	p.next()
	s := &ast.CreateSequence{Persistence: persistence, IfNotExists: p.ifNotExists(), Name: p.name()}
	s.Options = p.sequenceOptions()
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) sequenceOptions() []*ast.SequenceOption {
	var list []*ast.SequenceOption
	for {
		o := p.sequenceOption()
		if o == nil {
			return list
		}
		list = append(list, o)
	}
}

// sequenceOption reads one option, nil if there is none.
func (p *Parser) sequenceOption() *ast.SequenceOption {
	t := p.tok
	o := &ast.SequenceOption{No: p.accept("no")}
	if o.No {
		o.Name = p.expectAny("minvalue", "maxvalue", "cycle")
		o.Span = p.span(t)
		return o
	}
	switch o.Name = p.acceptAny("as", "increment", "minvalue", "maxvalue", "start", "restart", "cache", "cycle", "owned", "sequence", "logged", "unlogged"); o.Name {
	case "":
		return nil
	case "as":
		o.Type = p.typeName()
	case "increment":
		p.accept("by")
		o.Value = p.numeric()
	case "start":
		p.accept("with")
		o.Value = p.numeric()
	case "minvalue", "maxvalue", "cache":
		o.Value = p.numeric()
	case "restart":
		if p.accept("with") || p.tok.kind == tokenInteger || p.atOp("-") || p.atOp("+") {
			o.Value = p.numeric()
		}
	case "owned":
		p.expect("by")
		o.Name = "owned by"
		if !p.accept("none") {
			o.Owner = p.name()
		}
	case "sequence":
		p.expect("name")
		o.Name, o.Owner = "sequence name", p.name()
	}
	o.Span = p.span(t)
	return o
}
