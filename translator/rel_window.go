package translator

import (
	"weir/engine/expr"
	"weir/parser/ast"
	"weir/planner"
	"weir/sqlerr"
)

// window adds the columns of window functions. Calls over one window share a
// sort; the values come from a local stage that knows all frames.
func (c *compiler) window(n *planner.Window, outer map[planner.ColID]*loc) *fragment {
	f := c.relation(n.Input, outer)
	for i := range n.Calls {
		c.windowCall(f, &n.Calls[i])
	}
	f.order = nil
	return f
}

// windowCall writes partition keys, sort keys and arguments into fields and
// appends the stage.
func (c *compiler) windowCall(f *fragment, w *planner.WindowCall) {
	s := scope{c: c, f: f}
	work, out := c.name("__w"), c.name("__c")
	parts, keys, desc, nulls := list{}, list{}, list{}, list{}
	var es []planner.Expr
	es = append(es, w.PartitionBy...)
	for _, k := range w.OrderBy {
		es = append(es, k.Expr)
	}
	c.settleUsed(f, append(es, w.Args...)...)
	for _, e := range w.PartitionBy {
		parts = append(parts, c.groupKey(s.value(e), e.Type()))
	}
	for _, k := range w.OrderBy {
		keys = append(keys, op("$ifNull", s.sortValue(k.Expr), null))
		desc, nulls = append(desc, k.Desc), append(nulls, k.NullsFirst)
	}
	row := obj{{"p", parts}, {"k", keys}, {"a", s.callArgs(w.Func, w.Args)}}
	if w.Filter != nil {
		row = append(row, field{"f", s.isTrue(w.Filter)})
	}
	frame, raw := c.frame(s, w)
	f.add("$addFields", obj{{work, op("$mergeObjects", append(row, raw...))}})
	spec := obj{{"work", work}, {"out", out}, {"impl", w.Func.Impl}, {"kind", int(w.Func.Kind)},
		{"desc", desc}, {"nulls", nulls}, {"filter", w.Filter != nil}, {"frame", frame}}
	f.addLocal("window functions run here", expr.LocalPrefix+stageWindow, spec)
	f.cols[w.Col.ID] = &loc{path: []string{out}, t: w.Col.Type}
}

// frame describes the frame; offsets are values of the row (they are the same
// in all of them), and for RANGE the key's own value and type are needed.
func (c *compiler) frame(s scope, w *planner.WindowCall) (spec, row obj) {
	fr := w.Frame
	spec = obj{{"mode", int(fr.Mode)}, {"start", int(fr.Start.Kind)}, {"end", int(fr.End.Kind)}, {"exclude", int(fr.Exclude)}}
	for i, b := range []planner.Bound{fr.Start, fr.End} {
		if b.Offset == nil {
			continue
		}
		if fr.Mode == ast.FrameRange {
			if len(w.OrderBy) != 1 {
				c.fail(sqlerr.New(sqlerr.WindowingError, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column").At(b.Offset.Pos()))
				return spec, nil
			}
			name := []string{"lo", "hi"}[i]
			edge := c.rangeEdge(s, w.OrderBy[0], b)
			row = append(row, field{name, edge})
			if b.Offset.Type().OID.Category() != 'N' {
				continue
			}
		}
		row = append(row, field{[]string{"so", "eo"}[i], s.value(b.Offset)})
	}
	return spec, row
}

// rangeEdge is the key's value at the edge of a RANGE frame: key ± offset.
func (c *compiler) rangeEdge(s scope, k planner.SortKey, b planner.Bound) any {
	name := "+"
	if (b.Kind == ast.OffsetPreceding) != k.Desc {
		name = "-"
	}
	for _, o := range c.opts.Funcs.Operators(name) {
		if o.Left == k.Expr.Type().OID && o.Right == b.Offset.Type().OID {
			call := &planner.Call{Func: o.Func, Args: []planner.Expr{k.Expr, b.Offset}, P: b.Offset.Pos()}
			return op("$ifNull", c.nanHigh(k.Expr, s.value(call)), null)
		}
	}
	c.fail(sqlerr.New(sqlerr.FeatureNotSupported, "RANGE with offset PRECEDING/FOLLOWING is not supported for column type %s and offset type %s",
		k.Expr.Type().OID, b.Offset.Type().OID).At(b.Offset.Pos()))
	return null
}
