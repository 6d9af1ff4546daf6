package parser

import (
	"strings"
	"unicode/utf8"

	"weir/sqlerr"
)

// scanPrefixed reads E'…', B'…', X'…', N'…', U&'…' and U&"…"; false: the text
// is a word that only begins like one.
func (l *lexer) scanPrefixed(t *token, c byte) bool {
	switch next := l.at(1); {
	case next == '\'':
		return l.scanPrefixedString(t, c|0x20)
	case next == '&' && (c == 'u' || c == 'U') && l.at(2) == '\'':
		l.off += 2
		l.scanString(t, false)
		l.decodeUnicode(t)
		return true
	case next == '&' && (c == 'u' || c == 'U') && l.at(2) == '"':
		l.off += 2
		l.scanQuoted(t, '"')
		l.decodeUnicode(t)
		return true
	}
	return false
}

func (l *lexer) scanPrefixedString(t *token, lower byte) bool {
	switch lower {
	case 'e':
		l.off++
		l.scanString(t, true)
	case 'n':
		l.off++
		l.scanString(t, false)
	case 'b', 'x':
		l.off++
		l.scanString(t, false)
		if t.kind == tokenString {
			t.kind = tokenBits
			if lower == 'x' {
				t.kind = tokenHex
			}
		} else {
			kind := map[byte]string{'b': "bit", 'x': "hexadecimal"}[lower]
			l.refuse(t, "unterminated "+kind+" string literal", l.text[t.start:])
		}
	default:
		return false
	}
	return true
}

// scanString reads from the quote on; parts that only white space with a line
// break divides are one string.
func (l *lexer) scanString(t *token, escapes bool) {
	t.kind = tokenString
	quote := l.off
	var whole []byte // of several parts
	for parts := 1; ; parts++ {
		part, ok := l.scanStringPart(t, escapes)
		if !ok {
			if t.kind != tokenError {
				l.refuse(t, "unterminated quoted string", l.text[quote:])
			}
			return
		}
		more := l.continues()
		if parts == 1 && !more {
			t.name = part
			return
		}
		if whole = append(whole, part...); !more {
			t.name = string(whole)
			return
		}
	}
}

// continues moves to the quote of a continued string, if there is one.
func (l *lexer) continues() bool {
	i, line := l.off, false
	for i < len(l.text) {
		switch c := l.text[i]; {
		case c == '\n' || c == '\r':
			line = true
			i++
		case isSpace(c):
			i++
		case line && strings.HasPrefix(l.text[i:], "--"):
			n := strings.IndexAny(l.text[i:], "\n\r")
			if n < 0 {
				return false
			}
			i += n
		case c == '\'' && line:
			l.off = i
			return true
		default:
			return false
		}
	}
	return false
}

func (l *lexer) scanStringPart(t *token, escapes bool) (string, bool) {
	l.off++
	start := l.off
	var b []byte // nil as long as the text itself will do
	for l.off < len(l.text) {
		c := l.text[l.off]
		switch {
		case c == '\'' && l.at(1) != '\'':
			l.off++
			if b == nil {
				return l.text[start : l.off-1], true
			}
			return string(b), true
		case c == '\'':
			b = append(l.begun(b, start), '\'')
			l.off += 2
		case c == '\\' && escapes:
			b = l.begun(b, start)
			var ok bool
			if b, ok = l.scanEscape(t, b); !ok {
				return "", false
			}
		default:
			if b != nil {
				b = append(b, c)
			}
			l.off++
		}
	}
	return "", false
}

func (l *lexer) begun(b []byte, start int) []byte {
	if b == nil {
		b = make([]byte, 0, 2*(l.off-start)+16)
		b = append(b, l.text[start:l.off]...)
	}
	return b
}

// scanEscape reads one backslash escape of E'…'.
func (l *lexer) scanEscape(t *token, b []byte) ([]byte, bool) {
	if l.off+1 >= len(l.text) {
		return b, false
	}
	c := l.text[l.off+1]
	escape := l.off
	l.off += 2
	switch c {
	case 'b':
		return append(b, '\b'), true
	case 'f':
		return append(b, '\f'), true
	case 'n':
		return append(b, '\n'), true
	case 'r':
		return append(b, '\r'), true
	case 't':
		return append(b, '\t'), true
	case 'v':
		return append(b, '\v'), true
	case 'u', 'U':
		return l.scanUnicodeEscape(t, b, escape, map[byte]int{'u': 4, 'U': 8}[c])
	case 'x':
		if v, n := digits(l.text[l.off:], 16, 2); n > 0 {
			l.off += n
			return l.appendByte(t, b, byte(v), escape)
		}
		return append(b, 'x'), true
	}
	if c >= '0' && c <= '7' {
		v, n := digits(l.text[l.off-1:], 8, 3)
		l.off += n - 1
		return l.appendByte(t, b, byte(v), escape)
	}
	return append(b, c), true
}

