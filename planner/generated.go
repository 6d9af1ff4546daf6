package planner

import (
	"iter"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// Generated columns are computed when a row is written, from the values that
// its other columns then have.

// eachGenerated calls f with the generated columns of a table and what they are,
// with values in the place of columns.
func (b *builder) eachGenerated(t *catalog.Table, src *source, by map[ColID]Expr, f func(c *catalog.Column, x Expr)) error {
	for c := range generated(t) {
		x, err := b.generatedExpr(c, src)
		if err != nil {
			return err
		}
		if x, err = b.computed(x, by, c.Name); err != nil {
			return err
		}
		f(c, x)
	}
	return nil
}

func (b *builder) generatedExpr(c *catalog.Column, src *source) (Expr, error) {
	x, err := b.stored(c.Generated, src, "column generation expressions")
	if err != nil {
		return nil, err
	}
	return b.assign(x, c.Type, c.Name)
}

// generated yields the generated columns of a table.
func generated(t *catalog.Table) iter.Seq[*catalog.Column] {
	return func(yield func(*catalog.Column) bool) {
		for i := range t.Columns {
			if c := &t.Columns[i]; c.Generated != "" && !yield(c) {
				return
			}
		}
	}
}

func hasGenerated(t *catalog.Table) bool {
	for range generated(t) {
		return true
	}
	return false
}

// baseOf is the collection whose rows are written: that below a view.
func (b *builder) baseOf(t *catalog.Table) *catalog.Table {
	if v := b.viewTargets[t]; v != nil {
		return v.base
	}
	return t
}

// insertGenerated adds the generated columns to the rows of an INSERT.
func (b *builder) insertGenerated(n *Insert) error {
	if !hasGenerated(n.Table) {
		return nil
	}
	if n.Document {
		return sqlerr.New(sqlerr.FeatureNotSupported, "whole documents cannot be inserted into a table with generated columns").
			WithHint("Name the columns.")
	}
	t := b.baseOf(n.Table)
	src := &source{name: t.Name, text: t.Name}
	known, in := map[ColID]Expr{}, n.Input.Cols()
	for i := range t.Columns {
		c := &t.Columns[i]
		col := b.newCol(c.Name, c.Type)
		src.cols = append(src.cols, srcCol{name: c.Name, col: col})
		known[col.ID] = null(c.Type, 0)
		for j, f := range n.Targets {
			if samePath(f.Path, c.Path) {
				known[col.ID] = colRef(in[j], 0)
				if k := b.constantOf(n.Input, in[j].ID); k != nil {
					known[col.ID] = k
				}
			}
		}
		for _, d := range n.Defaults {
			if samePath(d.Field.Path, c.Path) {
				known[col.ID] = d.Expr
			}
		}
	}
	p := &Project{Input: n.Input}
	for _, c := range in {
		p.Exprs = append(p.Exprs, NamedExpr{Col: b.newCol(c.Name, c.Type), Expr: colRef(c, 0)})
	}
	err := b.eachGenerated(t, src, known, func(c *catalog.Column, x Expr) {
		e := NamedExpr{Col: b.newCol(c.Name, c.Type), Expr: x}
		at := -1
		for j, f := range n.Targets {
			if samePath(f.Path, c.Path) {
				at = j
			}
		}
		if at < 0 {
			n.Targets = append(n.Targets, Field{Path: c.Path, Kinds: c.Kinds, Type: c.Type})
			p.Exprs = append(p.Exprs, e)
		} else {
			p.Exprs[at] = e
		}
	})
	n.Input = p
	return err
}

// generatedOf tells whether a generated column is computed from a field.
func (b *builder) generatedOf(t *catalog.Table, src *source, field string) (bool, error) {
	used := false
	err := b.eachGenerated(t, src, nil, func(_ *catalog.Column, x Expr) {
		mapExpr(x, func(e Expr) Expr {
			if r, ok := e.(*ColRef); ok {
				used = used || b.scanDefs[r.ID].def.Path[0] == field
			}
			return e
		})
	})
	return used, err
}

// computed is the expression of a generated column with values in the place of
// columns. If it fails for constants, it does so for a row, not before.
func (b *builder) computed(x Expr, by map[ColID]Expr, name string) (Expr, error) {
	out, err := replaced(x, by, name)
	if err != nil || !failsAlways(b.fold(out)) {
		return out, err
	}
	late := map[ColID]Expr{}
	for id, v := range by {
		late[id] = v
		if k, ok := v.(*Const); ok {
			f := &sqlfunc.Func{Name: sqlfunc.Late, Impl: sqlfunc.Late, Args: []sqltype.OID{k.T.OID}, Ret: k.T.OID, Volatility: sqlfunc.Volatile}
			late[id] = &Call{Func: f, Args: []Expr{k}, T: k.T}
		}
	}
	return replaced(x, late, name)
}

// constantOf is the value of a column that is the same constant in all rows; nil
// for others.
func (b *builder) constantOf(n Node, id ColID) *Const {
	p, ok := n.(*Project)
	if !ok {
		return nil
	}
	for _, e := range p.Exprs {
		if e.Col.ID != id {
			continue
		}
		x := mapExpr(e.Expr, func(e Expr) Expr {
			if r, ok := e.(*ColRef); ok {
				if k := b.constantOf(p.Input, r.ID); k != nil {
					return k
				}
			}
			return e
		})
		k, _ := b.fold(x).(*Const)
		return k
	}
	return nil
}

// failsAlways tells whether something is left of a folded expression that has no
// more than constants.
func failsAlways(x Expr) bool {
	found := false
	mapExpr(x, func(e Expr) Expr {
		switch c := e.(type) {
		case *Call:
			_, _, constant := constArgs(c.Args)
			found = found || constant && c.Func.Volatility == sqlfunc.Immutable
		case *Cast:
			_, constant := c.X.(*Const)
			found = found || constant
		}
		return e
	})
	return found
}

// replaced puts values in the place of columns. What gives another value each
// time cannot be written twice.
func replaced(x Expr, by map[ColID]Expr, name string) (Expr, error) {
	var err error
	out := mapExpr(x, func(e Expr) Expr {
		r, ok := e.(*ColRef)
		if !ok || by[r.ID] == nil {
			return e
		}
		mapExpr(by[r.ID], func(v Expr) Expr {
			if c, ok := v.(*Call); ok && c.Func.Volatility == sqlfunc.Volatile && c.Func.Impl != sqlfunc.Late {
				err = sqlerr.New(sqlerr.FeatureNotSupported, "generated column %q depends on a value that is computed by the volatile function %s()", name, c.Func.Name).
					WithHint("Compute the value first, and write it as a constant.")
			}
			return v
		})
		return by[r.ID]
	})
	return out, err
}

// updateGenerated adds the generated columns to what an UPDATE sets.
func (b *builder) updateGenerated(t *catalog.Table, src *source, set []FieldExpr) ([]FieldExpr, error) {
	if !hasGenerated(t) {
		return set, nil
	}
	if base := b.baseOf(t); base != t {
		t, src = base, b.over(base, ast.Ident{}, src.scan)
	}
	by := map[ColID]Expr{}
	for _, f := range set {
		found := false
		for i := range t.Columns {
			c := &t.Columns[i]
			if samePath(c.Path, f.Field.Path) && f.Field.Elems == 0 {
				found = true
				by[b.ref(src, i, 0).ID] = f.Expr
			}
		}
		if !found {
			used, err := b.generatedOf(t, src, f.Field.Path[0])
			if err != nil {
				return nil, err
			}
			if !used {
				continue
			}
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "parts of columns of a table with generated columns cannot be updated").
				WithHint("Assign the whole column.")
		}
	}
	out := set
	err := b.eachGenerated(t, src, by, func(c *catalog.Column, x Expr) {
		out = append(out, FieldExpr{Field: Field{Path: c.Path, Kinds: c.Kinds, Type: c.Type}, Expr: x})
	})
	return out, err
}

func cannotInsert(c *catalog.Column) error {
	return sqlerr.New("428C9", "cannot insert a non-DEFAULT value into column %q", c.Name).
		WithDetail("Column %q is a generated column.", c.Name)
}
