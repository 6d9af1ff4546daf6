package planner

import (
	"slices"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// cteScope holds the queries of a WITH and of the ones around it.
type cteScope struct {
	parent *cteScope
	list   []*cteDef
}

// cteDef is a query of WITH: bound anew for each use when it may be inlined,
// else computed once.
type cteDef struct {
	ast    *ast.CTE
	parent *scope    // what it may be correlated with
	ctes   *cteScope // what it may use
	id     int       // of the With; 0: inlined
	cols   []Col
	key    *outerKey // of a recursive query in a correlated subquery
}

func (c *cteScope) find(id ast.Ident) *cteDef {
	for s := c; s != nil; s = s.parent {
		for i := len(s.list) - 1; i >= 0; i-- {
			if n := s.list[i].ast.Name; n.Name == id.Name || n.Text == id.Text {
				return s.list[i]
			}
		}
	}
	return nil
}

// query plans a query in a scope whose WITH queries it may use.
func (b *builder) query(q *ast.Query, parent *scope) (Node, error) {
	var ctes *cteScope
	if parent != nil {
		ctes = parent.ctes
	}
	return b.queryIn(q, parent, ctes)
}

func (b *builder) queryIn(q *ast.Query, parent *scope, ctes *cteScope) (Node, error) {
	if err := b.enter(q.Pos()); err != nil {
		return nil, err
	}
	defer b.leave()
	if err := b.locks(q); err != nil {
		return nil, err
	}
	ctes, with, err := b.with(q.With, parent, ctes)
	if err != nil {
		return nil, err
	}
	t := &tail{orderBy: q.OrderBy, limit: q.Limit, offset: q.Offset, withTies: q.WithTies, pos: q.Pos()}
	n, err := b.body(q.Body, t, parent, ctes)
	if err != nil {
		return nil, err
	}
	return wrapWith(with, n), nil
}

// with plans the queries of WITH that run once; the others wait for their use.
func (b *builder) with(w *ast.With, parent *scope, outer *cteScope) (*cteScope, []CTE, error) {
	if w == nil {
		return outer, nil, nil
	}
	sc := &cteScope{parent: outer}
	var run []CTE
	list, err := recursionOrder(w)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range list {
		for _, o := range sc.list {
			if o.ast.Name.Name == c.Name.Name {
				return nil, nil, sqlerr.New(sqlerr.DuplicateAlias, "WITH query name %q specified more than once", c.Name.Text).At(c.Name.Pos())
			}
		}
		// A query sees those before it, not itself unless it is recursive.
		def := &cteDef{ast: c, parent: parent, ctes: &cteScope{parent: outer, list: append([]*cteDef(nil), sc.list...)}}
		if c.Search != nil || c.Cycle != nil {
			if def.ast, err = b.withPath(def, w.Recursive); err != nil {
				return nil, nil, err
			}
		}
		cte, err := b.cte(def, w.Recursive)
		if err != nil {
			return nil, nil, err
		}
		if cte != nil {
			run = append(run, *cte)
		}
		sc.list = append(sc.list, def)
	}
	return sc, run, nil
}

// cte plans a query that must run once. It answers nil for one that is inlined,
// which is planned all the same so that its errors show.
func (b *builder) cte(def *cteDef, recursive bool) (*CTE, error) {
	switch s := def.ast.Statement.(type) {
	case *ast.Query:
		if recursive && refersTo(s, def.ast.Name) {
			return b.recursiveCTE(def, s)
		}
		n, err := b.queryIn(s, def.parent, def.ctes)
		if err != nil {
			return nil, err
		}
		if n, err = b.settleUnknown(n); err != nil {
			return nil, err
		}
		if def.inlines(n) {
			_, err = cteColumns(def, n.Cols())
			return nil, err
		}
		if def.readsOuter(n) {
			return nil, def.dependent()
		}
		return b.runOnce(def, n)
	case *ast.Insert:
		return b.writingCTE(def, func() (Node, error) { return b.insert(s, def.ctes) })
	case *ast.Update:
		return b.writingCTE(def, func() (Node, error) { return b.update(s, def.ctes) })
	case *ast.Delete:
		return b.writingCTE(def, func() (Node, error) { return b.delete(s, def.ctes) })
	case *ast.Merge:
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "MERGE not supported in WITH query").At(def.ast.Pos())
	}
	return nil, sqlerr.New(sqlerr.FeatureNotSupported, "this statement is not supported in WITH").At(def.ast.Pos())
}

