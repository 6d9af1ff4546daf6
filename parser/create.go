package parser

import "weir/parser/ast"

// create reads everything that begins with CREATE.
func (p *Parser) create() ast.Statement {
	t := p.next()
	orReplace := p.accept("or")
	if orReplace {
		p.expect("replace")
	}
	if s := p.createEvents(t, orReplace); s != nil {
		return s
	}
	if s := p.createRelation(t, orReplace); s != nil {
		return s
	}
	if orReplace && !p.atAny("function", "procedure", "aggregate", "trigger", "constraint", "rule", "language", "trusted", "procedural", "transform") {
		p.fail()
	}
	switch p.tok.name {
	case "unique", "index":
		return p.createIndex(t)
	case "schema":
		return p.createSchema(t)
	case "database":
		return p.createDatabase(t)
	case "role", "user", "group":
		if !p.at("user", "mapping") {
			return p.createRole(t)
		}
	case "materialized":
		return p.createMaterializedView(t)
	case "type":
		return p.createType(t)
	case "domain":
		return p.createDomain(t)
	}
	return p.createUnsupported(t)
}

func (p *Parser) createEvents(t *token, orReplace bool) ast.Statement {
	switch {
	case p.acceptSubscription():
		return p.createEventSubscription(t, orReplace)
	case p.at("connection"):
		p.next()
		return p.createConnection(t, orReplace)
	}
	return nil
}

// createRelation reads TABLE, VIEW and SEQUENCE with their persistence.
func (p *Parser) createRelation(t *token, orReplace bool) ast.Statement {
	if !p.atAny("global", "local", "temporary", "temp", "unlogged", "table", "view", "recursive", "sequence") {
		return nil
	}
	persistence := p.persistence()
	switch {
	case p.atAny("view", "recursive"):
		return p.createView(t, orReplace, persistence)
	case orReplace:
		p.fail()
	case p.at("table"):
		return p.createTable(t, persistence)
	case p.at("sequence"):
		return p.createSequence(t, persistence)
	}
	p.fail()
	return nil
}

// unsupportedKinds are what PostgreSQL has and a document database has not.
var unsupportedKinds = map[string]string{
	"function": "FUNCTION", "procedure": "PROCEDURE", "aggregate": "AGGREGATE", "trigger": "TRIGGER", "rule": "RULE",
	"type": "TYPE", "domain": "DOMAIN", "extension": "EXTENSION", "policy": "POLICY", "operator": "OPERATOR", "cast": "CAST",
	"collation": "COLLATION", "conversion": "CONVERSION", "language": "LANGUAGE", "trusted": "LANGUAGE", "procedural": "LANGUAGE",
	"tablespace": "TABLESPACE", "statistics": "STATISTICS", "publication": "PUBLICATION", "subscription": "SUBSCRIPTION",
	"server": "SERVER", "foreign": "FOREIGN TABLE", "access": "ACCESS METHOD", "text": "TEXT SEARCH", "transform": "TRANSFORM",
	"constraint": "TRIGGER", "event": "EVENT TRIGGER", "user": "USER MAPPING", "large": "LARGE OBJECT", "default": "DEFAULT PRIVILEGES",
	"routine": "ROUTINE", "system": "SYSTEM",
}

func (p *Parser) createUnsupported(t *token) ast.Statement {
	return p.unsupportedKind(t, "CREATE")
}

func (p *Parser) unsupportedKind(t *token, verb string) ast.Statement {
	kind, ok := unsupportedKinds[p.tok.name]
	if !ok || p.tok.kind != tokenWord {
		p.fail()
	}
	p.next()
	return p.skipTo(t, verb+" "+kind)
}