func (l *lexer) appendByte(t *token, b []byte, v byte, escape int) ([]byte, bool) {
	if v == 0 {
		l.refuseCode(t, escape, sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00")
		return b, false
	}
	return append(b, v), true
}

func (l *lexer) scanUnicodeEscape(t *token, b []byte, escape, want int) ([]byte, bool) {
	v, n := digits(l.text[l.off:], 16, want)
	if n < want {
		l.refuseCode(t, escape, sqlerr.InvalidEscapeSequence, "invalid Unicode escape")
		t.err.Hint = "Unicode escapes must be \\uXXXX or \\UXXXXXXXX."
		return b, false
	}
	l.off += n
	if v >= 0xD800 && v <= 0xDBFF && l.at(0) == '\\' && l.at(1) == 'u' {
		if low, n := digits(l.text[l.off+2:], 16, 4); n == 4 && low >= 0xDC00 && low <= 0xDFFF {
			l.off += 6
			v = 0x10000 + (v-0xD800)<<10 + (low - 0xDC00)
		}
	}
	if v == 0 || v > utf8.MaxRune || v >= 0xD800 && v <= 0xDFFF {
		l.refuse(t, "invalid Unicode escape value", l.text[escape:min(len(l.text), escape+2+want)])
		return b, false
	}
	return utf8.AppendRune(b, rune(v)), true
}

func (l *lexer) refuseCode(t *token, off int, code, message string) {
	t.kind = tokenError
	t.err = sqlerr.New(code, "%s", message).At(t.pos + utf8.RuneCountInString(l.text[t.start:off]))
	l.off = len(l.text)
}

// digits reads up to most digits of a base and tells how many there were.
func digits(s string, base, most int) (v, n int) {
	for n < len(s) && n < most {
		d := digit(s[n])
		if d >= base {
			break
		}
		v = v*base + d
		n++
	}
	return v, n
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return 99
}

// scanQuoted reads "name" or `name`; the quote is doubled inside.
func (l *lexer) scanQuoted(t *token, quote byte) {
	t.kind = tokenQuoted
	start := l.off
	l.off++
	for {
		n := strings.IndexByte(l.text[l.off:], quote)
		if n < 0 {
			l.refuse(t, "unterminated quoted identifier", l.text[start:])
			return
		}
		l.off += n + 1
		if l.at(0) != quote {
			break
		}
		l.off++
	}
	t.name = l.text[start+1 : l.off-1]
	if strings.IndexByte(t.name, quote) >= 0 {
		t.name = strings.ReplaceAll(t.name, string([]byte{quote, quote}), string(quote))
	}
	if t.name == "" {
		end := l.off
		l.refuse(t, "zero-length delimited identifier", l.text[start:end])
	}
}

// scanDollar reads $1 or $tag$…$tag$.
func (l *lexer) scanDollar(t *token) {
	if isDigit(l.at(1)) {
		l.scanParam(t)
		return
	}
	n := 1
	for isIdentStart(l.at(n)) || n > 1 && isDigit(l.at(n)) {
		n++
	}
	if l.at(n) != '$' {
		t.kind, t.name = tokenOp, "$"
		l.off++
		return
	}
	tag := l.text[l.off : l.off+n+1]
	body := l.text[l.off+n+1:]
	end := strings.Index(body, tag)
	if end < 0 {
		l.refuse(t, "unterminated dollar-quoted string", l.text[l.off:])
		return
	}
	t.kind, t.name = tokenString, body[:end]
	l.off += 2*len(tag) + end
}

func (l *lexer) scanParam(t *token) {
	start := l.off
	l.off++
	l.skipDigits()
	if isIdentStart(l.at(0)) {
		_, n := utf8.DecodeRuneInString(l.text[l.off:])
		l.refuse(t, "trailing junk after parameter", l.text[start:l.off+n])
		return
	}
	t.kind, t.name = tokenParam, l.text[start+1:l.off]
}
