package expr

import (
	"io"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Linear is an expression of Go's regexp, whose searches take time that grows
// with the text only. But that may be long: a long search reads its text by a
// reader that ends when the execution does.
type Linear struct {
	*regexp.Regexp
	size int // of the automaton
}

// maxWork is how many steps of its automaton a search may take without being
// asked whether it is still wanted.
const maxWork = 1 << 24

// CompileLinear compiles as regexp.Compile does.
func CompileLinear(pattern string) (*Linear, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	l := &Linear{Regexp: re, size: 1}
	if tree, err := syntax.Parse(pattern, syntax.Perl); err == nil {
		if prog, err := syntax.Compile(tree.Simplify()); err == nil {
			l.size = len(prog.Inst)
		}
	}
	return l, nil
}

// Work is the most steps that a search of s takes.
func (l *Linear) Work(s string) int { return len(s) * l.size }

// Matches tells whether s matches. c may be nil.
func (l *Linear) Matches(c *Context, s string) (bool, error) {
	if c == nil || l.Work(s) <= maxWork {
		return l.MatchString(s), nil
	}
	r := &watchedReader{Reader: strings.NewReader(s), c: c, work: l.size}
	ok := l.MatchReader(r)
	return ok && r.err == nil, r.err
}

// First is Matches with the offsets of the first match and its groups.
func (l *Linear) First(c *Context, s string) ([]int, error) {
	if c == nil || l.Work(s) <= maxWork {
		return l.FindStringSubmatchIndex(s), nil
	}
	r := &watchedReader{Reader: strings.NewReader(s), c: c, work: l.size}
	m := l.FindReaderSubmatchIndex(r)
	return m, r.err
}

type watchedReader struct {
	*strings.Reader
	c    *Context
	work int // of a character, in steps
	err  error
}

func (r *watchedReader) ReadRune() (rune, int, error) {
	if r.err == nil {
		r.err = r.c.Steps(r.work)
	}
	if r.err != nil {
		return 0, 0, io.EOF
	}
	return r.Reader.ReadRune()
}
