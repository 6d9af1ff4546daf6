package parser

import (
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
)

// createRole goes on at ROLE | USER | GROUP.
func (p *Parser) createRole(t *token) ast.Statement {
	s := &ast.CreateRole{User: p.next().name == "user"}
	s.IfNotExists = p.ifNotExists()
	s.Name = p.nonReserved()
	s.Options = p.roleOptions()
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) roleOptions() []*ast.RoleOption {
	p.accept("with")
	var list []*ast.RoleOption
	for !p.atEnd() {
		list = append(list, p.roleOption())
	}
	return list
}

// roleFlags have a form with NO before them.
var roleFlags = map[string]bool{
	"superuser": true, "createdb": true, "createrole": true, "inherit": true, "login": true, "replication": true, "bypassrls": true, "createuser": true,
}

func (p *Parser) roleOption() *ast.RoleOption {
	t := p.tok
	if t.kind != tokenWord {
		p.fail()
	}
	if bare := strings.TrimPrefix(t.name, "no"); t.keyword.class == plain && !roleFlags[bare] {
		p.refuse(sqlerr.SyntaxError, t.pos, "unrecognized role option \"%s\"", t.name)
	}
	o := &ast.RoleOption{Name: t.name}
	if bare := strings.TrimPrefix(t.name, "no"); roleFlags[bare] {
		o.Name, o.No = bare, bare != t.name
		p.next()
	} else {
		p.roleOptionValue(o)
	}
	o.Span = p.span(t)
	return o
}

func (p *Parser) roleOptionValue(o *ast.RoleOption) {
	switch p.expectAny("encrypted", "password", "connection", "valid", "in", "role", "user", "admin", "sysid") {
	case "encrypted":
		p.expect("password")
		o.Name = "password"
		o.Value = p.stringLiteral()
	case "password":
		if !p.accept("null") {
			o.Value = p.stringLiteral()
		}
	case "connection":
		p.expect("limit")
		o.Name, o.Value = "connection limit", p.numeric()
	case "valid":
		p.expect("until")
		o.Name, o.Value = "valid until", p.stringLiteral()
	case "in":
		p.expectAny("role", "group")
		o.Name, o.Roles = "in role", p.roles()
	case "role", "user":
		o.Name, o.Roles = "role", p.roles()
	case "admin":
		o.Roles = p.roles()
	case "sysid":
		o.Value = p.numeric()
	}
}

// roles reads role, …
func (p *Parser) roles() []ast.Ident {
	list := []ast.Ident{p.role()}
	for p.acceptOp(",") {
		list = append(list, p.role())
	}
	return list
}

// role reads name | CURRENT_USER | CURRENT_ROLE | SESSION_USER
func (p *Parser) role() ast.Ident {
	return p.ident(p.tok.isNonReserved() || p.atAny("current_user", "current_role", "session_user"))
}

// alterRole goes on at ROLE | USER | GROUP: ALL | name options | SET | RESET | RENAME.
func (p *Parser) alterRole(t *token) ast.Statement {
	group := p.next().name == "group"
	s := &ast.AlterRole{All: p.accept("all")}
	if !s.All {
		s.Name = p.role()
	}
	if p.accept("in", "database") {
		s.Database = p.colID()
	}
	switch {
	case p.at("rename"):
		name := &ast.Name{Parts: []ast.Ident{s.Name}, Span: s.Name.Span}
		return p.alterObjectAction(t, &ast.AlterObject{Kind: ast.KindRole, Name: name})
	case p.at("set"):
		s.Set = p.setParameter(p.next())
	case p.at("reset"):
		s.Reset = p.reset()
	case group:
		return p.alterGroup(t, s.Name)
	case s.All:
		p.fail()
	default:
		s.Options = p.roleOptions()
	}
	s.Stmt = p.stmt(t)
	return s
}

// alterGroup reads ADD | DROP USER role, …, the old spelling of GRANT and REVOKE.
func (p *Parser) alterGroup(t *token, group ast.Ident) ast.Statement {
	g := &ast.GrantRole{Revoke: p.expectAny("add", "drop") == "drop", Granted: []ast.Ident{group}}
	p.expect("user")
	g.Roles = p.roles()
	g.Stmt = p.stmt(t)
	return g
}

// dropRole goes on at ROLE | USER | GROUP.
func (p *Parser) dropRole(t *token) ast.Statement {
	p.next()
	return &ast.DropRole{IfExists: p.ifExists(), Names: p.roles(), Stmt: p.stmt(t)}
}
