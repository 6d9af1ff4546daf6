package planner

import (
	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
)

// MergeKind is what a WHEN clause does with a row.
type MergeKind uint8

// The kinds of actions.
const (
	MergeNothing MergeKind = iota
	MergeInsert
	MergeUpdate
	MergeDelete
)

// Merge joins a source to the written table and does for each row what the
// first WHEN clause says that is for it. All is decided, and all values are
// computed, before the first row is written.
type Merge struct {
	Table *catalog.Table
	Input Node
	// Target is the row as it is written, for the Checks of the actions.
	Target Scan
	// Key is the _id of the row that matched; missing where none did.
	Key ColID
	// Action is the number of the clause, NULL where there is nothing to do.
	Action  NamedExpr
	Actions []MergeAction
}

// MergeAction is a WHEN clause. Set has the values of all columns that it
// writes; they are NULL in rows of other clauses.
type MergeAction struct {
	Kind   MergeKind
	Set    []FieldExpr
	Checks []CheckExpr

	Foreign []ForeignKey
}

func (*Merge) node()         {}
func (n *Merge) Cols() []Col { return nil }

func mergeFields(n *Merge, f func(*Expr)) {
	f(&n.Action.Expr)
	for i := range n.Actions {
		eachField(n.Actions[i].Set, f)
		eachCheck(n.Actions[i].Checks, f)
	}
}

// merging is the state of planning a MERGE.
type merging struct {
	b      *builder
	stmt   *ast.Merge
	target *target
	ctes   *cteScope
	// both sees the written table and the source, other the source alone.
	both, other *namespace
	out         *Merge
}

// merge plans MERGE.
func (b *builder) merge(s *ast.Merge) (Node, error) {
	if err := mergeClauses(s); err != nil {
		return nil, err
	}
	ctes, with, err := b.with(s.With, nil, nil)
	if err != nil {
		return nil, err
	}
	t, err := b.lookupTable(s.Table.Name)
	if err != nil {
		return nil, err
	}
	if t.Kind != catalog.Collection {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "cannot execute MERGE on relation %q", t.Name).At(s.Table.Pos()).
			WithDetail("This operation is supported for tables only.")
	}
	g, err := b.targetRows(s.Table, nil, nil, "merge into", ctes)
	if err != nil {
		return nil, err
	}
	m := &merging{b: b, stmt: s, target: g, ctes: ctes}
	if err := m.join(); err != nil {
		return nil, err
	}
	if err := m.actions(); err != nil {
		return nil, err
	}
	return wrapWith(with, m.out), nil
}

// mergeClauses refuses what PostgreSQL's MERGE does not have.
func mergeClauses(s *ast.Merge) error {
	if s.Returning != nil {
		return sqlerr.Unsupported(s.Pos(), "Read the rows with a SELECT in the same transaction.", "RETURNING of MERGE is not supported")
	}
	final := map[ast.MergeMatch]bool{}
	for _, w := range s.Whens {
		if w.Match == ast.NotMatchedBySource {
			return sqlerr.Unsupported(w.Pos(), "Use DELETE or UPDATE with WHERE NOT EXISTS.", "WHEN NOT MATCHED BY SOURCE is not supported")
		}
		if final[w.Match] {
			return sqlerr.New(sqlerr.SyntaxError, "unreachable WHEN clause specified after unconditional WHEN clause")
		}
		final[w.Match] = w.Cond == nil
	}
	return nil
}

// join makes the rows: the source with the rows of the table that match.
func (m *merging) join() error {
	b, g := m.b, m.target
	src, ns, err := b.from([]ast.TableExpr{m.stmt.Using}, nil, m.ctes)
	if err != nil {
		return err
	}
	for _, o := range ns.srcs {
		if o.name == g.src.name && !o.hidden && o.name != "" {
			return sqlerr.New(sqlerr.DuplicateAlias, "name %q specified more than once", g.src.text).At(m.stmt.Using.Pos()).
				WithDetail("The name is used both as MERGE target table and data source.")
		}
	}
	m.other, m.both = ns, mergeNS(g.ns, ns)
	on, err := m.condition(m.both, m.stmt.On, "JOIN/ON", "JOIN conditions")
	if err != nil {
		return err
	}
	kind := Inner
	for _, w := range m.stmt.Whens {
		if w.Match == ast.NotMatched {
			kind = Left
		}
	}
	m.out = &Merge{Table: g.table, Input: joinNodes(kind, src, g.input, on), Key: g.key}
	return nil
}

func (m *merging) condition(ns *namespace, e ast.Expr, what, place string) (Expr, error) {
	sc := &scope{ns: ns, ctes: m.ctes, noAgg: place, noWindow: place, noSRF: place}
	x, err := m.b.expr(sc, e)
	if err != nil {
		return nil, m.invisible(ns, err)
	}
	return m.b.boolean(x, what)
}

// invisible tells that the table is there but not for rows that match none of its.
func (m *merging) invisible(ns *namespace, err error) error {
	e := sqlerr.As(err)
	if ns == m.other && e.Code == sqlerr.UndefinedTable {
		name := m.target.src.text
		return sqlerr.New(sqlerr.UndefinedTable, "invalid reference to FROM-clause entry for table %q", name).At(e.Position).
			WithHint("There is an entry for table %q, but it cannot be referenced from this part of the query.", name)
	}
	return err
}

