package parser

import "weir/parser/ast"

// show reads SHOW name | ALL and the SHOW statements of MySQL and of events.
func (p *Parser) show() ast.Statement {
	t := p.next()
	switch {
	case p.at("create") && p.peek(1).kind == tokenWord:
		return p.showCreate(t)
	case p.atShow("event_subscriptions"), p.atShow("change_streams"), p.atShow("connections"):
		return p.showEvents(t, p.next().name == "connections")
	case p.accept("event", "subscriptions"), p.accept("change", "streams"):
		return p.showEvents(t, false)
	case p.at("full") && (p.peek(1).is("tables") || p.peek(1).is("columns") || p.peek(1).is("fields")):
		p.next()
		return p.showObjects(t, true)
	case p.atAny("tables", "collections", "databases", "schemas", "columns", "fields", "indexes", "index", "keys"):
		return p.showObjects(t, false)
	}
	return &ast.Show{Name: p.parameterWords(), Stmt: p.stmt(t)}
}

// atShow: the word and nothing after it, or LIKE.
func (p *Parser) atShow(word string) bool {
	next := p.peek(1)
	return p.at(word) && (next.kind == tokenEOF || next.op(";") || next.is("like"))
}

// showEvents goes on after SHOW EVENT_SUBSCRIPTIONS | CONNECTIONS: [LIKE 'pattern']
func (p *Parser) showEvents(t *token, connections bool) ast.Statement {
	s := &ast.ShowEvents{Connections: connections, Like: p.showLike()}
	s.Stmt = p.stmt(t)
	return s
}

// showLike reads [LIKE 'pattern']
func (p *Parser) showLike() *ast.StringLiteral {
	if !p.accept("like") {
		return nil
	}
	return p.stringLiteral()
}

var showWhat = map[string]string{
	"tables": "TABLES", "collections": "COLLECTIONS", "databases": "DATABASES", "schemas": "DATABASES",
	"columns": "COLUMNS", "fields": "COLUMNS", "indexes": "INDEXES", "index": "INDEXES", "keys": "INDEXES",
}

// showObjects reads TABLES [FROM db] | COLUMNS FROM t [FROM db] … [LIKE 'pattern']
func (p *Parser) showObjects(t *token, full bool) ast.Statement {
	s := &ast.ShowObjects{What: showWhat[p.next().name], Full: full}
	if s.What == "COLUMNS" || s.What == "INDEXES" {
		p.expectAny("from", "in")
		s.Of = p.name()
		if p.acceptAny("from", "in") != "" {
			db := p.colID()
			s.Of.Parts = append([]ast.Ident{db}, s.Of.Parts...)
		}
	} else if s.What != "DATABASES" && p.acceptAny("from", "in") != "" {
		s.Of = p.name()
	}
	s.Like = p.showLike()
	s.Stmt = p.stmt(t)
	return s
}

// describe reads DESCRIBE | DESC [TABLE] t
func (p *Parser) describe() ast.Statement {
	t := p.next()
	if p.at("table") {
		p.next()
	}
	return &ast.ShowObjects{What: "COLUMNS", Of: p.name(), Stmt: p.stmt(t)}
}

// showCreate reads CREATE kind name
func (p *Parser) showCreate(t *token) ast.Statement {
	p.next()
	s := &ast.ShowCreate{Kind: p.showCreateKind()}
	s.Name = p.name()
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) showCreateKind() ast.ObjectKind {
	if p.acceptSubscription() {
		return ast.KindEventSubscription
	}
	switch p.expectAny("connection", "table", "collection", "view", "materialized") {
	case "connection":
		return ast.KindConnection
	case "view":
		return ast.KindView
	case "materialized":
		p.expect("view")
		return ast.KindMaterializedView
	}
	return ast.KindTable
}

// use reads MySQL's USE db
func (p *Parser) use() ast.Statement {
	t := p.next()
	return &ast.Use{Database: p.colID(), Stmt: p.stmt(t)}
}
