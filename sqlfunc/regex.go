package sqlfunc

import (
	"regexp/syntax"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"

	"weir/engine/expr"
	"weir/sqlerr"
)

// pattern is a compiled regular expression. Those without backward references,
// lookaround and non-greedy parts run on Go's regexp, which takes linear time
// and finds the longest match as PostgreSQL does; others on regexp2.
type pattern struct {
	linear *expr.Linear
	back   *regexp2.Regexp
	groups int
}

// matchTimeout bounds one search by backtracking.
const matchTimeout = 5 * time.Second

// backtracking is what a search by backtracking may take, for all that is known.
func backtracking(s string) int { return len(s) * len(s) * 100 }

// patterns keeps compiled expressions. It belongs to a Library.
type patterns struct {
	mu sync.Mutex
	m  map[string]*pattern
}

// maxPatterns bounds the cache; it starts anew when full.
const maxPatterns = 500

func (ps *patterns) compile(re, flags string) (*pattern, error) {
	key := flags + "/" + re
	ps.mu.Lock()
	p := ps.m[key]
	ps.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := compilePattern(re, flags)
	if err != nil {
		return nil, err
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.m == nil || len(ps.m) >= maxPatterns {
		ps.m = map[string]*pattern{}
	}
	ps.m[key] = p
	return p, nil
}

func badRegex(detail string) error {
	return sqlerr.New(sqlerr.InvalidRegularExpression, "invalid regular expression: %s", detail)
}

func compilePattern(re, flags string) (*pattern, error) {
	t := areTranslator{s: re}
	if err := t.flags(flags); err != nil {
		return nil, err
	}
	out, err := t.run()
	if err != nil {
		return nil, err
	}
	if !t.backtrack {
		if ast, err := syntax.Parse(out, syntax.Perl); err == nil {
			g, err := expr.CompileLinear(out)
			if err == nil {
				g.Longest()
				return &pattern{linear: g, groups: ast.MaxCap()}, nil
			}
		}
	}
	r, err := regexp2.Compile(out, regexp2.None)
	if err != nil {
		return nil, badRegex(regexProblem(err))
	}
	r.MatchTimeout = matchTimeout
	return &pattern{back: r, groups: len(r.GetGroupNumbers()) - 1}, nil
}

// regexProblem gives PostgreSQL's words for what is wrong.
func regexProblem(err error) string {
	msg := err.Error()
	for _, w := range [][2]string{
		{"missing closing )", "parentheses () not balanced"}, {"not enough )", "parentheses () not balanced"},
		{"too many )", "parentheses () not balanced"}, {"unterminated []", "brackets [] not balanced"},
		{"missing closing ]", "brackets [] not balanced"},
		{"quantifier", "quantifier operand invalid"}, {"reverse order", "invalid character range"},
		{"reference", "invalid backreference number"},
	} {
		if strings.Contains(msg, w[0]) {
			return w[1]
		}
	}
	return "invalid escape \\ sequence"
}

// find gives the byte offsets of the first match from an offset on, by pairs
// for the whole and the groups, -1 for groups that did not take part.
func (p *pattern) find(c *expr.Context, s string, from int) ([]int, error) {
	if p.linear != nil {
		return p.findLinear(c, s, from)
	}
	if err := c.Steps(backtracking(s)); err != nil {
		return nil, err
	}
	m, err := p.back.FindStringMatchStartingAt(s, from)
	if err != nil {
		return nil, sqlerr.New(sqlerr.StatementTooComplex, "regular expression is too complex")
	}
	if m == nil {
		return nil, nil
	}
	offsets := runeOffsets(s)
	var out []int
	for _, g := range m.Groups() {
		if len(g.Captures) == 0 {
			out = append(out, -1, -1)
			continue
		}
		out = append(out, offsets(g.Index), offsets(g.Index+g.Length))
	}
	return out, nil
}

// findLinear searches from an offset with the text before it in view.
func (p *pattern) findLinear(c *expr.Context, s string, from int) ([]int, error) {
	if from == 0 {
		return p.linear.First(c, s)
	}
	if err := c.Steps(p.linear.Work(s)); err != nil {
		return nil, err
	}
	for _, m := range p.linear.FindAllStringSubmatchIndex(s, -1) {
		if m[0] >= from {
			return m, nil
		}
	}
	return nil, nil
}

// runeOffsets turns rune numbers into byte offsets.
func runeOffsets(s string) func(int) int {
	if len(s) == utf8.RuneCountInString(s) {
		return func(i int) int { return i }
	}
	var starts []int
	for i := range s {
		starts = append(starts, i)
	}
	starts = append(starts, len(s))
	return func(i int) int { return starts[i] }
}

// all finds all matches that do not overlap, at most limit (0: any number).
func (p *pattern) all(c *expr.Context, s string, from, limit int) ([][]int, error) {
	var out [][]int
	if p.linear != nil {
		if err := c.Steps(p.linear.Work(s)); err != nil {
			return nil, err
		}
		for _, m := range p.linear.FindAllStringSubmatchIndex(s, -1) {
			if m[0] >= from && (limit == 0 || len(out) < limit) {
				out = append(out, m)
			}
		}
		return out, nil
	}
	for from <= len(s) && (limit == 0 || len(out) < limit) {
		m, err := p.find(c, s, from)
		if err != nil || m == nil {
			return out, err
		}
		out = append(out, m)
		from = m[1]
		if m[0] == m[1] {
			_, n := utf8.DecodeRuneInString(s[from:])
			from += max(n, 1)
		}
	}
	return out, nil
}

func (p *pattern) match(c *expr.Context, s string) (bool, error) {
	if p.linear != nil {
		return p.linear.Matches(c, s)
	}
	if err := c.Steps(backtracking(s)); err != nil {
		return false, err
	}
	ok, err := p.back.MatchString(s)
	if err != nil {
		return false, sqlerr.New(sqlerr.StatementTooComplex, "regular expression is too complex")
	}
	return ok, nil
}
