package parser

import "weir/parser/ast"

// grant reads GRANT and REVOKE of privileges and of roles; which one it is
// shows at ON.
func (p *Parser) grant() ast.Statement {
	t := p.next()
	g := &ast.Grant{Revoke: t.name == "revoke"}
	admin := false
	if g.Revoke && (p.at("grant") || p.at("admin", "option")) {
		admin = p.next().name == "admin"
		p.expect("option", "for")
		g.OptionFor = true
	}
	p.privileges(g)
	if admin || !g.AllOf && !p.at("on") {
		return p.grantRole(t, g)
	}
	p.expect("on")
	p.grantTarget(g)
	p.grantees(g)
	g.Stmt = p.stmt(t)
	return g
}

// privileges reads ALL [PRIVILEGES] [(column, …)] | name [(column, …)], …
func (p *Parser) privileges(g *ast.Grant) {
	if p.accept("all") {
		g.AllOf = true
		p.accept("privileges")
		if from := p.tok; p.atOp("(") {
			g.Privileges = []*ast.Privilege{{Name: "ALL", Columns: p.columns(), Span: p.span(from)}}
		}
		return
	}
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		if !t.isColID() && !p.atAny("select", "references", "create") {
			p.fail()
		}
		name := p.next()
		words := upper(name.name)
		if name.is("alter") && p.accept("system") {
			words = "ALTER SYSTEM"
		}
		g.Privileges = append(g.Privileges, &ast.Privilege{Name: words, Columns: p.columns(), Span: p.span(t)})
	}
}

// grantRole goes on after role, …
func (p *Parser) grantRole(t *token, g *ast.Grant) ast.Statement {
	r := &ast.GrantRole{Revoke: g.Revoke, OptionFor: g.OptionFor}
	for _, priv := range g.Privileges {
		if priv.Columns != nil {
			p.fail()
		}
		r.Granted = append(r.Granted, p.privilegeRole(priv))
	}
	if r.Revoke {
		p.expect("from")
	} else {
		p.expect("to")
	}
	r.Roles = p.roles()
	if !r.Revoke && p.accept("with") {
		p.expect("admin", "option")
		r.WithOption = true
	}
	r.GrantedBy = p.grantedBy()
	if r.Revoke {
		r.Behavior = p.behavior()
	}
	r.Stmt = p.stmt(t)
	return r
}

// privilegeRole finds the role that was read as a privilege.
func (p *Parser) privilegeRole(priv *ast.Privilege) ast.Ident {
	for n := range p.toks {
		if p.toks[n].pos == priv.Start {
			return makeIdent(&p.toks[n])
		}
	}
	return ast.MakeIdent(priv.Name)
}

func (p *Parser) grantedBy() ast.Ident {
	if p.accept("granted") {
		p.expect("by")
		return p.role()
	}
	return ast.Ident{}
}

var grantKinds = map[string]ast.ObjectKind{
	"table": ast.KindTable, "sequence": ast.KindSequence, "database": ast.KindDatabase, "schema": ast.KindSchema,
	"function": ast.KindFunction, "procedure": ast.KindProcedure, "routine": ast.KindRoutine, "domain": ast.KindDomain,
	"type": ast.KindType, "language": ast.KindLanguage, "tablespace": ast.KindTablespace,
	"event_subscription": ast.KindEventSubscription, "connection": ast.KindConnection,
}

var grantAllKinds = map[string]ast.ObjectKind{
	"tables": ast.KindTable, "sequences": ast.KindSequence, "functions": ast.KindFunction, "procedures": ast.KindProcedure,
	"routines": ast.KindRoutine,
}

// grantTarget reads [kind] name, … | ALL kinds IN SCHEMA name, …
func (p *Parser) grantTarget(g *ast.Grant) {
	if p.accept("all") {
		kind, ok := grantAllKinds[p.tok.name]
		if !ok {
			p.fail()
		}
		p.next()
		p.expect("in", "schema")
		g.Kind, g.InSchema, g.Names = kind, true, p.names()
		return
	}
	g.Kind = ast.KindTable
	if (p.at("change", "stream") || p.at("event", "subscription")) && p.peek(2).isColID() || p.at("change_stream") && p.peek(1).isColID() {
		p.acceptSubscription()
		g.Kind = ast.KindEventSubscription
	} else if kind, ok := grantKinds[p.tok.name]; ok && p.tok.kind == tokenWord &&
		(p.at("table") || p.peek(1).isColID()) {
		g.Kind = kind
		p.next()
	}
	for first := true; first || p.acceptOp(","); first = false {
		g.Names = append(g.Names, p.name())
		if p.atOp("(") {
			args := p.argumentTypes()
			for len(g.Args) < len(g.Names)-1 {
				g.Args = append(g.Args, nil)
			}
			g.Args = append(g.Args, args)
		}
	}
}

func (p *Parser) grantees(g *ast.Grant) {
	if g.Revoke {
		p.expect("from")
	} else {
		p.expect("to")
	}
	p.accept("group")
	g.Roles = p.roles()
	if !g.Revoke && p.accept("with") {
		p.expect("grant", "option")
		g.WithOption = true
	}
	g.GrantedBy = p.grantedBy()
	if g.Revoke {
		g.Behavior = p.behavior()
	}
}
