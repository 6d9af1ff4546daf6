package parser

import (
	"weir/parser/ast"
	"weir/sqlerr"
)

// typeName reads [SETOF] type [ [n] … | ARRAY [ [n] ] ]
func (p *Parser) typeName() *ast.TypeName {
	from := p.tok
	setOf := p.accept("setof")
	t := p.simpleTypeName()
	t.SetOf = setOf
	if p.accept("array") {
		t.Dims = []int{-1}
		if p.atOp("[") {
			t.Dims[0] = p.dimension()
		}
	} else {
		for p.atOp("[") {
			t.Dims = append(t.Dims, p.dimension())
		}
	}
	t.Span = p.span(from)
	return t
}

// dimension reads [n] | [], the latter as -1.
func (p *Parser) dimension() int {
	p.expectOp("[")
	bound := -1
	if !p.atOp("]") {
		bound = p.integer()
	}
	p.expectOp("]")
	return bound
}

// sqlTypes are the types that SQL names by keywords, with what they are called.
var sqlTypes = map[string]string{
	"int": "int4", "integer": "int4", "smallint": "int2", "bigint": "int8", "real": "float4", "float": "float8",
	"decimal": "numeric", "dec": "numeric", "numeric": "numeric", "boolean": "bool", "bit": "bit",
	"character": "bpchar", "char": "bpchar", "nchar": "bpchar", "national": "bpchar", "varchar": "varchar",
	"timestamp": "timestamp", "time": "time", "interval": "interval",
}

func (p *Parser) simpleTypeName() *ast.TypeName {
	t := p.tok
	typ := &ast.TypeName{}
	name, known := sqlTypes[t.name]
	if known && t.kind == tokenWord {
		p.sqlType(typ, name)
	} else if p.at("double", "precision") {
		p.next()
		p.next()
		typ.Name, typ.Builtin = builtin(t, "float8"), true
	} else {
		p.genericType(typ)
	}
	typ.Span = p.span(t)
	return typ
}

func builtin(t *token, name string) ast.Ident {
	return ast.Ident{Span: ast.Span{Start: t.pos, Stop: t.stop}, Name: name, Text: name}
}

func (p *Parser) sqlType(typ *ast.TypeName, name string) {
	t := p.next()
	typ.Name, typ.Builtin = builtin(t, name), true
	switch t.name {
	case "float":
		p.float(typ)
	case "decimal", "dec", "numeric":
		p.typeMods(typ)
	case "bit":
		p.varying(typ, "varbit")
	case "character", "char", "nchar":
		p.varying(typ, "varchar")
	case "national":
		p.expectAny("character", "char")
		p.varying(typ, "varchar")
	case "varchar":
		p.length(typ)
	case "timestamp", "time":
		p.timeType(typ, t.name)
	case "interval":
		if p.atOp("(") {
			p.length(typ)
		} else {
			p.intervalFields(typ)
		}
	}
}

// float reads [(bits)]
func (p *Parser) float(typ *ast.TypeName) {
	if !p.acceptOp("(") {
		return
	}
	t := p.tok
	switch n := p.integer(); {
	case n < 1:
		p.refuse(sqlerr.InvalidParameterValue, t.pos, "precision for type float must be at least 1 bit")
	case n <= 24:
		typ.Name.Name, typ.Name.Text = "float4", "float4"
	case n > 53:
		p.refuse(sqlerr.InvalidParameterValue, t.pos, "precision for type float must be less than 54 bits")
	}
	p.expectOp(")")
}

// typeMods reads [(expr, …)]
func (p *Parser) typeMods(typ *ast.TypeName) {
	if p.atOp("(") {
		typ.Mods = p.parenExprs()
	}
}

// length reads [(n)]
func (p *Parser) length(typ *ast.TypeName) {
	if !p.acceptOp("(") {
		return
	}
	if p.tok.kind != tokenInteger {
		p.fail()
	}
	typ.Mods = []ast.Expr{p.number()}
	p.expectOp(")")
}

// varying reads [VARYING] [(n)]; CHARACTER and BIT without a length have length 1.
func (p *Parser) varying(typ *ast.TypeName, long string) {
	fixed := !p.accept("varying")
	if !fixed {
		typ.Name.Name, typ.Name.Text = long, long
	}
	if p.tok.op("(") && typ.Name.Name != "varchar" && typ.Name.Name != "bpchar" {
		p.typeMods(typ)
		return
	}
	p.length(typ)
	if fixed && typ.Mods == nil {
		typ.Mods = []ast.Expr{&ast.NumberLiteral{Text: "1", Integer: true}}
	}
}

// timeType reads [(p)] [WITH | WITHOUT TIME ZONE]
func (p *Parser) timeType(typ *ast.TypeName, name string) {
	p.length(typ)
	switch {
	case p.accept("with", "time", "zone"):
		typ.Name.Name, typ.Name.Text = name+"tz", name+"tz"
	default:
		p.accept("without", "time", "zone")
	}
}

// genericType reads name [. name …] [%TYPE] [(mod, …)]
func (p *Parser) genericType(typ *ast.TypeName) {
	name := p.nameFrom(p.ident(p.tok.isTypeFunctionName()))
	if p.atOp("%") && p.peek(1).is("type") {
		p.next()
		p.next()
		typ.Like = name
		return
	}
	typ.Schema, typ.Name = name.Qualifier(), name.Last()
	p.typeMods(typ)
	if w := typ.Name; (w.Name == "signed" || w.Name == "unsigned") && !w.Quoted && p.atAny("integer", "int") {
		p.next() // MySQL's CAST(x AS SIGNED INTEGER)
	}
}

// atTypedLiteral reports whether the type keyword here begins type 'text'.
func (p *Parser) atTypedLiteral() bool {
	n := 1
	if w := p.peek(1); w.is("precision") || w.is("varying") || w.is("character") || w.is("char") {
		n++
		if p.peek(2).is("varying") {
			n++
		}
	}
	if p.peek(n).op("(") {
		for ; !p.peek(n).op(")"); n++ {
			if p.i+n >= len(p.toks)-1 { // the last token is no parenthesis, but a semicolon may be
				return false
			}
		}
		n++
	}
	if w := p.peek(n); (w.is("with") || w.is("without")) && p.peek(n+1).is("time") {
		n += 3
	}
	return p.peek(n).kind == tokenString
}
