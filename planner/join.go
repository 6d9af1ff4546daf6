package planner

import (
	"weir/parser/ast"
	"weir/sqlerr"
)

func joinNodes(kind JoinKind, l, r Node, on Expr) *Join {
	return &Join{Kind: kind, Left: l, Right: r, On: on, Lateral: dependsOn(r, l)}
}

// dependsOn tells whether r reads columns of l.
func dependsOn(r, l Node) bool {
	outer := outerColumns(r)
	if len(outer) == 0 {
		return false
	}
	for _, c := range l.Cols() {
		if outer[c.ID] {
			return true
		}
	}
	return false
}

func noDuplicates(l, r *namespace, pos int) error {
	for _, s := range r.srcs {
		for _, o := range l.srcs {
			if s.name != "" && s.name == o.name && !s.hidden && !o.hidden && s.schema == o.schema {
				return sqlerr.New(sqlerr.DuplicateAlias, "table name %q specified more than once", s.text).At(pos)
			}
		}
	}
	return nil
}

var joinKinds = map[ast.JoinKind]JoinKind{
	ast.InnerJoin: Inner, ast.LeftJoin: Left, ast.RightJoin: Left, ast.FullJoin: Full, ast.CrossJoin: Inner,
}

// join plans a JOIN. A right join is a left join with its sides swapped.
func (b *builder) join(x *ast.Join, outer *namespace, parent *scope, ctes *cteScope) (Node, *namespace, error) {
	l, lns, err := b.fromItem(x.Left, outer, parent, ctes)
	if err != nil {
		return nil, nil, err
	}
	r, rns, err := b.fromItem(x.Right, mergeNS(outer, lns), parent, ctes)
	if err != nil {
		return nil, nil, err
	}
	if err := noDuplicates(lns, rns, x.Right.Pos()); err != nil {
		return nil, nil, err
	}
	ns := mergeNS(lns, rns)
	j := &Join{Kind: joinKinds[x.Kind], Left: l, Right: r}
	switch {
	case x.Natural || len(x.Using) > 0:
		if j.On, ns, err = b.using(x, lns, rns); err != nil {
			return nil, nil, err
		}
	case x.On != nil:
		sc := &scope{parent: parent, ns: mergeNS(outer, ns), ctes: ctes, noAgg: "JOIN conditions", noWindow: "JOIN conditions", noSRF: "JOIN conditions"}
		on, err := b.expr(sc, x.On)
		if err != nil {
			return nil, nil, err
		}
		if j.On, err = b.boolean(on, "JOIN/ON"); err != nil {
			return nil, nil, err
		}
	}
	j.Lateral = dependsOn(r, l)
	if x.Kind == ast.RightJoin || x.Kind == ast.FullJoin {
		if j.Lateral {
			return nil, nil, sqlerr.New(sqlerr.InvalidColumnReference, "invalid reference to FROM-clause entry for a LATERAL item").At(x.Right.Pos()).
				WithDetail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
		}
	}
	if x.Kind == ast.RightJoin {
		j.Left, j.Right = j.Right, j.Left
	}
	if x.Alias != nil {
		ns, err = b.joinAlias(ns, x.Alias)
	}
	return j, ns, err
}

// joinAlias names a whole join; its tables cannot be named any more.
func (b *builder) joinAlias(ns *namespace, a *ast.Alias) (*namespace, error) {
	src := &source{name: a.Name.Name, text: a.Name.Text}
	out := &namespace{}
	for _, c := range ns.cols {
		if c.hidden() {
			continue
		}
		r, ok := b.refNS(c, a.Pos()).(*ColRef)
		if !ok {
			return nil, sqlerr.Unsupported(a.Pos(), "Give the tables aliases of their own.", "an alias of a FULL JOIN with USING is not supported")
		}
		src.cols = append(src.cols, srcCol{name: c.name, col: Col{ID: r.ID, Name: c.name, Type: r.T}})
	}
	if err := rename(src, a); err != nil {
		return nil, err
	}
	out.add(src)
	return out, nil
}

