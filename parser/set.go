package parser

import (
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
)

func upper(s string) string { return strings.ToUpper(s) }

// set reads everything that begins with SET.
func (p *Parser) set() ast.Statement {
	t := p.next()
	switch {
	case p.at("transaction"):
		return p.setTransaction(t)
	case p.at("session", "characteristics"):
		return p.setCharacteristics(t)
	case p.at("constraints"):
		return p.setConstraints(t)
	}
	return p.setParameter(t)
}

// setTransaction reads TRANSACTION mode, … | TRANSACTION SNAPSHOT 'id'
func (p *Parser) setTransaction(t *token) ast.Statement {
	p.next()
	s := &ast.SetTransaction{}
	if p.accept("snapshot") {
		at := p.tok.pos
		if s.Snapshot = p.str(); s.Snapshot == "" {
			panic(sqlerr.New(sqlerr.InvalidParameterValue, "invalid snapshot identifier: \"\"").At(at))
		}
	} else {
		s.Modes = p.transactionModes(true)
	}
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) setCharacteristics(t *token) ast.Statement {
	p.next()
	p.next()
	p.expect("as", "transaction")
	return &ast.SetTransaction{Session: true, Modes: p.transactionModes(true), Stmt: p.stmt(t)}
}

// setConstraints reads CONSTRAINTS ALL | name, … DEFERRED | IMMEDIATE
func (p *Parser) setConstraints(t *token) ast.Statement {
	p.next()
	s := &ast.SetConstraints{}
	if !p.accept("all") {
		s.Names = p.names()
	}
	s.Deferred = p.expectAny("deferred", "immediate") == "deferred"
	s.Stmt = p.stmt(t)
	return s
}

// setParameter reads [SESSION | LOCAL] name …, also where ALTER ROLE and ALTER DATABASE set one.
func (p *Parser) setParameter(t *token) *ast.Set {
	s := &ast.Set{}
	if p.at("session") && !p.atAssignment(1) && !p.at("session", "authorization") || p.at("session", "session", "authorization") {
		p.next()
		s.Session = true
	} else if p.at("local") && !p.atAssignment(1) {
		p.next()
		s.Local = true
	}
	if p.at("local", "transaction") || s.Session && p.at("transaction") {
		p.fail()
	}
	p.parameterSetting(s)
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) atAssignment(n int) bool {
	return p.peek(n).op("=") || p.peek(n).is("to") || p.peek(n).op(".")
}

// parameterSetting reads name TO | = value, … | DEFAULT, or one of SQL's special forms.
func (p *Parser) parameterSetting(s *ast.Set) {
	switch {
	case p.at("time", "zone"):
		p.next()
		p.next()
		s.Name = "timezone"
		s.Values = p.zone()
	case p.at("session", "authorization"):
		p.next()
		p.next()
		s.Name = "session_authorization"
		s.Values = p.wordOrDefault()
	case p.atAny("schema", "catalog", "names", "role") && !p.atAssignment(1):
		p.specialParameter(s)
	case p.at("xml", "option"):
		p.next()
		p.next()
		s.Name = "xmloption"
		s.Values = p.wordOrDefault()
	default:
		s.Name = p.parameterName()
		if p.accept("from") {
			p.expect("current")
			s.Current = true
			return
		}
		if !p.acceptOp("=") {
			p.expect("to")
		}
		s.Values = p.parameterValues()
	}
}

func (p *Parser) specialParameter(s *ast.Set) {
	switch p.next().name {
	case "schema":
		s.Name = "search_path"
		s.Values = []ast.Expr{p.stringLiteral()}
	case "catalog":
		p.unsupported(p.last, "Connect to the other database instead.", "current database cannot be changed")
	case "names":
		s.Name = "client_encoding"
		if p.tok.kind == tokenString {
			s.Values = []ast.Expr{p.stringLiteral()}
		} else if !p.accept("default") && p.tok.isColID() {
			s.Values = []ast.Expr{p.optionValue()}
		}
	case "role":
		s.Name = "role"
		s.Values = p.wordOrDefault()
	}
}

// wordOrDefault reads a word, a text or DEFAULT.
func (p *Parser) wordOrDefault() []ast.Expr {
	if p.accept("default") {
		return nil
	}
	if p.tok.kind != tokenString && !p.tok.isNonReserved() {
		p.fail()
	}
	return []ast.Expr{p.optionValue()}
}

// zone reads 'name' | name | INTERVAL '…' … | number | DEFAULT | LOCAL
func (p *Parser) zone() []ast.Expr {
	switch {
	case p.acceptAny("default", "local") != "":
		return nil
	case p.at("interval"):
		return []ast.Expr{p.intervalLiteral(p.tok)}
	case p.tok.kind == tokenWord && p.tok.keyword.class == reserved:
		p.fail()
	}
	return []ast.Expr{p.optionValue()}
}

// parameterName reads name [. name …]
func (p *Parser) parameterName() string {
	n := p.name()
	parts := make([]string, len(n.Parts))
	for i, part := range n.Parts {
		parts[i] = part.Name
	}
	return strings.Join(parts, ".")
}

// parameterValues reads value, … | DEFAULT
func (p *Parser) parameterValues() []ast.Expr {
	if p.accept("default") {
		return nil
	}
	var list []ast.Expr
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		if t.kind == tokenWord && t.keyword.class == reserved && !t.is("true") && !t.is("false") && !t.is("on") {
			p.fail()
		}
		list = append(list, p.optionValue())
	}
	return list
}

// reset reads RESET name | ALL | TIME ZONE | SESSION AUTHORIZATION | TRANSACTION ISOLATION LEVEL
func (p *Parser) reset() *ast.Reset {
	t := p.next()
	s := &ast.Reset{Name: p.parameterWords()}
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) parameterWords() string {
	switch {
	case p.accept("all"):
		return "all"
	case p.accept("time", "zone"):
		return "timezone"
	case p.accept("session", "authorization"):
		return "session_authorization"
	case p.accept("transaction", "isolation", "level"):
		return "transaction_isolation"
	}
	return p.parameterName()
}

// discard reads DISCARD ALL | PLANS | SEQUENCES | TEMP, or DISCARD DEAD LETTERS …
func (p *Parser) discard() ast.Statement {
	t := p.next()
	if p.at("dead", "letters") {
		return p.deadLetters(t)
	}
	what := p.expectAny("all", "plans", "sequences", "temp", "temporary")
	if what == "temporary" {
		what = "temp"
	}
	return &ast.Discard{What: upper(what), Stmt: p.stmt(t)}
}
