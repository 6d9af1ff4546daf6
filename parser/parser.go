// Package parser reads SQL text into the trees of parser/ast: PostgreSQL 15's
// grammar, MySQL spellings and event statements, by hand-written recursive
// descent with operator precedence for expressions. It resolves no names and
// knows no types.
//
// A syntax error is an *sqlerr.Error in PostgreSQL's words, with its position
// in characters. Inside the package the error is a panic that Parse, Next and
// ParseExpr recover once.
//
// Start reading at Parse, then statement.go; expr.go holds the precedence
// table, a statement's file has its name.
package parser

import (
	"weir/parser/ast"
	"weir/sqlerr"
)

// maxDepth limits the nesting of expressions, queries and statements.
const maxDepth = 1000

// Parse reads a whole batch: statements divided by semicolons. One error
// anywhere refuses all of it.
func Parse(sql string) ([]ast.Statement, error) {
	var list []ast.Statement
	for p := New(sql); ; {
		s, err := p.Next()
		if err != nil {
			return nil, err
		}
		if s == nil {
			return list, nil
		}
		list = append(list, s)
	}
}

// ParseExpr reads text that is one expression and nothing else.
func ParseExpr(sql string) (e ast.Expr, err error) {
	p := New(sql)
	defer recoverError(&err)
	p.fill(false)
	e = p.expr()
	if p.tok.kind != tokenEOF {
		p.fail()
	}
	return e, nil
}

// Parser gives the statements of a text one by one.
type Parser struct {
	lex   *lexer
	toks  []token // of the statement at hand, its semicolon or the end of the text last
	i     int
	tok   *token // &toks[i]
	last  *token // the token before, or the first
	depth int

	restricted bool // in the operands of BETWEEN and the like, PostgreSQL's b_expr
	labels     bool // directly in a select list, where a word may be a label
}

// New starts reading a text.
func New(sql string) *Parser { return &Parser{lex: newLexer(sql)} }

// Next reads the next statement, nil at the end of the text. After an error it
// goes on behind the statement's semicolon.
func (p *Parser) Next() (s ast.Statement, err error) {
	for {
		if p.lex.off >= len(p.lex.text) {
			return nil, nil
		}
		p.load(true)
		if k := p.toks[0].kind; len(p.toks) > 1 || k == tokenError {
			break
		}
	}
	defer recoverError(&err)
	p.first()
	from := p.tok
	read := p.statement()
	if !p.atEnd() {
		p.fail()
	}
	read.Place(from.start, p.last.end)
	return read, nil
}

func recoverError(err *error) {
	switch r := recover().(type) {
	case nil:
	case *sqlerr.Error:
		*err = r
	default:
		panic(r)
	}
}

// load reads the tokens up to a semicolon, which stands outside of
// parentheses only by accident: one inside ends the statement as well.
func (p *Parser) load(split bool) {
	p.toks, p.i, p.depth, p.restricted, p.labels = p.toks[:0], 0, 0, false, false
	for {
		if len(p.toks) == cap(p.toks) {
			p.grow()
		}
		p.toks = p.toks[:len(p.toks)+1]
		t := &p.toks[len(p.toks)-1]
		p.lex.next(t)
		if t.kind == tokenEOF || t.kind == tokenError || split && t.op(";") {
			return
		}
	}
}

func (p *Parser) grow() {
	n := 2 * cap(p.toks)
	if n == 0 { // a guess that mostly holds, a token for four characters
		n = min(16+(len(p.lex.text)-p.lex.off)/4, 4096)
	}
	bigger := make([]token, len(p.toks), n)
	copy(bigger, p.toks)
	p.toks = bigger
}

func (p *Parser) fill(split bool) {
	p.load(split)
	p.first()
}

func (p *Parser) first() {
	p.tok, p.last = &p.toks[0], &p.toks[0]
	p.check()
}

// check raises the lexer's error once the parser has come to it.
func (p *Parser) check() {
	if p.tok.kind == tokenError {
		panic(p.tok.err)
	}
}

// next moves to the next token and gives the one it leaves.
func (p *Parser) next() *token {
	t := p.tok
	if p.i < len(p.toks)-1 {
		p.last = t
		p.i++
		p.tok = &p.toks[p.i]
		p.check()
	}
	return t
}

// peek looks n tokens ahead.
func (p *Parser) peek(n int) *token {
	return &p.toks[min(p.i+n, len(p.toks)-1)]
}

func (p *Parser) atEnd() bool { return p.tok.kind == tokenEOF || p.tok.op(";") }

// fail refuses the current token.
func (p *Parser) fail() { p.failAt(p.tok) }

func (p *Parser) failAt(t *token) { panic(p.syntaxError(t)) }

func (p *Parser) syntaxError(t *token) *sqlerr.Error {
	switch t.kind {
	case tokenError:
		return t.err
	case tokenEOF:
		return sqlerr.New(sqlerr.SyntaxError, "syntax error at end of input").At(t.pos)
	}
	return sqlerr.New(sqlerr.SyntaxError, "syntax error at or near \"%s\"", t.raw).At(t.pos)
}

// refuse raises an error of its own words at a position.
func (p *Parser) refuse(code string, pos int, format string, args ...any) {
	panic(sqlerr.New(code, format, args...).At(pos))
}

// enter counts a level of nesting; leave ends it.
func (p *Parser) enter() {
	p.depth++
	if p.depth > maxDepth {
		panic(sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded").At(p.tok.pos).
			WithHint("The statement is nested more than %d levels deep.", maxDepth))
	}
}

func (p *Parser) leave() { p.depth-- }

// span is the place from a token to the last one read.
func (p *Parser) span(from *token) ast.Span { return ast.Span{Start: from.pos, Stop: p.last.stop} }

func (p *Parser) spanAt(from int) ast.Span { return ast.Span{Start: from, Stop: p.last.stop} }

func (p *Parser) stmt(from *token) ast.Stmt { return ast.Stmt{Span: p.span(from)} }