// inlines tells whether the query is planned in each place of its use. One that
// reads the row of a query around it is never computed once.
func (def *cteDef) inlines(n Node) bool {
	if def.readsOuter(n) {
		return !hasSideEffects(n)
	}
	switch def.ast.Materialized {
	case ast.MaterializedAlways:
		return false
	case ast.MaterializedDefault:
		if size(n) > maxInlined {
			return false
		}
	}
	return !hasSideEffects(n)
}

// readsOuter tells whether plans of the query read columns of one around it.
func (def *cteDef) readsOuter(plans ...Node) bool {
	return def.parent != nil && slices.ContainsFunc(plans, func(n Node) bool { return len(outerColumns(n)) > 0 })
}

// dependent refuses a query that would have to run for each row of the one around it.
func (def *cteDef) dependent() error {
	return sqlerr.Unsupported(def.ast.Pos(), "Join its rows outside: have the query yield the column that it compares.",
		"the WITH query %q cannot run for each row of the query around it", def.ast.Name.Text)
}

// maxInlined is the size in nodes above which a WITH query is computed once:
// queries that use each other twice would grow without end.
const maxInlined = 100

// size counts the nodes of a plan.
func size(n Node) int {
	total := 1
	for _, in := range Inputs(n) {
		total += size(*in)
	}
	walkNodeOwn(n, func(s *Subquery) { total += size(s.Plan) })
	return total
}

func walkNodeOwn(n Node, f func(*Subquery)) {
	eachExpr(n, func(e *Expr) { walkOwn(*e, f) })
}

func (b *builder) writingCTE(def *cteDef, plan func() (Node, error)) (*CTE, error) {
	n, err := plan()
	if err != nil {
		return nil, err
	}
	return b.runOnce(def, n)
}

func (b *builder) runOnce(def *cteDef, n Node) (*CTE, error) {
	cols, err := cteColumns(def, n.Cols())
	if err != nil {
		return nil, err
	}
	b.lastCTE++
	def.id, def.cols = b.lastCTE, cols
	return &CTE{ID: def.id, Name: def.ast.Name.Text, Plan: n}, nil
}

// cteColumns names the columns by the list behind the query's name.
func cteColumns(def *cteDef, cols []Col) ([]Col, error) {
	names := def.ast.Columns
	if len(names) > len(cols) {
		return nil, sqlerr.New(sqlerr.InvalidColumnReference, "WITH query %q has %d columns available but %d columns specified",
			def.ast.Name.Text, len(cols), len(names)).At(def.ast.Pos())
	}
	out := append([]Col(nil), cols...)
	for i, n := range names {
		out[i].Name = n.Name
	}
	return out, nil
}

// recursiveCTE plans left UNION [ALL] right, where right reads itself.
func (b *builder) recursiveCTE(def *cteDef, q *ast.Query) (*CTE, error) {
	u, ok := q.Body.(*ast.SetOperation)
	if !ok || u.Op != ast.Union {
		return nil, sqlerr.New("42P19", "recursive query %q does not have the form non-recursive-term UNION [ALL] recursive-term", def.ast.Name.Text).At(def.ast.Pos())
	}
	if refersTo(u.Left, def.ast.Name) {
		return nil, sqlerr.New("42P19", "recursive reference to query %q must not appear within its non-recursive term", def.ast.Name.Text).At(def.ast.Pos())
	}
	if len(q.OrderBy) > 0 || q.Limit != nil || q.Offset != nil {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "ORDER BY, LIMIT and OFFSET in a recursive query are not implemented").At(def.ast.Pos())
	}
	if len(q.Locks) > 0 {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "FOR UPDATE/SHARE in a recursive query is not implemented").At(def.ast.Pos())
	}
	if err := wellFormed(u.Right, def.ast.Name); err != nil {
		return nil, err
	}
	ctes, with, err := b.with(q.With, def.parent, def.ctes)
	if err != nil {
		return nil, err
	}
	left, err := b.body(u.Left, &tail{}, def.parent, ctes)
	if err != nil {
		return nil, err
	}
	if left, err = b.settleUnknown(left); err != nil {
		return nil, err
	}
	if def.cols, err = cteColumns(def, left.Cols()); err != nil {
		return nil, err
	}
	b.lastCTE++
	def.id = b.lastCTE
	term, err := b.body(u.Right, &tail{}, def.parent, &cteScope{parent: ctes, list: []*cteDef{def}})
	if err != nil {
		return nil, err
	}
	if aggregates(term, def.id) {
		return nil, sqlerr.New("42P19", "aggregate functions are not allowed in a recursive query's recursive term").At(u.Right.Pos())
	}
	if term, err = b.recursiveTypes(def, term, u); err != nil {
		return nil, err
	}
	r := &Recursive{All: u.All, Out: def.cols}
	if def.parent != nil {
		if def.key = b.carryKey(def, left, term); def.key != nil {
			r.Out = append(append([]Col(nil), def.cols...), def.key.col)
		}
	}
	if def.readsOuter(left, term) {
		return nil, def.dependent()
	}
	r.Term = wrapWith(with, term)
	return &CTE{ID: def.id, Name: def.ast.Name.Text, Plan: wrapWith(with, left), Recursive: r}, nil
}

