package parser

import (
	"strings"
	"unicode/utf8"

	"weir/sqlerr"
)

// decodeUnicode replaces the escapes of U&'…' and U&"…", whose escape character
// a following UESCAPE may set.
func (l *lexer) decodeUnicode(t *token) {
	if t.kind == tokenError {
		return
	}
	escape := byte('\\')
	if c, ok := l.scanUescape(); ok {
		if c == 0 {
			l.refuseCode(t, t.start, sqlerr.SyntaxError, "invalid Unicode escape character")
			return
		}
		escape = c
	}
	s, ok := replaceEscapes(t.name, escape)
	if !ok {
		l.refuseCode(t, t.start, sqlerr.SyntaxError, "invalid Unicode escape")
		t.err.Hint = "Unicode escapes must be \\XXXX or \\+XXXXXX."
		return
	}
	t.name = s
}

// scanUescape reads UESCAPE 'c' if it is there; c is 0 if it cannot be one. It
// looks at the text before it reads a token: the next one may be another U&'…',
// and would look ahead itself.
func (l *lexer) scanUescape() (c byte, ok bool) {
	ahead := *l
	if ahead.skipSpace() >= 0 || !ahead.atUescape() {
		return 0, false
	}
	ahead.off += len(uescape)
	if ahead.skipSpace() >= 0 || ahead.at(1) == '&' {
		return 0, true
	}
	var char token
	ahead.next(&char)
	if char.kind != tokenString {
		return 0, true
	}
	*l = ahead
	if len(char.name) != 1 || strings.Contains("+'\"", char.name) || isSpace(char.name[0]) || digit(char.name[0]) < 16 {
		return 0, true
	}
	return char.name[0], true
}

const uescape = "uescape"

func (l *lexer) atUescape() bool {
	n := len(uescape)
	return len(l.text)-l.off >= n && strings.EqualFold(l.text[l.off:l.off+n], uescape) && !isIdentPart(l.at(n))
}

func replaceEscapes(s string, escape byte) (string, bool) {
	if strings.IndexByte(s, escape) < 0 {
		return s, true
	}
	var b []byte
	for i := 0; i < len(s); {
		if s[i] != escape {
			b = append(b, s[i])
			i++
			continue
		}
		if i+1 < len(s) && s[i+1] == escape {
			b = append(b, escape)
			i += 2
			continue
		}
		r, n := escapedRune(s[i+1:])
		if n == 0 {
			return "", false
		}
		i += 1 + n
		if r >= 0xD800 && r <= 0xDBFF && i < len(s) && s[i] == escape {
			if low, m := escapedRune(s[i+1:]); m > 0 && low >= 0xDC00 && low <= 0xDFFF {
				r = 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
				i += 1 + m
			}
		}
		if r == 0 || r > utf8.MaxRune || r >= 0xD800 && r <= 0xDFFF {
			return "", false
		}
		b = utf8.AppendRune(b, rune(r))
	}
	return string(b), true
}

// escapedRune reads XXXX or +XXXXXX and tells its length, 0 if it is neither.
func escapedRune(s string) (r, n int) {
	if strings.HasPrefix(s, "+") {
		if v, n := digits(s[1:], 16, 6); n == 6 {
			return v, 7
		}
		return 0, 0
	}
	if v, n := digits(s, 16, 4); n == 4 {
		return v, 4
	}
	return 0, 0
}
