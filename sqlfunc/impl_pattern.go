package sqlfunc

import (
	"strings"
	"unicode/utf8"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

// latin1 makes a character of each byte.
func latin1(b []byte) string {
	out := make([]rune, len(b))
	for i, c := range b {
		out[i] = rune(c)
	}
	return string(out)
}

// likeEscape rewrites a pattern with another escape character to backslashes.
func likeEscape(_ *expr.Context, a []value.Value) (value.Value, error) {
	p, e := text(a[0]), text(a[1])
	esc, n := utf8.DecodeRuneInString(e)
	if n != len(e) {
		return fail(badEscape())
	}
	if e == `\` {
		return a[0], nil
	}
	var b strings.Builder
	after := false
	for _, r := range p {
		switch {
		case e != "" && r == esc && !after:
			b.WriteByte('\\')
			after = true
		case r == '\\':
			b.WriteString(`\\`)
			if after {
				s := b.String()
				b.Reset()
				b.WriteString(s[:len(s)-1])
			}
			after = false
		default:
			b.WriteRune(r)
			after = false
		}
	}
	return str(b.String())
}

func likeEscapeBytes(c *expr.Context, a []value.Value) (value.Value, error) {
	v, err := likeEscape(c, []value.Value{value.StringBytes(bytesOf(a[0])), value.StringBytes(bytesOf(a[1]))})
	if err != nil {
		return fail(err)
	}
	return binary([]byte(v.Str()))
}

// similarRegex turns a SIMILAR TO pattern into a regular expression.
func similarRegex(p string, escape rune) (string, error) {
	var b strings.Builder
	b.WriteString("^(?:")
	inClass, after := false, false
	quotes := 0
	for _, r := range p {
		switch {
		case after:
			if r == '"' && !inClass { // SUBSTRING's separators
				b.WriteString([]string{"){1,1}?(", "){1,1}(?:"}[min(quotes, 1)])
				quotes++
			} else {
				b.WriteString(`\` + string(r))
			}
			after = false
		case r == escape && escape != 0:
			after = true
		case inClass:
			if r == '\\' {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
			inClass = r != ']'
		case r == '[':
			b.WriteRune(r)
			inClass = true
		case r == '%':
			b.WriteString(".*")
		case r == '_':
			b.WriteByte('.')
		case r == '(':
			b.WriteString("(?:")
		case strings.ContainsRune(`\.^$`, r):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteString(")$")
	return b.String(), nil
}

func similarEscape(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return null()
	}
	escape := '\\'
	if len(a) > 1 && !a[1].IsNullish() {
		e := text(a[1])
		r, n := utf8.DecodeRuneInString(e)
		if n != len(e) {
			return fail(badEscape())
		}
		escape = r
		if e == "" {
			escape = 0
		}
	}
	s, err := similarRegex(text(a[0]), escape)
	return value.String(s), err
}

// patternFamily makes the functions of regular expressions around a cache.
func patternFamily(ps *patterns) map[string]evaluator {
	m := map[string]evaluator{
		"like": like(false, true), "not_like": like(false, false), "ilike": like(true, true), "not_ilike": like(true, false),
		"like_bytea": likeBytes(true), "not_like_bytea": likeBytes(false),
		"like_escape": likeEscape, "like_escape_bytea": likeEscapeBytes, "similar_escape": similarEscape,
		"regex": ps.test("", true), "not_regex": ps.test("", false), "iregex": ps.test("i", true), "not_iregex": ps.test("i", false),
		"similar": ps.similar(true), "not_similar": ps.similar(false),
		"regexp_like": ps.like, "regexp_match": ps.regexpMatch, "regexp_matches": ps.regexpMatches,
		"regexp_replace": ps.replace, "regexp_split_to_array": ps.split, "regexp_split_to_table": ps.split,
		"regexp_count": ps.count, "regexp_instr": ps.instr, "regexp_substr": ps.substr,
		"substring_regex": ps.substringRegex, "substring_similar": ps.substringSimilar,
	}
	return m
}

func (ps *patterns) test(flags string, want bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		p, err := ps.compile(text(a[1]), flags)
		if err != nil {
			return fail(err)
		}
		ok, err := p.match(c, text(a[0]))
		return value.Bool(ok == want), err
	}
}

func (ps *patterns) similar(want bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		escape, err := escapeOf(a)
		if err != nil {
			return fail(err)
		}
		re, err := similarRegex(text(a[1]), escape)
		if err != nil {
			return fail(err)
		}
		p, err := ps.compile(re, "")
		if err != nil {
			return fail(err)
		}
		ok, err := p.match(c, text(a[0]))
		return value.Bool(ok == want), err
	}
}

// flagged compiles with the flags of argument i; g is told apart.
func (ps *patterns) flagged(a []value.Value, re, i int) (p *pattern, global bool, err error) {
	flags := optionalText(a, i, "")
	rest := strings.ReplaceAll(flags, "g", "")
	p, err = ps.compile(text(a[re]), rest)
	return p, rest != flags, err
}

func (ps *patterns) noGlobal(fn string, a []value.Value, i int) (*pattern, error) {
	p, global, err := ps.flagged(a, 1, i)
	if err == nil && global {
		err = sqlerr.New(sqlerr.InvalidParameterValue, "%s() does not support the \"global\" option", fn)
	}
	return p, err
}

func (ps *patterns) like(c *expr.Context, a []value.Value) (value.Value, error) {
	p, err := ps.noGlobal("regexp_like", a, 2)
	if err != nil {
		return fail(err)
	}
	ok, err := p.match(c, text(a[0]))
	return value.Bool(ok), err
}

// captured is a match as an array: its groups, or the whole without groups.
func captured(s string, m []int) value.Value {
	if len(m) == 2 {
		return value.ArrayFrom([]value.Value{value.String(s[m[0]:m[1]])})
	}
	out := make([]value.Value, 0, len(m)/2)
	for i := 2; i < len(m); i += 2 {
		out = append(out, part(s, m, i))
	}
	return value.ArrayFrom(out)
}

func part(s string, m []int, i int) value.Value {
	if m[i] < 0 {
		return value.Null()
	}
	return value.String(s[m[i]:m[i+1]])
}

func (ps *patterns) regexpMatch(c *expr.Context, a []value.Value) (value.Value, error) {
	p, global, err := ps.flagged(a, 1, 2)
	if err != nil {
		return fail(err)
	}
	if global {
		return fail(sqlerr.New(sqlerr.InvalidParameterValue, "regexp_match() does not support the \"global\" option").
			WithHint("Use the regexp_matches function instead."))
	}
	s := text(a[0])
	m, err := p.find(c, s, 0)
	if err != nil || m == nil {
		return value.Null(), err
	}
	return captured(s, m), nil
}

func (ps *patterns) regexpMatches(c *expr.Context, a []value.Value) (value.Value, error) {
	p, global, err := ps.flagged(a, 1, 2)
	if err != nil {
		return fail(err)
	}
	limit := 1
	if global {
		limit = 0
	}
	s := text(a[0])
	ms, err := p.all(c, s, 0, limit)
	if err != nil {
		return fail(err)
	}
	rows := make([]value.Value, len(ms))
	for i, m := range ms {
		rows[i] = captured(s, m)
	}
	return value.ArrayFrom(rows), nil
}

func (ps *patterns) split(c *expr.Context, a []value.Value) (value.Value, error) {
	p, err := ps.noGlobal("regexp_split_to_table", a, 2)
	if err != nil {
		return fail(err)
	}
	s := text(a[0])
	ms, err := p.all(c, s, 0, 0)
	if err != nil {
		return fail(err)
	}
	var parts []string
	from := 0
	for _, m := range ms {
		if m[0] == m[1] && (m[0] == len(s) || m[1] <= from) {
			continue
		}
		parts = append(parts, s[from:m[0]])
		from = m[1]
	}
	return textArray(append(parts, s[from:]))
}

// replace is regexp_replace in its forms (s, re, with [, flags]) and
// (s, re, with, start [, n [, flags]]).
func (ps *patterns) replace(c *expr.Context, a []value.Value) (value.Value, error) {
	start, n, flagsAt := 1, 1, 3
	if len(a) > 3 && a[3].IsNumber() {
		start, n, flagsAt = int(a[3].AsInt64()), int(optional(a, 4, 1)), 5
	}
	p, global, err := ps.flagged(a, 1, flagsAt)
	if err != nil {
		return fail(err)
	}
	if start < 1 {
		return badParameter("start", int64(start))
	}
	if n < 0 {
		return badParameter("n", int64(n))
	}
	if global && flagsAt == 3 {
		n = 0
	}
	s := text(a[0])
	limit := n
	ms, err := p.all(c, s, byteOffset(s, start-1), limit)
	if err != nil {
		return fail(err)
	}
	if n > 0 {
		if len(ms) < n {
			return a[0], nil
		}
		ms = ms[n-1:]
	}
	var b strings.Builder
	from := 0
	for _, m := range ms {
		b.WriteString(s[from:m[0]])
		expandReplacement(&b, s, text(a[2]), m)
		if b.Len() > maxText {
			return fail(tooLong())
		}
		from = m[1]
	}
	b.WriteString(s[from:])
	return str(b.String())
}

func badParameter(name string, v int64) (value.Value, error) {
	return failf(sqlerr.InvalidParameterValue, "invalid value for parameter \"%s\": %d", name, v)
}

// expandReplacement writes a replacement: \1 … \9 are groups, \& the match.
func expandReplacement(b *strings.Builder, s, with string, m []int) {
	for i := 0; i < len(with); i++ {
		if with[i] != '\\' || i+1 == len(with) {
			b.WriteByte(with[i])
			continue
		}
		i++
		switch c := with[i]; {
		case c == '&':
			b.WriteString(s[m[0]:m[1]])
		case c >= '1' && c <= '9':
			if g := 2 * int(c-'0'); g < len(m) && m[g] >= 0 {
				b.WriteString(s[m[g]:m[g+1]])
			}
		case c == '\\':
			b.WriteByte('\\')
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
}

func (ps *patterns) count(c *expr.Context, a []value.Value) (value.Value, error) {
	start := optional(a, 2, 1)
	if start < 1 {
		return badParameter("start", start)
	}
	p, err := ps.noGlobal("regexp_count", a, 3)
	if err != nil {
		return fail(err)
	}
	s := text(a[0])
	ms, err := p.all(c, s, byteOffset(s, int(start)-1), 0)
	return value.Int32(int32(len(ms))), err
}

// nth finds the n-th match for regexp_instr and regexp_substr.
func (ps *patterns) nth(c *expr.Context, fn string, a []value.Value, flagsAt, subAt int) (string, []int, int, error) {
	start, n, sub := optional(a, 2, 1), optional(a, 3, 1), optional(a, subAt, 0)
	for _, c := range []struct {
		name   string
		v, min int64
	}{{"start", start, 1}, {"n", n, 1}, {"subexpr", sub, 0}} {
		if c.v < c.min {
			_, err := badParameter(c.name, c.v)
			return "", nil, 0, err
		}
	}
	p, err := ps.noGlobal(fn, a, flagsAt)
	if err != nil {
		return "", nil, 0, err
	}
	s := text(a[0])
	ms, err := p.all(c, s, byteOffset(s, int(start)-1), int(n))
	if err != nil || len(ms) < int(n) || 2*int(sub) >= len(ms[n-1]) {
		return s, nil, 0, err
	}
	return s, ms[n-1], 2 * int(sub), nil
}

func (ps *patterns) instr(c *expr.Context, a []value.Value) (value.Value, error) {
	end := optional(a, 4, 0)
	if end != 0 && end != 1 {
		return badParameter("endoption", end)
	}
	s, m, i, err := ps.nth(c, "regexp_instr", a, 5, 6)
	if err != nil || m == nil || m[i] < 0 {
		return value.Int32(0), err
	}
	return int4(textLen(s[:m[i+int(end)]]) + 1)
}

func (ps *patterns) substr(c *expr.Context, a []value.Value) (value.Value, error) {
	s, m, i, err := ps.nth(c, "regexp_substr", a, 4, 5)
	if err != nil || m == nil {
		return value.Null(), err
	}
	return part(s, m, i), nil
}

func (ps *patterns) substringRegex(c *expr.Context, a []value.Value) (value.Value, error) {
	p, err := ps.compile(text(a[1]), "")
	if err != nil {
		return fail(err)
	}
	s := text(a[0])
	m, err := p.find(c, s, 0)
	if err != nil || m == nil {
		return value.Null(), err
	}
	if len(m) > 2 {
		return part(s, m, 2), nil
	}
	return part(s, m, 0), nil
}

func (ps *patterns) substringSimilar(c *expr.Context, a []value.Value) (value.Value, error) {
	re, err := similarEscape(nil, []value.Value{a[1], a[2]})
	if err != nil {
		return fail(err)
	}
	return ps.substringRegex(c, []value.Value{a[0], re})
}