func (b *builder) recursiveTypes(def *cteDef, term Node, u *ast.SetOperation) (Node, error) {
	cols := term.Cols()
	if len(cols) != len(def.cols) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "each UNION query must have the same number of columns").At(u.Right.Pos())
	}
	types := make([]sqltype.Type, len(cols))
	for i, c := range def.cols {
		types[i] = c.Type
		both, err := b.commonType([]Expr{colRef(c, 0), colRef(cols[i], exprPos(term, i))}, "UNION")
		if err != nil {
			return nil, err
		}
		if both.OID != c.Type.OID || c.Type.Mod != both.Mod {
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "recursive query %q column %d has type %s in non-recursive term but type %s overall",
				def.ast.Name.Text, i+1, c.Type, both).At(exprPos(term, i)).
				WithHint("Cast the output of the non-recursive term to the correct type.")
		}
	}
	return b.castColumns(term, types, assignmentNone)
}

func wrapWith(run []CTE, n Node) Node {
	if len(run) == 0 {
		return n
	}
	return &With{CTEs: run, Body: n}
}

// refersTo tells whether a query names a table as the WITH query is named.
func refersTo(q ast.Node, id ast.Ident) bool {
	found := false
	ast.Inspect(q, func(n ast.Node) bool {
		if in, ok := n.(*ast.Query); ok && shadows(in.With, id) {
			found = found || !in.With.Recursive && beforeShadow(in.With, id)
			return false
		}
		if t, ok := n.(*ast.TableRef); ok && len(t.Name.Parts) == 1 && t.Name.Parts[0].Name == id.Name {
			found = true
		}
		return !found
	})
	return found
}

// beforeShadow tells whether the queries of a WITH up to the one of the same
// name read the outer one.
func beforeShadow(w *ast.With, id ast.Ident) bool {
	for _, c := range w.CTEs {
		if refersTo(c.Statement, id) {
			return true
		}
		if c.Name.Name == id.Name {
			break
		}
	}
	return false
}

// cteUse gives the node and columns of a use of a WITH query.
func (b *builder) cteUse(def *cteDef) (Node, []Col, error) {
	if def.id != 0 {
		s := &CTEScan{ID: def.id, Name: def.ast.Name.Text}
		for _, c := range def.cols {
			s.Out = append(s.Out, b.newCol(c.Name, c.Type))
			s.From = append(s.From, c.ID)
		}
		if cols := s.Out; def.key != nil {
			return def.key.forKey(b, s), cols, nil
		}
		return s, s.Out, nil
	}
	q, ok := def.ast.Statement.(*ast.Query)
	if !ok {
		return nil, nil, sqlerr.New(sqlerr.InternalError, "a writing WITH query has no plan")
	}
	n, err := b.queryIn(q, def.parent, def.ctes)
	if err != nil {
		return nil, nil, err
	}
	if n, err = b.settleUnknown(n); err != nil {
		return nil, nil, err
	}
	cols, err := cteColumns(def, n.Cols())
	return n, cols, err
}
