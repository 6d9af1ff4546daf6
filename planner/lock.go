package planner

import (
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
)

// locks checks FOR UPDATE OF: names of FROM, which are no joins. The rows are
// locked when they are read (RowLock).
func (b *builder) locks(q *ast.Query) error {
	if len(q.Locks) == 0 {
		return nil
	}
	word := lockWords[q.Locks[0].Strength]
	b.locking = word
	switch body := q.Body.(type) {
	case *ast.SetOperation:
		return sqlerr.New(sqlerr.FeatureNotSupported, "row locking clauses are not allowed with UNION/INTERSECT/EXCEPT").At(q.Locks[0].Pos())
	case *ast.Select:
		if err := b.rowless(body, word, q.Locks[0].Pos()); err != nil {
			return err
		}
		names := map[string]bool{} // true: can be locked
		for _, f := range body.From {
			lockable(f, names)
		}
		for _, l := range q.Locks {
			for _, n := range l.Of {
				if err := lockedName(n, lockWords[l.Strength], names); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rowless refuses to lock what is no row of a table.
func (b *builder) rowless(s *ast.Select, word string, pos int) error {
	what := ""
	switch {
	case s.Distinct || len(s.DistinctOn) > 0:
		what = "DISTINCT clause"
	case len(s.GroupBy) > 0:
		what = "GROUP BY clause"
	case s.Having != nil:
		what = "HAVING clause"
	}
	for _, it := range s.Items {
		ast.Inspect(it, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.SubqueryExpr, *ast.Query:
				return false
			case *ast.FunctionCall:
				if x.Over != nil {
					what = "window functions"
				} else if list := b.env.Funcs.Functions(x.Name.Last().Name); len(list) > 0 && list[0].Kind == sqlfunc.Aggregate {
					what = "aggregate functions"
				}
			}
			return true
		})
	}
	if what == "" {
		return nil
	}
	return sqlerr.New(sqlerr.FeatureNotSupported, "FOR %s is not allowed with %s", word, what).At(pos)
}

var lockWords = map[ast.LockStrength]string{
	ast.ForUpdate: "UPDATE", ast.ForNoKeyUpdate: "NO KEY UPDATE", ast.ForShare: "SHARE", ast.ForKeyShare: "KEY SHARE",
}

func lockedName(n *ast.Name, strength string, names map[string]bool) error {
	can, found := names[n.Last().Name]
	switch {
	case !found:
		return sqlerr.New(sqlerr.UndefinedTable, "relation %q in FOR %s clause not found in FROM clause", n.Last().Text, strength).At(n.Pos())
	case !can:
		return sqlerr.New(sqlerr.FeatureNotSupported, "FOR %s cannot be applied to a join", strength).At(n.Pos())
	}
	return nil
}

// lockable collects the names that an item of FROM makes.
func lockable(item ast.TableExpr, names map[string]bool) {
	switch x := item.(type) {
	case *ast.TableRef:
		aliased(x.Alias, x.Name.Last().Name, names)
	case *ast.DerivedTable:
		aliased(x.Alias, "", names)
	case *ast.TableFunction:
		aliased(x.Alias, "", names)
		if x.Alias == nil && len(x.Items) == 1 {
			if f, ok := x.Items[0].Call.(*ast.FunctionCall); ok {
				names[f.Name.Last().Name] = true
			}
		}
	case *ast.Join:
		if x.Alias != nil {
			names[x.Alias.Name.Name] = false
			return
		}
		lockable(x.Left, names)
		lockable(x.Right, names)
		if !x.UsingAlias.IsZero() {
			names[x.UsingAlias.Name] = false
		}
	}
}

func aliased(a *ast.Alias, name string, names map[string]bool) {
	if a != nil {
		name = a.Name.Name
	}
	names[name] = true
}
