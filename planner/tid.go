package planner

import (
	"slices"

	"weir/catalog"
	"weir/sqlfunc"
	"weir/sqltype"
)

var (
	tidType    = sqltype.Of(sqltype.Tid)
	rowTidType = sqltype.Type{OID: sqltype.Tid, Mod: sqltype.RowTid}
)

// rowTid is the ctid of a scan's rows: it stands for their _id.
func (b *builder) rowTid(s *Scan, pos int) Expr {
	return tidCall(sqlfunc.RowTid, rowTidType, pos, colRef(b.rawID(s), pos))
}

// rawID is the _id of a scan's rows, of whatever kind they are.
func (b *builder) rawID(s *Scan) Col {
	def := &catalog.Column{Name: "_id", Path: []string{"_id"}, Type: sqltype.Of(sqltype.JSONB)}
	if c := columnAt(s.Table, def.Path); c != nil {
		def.Kinds = c.Kinds
	}
	col := b.scanColumn(s, def)
	b.scanDefs[col.ID] = scanDef{s, def}
	return col
}

func tidCall(impl string, t sqltype.Type, pos int, args ...Expr) *Call {
	f := &sqlfunc.Func{Name: impl, Impl: impl, Ret: t.OID}
	for _, a := range args {
		f.Args = append(f.Args, a.Type().OID)
	}
	return &Call{Func: f, Args: args, T: t, P: pos}
}

// sameRows makes the comparison of two tids that were read from documents one
// of what they hold, which joins find by hash.
func sameRows(e Expr) {
	c, ok := e.(*Call)
	if !ok || len(c.Args) != 2 || c.Args[0].Type() != rowTidType || c.Args[1].Type() != rowTidType {
		return
	}
	if c.Func.Impl == "eq_tid" || c.Func.Impl == "ne_tid" {
		f := *c.Func
		f.Impl = f.Impl[:2]
		c.Func = &f
	}
}

// bareTid is what a column of type tid can hold of one that was read from a
// document.
func bareTid(e Expr) Expr {
	if e.Type() != rowTidType {
		return e
	}
	return tidCall(sqlfunc.BareTid, tidType, e.Pos(), e)
}

// bareTids makes the rows of a statement hold tids as columns and clients do.
func (b *builder) bareTids(n Node) Node {
	cols := n.Cols()
	if !slices.ContainsFunc(cols, func(c Col) bool { return c.Type == rowTidType }) {
		return n
	}
	p := &Project{Input: n}
	for _, c := range cols {
		e := bareTid(colRef(c, 0))
		col := b.newCol(c.Name, e.Type())
		col.Table, col.Attr = c.Table, c.Attr
		p.Exprs = append(p.Exprs, NamedExpr{Col: col, Expr: e})
	}
	return p
}

// whereCondition is the condition of a WHERE.
func (b *builder) whereCondition(e Expr) (Expr, error) {
	x, err := b.boolean(e, "WHERE")
	if err != nil {
		return nil, err
	}
	return b.seekTids(x)
}

// seekTids looks, where a condition has to be true, for the rows of tids from
// elsewhere:
//
//	ctid = x  →  _id = (SELECT _id FROM the same WHERE has_tid(_id, x)) AND has_tid(_id, x)
//
// which is tested again, since texts and ObjectIDs may look the same. A place that two rows have is the error of a subquery that gives two rows.
func (b *builder) seekTids(e Expr) (Expr, error) {
	switch x := e.(type) {
	case *Logic:
		if x.Op == Not {
			return e, nil
		}
		for i, a := range x.Args {
			y, err := b.seekTids(a)
			if err != nil {
				return nil, err
			}
			x.Args[i] = y
		}
	case *Call:
		if x.Func == nil || x.Func.Impl != "eq_tid" {
			return e, nil
		}
		for i, a := range x.Args {
			if y, err := b.seekTid(a, x.Args[1-i], x.P); y != nil || err != nil {
				return y, err
			}
		}
	}
	return e, nil
}

// seekTid is nil unless ctid is that of a scan and what it equals is not of its
// rows.
func (b *builder) seekTid(ctid, x Expr, pos int) (Expr, error) {
	call, ok := ctid.(*Call)
	if !ok || call.Func.Impl != sqlfunc.RowTid || readsAny(x) || anyVolatile([]Expr{x}) {
		return nil, nil
	}
	id, ok := call.Args[0].(*ColRef)
	if !ok {
		return nil, nil
	}
	scan, _ := b.scanOf(id.ID)
	if scan == nil {
		return nil, nil
	}
	def := &catalog.Column{Name: "_id", Path: []string{"_id"}, Kinds: catalog.KindObjectID, Type: textType}
	if c := columnAt(scan.Table, def.Path); c != nil {
		def = c
	}
	again, _ := b.scan(scan.Table)
	found := &Filter{Input: again, Cond: tidCall(sqlfunc.HasTid, boolType, pos, colRef(b.rawID(again), pos), x)}
	key, out := b.scanColumn(again, def), b.newCol("_id", def.Type)
	sub := &Subquery{Kind: Scalar, T: def.Type, P: pos, Plan: &Project{Input: found, Exprs: []NamedExpr{{Col: out, Expr: colRef(key, pos)}}}}
	eq, err := b.operator("=", []Expr{colRef(b.scanColumn(scan, def), pos), sub}, pos)
	if err != nil {
		return nil, err
	}
	test := tidCall(sqlfunc.HasTid, boolType, pos, id, x)
	return &Logic{Op: And, Args: []Expr{eq, test}, P: pos}, nil
}
