package translator

import (
	"weir/planner"
)

// filter splits its condition: what MongoDB can test comes first, then what
// needs subqueries, then what is local.
func (c *compiler) filter(n *planner.Filter, outer map[planner.ColID]*loc) *fragment {
	f := c.relation(n.Input, outer)
	c.addFilter(f, n.Cond)
	return f
}

func (c *compiler) addFilter(f *fragment, cond planner.Expr) {
	c.settleUsed(f, cond)
	s := scope{c: c, f: f}
	var late []planner.Expr
	var here, local []obj
	for _, e := range conjuncts(nil, cond) {
		if c.hasLookup(e) {
			late = append(late, e)
			continue
		}
		doc := s.match(e, true)
		if traitsOf(doc).local {
			local = append(local, doc)
			if rough := s.superset(e); rough != nil {
				here = append(here, rough)
			}
		} else {
			here = append(here, doc)
		}
	}
	addMatch(f, here)
	addMatch(f, local)
	for _, e := range late {
		doc := s.match(e, true)
		addMatch(f, []obj{doc})
	}
}

func addMatch(f *fragment, docs []obj) {
	if doc := allOf(docs); len(doc) > 0 {
		f.add("$match", doc)
	}
}

// conjuncts appends the parts of a conjunction.
func conjuncts(dst []planner.Expr, e planner.Expr) []planner.Expr {
	if e == nil {
		return dst
	}
	if l, ok := e.(*planner.Logic); ok && l.Op == planner.And {
		for _, a := range l.Args {
			dst = conjuncts(dst, a)
		}
		return dst
	}
	return append(dst, e)
}

// hasLookup tells whether an expression holds a subquery that depends on rows.
func (c *compiler) hasLookup(e planner.Expr) bool {
	found := false
	walkExpr(e, func(x planner.Expr) {
		if q, ok := x.(*planner.Subquery); ok && !c.independent(q.Plan) {
			found = true
		}
	})
	return found
}