// using makes the condition of USING and NATURAL and merges the columns.
func (b *builder) using(x *ast.Join, l, r *namespace) (Expr, *namespace, error) {
	names := x.Using
	if x.Natural {
		for _, c := range l.cols {
			if c.hidden() {
				continue
			}
			if hit, err := r.column(ast.MakeIdent(c.name)); err == nil && hit != nil && !hit.hidden() && hit.name == c.name {
				names = append(names, ast.MakeIdent(c.name))
			}
		}
	}
	and := &Logic{Op: And, P: x.Pos()}
	ns := &namespace{srcs: append(append([]*source(nil), l.srcs...), r.srcs...)}
	drop := map[string]bool{}
	alias, err := usingAlias(x, ns)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range names {
		lc, err := usingColumn(l, id, "left")
		if err != nil {
			return nil, nil, err
		}
		rc, err := usingColumn(r, id, "right")
		if err != nil {
			return nil, nil, err
		}
		le, re := b.refNS(*lc, id.Pos()), b.refNS(*rc, id.Pos())
		eq, err := b.compare("=", le, re, id.Pos())
		if err != nil {
			return nil, nil, err
		}
		and.Args = append(and.Args, eq)
		merged, err := b.mergedColumn(x.Kind, le, re)
		if err != nil {
			return nil, nil, err
		}
		ns.cols = append(ns.cols, nsCol{name: lc.name, merged: merged})
		if err := alias.add(lc.name, merged); err != nil {
			return nil, nil, err
		}
		drop["l"+lc.name], drop["r"+rc.name] = true, true
	}
	for _, c := range l.cols {
		if !drop["l"+c.name] {
			ns.cols = append(ns.cols, c)
		}
	}
	for _, c := range r.cols {
		if !drop["r"+c.name] {
			ns.cols = append(ns.cols, c)
		}
	}
	switch len(and.Args) {
	case 0:
		return nil, ns, nil
	case 1:
		return and.Args[0], ns, nil
	}
	return and, ns, nil
}

// mergedSource is what USING (…) AS name names: the merged columns alone.
type mergedSource struct {
	src *source // nil: there is no such name
	pos int
}

func usingAlias(x *ast.Join, ns *namespace) (*mergedSource, error) {
	m := &mergedSource{pos: x.UsingAlias.Pos()}
	if x.UsingAlias.IsZero() {
		return m, nil
	}
	m.src = &source{name: x.UsingAlias.Name, text: x.UsingAlias.Text}
	for _, o := range ns.srcs {
		if o.name == m.src.name && !o.hidden {
			return nil, sqlerr.New(sqlerr.DuplicateAlias, "table name %q specified more than once", o.text).At(m.pos)
		}
	}
	ns.srcs = append(ns.srcs, m.src)
	return m, nil
}

func (m *mergedSource) add(name string, merged Expr) error {
	if m.src == nil {
		return nil
	}
	r, ok := merged.(*ColRef)
	if !ok {
		return sqlerr.Unsupported(m.pos, "Leave AS out and write the columns without a table's name.",
			"an alias of the columns of USING is not supported here")
	}
	m.src.cols = append(m.src.cols, srcCol{name: name, col: Col{ID: r.ID, Name: name, Type: r.T}})
	return nil
}

func usingColumn(ns *namespace, id ast.Ident, side string) (*nsCol, error) {
	c, err := ns.column(id)
	if err != nil {
		return nil, sqlerr.New(sqlerr.AmbiguousColumn, "common column name %q appears more than once in %s table", id.Text, side).At(id.Pos())
	}
	if c == nil {
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q specified in USING clause does not exist in %s table", id.Text, side).At(id.Pos())
	}
	return c, nil
}

// mergedColumn is the one column that USING shows of the two.
func (b *builder) mergedColumn(kind ast.JoinKind, l, r Expr) (Expr, error) {
	switch kind {
	case ast.RightJoin:
		list := []Expr{l, r}
		if _, err := b.unify(list, "JOIN/USING"); err != nil {
			return r, nil
		}
		return list[1], nil
	case ast.FullJoin:
		list := []Expr{l, r}
		t, err := b.unify(list, "JOIN/USING")
		return &Variadic{Kind: Coalesce, Args: list, T: t}, err
	}
	list := []Expr{l, r}
	t, err := b.unify(list, "JOIN/USING")
	switch {
	case err != nil || t.OID == l.Type().OID:
		return l, nil
	case kind != ast.LeftJoin && t.OID == r.Type().OID:
		return r, nil
	}
	return list[0], nil
}
