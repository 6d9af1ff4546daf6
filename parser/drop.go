package parser

import "weir/parser/ast"

// drop reads everything that begins with DROP.
func (p *Parser) drop() ast.Statement {
	t := p.next()
	switch p.tok.name {
	case "event_subscription", "event", "change_stream", "change":
		if p.acceptSubscription() {
			return p.dropEventSubscription(t)
		}
	case "connection":
		p.next()
		return p.dropConnection(t)
	case "role", "user", "group":
		if !p.at("user", "mapping") {
			return p.dropRole(t)
		}
	case "owned":
		return p.skipTo(t, "DROP OWNED")
	}
	kind, ok := p.objectKind()
	if !ok {
		return p.unsupportedKind(t, "DROP")
	}
	s := &ast.Drop{Kind: kind, Concurrently: kind == ast.KindIndex && p.accept("concurrently"), IfExists: p.ifExists()}
	p.dropNames(s)
	s.Behavior = p.behavior()
	p.dropForce(s)
	s.Stmt = p.stmt(t)
	return s
}

// objectKinds are the kinds that DROP and COMMENT know by one word.
var objectKinds = map[string]ast.ObjectKind{
	"table": ast.KindTable, "view": ast.KindView, "index": ast.KindIndex, "sequence": ast.KindSequence, "schema": ast.KindSchema,
	"database": ast.KindDatabase, "function": ast.KindFunction, "procedure": ast.KindProcedure, "routine": ast.KindRoutine,
	"aggregate": ast.KindAggregate, "type": ast.KindType, "domain": ast.KindDomain, "trigger": ast.KindTrigger, "rule": ast.KindRule,
	"policy": ast.KindPolicy, "extension": ast.KindExtension, "language": ast.KindLanguage, "tablespace": ast.KindTablespace,
	"statistics": ast.KindStatistics, "collation": ast.KindCollation, "conversion": ast.KindConversion, "collection": ast.KindTable,
}

// objectKind takes the words of a kind, if they are there.
func (p *Parser) objectKind() (ast.ObjectKind, bool) {
	switch {
	case p.accept("materialized"):
		p.expect("view")
		return ast.KindMaterializedView, true
	case p.accept("foreign", "table"):
		return ast.KindForeignTable, true
	}
	kind, ok := objectKinds[p.tok.name]
	if ok && p.tok.kind == tokenWord {
		p.next()
		return kind, true
	}
	return "", false
}

// dropNames reads name [(type, …)], … or name ON table
func (p *Parser) dropNames(s *ast.Drop) {
	for first := true; first || p.acceptOp(","); first = false {
		s.Names = append(s.Names, p.nameFrom(p.ident(p.tok.isColID() || p.tok.isTypeFunctionName())))
		if !hasArguments(s.Kind) {
			continue
		}
		var args []*ast.TypeName
		if p.atOp("(") {
			args = p.argumentTypes()
		}
		s.Args = append(s.Args, args)
	}
	if s.Kind == ast.KindTrigger || s.Kind == ast.KindRule || s.Kind == ast.KindPolicy {
		p.expect("on")
		s.On = p.name()
	}
}

func hasArguments(k ast.ObjectKind) bool {
	return k == ast.KindFunction || k == ast.KindProcedure || k == ast.KindRoutine || k == ast.KindAggregate
}

// argumentTypes reads ([mode] [name] type, … | *); names and modes say nothing here.
func (p *Parser) argumentTypes() []*ast.TypeName {
	p.expectOp("(")
	list := []*ast.TypeName{}
	if p.acceptOp("*") {
		p.expectOp(")")
		return list
	}
	for !p.atOp(")") {
		p.accept("order", "by") // between the direct and the sorted arguments of an aggregate
		p.acceptAny("in", "out", "inout", "variadic")
		if next := p.peek(1); p.tok.isTypeFunctionName() && next.isNonReserved() && !p.at("double", "precision") {
			p.next()
		}
		list = append(list, p.typeName())
		if !p.acceptOp(",") && !p.at("order", "by") {
			break
		}
	}
	p.expectOp(")")
	return list
}

// dropForce reads [[WITH] (FORCE)] of DROP DATABASE.
func (p *Parser) dropForce(s *ast.Drop) {
	if s.Kind != ast.KindDatabase {
		return
	}
	if p.accept("with") || p.atOp("(") {
		p.expectOp("(")
		p.expect("force")
		p.expectOp(")")
		s.Force = true
	}
}
