package planner

import (
	"weir/catalog"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
)

// A simple view can be written: one relation, plain columns and a WHERE. Its
// writes go to the collection below. For the statement, the view is a table with
// the collection's documents and the view's names of the columns; those that the
// view does not show stay, under names that nobody can write, for their defaults.

// viewTarget is such a view.
type viewTarget struct {
	base   *catalog.Table // the collection
	levels []viewLevel    // from the written view down to the one over base
}

// viewLevel is one view's WHERE over the relation that it reads.
type viewLevel struct {
	view  *catalog.Table
	of    *catalog.Table // a collection, or another view as a table
	name  ast.Ident      // what the view calls it
	where ast.Expr       // nil: none
	check bool           // rows written must be seen through this level
}

// updatableView gives a view as a table that can be written.
func (b *builder) updatableView(t *catalog.Table, verb string, pos int) (*catalog.Table, error) {
	if b.inView++; b.inView > 64 {
		return nil, sqlerr.New(sqlerr.InvalidObjectDefinition, "infinite recursion detected in rules for relation %q", t.Name)
	}
	defer func() { b.inView-- }()
	sel, ref, why := simpleView(t)
	if why != "" {
		return nil, notUpdatable(t, verb, why, pos)
	}
	of, err := b.writable(ref.Name, verb)
	if err != nil {
		return nil, err
	}
	level := viewLevel{view: t, of: of, name: ref.Name.Last(), where: sel.Where, check: t.CheckOption != "" || t.IsPartition()}
	if ref.Alias != nil {
		level.name = ref.Alias.Name
	}
	v := &viewTarget{base: of, levels: []viewLevel{level}}
	if below := b.viewTargets[of]; below != nil {
		v.base = below.base
		for _, l := range below.levels {
			l.check = l.check || t.CheckOption == "CASCADED"
			v.levels = append(v.levels, l)
		}
	}
	out, why := viewTable(t, of, level.name, sel.Items)
	if why != "" {
		return nil, notUpdatable(t, verb, why, pos)
	}
	if b.viewTargets == nil {
		b.viewTargets = map[*catalog.Table]*viewTarget{}
	}
	b.viewTargets[out] = v
	return out, nil
}

func notUpdatable(t *catalog.Table, verb, why string, pos int) error {
	return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "cannot %s view %q", verb, t.Name).At(pos).
		WithDetail("%s", why).WithHint("Write to the collections that the view reads.")
}

// simpleView takes a view's definition apart; why tells what is not simple.
func simpleView(t *catalog.Table) (sel *ast.Select, ref *ast.TableRef, why string) {
	stmts, err := parser.Parse(t.Definition)
	if err != nil || len(stmts) != 1 {
		return nil, nil, "The view's definition does not parse."
	}
	q, ok := stmts[0].(*ast.Query)
	if !ok {
		return nil, nil, "The view is no query."
	}
	sel, ok = q.Body.(*ast.Select)
	switch {
	case q.With != nil:
		return nil, nil, "Views containing WITH are not automatically updatable."
	case !ok:
		return nil, nil, "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable."
	case q.Limit != nil || q.Offset != nil:
		return nil, nil, "Views containing LIMIT or OFFSET are not automatically updatable."
	case sel.Distinct || len(sel.DistinctOn) > 0:
		return nil, nil, "Views containing DISTINCT are not automatically updatable."
	case len(sel.GroupBy) > 0:
		return nil, nil, "Views containing GROUP BY are not automatically updatable."
	case sel.Having != nil:
		return nil, nil, "Views containing HAVING are not automatically updatable."
	case len(sel.From) != 1:
		return nil, nil, "Views that do not select from a single table or view are not automatically updatable."
	}
	if ref, ok = sel.From[0].(*ast.TableRef); !ok || ref.Sample != nil || ref.Alias != nil && len(ref.Alias.Columns) > 0 {
		return nil, nil, "Views that do not select from a single table or view are not automatically updatable."
	}
	return sel, ref, ""
}

