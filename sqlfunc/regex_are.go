package sqlfunc

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"weir/sqlerr"
)

// areTranslator rewrites PostgreSQL's advanced regular expressions in the
// syntax that Go's regexp and regexp2 share.
type areTranslator struct {
	s         string
	i         int
	b         strings.Builder
	icase     bool
	expanded  bool
	literal   bool
	lines     bool // ^ and $ match at lines
	dotLine   bool // . and [^…] do not match a newline
	backtrack bool // needs regexp2
	depth     int
}

// flags reads the letters of the flags argument (without g, which is the
// function's) or of embedded options.
func (t *areTranslator) flags(flags string) error {
	for _, f := range flags {
		switch f {
		case 'i':
			t.icase = true
		case 'c':
			t.icase = false
		case 'x':
			t.expanded = true
		case 't', 'e', 'b':
		case 's':
			t.lines, t.dotLine = false, false
		case 'n', 'm':
			t.lines, t.dotLine = true, true
		case 'p':
			t.lines, t.dotLine = false, true
		case 'w':
			t.lines, t.dotLine = true, false
		case 'q':
			t.literal = true
		default:
			return sqlerr.New(sqlerr.InvalidParameterValue, "invalid regular expression option: \"%c\"", f)
		}
	}
	return nil
}

func (t *areTranslator) run() (string, error) {
	if err := t.director(); err != nil {
		return "", err
	}
	for t.i < len(t.s) {
		if err := t.atom(); err != nil {
			return "", err
		}
	}
	if t.depth != 0 {
		return "", badRegex("parentheses () not balanced")
	}
	options := ""
	if t.icase {
		options += "i"
	}
	if t.lines {
		options += "m"
	}
	if !t.dotLine {
		options += "s"
	}
	if options == "" {
		return t.b.String(), nil
	}
	return "(?" + options + ")" + t.b.String(), nil
}

// director reads what may stand in front: ***=, ***:, and (?xyz).
func (t *areTranslator) director() error {
	switch {
	case strings.HasPrefix(t.s, "***="):
		t.literal, t.i = true, 4
	case strings.HasPrefix(t.s, "***:"):
		t.i = 4
	}
	if rest := t.s[t.i:]; !t.literal && strings.HasPrefix(rest, "(?") && len(rest) > 2 && rest[2] >= 'a' && rest[2] <= 'z' {
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return badRegex("invalid embedded option")
		}
		if err := t.flags(rest[2:end]); err != nil {
			return badRegex("invalid embedded option")
		}
		t.i += end + 1
	}
	if t.literal {
		t.b.WriteString(quoteMeta(t.s[t.i:]))
		t.i = len(t.s)
	}
	return nil
}

