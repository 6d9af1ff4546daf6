package planner

import (
	"slices"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// selectState collects what the expressions of one SELECT call for.
type selectState struct {
	aggs      []AggCall
	aggKeys   map[string]int
	groupings []pendingGrouping
	windows   []WindowCall
	winKeys   map[string]int
	specs     map[string]*ast.WindowSpec
	srf       bool
	grouped   bool // aggregates although none is left in aggs
}

type pendingGrouping struct {
	col  Col
	args []Expr
	pos  int
}

func newSelectState() *selectState {
	return &selectState{aggKeys: map[string]int{}, winKeys: map[string]int{}, specs: map[string]*ast.WindowSpec{}}
}

// aggregate binds an aggregate call; the value is a column of the Aggregate
// node that is put below the select list of the query that the call belongs to.
func (b *builder) aggregate(sc *scope, x *ast.FunctionCall, funcs []*sqlfunc.Func) (Expr, error) {
	a, err := b.aggCall(sc, x, funcs)
	if err != nil {
		return nil, err
	}
	at, nested := b.aggLevel(sc, a)
	switch {
	case at.inAgg || nested:
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate function calls cannot be nested").At(x.Pos())
	case at.noAgg != "":
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in %s", at.noAgg).At(x.Pos())
	case at.sel == nil:
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed here").At(x.Pos())
	}
	sel := at.sel
	sel.grouped = true
	if len(a.Args) == 1 && isLenientNull(a.Args[0]) && (a.Func.Name == "min" || a.Func.Name == "max") {
		return a.Args[0], nil
	}
	back, err := b.enumAggregate(a)
	if err != nil {
		return nil, err
	}
	key := aggKey(a)
	if i, ok := sel.aggKeys[key]; ok {
		return back(colRef(sel.aggs[i].Col, x.Pos())), nil
	}
	sel.aggKeys[key] = len(sel.aggs)
	sel.aggs = append(sel.aggs, *a)
	return back(colRef(a.Col, x.Pos())), nil
}

func colRef(c Col, pos int) *ColRef { return &ColRef{ID: c.ID, Name: c.Name, T: c.Type, P: pos} }

// aggLevel is the query that an aggregate belongs to: the innermost whose
// columns its arguments and filter read; without columns it is its own. nested
// tells that they read an aggregate of that query.
func (b *builder) aggLevel(sc *scope, a *AggCall) (at *scope, nested bool) {
	cols := map[ColID]bool{}
	read := func(e Expr) {
		columnsOf(e, cols)
		walkExpr(e, func(e Expr) bool {
			if q, ok := e.(*Subquery); ok {
				for id := range outerColumns(q.Plan) {
					cols[id] = true
				}
			}
			return true
		})
	}
	for _, e := range a.Args {
		read(e)
	}
	for _, k := range a.OrderBy {
		read(k.Expr)
	}
	if a.Filter != nil {
		read(a.Filter)
	}
	if len(cols) == 0 {
		return sc, false
	}
	for s := sc; s != nil; s = s.parent {
		if s.sel != nil && slices.ContainsFunc(s.sel.aggs, func(a AggCall) bool { return cols[a.Col.ID] }) {
			return s, true
		}
		if b.ownsAny(s, cols) {
			return s, false
		}
	}
	return sc, false
}

// ownsAny tells whether any of the columns is of the FROM list of a scope.
func (b *builder) ownsAny(s *scope, cols map[ColID]bool) bool {
	if s.ns == nil {
		return false
	}
	own := map[ColID]bool{}
	for _, c := range s.ns.cols {
		if c.merged != nil {
			columnsOf(c.merged, own)
		}
	}
	for _, src := range s.ns.srcs {
		for _, c := range src.cols {
			own[c.col.ID] = true
		}
	}
	for id := range cols {
		scan, _ := b.scanOf(id)
		if own[id] {
			return true
		}
		for _, src := range s.ns.srcs {
			if scan != nil && src.scan == scan {
				return true
			}
		}
	}
	return false
}

// aggCall binds arguments, ordering and filter of an aggregate, windowed or not.
func (b *builder) aggCall(sc *scope, x *ast.FunctionCall, funcs []*sqlfunc.Func) (*AggCall, error) {
	inner := *sc
	inner.inAgg, inner.noSRF = true, aggregateCalls
	if sc.noWindow == "" {
		inner.noWindow = "aggregate function calls"
	}
	list := x.Args
	var rows Expr
	var err error
	if x.Separator != nil {
		list = append(append([]ast.Expr(nil), list...), x.Separator)
	}
	if n, ok := x.Name.Last().Name, len(list) == 1; ok && n == "count" {
		if s, ok := list[0].(*ast.Star); ok && len(s.Qualifier) > 0 {
			list = nil // count(t.*): rows
			if rows, err = b.presentRows(sc, s); err != nil {
				return nil, err
			}
		}
	}
	args, names, err := b.callArgs(&inner, list)
	if err != nil {
		return nil, err
	}
	a := &AggCall{Distinct: x.Distinct, Pos: x.Pos()}
	for _, o := range x.OrderBy {
		k, err := b.sortKey(&inner, o)
		if err != nil {
			return nil, err
		}
		a.OrderBy = append(a.OrderBy, k)
	}
	for _, o := range x.WithinGroup {
		k, err := b.groupedKey(&inner, o)
		if err != nil {
			return nil, err
		}
		a.OrderBy = append(a.OrderBy, k)
	}
	if x.Filter != nil {
		fs := inner
		if a.Filter, err = b.expr(&fs, x.Filter); err != nil {
			return nil, err
		}
		if a.Filter, err = b.boolean(a.Filter, "FILTER"); err != nil {
			return nil, err
		}
	}
	if rows != nil {
		if a.Filter != nil {
			rows = &Logic{Op: And, Args: []Expr{a.Filter, rows}, P: x.Pos()}
		}
		a.Filter = rows
	}
	if a.Limit, err = b.limitExpr(x.Limit, "LIMIT"); err != nil {
		return nil, err
	}
	return a, b.aggResolve(a, x, funcs, args, names)
}

// aggResolve chooses the signature. Of an ordered-set aggregate the sort keys
// are the last arguments.
func (b *builder) aggResolve(a *AggCall, x *ast.FunctionCall, funcs []*sqlfunc.Func, args []Expr, names []string) error {
	ordered := len(x.WithinGroup) > 0
	funcs = ofKind(funcs, func(f *sqlfunc.Func) bool {
		if ordered {
			return f.Kind == sqlfunc.OrderedSet
		}
		return f.Kind == sqlfunc.Aggregate
	})
	if ordered && len(funcs) == 0 {
		return sqlerr.New(sqlerr.WrongObjectType, "%s is not an ordered-set aggregate, so it cannot have WITHIN GROUP", x.Name.Last().Name).At(x.Pos())
	}
	direct := len(args)
	if ordered {
		for _, k := range a.OrderBy {
			args, names = append(args, k.Expr), append(names, "")
		}
	}
	name := x.Name.Last().Name
	c, args, err := b.resolveCall(funcs, name, args, names, x.Variadic, x.Pos())
	if err != nil {
		return err
	}
	out, t, err := b.settle(c, args, x.Pos())
	if err != nil {
		return err
	}
	if ordered {
		for i := range a.OrderBy {
			a.OrderBy[i].Expr = out[direct+i]
		}
		out = out[:direct]
	}
	if a.Distinct {
		for i, k := range a.OrderBy {
			// as the arguments were written, before they became what the function takes
			at := slices.IndexFunc(args, func(e Expr) bool { return exprKey(e) == exprKey(k.Expr) })
			if at >= 0 && at < len(out) {
				a.OrderBy[i].Expr = out[at]
			} else if !containsKey(out, exprKey(k.Expr)) {
				return sqlerr.New(sqlerr.InvalidColumnReference,
					"in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list").At(k.Expr.Pos())
			}
		}
	}
	if (name == "min" || name == "max") && out[0].Type() == rowTidType {
		t = rowTidType
	}
	a.Func, a.Args, a.Col = c.fn, out, b.newCol(name, t)
	return nil
}

func containsKey(list []Expr, key string) bool {
	for _, e := range list {
		if exprKey(e) == key {
			return true
		}
	}
	return false
}

// grouping binds GROUPING(…), which is settled when the groups are known.
func (b *builder) grouping(sc *scope, x *ast.Grouping) (Expr, error) {
	if sc.sel == nil || sc.noAgg != "" {
		return nil, sqlerr.New(sqlerr.GroupingError, "grouping operations are not allowed here").At(x.Pos())
	}
	args, err := b.exprs(sc, x.Args)
	if err != nil {
		return nil, err
	}
	g := pendingGrouping{col: b.newCol("grouping", sqltype.Of(sqltype.Int4)), args: args, pos: x.Pos()}
	sc.sel.groupings = append(sc.sel.groupings, g)
	sc.sel.grouped = true
	return colRef(g.col, x.Pos()), nil
}
