package planner

import (
	"slices"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// windowCall binds f(…) OVER …; its value is a column of the Window node.
func (b *builder) windowCall(sc *scope, x *ast.FunctionCall, funcs []*sqlfunc.Func) (Expr, error) {
	switch {
	case sc.noWindow != "":
		return nil, sqlerr.New("42P20", "window functions are not allowed in %s", sc.noWindow).At(x.Pos())
	case sc.sel == nil:
		return nil, sqlerr.New("42P20", "window functions are not allowed here").At(x.Pos())
	case len(x.WithinGroup) > 0:
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "OVER is not supported for ordered-set aggregate %s", x.Name.Last().Name).At(x.Pos())
	case x.Distinct:
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "DISTINCT is not implemented for window functions").At(x.Pos())
	case len(x.OrderBy) > 0:
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "aggregate ORDER BY is not implemented for window functions").At(x.Pos())
	}
	inner := *sc
	inner.noWindow, inner.noSRF = "window function calls", "window function calls"
	w, err := b.windowArgs(&inner, x, funcs)
	if err != nil {
		return nil, err
	}
	if err := b.windowSpec(&inner, w, x.Over); err != nil {
		return nil, err
	}
	places := AggCall{Func: w.Func, Args: w.Args, Col: w.Col}
	back, err := b.enumAggregate(&places)
	if err != nil {
		return nil, err
	}
	w.Func, w.Args, w.Col = places.Func, places.Args, places.Col
	key := windowKey(w)
	if i, ok := sc.sel.winKeys[key]; ok {
		return back(colRef(sc.sel.windows[i].Col, x.Pos())), nil
	}
	sc.sel.winKeys[key] = len(sc.sel.windows)
	sc.sel.windows = append(sc.sel.windows, *w)
	return back(colRef(w.Col, x.Pos())), nil
}

func (b *builder) windowArgs(sc *scope, x *ast.FunctionCall, funcs []*sqlfunc.Func) (*WindowCall, error) {
	name := x.Name.Last().Name
	funcs = ofKind(funcs, func(f *sqlfunc.Func) bool { return f.Kind == sqlfunc.Window || f.Kind == sqlfunc.Aggregate })
	args, names, err := b.callArgs(sc, x.Args)
	if err != nil {
		return nil, err
	}
	if len(funcs) == 0 {
		if len(b.functions(x.Name)) > 0 {
			return nil, sqlerr.New(sqlerr.WrongObjectType, "OVER specified, but %s is not a window function nor an aggregate function", name).At(x.Pos())
		}
		return nil, b.nameHint(functionError(name, typesOf(args), false, x.Pos()), name)
	}
	c, args, err := b.resolveCall(funcs, name, args, names, x.Variadic, x.Pos())
	if err != nil {
		return nil, err
	}
	out, t, err := b.settle(c, args, x.Pos())
	if err != nil {
		return nil, err
	}
	w := &WindowCall{Col: b.newCol(name, t), Func: c.fn, Args: out, Pos: x.Pos()}
	if x.Filter != nil {
		if c.fn.Kind == sqlfunc.Window {
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "FILTER is not implemented for non-aggregate window functions").At(x.Pos())
		}
		if w.Filter, err = b.expr(sc, x.Filter); err != nil {
			return nil, err
		}
		w.Filter, err = b.boolean(w.Filter, "FILTER")
	}
	return w, err
}

// windowSpec binds PARTITION BY, ORDER BY and the frame, from a named window too.
func (b *builder) windowSpec(sc *scope, w *WindowCall, spec *ast.WindowSpec) error {
	base := spec.Base
	if !spec.Ref.IsZero() {
		base = spec.Ref
	}
	if !base.IsZero() {
		named, ok := sc.sel.specs[base.Name]
		if !ok {
			return sqlerr.New(sqlerr.UndefinedObject, "window %q does not exist", base.Text).At(base.Pos())
		}
		if len(spec.PartitionBy) > 0 {
			return sqlerr.New("42P20", "cannot override PARTITION BY clause of window %q", base.Text).At(base.Pos())
		}
		if err := b.windowSpec(sc, w, named); err != nil {
			return err
		}
		if len(spec.OrderBy) > 0 && len(w.OrderBy) > 0 {
			return sqlerr.New("42P20", "cannot override ORDER BY clause of window %q", base.Text).At(base.Pos())
		}
		if named.Frame != nil && spec.Ref.IsZero() {
			return sqlerr.New("42P20", "cannot copy window %q because it has a frame clause", base.Text).At(base.Pos())
		}
	}
	for _, e := range spec.PartitionBy {
		x, err := b.expr(sc, e)
		if err != nil {
			return err
		}
		if x, err = b.known(x); err != nil {
			return err
		}
		w.PartitionBy = append(w.PartitionBy, x)
	}
	for _, o := range spec.OrderBy {
		k, err := b.sortKey(sc, o)
		if err != nil {
			return err
		}
		w.OrderBy = append(w.OrderBy, k)
	}
	if spec.Frame == nil {
		if base.IsZero() {
			w.Frame = Frame{Start: Bound{Kind: ast.UnboundedPreceding}, End: Bound{Kind: ast.CurrentRow}}
		}
		return nil
	}
	return b.frame(w, spec.Frame)
}

