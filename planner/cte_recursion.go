package planner

import (
	"slices"

	"weir/parser/ast"
	"weir/sqlerr"
)

// selfReference walks a recursive query's second term for the places in which
// it names itself: one, and none from which a row could vanish later.
type selfReference struct {
	name  ast.Ident
	where string // what makes a reference here wrong; "": nothing
	found int
}

// wellFormed tests the second term of a recursive query.
func wellFormed(q ast.QueryExpr, name ast.Ident) error {
	r := &selfReference{name: name}
	return r.query(q)
}

func (r *selfReference) within(where string, walk func() error) error {
	before := r.where
	if before == "" {
		r.where = where
	}
	err := walk()
	r.where = before
	return err
}

func (r *selfReference) query(q ast.QueryExpr) error {
	switch x := q.(type) {
	case *ast.Query:
		if shadows(x.With, r.name) {
			return nil
		}
		if x.With != nil {
			for _, c := range x.With.CTEs {
				if s, ok := c.Statement.(*ast.Query); ok {
					if err := r.query(s); err != nil {
						return err
					}
				}
			}
		}
		return r.query(x.Body)
	case *ast.SetOperation:
		return r.setOperation(x)
	case *ast.Select:
		for _, f := range x.From {
			if err := r.from(f); err != nil {
				return err
			}
		}
		for _, it := range x.Items {
			if err := r.expr(it.Expr); err != nil {
				return err
			}
		}
		if err := r.expr(x.Where); err != nil {
			return err
		}
		return r.expr(x.Having)
	}
	return nil
}

func (r *selfReference) setOperation(x *ast.SetOperation) error {
	left, right := "", ""
	switch x.Op {
	case ast.Intersect:
		left, right = "INTERSECT", "INTERSECT"
	case ast.Except:
		right = "EXCEPT"
	}
	if err := r.within(left, func() error { return r.query(x.Left) }); err != nil {
		return err
	}
	return r.within(right, func() error { return r.query(x.Right) })
}

func (r *selfReference) from(f ast.TableExpr) error {
	switch x := f.(type) {
	case *ast.TableRef:
		if len(x.Name.Parts) != 1 || x.Name.Parts[0].Name != r.name.Name {
			return nil
		}
		r.found++
		switch {
		case r.where != "":
			return sqlerr.New("42P19", "recursive reference to query %q must not appear within %s", r.name.Text, r.where).At(x.Pos())
		case r.found > 1:
			return sqlerr.New("42P19", "recursive reference to query %q must not appear more than once", r.name.Text).At(x.Pos())
		}
	case *ast.DerivedTable:
		return r.query(x.Query)
	case *ast.Join:
		left, right := "", ""
		if x.Kind == ast.RightJoin || x.Kind == ast.FullJoin {
			left = "an outer join"
		}
		if x.Kind == ast.LeftJoin || x.Kind == ast.FullJoin {
			right = "an outer join"
		}
		if err := r.within(left, func() error { return r.from(x.Left) }); err != nil {
			return err
		}
		if err := r.within(right, func() error { return r.from(x.Right) }); err != nil {
			return err
		}
		return r.expr(x.On)
	}
	return nil
}

// expr walks the subqueries of an expression.
func (r *selfReference) expr(e ast.Expr) error {
	if e == nil {
		return nil
	}
	var err error
	ast.Inspect(e, func(n ast.Node) bool {
		if q, ok := n.(*ast.Query); ok && err == nil {
			err = r.within("a subquery", func() error { return r.query(q) })
			return false
		}
		return err == nil
	})
	return err
}

// shadows tells whether a WITH has a query of the name itself.
func shadows(w *ast.With, name ast.Ident) bool {
	return w != nil && slices.ContainsFunc(w.CTEs, func(c *ast.CTE) bool { return c.Name.Name == name.Name })
}

// recursionOrder puts the queries of WITH RECURSIVE into an order in which each
// comes after those that it reads: they may stand in any.
func recursionOrder(w *ast.With) ([]*ast.CTE, error) {
	if !w.Recursive {
		return w.CTEs, nil
	}
	var out []*ast.CTE
	left := slices.Clone(w.CTEs)
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(c *ast.CTE) bool {
			return !slices.ContainsFunc(left, func(o *ast.CTE) bool { return o != c && refersTo(c.Statement, o.Name) })
		})
		if i < 0 {
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "mutual recursion between WITH items is not implemented").At(left[0].Pos())
		}
		out = append(out, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return out, nil
}

// aggregates tells whether a recursive term makes one row of those of the query
// itself.
func aggregates(n Node, id int) bool {
	if g, ok := n.(*Aggregate); ok && len(g.Aggs) > 0 && scansCTE(g.Input, id) {
		return true
	}
	for _, in := range Inputs(n) {
		if aggregates(*in, id) {
			return true
		}
	}
	return false
}

func scansCTE(n Node, id int) bool {
	if s, ok := n.(*CTEScan); ok {
		return s.ID == id
	}
	for _, in := range Inputs(n) {
		if scansCTE(*in, id) {
			return true
		}
	}
	return false
}
