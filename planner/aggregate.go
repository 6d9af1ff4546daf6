package planner

import (
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
// node that is put below the select list.
func (b *builder) aggregate(sc *scope, x *ast.FunctionCall, funcs []*sqlfunc.Func) (Expr, error) {
	switch {
	case sc.inAgg:
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate function calls cannot be nested").At(x.Pos())
	case sc.noAgg != "":
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in %s", sc.noAgg).At(x.Pos())
	case sc.sel == nil:
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed here").At(x.Pos())
	}
	a, err := b.aggCall(sc, x, funcs)
	if err != nil {
		return nil, err
	}
	if err := b.aggLevel(sc, a); err != nil {
		return nil, err
	}
	sc.sel.grouped = true
	if len(a.Args) == 1 && isLenientNull(a.Args[0]) && (a.Func.Name == "min" || a.Func.Name == "max") {
		return a.Args[0], nil
	}
	back, err := b.enumAggregate(a)
	if err != nil {
		return nil, err
	}
	key := aggKey(a)
	if i, ok := sc.sel.aggKeys[key]; ok {
		return back(colRef(sc.sel.aggs[i].Col, x.Pos())), nil
	}
	sc.sel.aggKeys[key] = len(sc.sel.aggs)
	sc.sel.aggs = append(sc.sel.aggs, *a)
	return back(colRef(a.Col, x.Pos())), nil
}

func colRef(c Col, pos int) *ColRef { return &ColRef{ID: c.ID, Name: c.Name, T: c.Type, P: pos} }

// aggLevel refuses an aggregate whose arguments are all of an outer query: it
// would belong to that one.
func (b *builder) aggLevel(sc *scope, a *AggCall) error {
	cols := map[ColID]bool{}
	for _, e := range a.Args {
		columnsOf(e, cols)
	}
	for _, k := range a.OrderBy {
		columnsOf(k.Expr, cols)
	}
	if a.Filter != nil {
		columnsOf(a.Filter, cols)
	}
	if len(cols) == 0 {
		return nil
	}
	for s := sc.parent; s != nil; s = s.parent {
		if s.ns == nil {
			continue
		}
		for _, src := range s.ns.srcs {
			for _, c := range src.cols {
				delete(cols, c.col.ID)
			}
		}
	}
	if len(cols) > 0 {
		return nil
	}
	return sqlerr.Unsupported(a.Pos, "Compute the aggregate in the outer query's select list.",
		"an aggregate over columns of an outer query is not supported in a subquery")
}

// aggCall binds arguments, ordering and filter of an aggregate, windowed or not.
func (b *builder) aggCall(sc *scope, x *ast.FunctionCall, funcs []*sqlfunc.Func) (*AggCall, error) {
	inner := *sc
	inner.inAgg, inner.noSRF = true, "aggregate function calls"
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
	for _, o := range append(append([]*ast.OrderItem(nil), x.OrderBy...), x.WithinGroup...) {
		k, err := b.sortKey(&inner, o)
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
		for _, k := range a.OrderBy {
			if !containsKey(out, exprKey(k.Expr)) {
				return sqlerr.New(sqlerr.InvalidColumnReference,
					"in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list").At(k.Expr.Pos())
			}
		}
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
