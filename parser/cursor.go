package parser

import (
	"strconv"

	"weir/parser/ast"
)

// declare reads DECLARE name [BINARY | INSENSITIVE | ASENSITIVE | [NO] SCROLL …] CURSOR [WITH | WITHOUT HOLD] FOR query
func (p *Parser) declare() ast.Statement {
	t := p.next()
	s := &ast.DeclareCursor{Name: p.colID()}
	for !p.at("cursor") {
		p.cursorOption(s)
	}
	p.next()
	if word := p.acceptAny("with", "without"); word != "" {
		p.expect("hold")
		s.Hold = word == "with"
	}
	p.expect("for")
	from := p.tok
	if p.at("subscribe") {
		s.Query = p.placed(from, p.subscribe())
	} else {
		s.Query = p.placed(from, p.query())
	}
	s.Stmt = p.stmt(t)
	return s
}

func (p *Parser) cursorOption(s *ast.DeclareCursor) {
	yes, no := true, false
	switch p.expectAny("binary", "insensitive", "asensitive", "scroll", "no") {
	case "binary":
		s.Binary = true
	case "insensitive":
		s.Insensitive = true
	case "scroll":
		s.Scroll = &yes
	case "no":
		p.expect("scroll")
		s.Scroll = &no
	}
}

// fetch reads FETCH | MOVE [direction] [FROM | IN] cursor [WITH (option = value, …)]
func (p *Parser) fetch() ast.Statement {
	t := p.next()
	s := &ast.Fetch{Move: t.name == "move", Count: 1}
	if !p.onlyCursor() {
		p.fetchDirection(s)
		p.acceptAny("from", "in")
	}
	s.Cursor = p.colID()
	if p.accept("with") {
		s.Options = p.eventOptions()
	}
	s.Stmt = p.stmt(t)
	return s
}

// onlyCursor: FETCH next may name a cursor called next.
func (p *Parser) onlyCursor() bool {
	n := p.peek(1)
	return p.tok.isColID() && (n.kind == tokenEOF || n.op(";") || n.is("with"))
}

func (p *Parser) fetchDirection(s *ast.Fetch) {
	switch p.acceptAny("next", "prior", "first", "last", "absolute", "relative", "all", "forward", "backward") {
	case "next":
	case "prior":
		s.Direction = ast.FetchBackward
	case "first":
		s.Direction = ast.FetchAbsolute
	case "last":
		s.Direction, s.Count = ast.FetchAbsolute, -1
	case "absolute":
		s.Direction, s.Count = ast.FetchAbsolute, p.count()
	case "relative":
		s.Direction, s.Count = ast.FetchRelative, p.count()
	case "all":
		s.All = true
	case "forward":
		p.fetchCount(s)
	case "backward":
		s.Direction = ast.FetchBackward
		p.fetchCount(s)
	default:
		p.fetchCount(s)
	}
}

// fetchCount reads [n | ALL]
func (p *Parser) fetchCount(s *ast.Fetch) {
	switch {
	case p.accept("all"):
		s.All = true
	case p.tok.kind == tokenInteger || p.atOp("-") || p.atOp("+"):
		s.Count = p.count()
	}
}

// count reads [+ | -] integer
func (p *Parser) count() int64 {
	negative := p.acceptOp("-")
	if !negative {
		p.acceptOp("+")
	}
	if p.tok.kind != tokenInteger {
		p.fail()
	}
	n, err := strconv.ParseInt(p.tok.name, 10, 32)
	if err != nil {
		p.fail()
	}
	p.next()
	if negative {
		return -n
	}
	return n
}

// closeCursor reads CLOSE name | ALL
func (p *Parser) closeCursor() ast.Statement {
	t := p.next()
	s := &ast.CloseCursor{All: p.accept("all")}
	if !s.All {
		s.Name = p.colID()
	}
	s.Stmt = p.stmt(t)
	return s
}
