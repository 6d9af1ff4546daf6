package engine

import (
	"weir/engine/match"
	"weir/engine/value"
)

// impliesPartial tells whether every document that the query can find is in a
// partial index. It understands conjunctions of comparisons and $exists.
func (p *planner) impliesPartial(ix *indexState) bool {
	if ix.PartialSpec == nil {
		return true
	}
	m, err := match.Compile(ix.PartialSpec, nil)
	if err != nil {
		return false
	}
	return p.implies(m.Root())
}

func (p *planner) implies(n match.Node) bool {
	switch n := n.(type) {
	case *match.And:
		for _, sub := range n.Of {
			if !p.implies(sub) {
				return false
			}
		}
		return true
	case *match.Exists:
		pr := p.preds[n.Path.Text]
		return pr != nil && !pr.null
	case *match.Compare:
		return p.impliesCompare(n)
	}
	return false
}

func (p *planner) impliesCompare(n *match.Compare) bool {
	pr := p.preds[n.Path.Text]
	if pr == nil || pr.strings && pr.collation != nil {
		return false
	}
	if pr.cond.Points != nil {
		for _, v := range pr.cond.Points {
			if !satisfies(v, n) {
				return false
			}
		}
		return true
	}
	low, high := pr.cond.Low, pr.cond.High
	if n.Value.IsNaN() || value.Class(low.Value.Kind()) != value.Class(n.Value.Kind()) {
		return false
	}
	switch n.Op {
	case match.Gt:
		c := value.Compare(low.Value, n.Value)
		return c > 0 || c == 0 && !low.Inclusive
	case match.Gte:
		return value.Compare(low.Value, n.Value) >= 0
	case match.Lt:
		c := value.Compare(high.Value, n.Value)
		return !high.Value.IsNaN() && (c < 0 || c == 0 && !high.Inclusive)
	case match.Lte:
		return !high.Value.IsNaN() && value.Compare(high.Value, n.Value) <= 0
	}
	return false
}

func satisfies(v value.Value, n *match.Compare) bool {
	if value.Class(v.Kind()) != value.Class(n.Value.Kind()) {
		return false
	}
	c := value.Compare(v, n.Value)
	if v.IsNaN() != n.Value.IsNaN() {
		return false // NaN comes before the numbers, but is not less than they are
	}
	switch n.Op {
	case match.Lt:
		return c < 0
	case match.Lte:
		return c <= 0
	case match.Gt:
		return c > 0
	case match.Gte:
		return c >= 0
	}
	return c == 0
}
