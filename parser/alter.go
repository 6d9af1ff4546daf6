package parser

import "weir/parser/ast"

// alter reads everything that begins with ALTER.
func (p *Parser) alter() ast.Statement {
	t := p.next()
	switch p.tok.name {
	case "event_subscription", "event", "change_stream", "change":
		if p.acceptSubscription() {
			return p.alterEventSubscription(t)
		}
	case "connection":
		p.next()
		return p.alterConnection(t)
	case "role", "user", "group":
		if !p.at("user", "mapping") {
			return p.alterRole(t)
		}
	case "database":
		return p.alterDatabase(t)
	case "table", "view", "index", "materialized", "sequence":
		return p.alterRelation(t)
	case "schema", "function", "procedure", "routine", "aggregate", "collation", "conversion", "domain", "type", "language", "tablespace", "statistics":
		if s := p.alterObject(t); s != nil {
			return s
		}
		switch {
		case p.at("type"):
			return p.alterType(t)
		case p.at("domain"):
			return p.alterDomain(t)
		}
		return p.unsupportedKind(t, "ALTER")
	case "foreign":
		return p.skipTo(t, "ALTER FOREIGN TABLE")
	}
	return p.unsupportedKind(t, "ALTER")
}

// alterObject reads kind name RENAME TO n | OWNER TO r | SET SCHEMA s; nil, with
// nothing taken, where it is another action.
func (p *Parser) alterObject(t *token) ast.Statement {
	start := p.i
	kind, _ := p.objectKind()
	if !p.tok.isColID() && !p.tok.isTypeFunctionName() {
		p.fail()
	}
	s := &ast.AlterObject{Kind: kind, Name: p.nameFrom(makeIdent(p.next()))}
	if hasArguments(kind) && p.atOp("(") {
		s.Args = p.argumentTypes()
	}
	if !(p.at("rename", "to") || p.at("owner", "to") || p.at("set", "schema")) {
		p.i = start
		p.tok, p.last = &p.toks[start], &p.toks[start-1]
		return nil
	}
	return p.alterObjectAction(t, s)
}

func (p *Parser) alterObjectAction(t *token, s *ast.AlterObject) ast.Statement {
	switch p.expectAny("rename", "owner", "set") {
	case "rename":
		p.expect("to")
		s.Action, s.NewName = ast.RenameTo, p.nonReserved()
	case "owner":
		p.expect("to")
		s.Action, s.NewName = ast.OwnerTo, p.role()
	case "set":
		p.expect("schema")
		s.Action, s.NewName = ast.SetSchema, p.colID()
	}
	s.Stmt = p.stmt(t)
	return s
}

// alterDatabase goes on at DATABASE.
func (p *Parser) alterDatabase(t *token) ast.Statement {
	p.next()
	s := &ast.AlterDatabase{Name: p.colID()}
	switch {
	case p.atAny("rename", "owner"):
		name := &ast.Name{Parts: []ast.Ident{s.Name}, Span: s.Name.Span}
		return p.alterObjectAction(t, &ast.AlterObject{Kind: ast.KindDatabase, Name: name})
	case p.at("refresh"):
		return p.skipTo(t, "ALTER DATABASE ... REFRESH COLLATION VERSION")
	case p.at("set"):
		s.Set = p.setParameter(p.next())
	case p.at("reset"):
		s.Reset = p.reset()
	default:
		s.Options = p.databaseOptions()
	}
	s.Stmt = p.stmt(t)
	return s
}

// alterRelation goes on at TABLE | VIEW | INDEX | MATERIALIZED VIEW | SEQUENCE.
func (p *Parser) alterRelation(t *token) ast.Statement {
	kind, _ := p.objectKind()
	if p.at("all", "in") {
		return p.skipTo(t, "ALTER "+string(kind)+" ALL IN TABLESPACE")
	}
	s := &ast.AlterTable{Kind: kind, IfExists: p.ifExists()}
	s.Table = p.relation()
	if kind == ast.KindSequence {
		if options := p.sequenceOptions(); options != nil {
			return &ast.AlterSequence{IfExists: s.IfExists, Name: s.Table.Name, Options: options, Stmt: p.stmt(t)}
		}
	}
	if kind != ast.KindTable && p.atAny("attach", "detach") {
		return p.skipTo(t, "ALTER "+string(kind)+" ... "+upper(p.tok.name)+" PARTITION")
	}
	if p.atAny("attach", "detach") {
		from, a := p.tok, &ast.AlterAction{}
		p.partitionAction(a)
		a.Span = p.span(from)
		s.Actions = append(s.Actions, a)
		s.Stmt = p.stmt(t)
		return s
	}
	for first := true; first || p.acceptOp(","); first = false {
		s.Actions = append(s.Actions, p.alterAction())
	}
	s.Stmt = p.stmt(t)
	return s
}