func (b *builder) frame(w *WindowCall, f *ast.Frame) error {
	w.Frame = Frame{Mode: f.Unit, Exclude: f.Exclude, End: Bound{Kind: ast.CurrentRow}}
	var err error
	if w.Frame.Start, err = b.bound(w, f, f.From); err != nil {
		return err
	}
	if f.To != nil {
		if w.Frame.End, err = b.bound(w, f, f.To); err != nil {
			return err
		}
	}
	from, to := w.Frame.Start.Kind, w.Frame.End.Kind
	switch {
	case from == ast.UnboundedFollowing:
		return sqlerr.New("42P20", "frame start cannot be UNBOUNDED FOLLOWING").At(f.Pos())
	case to == ast.UnboundedPreceding:
		return sqlerr.New("42P20", "frame end cannot be UNBOUNDED PRECEDING").At(f.Pos())
	case from > to:
		words := map[ast.BoundKind]string{ast.CurrentRow: "current row", ast.OffsetFollowing: "following row", ast.OffsetPreceding: "preceding rows"}
		return sqlerr.New("42P20", "frame starting from %s cannot have %s", words[from], words[to]).At(f.Pos())
	case f.Unit == ast.FrameGroups && len(w.OrderBy) == 0:
		return sqlerr.New("42P20", "GROUPS mode requires an ORDER BY clause").At(f.Pos())
	}
	return nil
}

func (b *builder) bound(w *WindowCall, f *ast.Frame, fb *ast.FrameBound) (Bound, error) {
	out := Bound{Kind: fb.Kind}
	if fb.Offset == nil {
		return out, nil
	}
	x, err := b.expr(&scope{noAgg: "window frame", noWindow: "window frame", noSRF: "window frame"}, fb.Offset)
	if err != nil {
		return out, err
	}
	if f.Unit == ast.FrameRange {
		if len(w.OrderBy) != 1 {
			return out, sqlerr.New("42P20", "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column").At(f.Pos())
		}
		out.Offset, err = b.rangeOffset(x, w.OrderBy[0].Expr.Type().OID)
		return out, err
	}
	mode := [...]string{"RANGE", "ROWS", "GROUPS"}[f.Unit]
	out.Offset, err = b.mustCoerce(x, int8Type, implicit, "argument of "+mode)
	return out, err
}

// rangeOffsets are the types by which values of a type can be offset, the first
// one for literals.
var rangeOffsets = map[sqltype.OID][]sqltype.OID{
	sqltype.Int2: {sqltype.Int2, sqltype.Int4, sqltype.Int8}, sqltype.Int4: {sqltype.Int4, sqltype.Int2, sqltype.Int8}, sqltype.Int8: {sqltype.Int8},
	sqltype.Float4: {sqltype.Float8}, sqltype.Float8: {sqltype.Float8}, sqltype.Numeric: {sqltype.Numeric},
	sqltype.Date: {sqltype.Interval}, sqltype.Timestamp: {sqltype.Interval}, sqltype.Timestamptz: {sqltype.Interval},
	sqltype.Interval: {sqltype.Interval}, sqltype.Time: {sqltype.Interval}, sqltype.Timetz: {sqltype.Interval},
}

// rangeOffset gives the offset of a RANGE frame the type that goes with the
// column's.
func (b *builder) rangeOffset(x Expr, column sqltype.OID) (Expr, error) {
	const problem = "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s"
	types := rangeOffsets[column]
	if types == nil {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, problem, column).At(x.Pos())
	}
	if slices.Contains(types, x.Type().OID) {
		return x, nil
	}
	y, ok, err := b.coerce(x, sqltype.Of(types[0]), implicit)
	if err == nil && !ok {
		err = sqlerr.New(sqlerr.FeatureNotSupported, problem+" and offset type %s", column, x.Type().OID).At(x.Pos()).
			WithHint("Cast the offset value to an appropriate type.")
	}
	return y, err
}

// known gives literals of unknown type the type text.
func (b *builder) known(x Expr) (Expr, error) {
	if x.Type().OID != sqltype.Unknown {
		return x, nil
	}
	y, _, err := b.coerce(x, textType, implicit)
	return y, err
}

// sortKey binds an ORDER BY item that is no output column.
func (b *builder) sortKey(sc *scope, o *ast.OrderItem) (SortKey, error) {
	x, err := b.expr(sc, o.Expr)
	if err != nil {
		return SortKey{}, err
	}
	return b.sortKeyOf(x, o)
}

// groupedKey is sortKey for WITHIN GROUP: what it orders by is an argument, whose
// type a literal may leave open.
func (b *builder) groupedKey(sc *scope, o *ast.OrderItem) (SortKey, error) {
	x, err := b.expr(sc, o.Expr)
	if err != nil {
		return SortKey{}, err
	}
	k, err := b.sortKeyOf(x, o)
	if x.Type().OID == sqltype.Unknown {
		k.Expr = x
	}
	return k, err
}

func (b *builder) sortKeyOf(x Expr, o *ast.OrderItem) (SortKey, error) {
	x, err := b.known(x)
	if err != nil {
		return SortKey{}, err
	}
	if t := x.Type().OID; t == sqltype.JSON || t == sqltype.XML {
		return SortKey{}, sqlerr.New(sqlerr.UndefinedFunction, "could not identify an ordering operator for type %s", t).At(x.Pos()).
			WithHint("Use an explicit ordering operator or modify the query.")
	}
	desc := o.Direction == ast.Descending
	if o.Direction == ast.DirectionUsing {
		switch {
		case strings.HasPrefix(o.Using.Symbol, "<"):
		case strings.HasPrefix(o.Using.Symbol, ">"):
			desc = true
		default:
			return SortKey{}, sqlerr.New(sqlerr.WrongObjectType, "operator %s is not a valid ordering operator", o.Using.Symbol).At(o.Using.Pos()).
				WithHint("Ordering operators must be \"<\" or \">\" members of btree operator families.")
		}
	}
	first := desc
	switch o.Nulls {
	case ast.NullsFirst:
		first = true
	case ast.NullsLast:
		first = false
	}
	return SortKey{Expr: x, Desc: desc, NullsFirst: first}, nil
}
