package planner

import (
	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// INSERT INTO t (a[1], a[2], c.x) gives items of arrays and attributes of
// composite values one by one: what goes to one column is put together.

// partStep is one step from a value down: an attribute, or an item's subscript.
type partStep struct {
	name  ast.Ident
	index ast.Expr
}

// partTarget is a target below a column.
type partTarget struct {
	column *catalog.Column
	steps  []partStep
}

// insertPart takes a target below a column of an array or composite type
// apart; ok is false for others.
func (b *builder) insertPart(t *catalog.Table, e ast.Expr) (p partTarget, f Field, name string, ok bool, err error) {
	target := e
	for {
		switch x := e.(type) {
		case *ast.Subscript:
			p.steps = append([]partStep{{index: x.Index}}, p.steps...)
			e = x.Of
			continue
		case *ast.Field:
			p.steps = append([]partStep{{name: x.Name}}, p.steps...)
			e = x.Of
			continue
		}
		break
	}
	c, is := e.(*ast.ColumnRef)
	if !is {
		return p, f, "", false, nil
	}
	parts := c.Parts
	if len(parts) > 1 && parts[0].Name == t.Name && findDef(t, parts[0]) == nil {
		parts = parts[1:]
	}
	for i := len(parts) - 1; i > 0; i-- {
		p.steps = append([]partStep{{name: parts[i]}}, p.steps...)
	}
	p.column = findDef(t, parts[0])
	if p.column == nil || len(p.steps) == 0 || p.column.Type.OID == sqltype.JSONB || t.Open && !p.column.Type.OID.Involves() {
		return p, f, "", false, nil
	}
	f = Field{Type: p.column.Type}
	for _, s := range p.steps {
		if f, err = b.partField(f, s, p.column.Name, target.Pos()); err != nil {
			return p, f, "", false, err
		}
	}
	return p, f, p.column.Name, true, nil
}

// partField is the type of what is one step down.
func (b *builder) partField(f Field, s partStep, column string, pos int) (Field, error) {
	if s.index != nil {
		elem := f.Type.OID.Elem()
		if elem == sqltype.Invalid {
			return f, sqlerr.New(sqlerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", f.Type.OID).At(pos)
		}
		return Field{Type: sqltype.Type{OID: elem, Mod: f.Type.Mod}}, nil
	}
	d := f.Type.OID.Def()
	if d == nil || d.Kind != sqltype.CompositeKind {
		return f, sqlerr.New(sqlerr.DatatypeMismatch, "cannot assign to field %q of column %q because its type %s is not a composite type",
			s.name.Text, column, f.Type.OID).At(pos)
	}
	at := d.Attribute(s.name.Name)
	if at < 0 {
		return f, sqlerr.New(sqlerr.UndefinedColumn, "cannot assign to field %q of column %q because there is no such column in data type %s",
			s.name.Text, column, d.OID).At(pos)
	}
	return Field{Type: d.Attributes[at].Type, Domain: d.Attributes[at].Domain}, nil
}

// joinParts puts a projection over the input of an INSERT that makes one value
// of all parts of a column.
func (b *builder) joinParts(n *Insert, parts map[int]partTarget) error {
	if len(parts) == 0 {
		return nil
	}
	cols := n.Input.Cols()
	p := &Project{Input: n.Input}
	var targets []Field
	done := map[*catalog.Column]int{}
	for i, col := range cols {
		part, ok := parts[i]
		if !ok {
			targets = append(targets, n.Targets[i])
			p.Exprs = append(p.Exprs, NamedExpr{Col: b.newCol(col.Name, col.Type), Expr: colRef(col, 0)})
			continue
		}
		c := part.column
		at, begun := done[c]
		if !begun {
			at = len(targets)
			done[c] = at
			targets = append(targets, Field{Path: c.Path, Kinds: c.Kinds, Type: c.Type, Domain: c.Domain})
			p.Exprs = append(p.Exprs, NamedExpr{Col: b.newCol(c.Name, c.Type), Expr: null(c.Type, 0)})
		}
		x, err := b.putPart(p.Exprs[at].Expr, part.steps, colRef(col, 0))
		if err != nil {
			return err
		}
		p.Exprs[at].Expr = x
	}
	for c, at := range done {
		x, err := b.ofDomain(p.Exprs[at].Expr, c.Domain)
		if err != nil {
			return err
		}
		p.Exprs[at].Expr = x
	}
	n.Input, n.Targets = p, targets
	return nil
}

// putPart is a value with another one at the end of the steps.
func (b *builder) putPart(of Expr, steps []partStep, v Expr) (Expr, error) {
	if len(steps) == 0 {
		return v, nil
	}
	if steps[0].index == nil {
		d := of.Type().OID.Def()
		r := &Row{Composite: d.OID}
		for i, a := range d.Attributes {
			x := attribute(of, d, i, 0)
			if i == max(d.Attribute(steps[0].name.Name), d.Attribute(steps[0].name.Text)) {
				var err error
				if x, err = b.putPart(x, steps[1:], v); err != nil {
					return nil, err
				}
			}
			r.Fields, r.Names = append(r.Fields, x), append(r.Names, a.Name)
		}
		return r, nil
	}
	index, err := b.index(&scope{noAgg: "VALUES", noWindow: "VALUES", noSRF: "VALUES"}, steps[0].index, of.Type().OID)
	if err != nil {
		return nil, err
	}
	elem := sqltype.Type{OID: of.Type().OID.Elem(), Mod: of.Type().Mod}
	var item Expr = null(elem, 0)
	if !isNullConst(of) {
		item = &Subscript{X: of, Lo: index, T: elem}
	}
	if item, err = b.putPart(item, steps[1:], v); err != nil {
		return nil, err
	}
	f := &sqlfunc.Func{Name: sqlfunc.ArrayPut, Impl: sqlfunc.ArrayPut, Args: []sqltype.OID{of.Type().OID, sqltype.Int4, elem.OID}, Ret: of.Type().OID, NotStrict: true}
	return &Call{Func: f, Args: []Expr{of, index, item}, T: of.Type()}, nil
}
