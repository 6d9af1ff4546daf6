package translator

import (
	"strings"
	"unicode/utf8"
)

// likePattern is a constant LIKE pattern taken apart.
type likePattern struct {
	prefix     string // fixed text at the beginning
	exact      bool   // nothing but the prefix
	prefixOnly bool   // the prefix, then anything
	regex      string // the whole pattern, anchored; option s
}

// parseLike reads a pattern with the escape character backslash. A pattern that
// ends in a lone escape is an error, left to the local operator.
func parseLike(p string) (likePattern, bool) {
	var out likePattern
	var prefix, re strings.Builder
	re.WriteString(`\A`)
	wild, rest := false, 0
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRuneInString(p[i:])
		i += n
		switch {
		case r == '%':
			re.WriteString(".*")
			wild = true
			rest++
			continue
		case r == '_':
			re.WriteString(".")
			wild = true
			rest += 2
			continue
		case r == '\\':
			if i >= len(p) {
				return out, false
			}
			r, n = utf8.DecodeRuneInString(p[i:])
			i += n
		}
		re.WriteString(quoteRune(r))
		if !wild {
			prefix.WriteRune(r)
		} else {
			rest += 2
		}
	}
	re.WriteString(`\z`)
	out.prefix, out.regex = prefix.String(), re.String()
	out.exact = !wild
	out.prefixOnly = rest == 1 && out.prefix != ""
	return out, true
}

func quoteRune(r rune) string {
	if strings.ContainsRune(`\.+*?()|[]{}^$/#-&~`, r) {
		return `\` + string(r)
	}
	return string(r)
}

// successor is the least string above all that begin with s.
func successor(s string) (string, bool) {
	rs := []rune(s)
	for i := len(rs) - 1; i >= 0; i-- {
		next := rs[i] + 1
		if next == 0xD800 {
			next = 0xE000
		}
		if next <= utf8.MaxRune {
			return string(rs[:i]) + string(next), true
		}
	}
	return "", false
}