func quoteMeta(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && strings.ContainsRune(`\.+*?()|[]{}^$#`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (t *areTranslator) atom() error {
	c := t.s[t.i]
	switch c {
	case '\\':
		return t.escape()
	case '[':
		return t.bracket()
	case '$':
		t.i++
		if t.lines {
			t.b.WriteString(`$`)
		} else {
			t.b.WriteString(`\z`)
		}
	case '(':
		t.group()
	case ')':
		t.i++
		if t.depth == 0 {
			return badRegex("parentheses () not balanced")
		}
		t.depth--
		t.b.WriteByte(')')
	case '*', '+', '?':
		t.i++
		t.b.WriteByte(c)
		t.lazy()
	case '{':
		return t.bound()
	case ' ', '\t', '\n', '\r', '\f', '\v', '#':
		t.blank(c)
	default:
		_, n := utf8.DecodeRuneInString(t.s[t.i:])
		t.b.WriteString(t.s[t.i : t.i+n])
		t.i += n
	}
	return nil
}

// blank skips white space and comments in expanded syntax.
func (t *areTranslator) blank(c byte) {
	t.i++
	switch {
	case !t.expanded:
		if c == '#' {
			t.b.WriteByte('\\')
		}
		t.b.WriteByte(c)
	case c == '#':
		for t.i < len(t.s) && t.s[t.i] != '\n' {
			t.i++
		}
	}
}

func (t *areTranslator) lazy() {
	if t.i < len(t.s) && t.s[t.i] == '?' {
		t.i++
		t.b.WriteByte('?')
		t.backtrack = true
	}
}

func (t *areTranslator) group() {
	t.depth++
	rest := t.s[t.i:]
	for _, look := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.HasPrefix(rest, look) {
			t.b.WriteString(look)
			t.i += len(look)
			t.backtrack = true
			return
		}
	}
	if strings.HasPrefix(rest, "(?:") {
		t.b.WriteString("(?:")
		t.i += 3
		return
	}
	t.b.WriteByte('(')
	t.i++
}

func (t *areTranslator) bound() error {
	rest := t.s[t.i:]
	if len(rest) < 2 || rest[1] < '0' || rest[1] > '9' {
		t.b.WriteString(`\{`)
		t.i++
		return nil
	}
	end := strings.IndexByte(rest, '}')
	if end < 0 {
		return badRegex("braces {} not balanced")
	}
	lo, hi, both := strings.Cut(rest[1:end], ",")
	for _, n := range []string{lo, hi} {
		if v, err := strconv.Atoi(n); n != "" && (err != nil || v > 255) || n == "" && n == lo {
			return badRegex("invalid repetition count(s)")
		}
	}
	l, _ := strconv.Atoi(lo)
	if h, err := strconv.Atoi(hi); both && err == nil && h < l {
		return badRegex("invalid repetition count(s)")
	}
	t.b.WriteString(rest[:end+1])
	t.i += end + 1
	t.lazy()
	return nil
}

// constraint and class escapes in the common syntax.
var areEscapes = map[byte]string{
	'd': `[0-9]`, 'D': `[^0-9]`, 's': `[\s]`, 'S': `[^\s]`, 'w': `[\p{L}\p{N}_]`, 'W': `[^\p{L}\p{N}_]`,
	'A': `\A`, 'Z': `\z`, 'y': `\b`, 'Y': `\B`, 'a': `\x07`, 'b': `\x08`, 'B': `\\`, 'e': `\x1b`, 'f': `\f`,
	'n': `\n`, 'r': `\r`, 't': `\t`, 'v': `\x0b`, '0': `\x00`,
	'm': `\b(?=\w)`, 'M': `\b(?<=\w)`,
}

func (t *areTranslator) escape() error {
	if t.i+1 >= len(t.s) {
		return badRegex("invalid escape \\ sequence")
	}
	c := t.s[t.i+1]
	t.i += 2
	if out, ok := areEscapes[c]; ok {
		if c == 'm' || c == 'M' {
			t.backtrack = true
		}
		t.b.WriteString(out)
		return nil
	}
	switch {
	case c >= '1' && c <= '9':
		t.backtrack = true
		t.b.WriteString(`(?:\` + string(c) + `)`)
	case c == 'u' || c == 'U' || c == 'x':
		r, err := t.codePoint(c)
		if err != nil {
			return err
		}
		t.b.WriteString(`\x{` + strconv.FormatInt(int64(r), 16) + `}`)
		t.wideEscape(r)
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return badRegex("invalid escape \\ sequence")
	default:
		_, n := utf8.DecodeRuneInString(t.s[t.i-1:])
		t.b.WriteString(quoteMeta(t.s[t.i-1 : t.i-1+n]))
		t.i += n - 1
	}
	return nil
}

// wideEscape rewrites the escape just written as the character itself, which
// both engines read alike.
func (t *areTranslator) wideEscape(r rune) {
	s := t.b.String()
	cut := strings.LastIndex(s, `\x{`)
	t.b.Reset()
	t.b.WriteString(s[:cut] + quoteMeta(string(r)))
}

func (t *areTranslator) codePoint(kind byte) (rune, error) {
	n := map[byte]int{'u': 4, 'U': 8, 'x': 255}[kind]
	start := t.i
	for t.i < len(t.s) && t.i-start < n && strings.IndexByte("0123456789abcdefABCDEF", t.s[t.i]) >= 0 {
		t.i++
	}
	v, err := strconv.ParseInt(t.s[start:t.i], 16, 32)
	if err != nil || kind != 'x' && t.i-start != n {
		return 0, badRegex("invalid escape \\ sequence")
	}
	return rune(v), nil
}

var areClasses = map[string]string{
	"alnum": `\p{L}\p{N}`, "alpha": `\p{L}`, "blank": ` \t`, "cntrl": `\x00-\x1f\x7f`, "digit": `0-9`,
	"graph": `!-~\p{L}\p{N}`, "lower": `\p{Ll}`, "print": ` -~\p{L}\p{N}`, "punct": "!-/:-@\\[-`{-~", "space": `\s`,
	"upper": `\p{Lu}`, "xdigit": `0-9A-Fa-f`, "word": `\p{L}\p{N}_`,
}

// bracket rewrites a bracket expression.
func (t *areTranslator) bracket() error {
	rest := t.s[t.i:]
	for from, to := range map[string]string{"[[:<:]]": areEscapes['m'], "[[:>:]]": areEscapes['M']} {
		if strings.HasPrefix(rest, from) {
			t.b.WriteString(to)
			t.backtrack = true
			t.i += len(from)
			return nil
		}
	}
	t.i++
	t.b.WriteByte('[')
	if t.i < len(t.s) && t.s[t.i] == '^' {
		t.i++
		t.b.WriteByte('^')
		if t.dotLine {
			t.b.WriteString(`\n`)
		}
	}
	for first := true; ; first = false {
		if t.i >= len(t.s) {
			return badRegex("brackets [] not balanced")
		}
		c := t.s[t.i]
		if c == ']' && !first {
			t.i++
			t.b.WriteByte(']')
			return nil
		}
		if err := t.member(c); err != nil {
			return err
		}
	}
}

func (t *areTranslator) member(c byte) error {
	rest := t.s[t.i:]
	switch {
	case strings.HasPrefix(rest, "[:"):
		end := strings.Index(rest, ":]")
		if end < 0 {
			return badRegex("brackets [] not balanced")
		}
		class, ok := areClasses[rest[2:end]]
		if !ok {
			return badRegex("invalid character class")
		}
		t.b.WriteString(class)
		t.i += end + 2
	case strings.HasPrefix(rest, "[.") || strings.HasPrefix(rest, "[="):
		end := strings.Index(rest, rest[1:2]+"]")
		if end < 3 {
			return badRegex("invalid collating element")
		}
		t.b.WriteString(quoteClass(rest[2:end]))
		t.i += end + 2
	case c == '\\':
		return t.memberEscape()
	case c == '-':
		t.i++
		if strings.HasPrefix(t.s[t.i:], "]") || strings.HasSuffix(t.b.String(), "[") || strings.HasSuffix(t.b.String(), "[^") {
			t.b.WriteString(`\-`)
		} else {
			t.b.WriteByte('-')
		}
	default:
		_, n := utf8.DecodeRuneInString(rest)
		t.b.WriteString(quoteClass(rest[:n]))
		t.i += n
	}
	return nil
}

func quoteClass(s string) string {
	if len(s) == 1 && strings.Contains(`\[]^-&~`, s) {
		return `\` + s
	}
	return s
}

func (t *areTranslator) memberEscape() error {
	if t.i+1 >= len(t.s) {
		return badRegex("invalid escape \\ sequence")
	}
	c := t.s[t.i+1]
	if out, ok := areEscapes[c]; ok && strings.IndexByte("dsw", c) >= 0 {
		t.b.WriteString(strings.Trim(out, "[]"))
		t.i += 2
		return nil
	}
	if out, ok := areEscapes[c]; ok && strings.IndexByte("DSWAZmMyY", c) < 0 {
		t.b.WriteString(out)
		t.i += 2
		return nil
	}
	t.i += 2
	if c == 'u' || c == 'U' || c == 'x' {
		r, err := t.codePoint(c)
		if err != nil {
			return err
		}
		t.b.WriteString(quoteClass(string(r)))
		return nil
	}
	if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
		return badRegex("invalid escape \\ sequence")
	}
	_, n := utf8.DecodeRuneInString(t.s[t.i-1:])
	t.b.WriteString(quoteClass(t.s[t.i-1 : t.i-1+n]))
	t.i += n - 1
	return nil
}