// actions plans the WHEN clauses and the number of the one that is for a row.
func (m *merging) actions() error {
	b := m.b
	written, src := b.scan(m.target.table)
	src.name, src.text, src.schema = m.target.src.name, m.target.src.text, m.target.src.schema
	number := &Case{T: int4Type}
	m.out.Action.Col = b.newCol("action", int4Type)
	for i, w := range m.stmt.Whens {
		a, err := m.action(w, src)
		if err != nil {
			return err
		}
		key := &Test{X: &ColRef{ID: m.target.key, T: textType}, Is: IsNull}
		ns := m.other
		if w.Match == ast.Matched {
			key.Is, ns = IsNotNull, m.both
		}
		var cond Expr = key
		if w.Cond != nil {
			x, err := m.condition(ns, w.Cond, "WHEN", "MERGE WHEN conditions")
			if err != nil {
				return err
			}
			cond = &Logic{Op: And, Args: []Expr{key, x}}
		}
		var then Expr = null(int4Type, 0)
		if a.Kind != MergeNothing {
			then = &Const{T: int4Type, Value: value.Int32(int32(i))}
		}
		number.Whens = append(number.Whens, When{Cond: cond, Then: then})
		if err := m.guard(a.Set, i); err != nil {
			return err
		}
		m.out.Actions = append(m.out.Actions, *a)
	}
	m.out.Action.Expr = number
	m.out.Target = *written
	return nil
}

// guard has values computed for the rows of their clause only.
func (m *merging) guard(set []FieldExpr, action int) error {
	for i := range set {
		mine, err := m.b.compare("=", colRef(m.out.Action.Col, 0), &Const{T: int4Type, Value: value.Int32(int32(action))}, 0)
		if err != nil {
			return err
		}
		x := set[i].Expr
		set[i].Expr = &Case{T: x.Type(), Whens: []When{{Cond: mine, Then: x}}, P: x.Pos()}
	}
	return nil
}

func (m *merging) action(w *ast.MergeWhen, src *source) (*MergeAction, error) {
	a := &MergeAction{}
	var err error
	switch w.Action {
	case ast.MergeDelete:
		a.Kind = MergeDelete
		a.Foreign, err = m.b.foreignKeys(m.target.table, writeDelete, nil)
	case ast.MergeUpdate:
		a.Kind = MergeUpdate
		return a, m.update(a, w, src)
	case ast.MergeInsert:
		a.Kind = MergeInsert
		if a.Set, err = m.insert(w); err != nil {
			return nil, err
		}
		if a.Checks, err = m.b.checks(m.target.table, src, nil); err != nil {
			return nil, err
		}
		a.Foreign, err = m.b.foreignKeys(m.target.table, writeInsert, nil)
	}
	return a, err
}

func (m *merging) update(a *MergeAction, w *ast.MergeWhen, src *source) error {
	b, g := m.b, m.target
	sc := &scope{ns: m.both, ctes: m.ctes, noAgg: "UPDATE", noWindow: "UPDATE", noSRF: "UPDATE"}
	set, changed, err := b.setList(g.table, w.Set, sc)
	if err != nil {
		return err
	}
	if a.Set, err = b.updateGenerated(g.table, g.src, set); err != nil {
		return err
	}
	if a.Checks, err = b.checks(g.table, src, changed); err != nil {
		return err
	}
	a.Foreign, err = b.foreignKeys(g.table, writeUpdate, a.Set)
	return err
}

// insert plans INSERT as one of VALUES whose expressions read the source.
func (m *merging) insert(w *ast.MergeWhen) ([]FieldExpr, error) {
	b := m.b
	s := &ast.Insert{Stmt: ast.Stmt{Span: w.Span}, Table: m.stmt.Table.Name, Columns: w.Columns, Overriding: w.Overriding}
	n := &Insert{Table: m.target.table, Input: emptyRow()}
	row := &Project{Input: emptyRow()}
	if w.Values != nil {
		s.Query = &ast.Query{}
		names, parts, err := b.insertTargets(n, s)
		if err != nil {
			return nil, err
		}
		if len(parts) > 0 {
			return nil, sqlerr.Unsupported(w.Pos(), "Insert the whole column.", "parts of a column are not supported in MERGE")
		}
		if err := b.countTargets(n, s, len(w.Values), w.Values[min(len(n.Targets), len(w.Values)-1)].Pos()); err != nil {
			return nil, err
		}
		sc := &scope{ns: m.other, ctes: m.ctes, noAgg: "VALUES", noWindow: "VALUES", noSRF: "VALUES"}
		for i, e := range w.Values {
			x, err := b.insertValue(n, sc, i, names[i], w.Overriding, e)
			if err != nil {
				return nil, m.invisible(m.other, err)
			}
			row.Exprs = append(row.Exprs, NamedExpr{Col: b.newCol(names[i], x.Type()), Expr: x})
		}
		n.Input = row
	}
	if err := b.insertDefaults(n, s); err != nil {
		return nil, err
	}
	if err := b.insertGenerated(n); err != nil {
		return nil, err
	}
	return rowFields(n, row)
}

// rowFields are the values that a planned INSERT of one row writes.
func rowFields(n *Insert, row *Project) ([]FieldExpr, error) {
	exprs := row.Exprs
	if p, ok := n.Input.(*Project); ok && p != row {
		values := map[ColID]Expr{}
		for _, e := range row.Exprs {
			values[e.Col.ID] = e.Expr
		}
		exprs = nil
		for i, e := range p.Exprs {
			x, err := replaced(e.Expr, values, n.Targets[i].Path[0])
			if err != nil {
				return nil, err
			}
			exprs = append(exprs, NamedExpr{Col: e.Col, Expr: x})
		}
	}
	var out []FieldExpr
	for i, e := range exprs {
		out = append(out, FieldExpr{Field: n.Targets[i], Expr: e.Expr})
	}
	return append(out, n.Defaults...), nil
}
