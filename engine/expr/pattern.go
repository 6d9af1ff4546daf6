package expr

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// Pattern is a regular expression with the meaning that PCRE gives it.
// Patterns that Go's own linear engine understands alike run there, others
// (lookaround, back references, the option x) by backtracking.
type Pattern struct {
	quick *Linear // nil when only slow can run it
	// loose: an unescaped $ may also stand before a last newline, which quick
	// does not know; subjects that end in one go to slow.
	loose bool
	// looksBack: what stands before a place decides whether a match may begin.
	looksBack bool
	slow      func() (*regexp2.Regexp, error)
}

// CompilePattern compiles a pattern with the options i, m, s, x and u.
func CompilePattern(pattern, options string) (*Pattern, error) {
	for _, o := range options {
		if !strings.ContainsRune("imsxu", o) {
			return nil, fmt.Errorf("invalid option %q", o)
		}
	}
	dollar := hasDollar(pattern) && !strings.Contains(options, "m")
	pattern = strings.TrimPrefix(strings.TrimPrefix(pattern, "(*UTF8)"), "(*UCP)")
	p := &Pattern{loose: dollar, looksBack: strings.Contains(pattern, "^") || backward.MatchString(pattern)}
	p.slow = sync.OnceValues(func() (*regexp2.Regexp, error) { return compileSlow(pattern, options, dollar) })
	if !strings.Contains(options, "x") {
		p.quick = compileQuick(pattern, options)
	}
	if p.quick == nil {
		if _, err := p.slow(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// backward finds the escapes that look at what stands before them.
var backward = regexp.MustCompile(`\\[bBAG]`)

func compileQuick(pattern, options string) *Linear {
	if flags := strings.Map(onlyFlags, options); flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	re, err := CompileLinear(pattern)
	if err != nil {
		return nil
	}
	return re
}

func onlyFlags(r rune) rune {
	if strings.ContainsRune("ims", r) {
		return r
	}
	return -1
}

func compileSlow(pattern, options string, dollar bool) (*regexp2.Regexp, error) {
	opts := regexp2.RegexOptions(regexp2.RE2)
	for _, o := range options {
		switch o {
		case 'i':
			opts |= regexp2.IgnoreCase
		case 'm':
			opts |= regexp2.Multiline
		case 's':
			opts |= regexp2.Singleline
		case 'x':
			opts |= regexp2.IgnorePatternWhitespace
		}
	}
	if dollar {
		pattern = replaceDollar(pattern)
	}
	re, err := regexp2.Compile(atomic(pattern), opts)
	if err == nil {
		re.MatchTimeout = maxMatch
	}
	return re, err
}

func hasDollar(pattern string) bool { return strings.Contains(pattern, "$") }

// replaceDollar writes out what PCRE's $ means without the option m.
func replaceDollar(pattern string) string {
	var b strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		switch ch := pattern[i]; {
		case ch == '\\' && i+1 < len(pattern):
			b.WriteByte(ch)
			i++
			b.WriteByte(pattern[i])
		case ch == '$' && !class:
			b.WriteString(`(?=\n?\z)`)
		default:
			if ch == '[' {
				class = true
			} else if ch == ']' {
				class = false
			}
			b.WriteByte(ch)
		}
	}
	return b.String()
}

// atomic writes the possessive quantifiers that .NET's grammar lacks as atomic
// groups: a++ as (?>a+).
func atomic(pattern string) string {
	var out []byte
	var groups []int // where open groups begin in out
	atom := 0        // where the last complete atom begins in out
	for i := 0; i < len(pattern); {
		end := tokenEnd(pattern, i)
		token := pattern[i:end]
		i = end
		switch {
		case token == "(":
			groups = append(groups, len(out))
			atom = len(out)
		case token == ")":
			if n := len(groups); n > 0 {
				atom, groups = groups[n-1], groups[:n-1]
			}
		case isQuantifier(token):
			out = append(out, token...)
			if i < len(pattern) && pattern[i] == '+' {
				i++
				out = append(out[:atom:atom], "(?>"+string(out[atom:])+")"...)
			}
			continue
		default:
			atom = len(out)
		}
		out = append(out, token...)
	}
	return string(out)
}

func isQuantifier(token string) bool {
	switch token[0] {
	case '*', '+', '?':
		return true
	case '{':
		return len(token) > 1
	}
	return false
}

// tokenEnd is the end of the escape, class, counted quantifier or byte at i.
func tokenEnd(pattern string, i int) int {
	rest := pattern[i:]
	switch rest[0] {
	case '\\':
		return i + min(2, len(rest))
	case '[':
		for j := 2; j < len(rest); j++ {
			if rest[j] == '\\' {
				j++
			} else if rest[j] == ']' {
				return i + j + 1
			}
		}
	case '{':
		if m := counted.FindString(rest); m != "" {
			return i + len(m)
		}
	}
	_, n := utf8.DecodeRuneInString(rest)
	return i + n
}

var counted = regexp.MustCompile(`^\{\d*(?:,\d*)?\}`)

func (p *Pattern) useQuick(s string) bool {
	return p.quick != nil && (!p.loose || !strings.HasSuffix(s, "\n"))
}

// maxMatch bounds one search by backtracking, as PCRE's match limit does.
const maxMatch = 2 * time.Second

func matchLimit() error {
	return fail(51156, "Error occurred while executing the regular expression. Result code: match limit exceeded")
}

// Matches tells whether the pattern matches somewhere in s. c may be nil.
func (p *Pattern) Matches(c *Context, s string) (bool, error) {
	if p.useQuick(s) {
		return p.quick.Matches(c, s)
	}
	re, err := p.slow()
	switch {
	case err != nil && p.quick == nil:
		return false, nil
	case err != nil:
		return p.quick.Matches(c, s)
	}
	ok, err := re.MatchString(s)
	if err != nil {
		return false, matchLimit()
	}
	return ok, nil
}

// Find finds the first match at or after byte offset from: byte offsets in
// pairs for the match and its groups, -1 for groups without a match; nil if
// there is none.
func (p *Pattern) Find(c *Context, s string, from int) ([]int, error) {
	if !p.useQuick(s) || from > 0 && p.looksBack {
		if re, err := p.slow(); err == nil {
			return findSlow(re, s, from)
		}
	}
	m, err := p.quick.First(c, s[from:])
	for i := range m {
		if m[i] >= 0 {
			m[i] += from
		}
	}
	return m, err
}

func findSlow(re *regexp2.Regexp, s string, from int) ([]int, error) {
	offsets := runeOffsets(s)
	start := 0
	for start < len(offsets)-1 && offsets[start] < from {
		start++
	}
	m, err := re.FindRunesMatchStartingAt([]rune(s), start)
	if err != nil {
		return nil, matchLimit()
	}
	if m == nil {
		return nil, nil
	}
	var out []int
	for _, g := range m.Groups() {
		if len(g.Captures) == 0 {
			out = append(out, -1, -1)
			continue
		}
		out = append(out, offsets[g.Index], offsets[g.Index+g.Length])
	}
	return out, nil
}

// runeOffsets is the byte offset of every rune of s, and len(s).
func runeOffsets(s string) []int {
	out := make([]int, 0, len(s)+1)
	for i := range s {
		out = append(out, i)
	}
	return append(out, len(s))
}
