package parser

import (
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
)

// prepare reads PREPARE name [(type, …)] AS statement | PREPARE TRANSACTION 'id'
func (p *Parser) prepare() ast.Statement {
	t := p.next()
	if p.at("transaction") && p.peek(1).kind == tokenString {
		p.next()
		return p.prepared(t, "PREPARE TRANSACTION")
	}
	s := &ast.Prepare{Name: p.colID()}
	if p.acceptOp("(") {
		s.Types = p.typeNames()
		p.expectOp(")")
	}
	p.expect("as")
	s.Statement = p.preparable()
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) typeNames() []*ast.TypeName {
	list := []*ast.TypeName{p.typeName()}
	for p.acceptOp(",") {
		list = append(list, p.typeName())
	}
	return list
}

// execute reads EXECUTE name [(expr, …)]
func (p *Parser) execute() *ast.Execute {
	t := p.tok
	p.expect("execute")
	s := &ast.Execute{Name: p.colID()}
	if p.atOp("(") {
		s.Args = p.parenExprs()
	}
	s.Stmt = p.stmt(t)
	return s
}

// deallocate reads DEALLOCATE [PREPARE] name | ALL
func (p *Parser) deallocate() ast.Statement {
	t := p.next()
	if p.at("prepare") && (p.peek(1).isColID() || p.peek(1).is("all")) {
		p.next()
	}
	s := &ast.Deallocate{All: p.accept("all")}
	if !s.All {
		s.Name = p.colID()
	}
	s.Stmt = p.stmt(t)
	return s
}

// listen reads LISTEN channel
func (p *Parser) listen() ast.Statement {
	t := p.next()
	return &ast.Listen{Channel: p.colID(), Stmt: p.stmt(t)}
}

// unlisten reads UNLISTEN channel | *
func (p *Parser) unlisten() ast.Statement {
	t := p.next()
	s := &ast.Unlisten{All: p.acceptOp("*")}
	if !s.All {
		s.Channel = p.colID()
	}
	s.Stmt = p.stmt(t)
	return s
}

// notify reads NOTIFY channel [, 'payload']
func (p *Parser) notify() ast.Statement {
	t := p.next()
	s := &ast.Notify{Channel: p.colID()}
	if p.acceptOp(",") {
		s.Payload = p.str()
	}
	s.Stmt = p.stmt(t)
	return s
}

// do reads DO [LANGUAGE name] 'code' [LANGUAGE name]
func (p *Parser) do() ast.Statement {
	t := p.next()
	s := &ast.Do{}
	code := false
	for first := true; first || p.at("language") || p.tok.kind == tokenString; first = false {
		if p.accept("language") {
			if p.tok.kind == tokenString {
				s.Language = ast.MakeIdent(p.str())
			} else {
				s.Language = p.nonReserved()
			}
			continue
		}
		s.Code = p.str()
		code = true
	}
	if !code {
		p.fail()
	}
	s.Stmt = p.stmt(t)
	return s
}

// callProcedure reads CALL name(arg, …)
func (p *Parser) callProcedure() ast.Statement {
	t := p.next()
	if !p.tok.isTypeFunctionName() {
		p.fail()
	}
	name := p.nameFrom(makeIdent(p.next()))
	f, ok := p.call(name).(*ast.FunctionCall)
	if !ok {
		p.fail()
	}
	return &ast.Call{Call: f, Stmt: p.stmt(t)}
}

// explain reads EXPLAIN [ANALYZE] [VERBOSE] | (option, …) statement | EXPLAIN EVENT_SUBSCRIPTION name
func (p *Parser) explain() ast.Statement {
	t := p.next()
	s := &ast.Explain{}
	if p.atOp("(") && !p.atNestedQuery() {
		s.Options = p.flags()
	} else {
		s.Options = p.flagWords("analyze", "analyse", "verbose")
	}
	if p.acceptSubscription() {
		return p.explainSubscription(t, s.Options)
	}
	s.Statement = p.explainable()
	s.Stmt = p.stmt(t)
	return s
}

// explainSubscription goes on after EXPLAIN [options] EVENT_SUBSCRIPTION: what it
// tells is the same whatever is asked for.
func (p *Parser) explainSubscription(t *token, options []*ast.Option) ast.Statement {
	for _, o := range options {
		if o.Name.Name == "format" && o.Value != nil && !strings.EqualFold(strings.Trim(ast.Print(o.Value), "'"), "text") {
			panic(sqlerr.Unsupported(o.Pos(), "Its format is TEXT.", "EXPLAIN EVENT_SUBSCRIPTION in another format is not supported"))
		}
	}
	return &ast.ExplainEventSubscription{Name: p.colID(), Stmt: p.stmt(t)}
}

// flagWords reads options that are single words in this order.
func (p *Parser) flagWords(words ...string) []*ast.Option {
	var list []*ast.Option
	for _, w := range words {
		if t := p.tok; p.accept(w) {
			name := strings.Replace(w, "analyse", "analyze", 1)
			at := p.span(t)
			list = append(list, &ast.Option{Name: ast.Ident{Span: at, Name: name, Text: name}, Span: at})
		}
	}
	return list
}

func (p *Parser) explainable() ast.Statement {
	t := p.tok
	switch {
	case p.atAny("create", "refresh", "declare", "execute", "subscribe"):
		return p.placed(t, p.statement())
	case p.atOp("("), p.atQuery(), p.atAny("insert", "update", "delete", "merge"):
		return p.preparable()
	}
	p.fail()
	return nil
}

// analyze reads ANALYZE [VERBOSE] | (option, …) [table [(column, …)], …]
func (p *Parser) analyze() ast.Statement {
	t := p.next()
	s := &ast.Analyze{}
	if p.atOp("(") {
		s.Options = p.flags()
	} else {
		s.Options = p.flagWords("verbose")
	}
	s.Tables = p.analyzeTables()
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) analyzeTables() []*ast.AnalyzeTable {
	if p.atEnd() {
		return nil
	}
	var list []*ast.AnalyzeTable
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		list = append(list, &ast.AnalyzeTable{Name: p.name(), Columns: p.columns(), Span: p.span(t)})
	}
	return list
}

// vacuum reads VACUUM [FULL] [FREEZE] [VERBOSE] [ANALYZE] | (option, …) [table, …]
func (p *Parser) vacuum() ast.Statement {
	t := p.next()
	s := &ast.Vacuum{}
	if p.atOp("(") {
		s.Options = p.flags()
	} else {
		s.Options = p.flagWords("full", "freeze", "verbose", "analyze", "analyse")
	}
	s.Tables = p.analyzeTables()
	s.Stmt = p.stmt(t)
	return s
}
