package sqlfunc

import (
	"strings"
	"unicode/utf8"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// pathNode is a node of a jsonpath expression.
type pathNode struct {
	op    string // see the cases of pathRun.eval and pathRun.test
	left  *pathNode
	right *pathNode
	text  string
	value value.Value
	subs  [][2]*pathNode // subscripts: from, to
	next  *pathNode      // the accessor that follows
}

// jsonPath is a parsed path.
type jsonPath struct {
	strict bool
	root   *pathNode
}

type pathParser struct {
	s     string
	i     int
	depth int
}

func pathSyntax(s string) error {
	return sqlerr.New(sqlerr.SyntaxError, "syntax error at or near \"%s\" of jsonpath input", s)
}

func parsePath(s string) (*jsonPath, error) {
	p := &pathParser{s: s}
	out := &jsonPath{}
	if w := p.word(); w == "strict" || w == "lax" {
		p.take(w)
		out.strict = w == "strict"
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.skip(); p.i < len(p.s) {
		return nil, p.unexpected()
	}
	out.root = n
	return out, nil
}

func (p *pathParser) skip() {
	for p.i < len(p.s) && strings.IndexByte(" \t\n\r", p.s[p.i]) >= 0 {
		p.i++
	}
}

func (p *pathParser) unexpected() error {
	p.skip()
	if p.i >= len(p.s) {
		return sqlerr.New(sqlerr.SyntaxError, "syntax error at end of jsonpath input")
	}
	_, n := utf8.DecodeRuneInString(p.s[p.i:])
	return pathSyntax(p.s[p.i : p.i+n])
}

// word is the identifier at the current place, not yet taken.
func (p *pathParser) word() string {
	p.skip()
	i := p.i
	for i < len(p.s) && (p.s[i] == '_' || p.s[i] >= 0x80 || p.s[i]|0x20 >= 'a' && p.s[i]|0x20 <= 'z' || i > p.i && isDigit(p.s[i])) {
		i++
	}
	return p.s[p.i:i]
}

func (p *pathParser) take(tok string) bool {
	p.skip()
	if !strings.HasPrefix(p.s[p.i:], tok) {
		return false
	}
	p.i += len(tok)
	return true
}

func (p *pathParser) binary(next func() (*pathNode, error), ops ...string) (*pathNode, error) {
	l, err := next()
	for err == nil {
		op := ""
		for _, o := range ops {
			if p.take(o) {
				op = o
				break
			}
		}
		if op == "" {
			return l, nil
		}
		var r *pathNode
		if r, err = next(); err == nil {
			l = &pathNode{op: op, left: l, right: r}
		}
	}
	return nil, err
}

func (p *pathParser) or() (*pathNode, error) {
	if p.depth++; p.depth > 100 {
		return nil, sqlerr.New(sqlerr.StatementTooComplex, "jsonpath is nested too deeply")
	}
	defer func() { p.depth-- }()
	return p.binary(p.and, "||")
}

func (p *pathParser) and() (*pathNode, error) { return p.binary(p.comparison, "&&") }

func (p *pathParser) comparison() (*pathNode, error) {
	l, err := p.sum()
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"==", "!=", "<>", "<=", ">=", "<", ">"} {
		if p.take(op) {
			r, err := p.sum()
			if op == "<>" {
				op = "!="
			}
			return &pathNode{op: op, left: l, right: r}, err
		}
	}
	switch w := p.word(); w {
	case "like_regex":
		return p.likeRegex(l)
	case "starts":
		p.take(w)
		if p.word() != "with" {
			return nil, p.unexpected()
		}
		p.take("with")
		r, err := p.sum()
		return &pathNode{op: "starts", left: l, right: r}, err
	case "is":
		p.take(w)
		if p.word() != "unknown" {
			return nil, p.unexpected()
		}
		p.take("unknown")
		return &pathNode{op: "unknown", left: l}, nil
	}
	return l, nil
}

func (p *pathParser) likeRegex(l *pathNode) (*pathNode, error) {
	p.take("like_regex")
	p.skip()
	re, err := p.quoted()
	if err != nil {
		return nil, err
	}
	n := &pathNode{op: "like_regex", left: l, text: re}
	if p.word() == "flag" {
		p.take("flag")
		p.skip()
		flags, err := p.quoted()
		if err != nil {
			return nil, err
		}
		n.value = value.String(flags)
	}
	return n, nil
}

func (p *pathParser) sum() (*pathNode, error) { return p.binary(p.product, "+", "-") }

func (p *pathParser) product() (*pathNode, error) { return p.binary(p.unary, "*", "/", "%") }

func (p *pathParser) unary() (*pathNode, error) {
	p.skip()
	switch {
	case strings.HasPrefix(p.s[p.i:], "!") && !strings.HasPrefix(p.s[p.i:], "!="):
		p.i++
		n, err := p.unary()
		return &pathNode{op: "!", left: n}, err
	case p.take("-"):
		n, err := p.unary()
		return &pathNode{op: "neg", left: n}, err
	case p.take("+"):
		n, err := p.unary()
		return &pathNode{op: "pos", left: n}, err
	}
	n, err := p.primary()
	if err != nil {
		return nil, err
	}
	return n, p.accessors(n)
}

func (p *pathParser) primary() (*pathNode, error) {
	p.skip()
	if p.i >= len(p.s) {
		return nil, p.unexpected()
	}
	switch c := p.s[p.i]; {
	case c == '(':
		p.i++
		n, err := p.or()
		if err == nil && !p.take(")") {
			err = p.unexpected()
		}
		return &pathNode{op: "()", left: n}, err
	case c == '@':
		p.i++
		return &pathNode{op: "@"}, nil
	case c == '"':
		s, err := p.quoted()
		return &pathNode{op: "const", value: value.String(s)}, err
	case c == '$':
		p.i++
		if w := p.word(); w != "" && p.s[p.i-1] == '$' {
			p.take(w)
			return &pathNode{op: "var", text: w}, nil
		}
		return &pathNode{op: "$"}, nil
	case isDigit(c) || c == '.':
		return p.number()
	}
	switch w := p.word(); w {
	case "true", "false":
		p.take(w)
		return &pathNode{op: "const", value: value.Bool(w == "true")}, nil
	case "null":
		p.take(w)
		return &pathNode{op: "const", value: value.Null()}, nil
	case "last":
		p.take(w)
		return &pathNode{op: "last"}, nil
	case "exists":
		p.take(w)
		if !p.take("(") {
			return nil, p.unexpected()
		}
		n, err := p.or()
		if err == nil && !p.take(")") {
			err = p.unexpected()
		}
		return &pathNode{op: "exists", left: n}, err
	}
	return nil, p.unexpected()
}

func (p *pathParser) number() (*pathNode, error) {
	start := p.i
	for p.i < len(p.s) && (isDigit(p.s[p.i]) || p.s[p.i] == '.' && p.i+1 < len(p.s) && isDigit(p.s[p.i+1]) || (p.s[p.i] == 'e' || p.s[p.i] == 'E') && p.i+1 < len(p.s) && strings.IndexByte("0123456789+-", p.s[p.i+1]) >= 0) {
		if p.s[p.i] == 'e' || p.s[p.i] == 'E' {
			p.i++
		}
		p.i++
	}
	v, err := sqltype.JSONNumber(p.s[start:p.i])
	return &pathNode{op: "const", value: v}, err
}

func (p *pathParser) quoted() (string, error) {
	if p.i >= len(p.s) || p.s[p.i] != '"' {
		return "", p.unexpected()
	}
	end := p.i + 1
	for end < len(p.s) && p.s[end] != '"' {
		if p.s[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p.s) {
		return "", sqlerr.New(sqlerr.SyntaxError, "unterminated quoted string at end of jsonpath input")
	}
	s := unquoteJSON(p.s[p.i : end+1])
	p.i = end + 1
	return s, nil
}

// accessors reads what follows a primary: .key .* .** [..] ?(..) .method().
func (p *pathParser) accessors(n *pathNode) error {
	for {
		p.skip()
		a, err := p.accessor()
		if err != nil || a == nil {
			return err
		}
		n.next, n = a, a
	}
}

func (p *pathParser) accessor() (*pathNode, error) {
	switch {
	case p.take(".**"):
		return &pathNode{op: ".**"}, nil
	case p.take(".*"):
		return &pathNode{op: ".*"}, nil
	case p.take("[*]"):
		return &pathNode{op: "[*]"}, nil
	case p.take("["):
		return p.subscripts()
	case p.take("?"):
		if !p.take("(") {
			return nil, p.unexpected()
		}
		cond, err := p.or()
		if err == nil && !p.take(")") {
			err = p.unexpected()
		}
		return &pathNode{op: "?", left: cond}, err
	case p.take("."):
		return p.member()
	}
	return nil, nil
}

func (p *pathParser) member() (*pathNode, error) {
	p.skip()
	if strings.HasPrefix(p.s[p.i:], `"`) {
		s, err := p.quoted()
		return &pathNode{op: ".", text: s}, err
	}
	w := p.word()
	if w == "" {
		return nil, p.unexpected()
	}
	p.take(w)
	if p.take("(") {
		n := &pathNode{op: "method", text: w}
		if p.skip(); w == "datetime" && strings.HasPrefix(p.s[p.i:], `"`) {
			s, err := p.quoted()
			if err != nil {
				return nil, err
			}
			n.value = value.String(s)
		}
		if !p.take(")") {
			return nil, p.unexpected()
		}
		switch w {
		case "type", "size", "double", "ceiling", "floor", "abs", "keyvalue", "datetime":
			return n, nil
		}
		return nil, sqlerr.Unsupported(0, "Use type, size, double, ceiling, floor, abs, datetime or keyvalue.", "jsonpath method .%s() is not supported", w)
	}
	return &pathNode{op: ".", text: w}, nil
}

func (p *pathParser) subscripts() (*pathNode, error) {
	n := &pathNode{op: "[]"}
	for {
		from, err := p.sum()
		if err != nil {
			return nil, err
		}
		pair := [2]*pathNode{from, nil}
		if p.word() == "to" {
			p.take("to")
			if pair[1], err = p.sum(); err != nil {
				return nil, err
			}
		}
		n.subs = append(n.subs, pair)
		if p.take("]") {
			return n, nil
		}
		if !p.take(",") {
			return nil, p.unexpected()
		}
	}
}