// viewTable is the relation below with the view's columns.
func viewTable(t, of *catalog.Table, name ast.Ident, items []*ast.SelectItem) (*catalog.Table, string) {
	const computed = "View columns that are not columns of their base relation are not updatable."
	shown := map[string]*catalog.Column{} // by the name that the query gives
	for _, it := range items {
		switch x := it.Expr.(type) {
		case *ast.Star:
			for i := range of.Columns {
				if c := &of.Columns[i]; !c.Hidden {
					shown[c.Name] = c
				}
			}
		case *ast.ColumnRef:
			last := x.Parts[len(x.Parts)-1]
			c := findDef(of, last)
			if c == nil || len(x.Parts) > 2 || len(x.Parts) == 2 && x.Parts[0].Name != name.Name {
				return nil, computed
			}
			own := c.Name
			if !it.Alias.IsZero() {
				own = it.Alias.Name
			}
			shown[own] = c
		default:
			return nil, computed
		}
	}
	out := *of
	out.OID, out.Schema, out.Name, out.Version, out.Open = t.OID, t.Schema, t.Name, t.Version, false
	out.Columns, out.Checks, out.Partition = nil, nil, t.Partition
	if out.Below = of.Written(); t.IsPartition() {
		out.Below = nil
	}
	used := map[*catalog.Column]bool{}
	for _, vc := range t.Columns {
		c := shown[vc.Path[0]]
		if c == nil || used[c] {
			return nil, computed
		}
		used[c] = true
		col := *c
		col.Name, col.Attr, col.Hidden = vc.Name, vc.Attr, false
		if t.IsPartition() {
			col.Default = vc.Default
		}
		out.Columns = append(out.Columns, col)
	}
	for i := range of.Columns {
		c := of.Columns[i]
		if used[&of.Columns[i]] {
			continue
		}
		c.Name, c.Hidden = "\x00"+c.Name, true
		out.Columns = append(out.Columns, c)
	}
	return &out, ""
}

// over is a relation's columns, read from the documents of a scan.
func (b *builder) over(t *catalog.Table, name ast.Ident, scan *Scan) *source {
	_, src := b.scan(t)
	src.scan = scan
	if !name.IsZero() {
		src.name, src.text = name.Name, name.Text
	}
	return src
}

// viewFilter is what a view lets see: all WHEREs of its levels.
func (b *builder) viewFilter(t *catalog.Table, scan *Scan) (Node, error) {
	var n Node = scan
	v := b.viewTargets[t]
	if v == nil {
		return n, nil
	}
	for i := len(v.levels) - 1; i >= 0; i-- {
		x, err := b.levelCondition(v.levels[i], scan)
		if err != nil {
			return nil, err
		}
		if x != nil {
			n = &Filter{Input: n, Cond: x}
		}
	}
	return n, nil
}

func (b *builder) levelCondition(l viewLevel, scan *Scan) (Expr, error) {
	if l.where == nil {
		return nil, nil
	}
	b.inView++
	defer func() { b.inView-- }()
	sc := &scope{ns: asNS(b.over(l.of, l.name, scan)), noAgg: "WHERE", noWindow: "WHERE", noSRF: "WHERE"}
	x, err := b.expr(sc, l.where)
	if err == nil {
		x, err = b.boolean(x, "WHERE")
	}
	if err != nil {
		e := *sqlerr.As(err)
		e.Position = 0
		return nil, &e
	}
	return x, nil
}

// viewChecks are the constraints of the collection below and the CHECK OPTIONs.
func (b *builder) viewChecks(v *viewTarget, scan *Scan, changed map[string]bool) ([]CheckExpr, error) {
	base, err := b.checks(v.base, b.over(v.base, ast.Ident{}, scan), changed)
	if err != nil {
		return nil, err
	}
	var out []CheckExpr
	for _, l := range v.levels {
		if !l.check {
			continue
		}
		x, err := b.levelCondition(l, scan)
		if err != nil {
			return nil, err
		}
		if x == nil {
			continue
		}
		out = append(out, CheckExpr{Name: l.view.Name, View: true, Partition: l.view.IsPartition(), Expr: &Test{X: x, Is: IsTrue}})
	}
	return append(out, base...), nil
}
