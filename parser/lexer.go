package parser

import (
	"strings"
	"unicode/utf8"

	"weir/sqlerr"
)

// lexer cuts a text into tokens by PostgreSQL's rules (src/backend/parser/scan.l),
// with standard_conforming_strings on, and `name` as one more quoted identifier.
type lexer struct {
	text    string
	off     int
	ascii   bool
	counted int // bytes before this offset are counted in extra
	extra   int // UTF-8 continuation bytes so far
	signs   int // up to this offset there are only signs, a token each
}

func newLexer(text string) *lexer {
	l := &lexer{text: text, ascii: true}
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			l.ascii = false
			break
		}
	}
	return l
}

// position gives the character offset of a byte offset; calls must not go back.
func (l *lexer) position(off int) int {
	if l.ascii {
		return off + 1
	}
	for ; l.counted < off; l.counted++ {
		if c := l.text[l.counted]; c&0xC0 == 0x80 {
			l.extra++
		}
	}
	return off - l.extra + 1
}

// next reads one token into t.
func (l *lexer) next(t *token) {
	*t = token{}
	if bad := l.skipSpace(); bad >= 0 {
		t.start, t.pos = bad, l.position(bad)
		l.refuse(t, "unterminated /* comment", l.text[bad:])
		return
	}
	t.start, t.pos = l.off, l.position(l.off)
	if l.off >= len(l.text) {
		t.end, t.stop = l.off, t.pos
		return
	}
	l.scan(t)
	t.end, t.stop = l.off, l.position(l.off)
	t.raw = l.text[t.start:t.end]
}

func (l *lexer) scan(t *token) {
	c := l.text[l.off]
	switch {
	case isIdentStart(c):
		if !l.scanPrefixed(t, c) {
			l.scanWord(t)
		}
	case c == '\'':
		l.scanString(t, false)
	case c >= '0' && c <= '9', c == '.' && isDigit(l.at(1)):
		l.scanNumber(t)
	case c == '"', c == '`':
		l.scanQuoted(t, c)
	case c == '$':
		l.scanDollar(t)
	default:
		l.scanOperator(t, c)
	}
}

// at looks ahead n bytes; past the end it is 0.
func (l *lexer) at(n int) byte {
	if l.off+n < len(l.text) {
		return l.text[l.off+n]
	}
	return 0
}

// refuse makes an error token that ends the text.
func (l *lexer) refuse(t *token, message, near string) {
	t.kind = tokenError
	t.err = sqlerr.New(sqlerr.SyntaxError, "%s at or near \"%s\"", message, near).At(t.pos)
	l.off = len(l.text)
	t.end = l.off
}

// skipSpace skips white space and comments, and gives the offset of a comment
// without end, or -1.
func (l *lexer) skipSpace() int {
	for l.off < len(l.text) {
		switch c := l.text[l.off]; {
		case isSpace(c):
			l.off++
		case c == '-' && l.at(1) == '-':
			l.skipLine()
		case c == '/' && l.at(1) == '*':
			start := l.off
			if !l.skipComment() {
				return start
			}
		default:
			return -1
		}
	}
	return -1
}

func (l *lexer) skipLine() {
	if n := strings.IndexAny(l.text[l.off:], "\n\r"); n >= 0 {
		l.off += n
	} else {
		l.off = len(l.text)
	}
}

func (l *lexer) skipComment() bool {
	depth := 0
	for l.off < len(l.text) {
		switch {
		case l.text[l.off] == '/' && l.at(1) == '*':
			depth++
			l.off += 2
		case l.text[l.off] == '*' && l.at(1) == '/':
			depth--
			l.off += 2
			if depth == 0 {
				return true
			}
		default:
			l.off++
		}
	}
	return false
}

func (l *lexer) scanWord(t *token) {
	start, upper := l.off, false
	for l.off < len(l.text) && isIdentPart(l.text[l.off]) {
		if c := l.text[l.off]; c >= 'A' && c <= 'Z' {
			upper = true
		}
		l.off++
	}
	t.kind = tokenWord
	t.name = l.text[start:l.off]
	if upper {
		t.name = lowerASCII(t.name)
	}
	t.keyword = keywords[t.name]
}

// lowerASCII folds as PostgreSQL does in a multibyte encoding: A to Z only.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func (l *lexer) scanNumber(t *token) {
	start := l.off
	t.kind = tokenInteger
	l.skipDigits()
	if l.at(0) == '.' && l.at(1) != '.' {
		t.kind = tokenNumber
		l.off++
		l.skipDigits()
	}
	if c := l.at(0); c == 'e' || c == 'E' {
		n := 1
		if s := l.at(1); s == '+' || s == '-' {
			n = 2
		}
		if isDigit(l.at(n)) {
			t.kind = tokenNumber
			l.off += n
			l.skipDigits()
		}
	}
	if isIdentStart(l.at(0)) {
		_, n := utf8.DecodeRuneInString(l.text[l.off:])
		l.refuse(t, "trailing junk after numeric literal", l.text[start:l.off+n])
		return
	}
	t.name = l.text[start:l.off]
}

func (l *lexer) skipDigits() {
	for isDigit(l.at(0)) {
		l.off++
	}
}

// operatorChars are those of PostgreSQL but the backquote.
const operatorChars = "~!@#^&|?+-*/%<>="

// scanOperator takes the longest run of operator characters that holds no
// comment; a run of several may end in + or - only if it holds one of ~!@#^&|?%.
func (l *lexer) scanOperator(t *token, c byte) {
	t.kind = tokenOp
	if strings.IndexByte(operatorChars, c) < 0 {
		l.scanPunctuation(t, c)
		return
	}
	n := 1
	for l.off >= l.signs && strings.IndexByte(operatorChars, l.at(n)) >= 0 && l.at(n) != 0 {
		if l.at(n) == '-' && l.at(n+1) == '-' || l.at(n) == '/' && l.at(n+1) == '*' {
			break
		}
		n++
	}
	op := l.text[l.off : l.off+n]
	if n > 1 && !strings.ContainsAny(op, "~!@#^&|?%") {
		l.signs = l.off + n // or each of them would read all that follow
		op = op[:max(1, len(strings.TrimRight(op, "+-")))]
	}
	l.off += len(op)
	t.name = op
	if op == "!=" {
		t.name = "<>"
	}
}

func (l *lexer) scanPunctuation(t *token, c byte) {
	n := 1
	switch next := l.at(1); {
	case c == ':' && (next == ':' || next == '='), c == '.' && next == '.':
		n = 2
	case c >= utf8.RuneSelf:
		_, n = utf8.DecodeRuneInString(l.text[l.off:])
	}
	t.name = l.text[l.off : l.off+n]
	l.off += n
}

func isSpace(c byte) bool {
	return c == ' ' || c >= '\t' && c <= '\r'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isIdentStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func isIdentPart(c byte) bool { return isIdentStart(c) || isDigit(c) || c == '$' }
