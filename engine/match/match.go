package match

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
)

// Matcher is a compiled filter. It may be used from many goroutines, each
// with an expr.Context of its own.
type Matcher struct {
	root Node
}

// Compile compiles a filter document. Its bytes must stay unchanged while the
// Matcher is in use.
func Compile(filter bson.Raw, opts *expr.CompileOptions) (*Matcher, error) {
	if opts == nil {
		opts = &expr.CompileOptions{}
	}
	p := &parser{opts: opts}
	root, err := p.filter(filter)
	if err != nil {
		return nil, err
	}
	return &Matcher{root: simplify(root)}, nil
}

// Root is the tree of the filter.
func (m *Matcher) Root() Node { return m.root }

// Match tells whether a document matches. It sets c.Root where the filter
// holds an $expr.
func (m *Matcher) Match(c *expr.Context, doc bson.Raw) (bool, error) {
	ok, err := m.root.matches(c, doc)
	if err == nil {
		err = c.Failure()
	}
	return ok && err == nil, err
}

// searches tells whether a pattern matches. Matcher.Match tells what went wrong.
func searches(c *expr.Context, p *expr.Pattern, s string) bool {
	ok, err := p.Matches(c, s)
	if err != nil {
		c.Fail(err)
	}
	return ok
}

// All tells whether the filter is empty, so that every document matches.
func (m *Matcher) All() bool {
	a, ok := m.root.(*And)
	return ok && len(a.Of) == 0
}
