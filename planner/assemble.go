package planner

import (
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
)

func int32Value(n int) value.Value { return value.Int32(int32(n)) }

// assemble puts the nodes of a SELECT on each other: groups, HAVING, windows,
// then the select list with order, DISTINCT and LIMIT.
func (s *selectQuery) assemble() (Node, error) {
	if err := s.placeGroups(); err != nil {
		return nil, err
	}
	if len(s.sel.windows) > 0 {
		s.node = &Window{Input: s.node, Calls: s.sel.windows}
	}
	if s.sel.srf {
		s.placeSets()
	}
	limit, err := s.b.limitNode(s.tail, s.keys)
	if err != nil {
		return nil, err
	}
	if !s.ast.Distinct && s.on == nil && !s.sel.srf && s.keysArePlain() {
		return s.sortBelow(limit), nil
	}
	return s.sortAbove(limit)
}

func (s *selectQuery) keysArePlain() bool {
	for _, k := range s.keys {
		if _, ok := k.Expr.(*ColRef); !ok {
			return false
		}
	}
	return true
}

// sortBelow orders and cuts the input, so that the store may use an index and
// only the rows that are left are projected.
func (s *selectQuery) sortBelow(limit *Limit) Node {
	n := s.node
	if len(s.keys) > 0 {
		n = &Sort{Input: n, Keys: s.keys}
	}
	if limit != nil {
		limit.Input, n = n, limit
	}
	return s.b.project(n, s.outs)
}

// project makes a projection of output items.
func (b *builder) project(n Node, outs []outItem) *Project {
	p := &Project{Input: n, Exprs: make([]NamedExpr, len(outs))}
	for i, o := range outs {
		col := b.newCol(o.name, o.expr.Type())
		if c, ok := o.expr.(*ColRef); ok {
			col.Table, col.Attr = b.origin(n, c.ID)
		}
		b.keepRecord(col.ID, o.expr)
		p.Exprs[i] = NamedExpr{Col: col, Expr: o.expr}
	}
	return p
}

// keepRecord remembers the columns of a record behind a column.
func (b *builder) keepRecord(id ColID, e Expr) {
	if cols := b.recordColumns(e); cols != nil {
		b.records[id] = cols
	}
}

// origin tells the table column behind a column of n.
func (b *builder) origin(n Node, id ColID) (uint32, int16) {
	for _, c := range n.Cols() {
		if c.ID == id {
			return c.Table, c.Attr
		}
	}
	return 0, 0
}

// sortAbove projects first, with sort keys as further columns that a last
// projection takes away.
func (s *selectQuery) sortAbove(limit *Limit) (Node, error) {
	p := s.b.project(s.node, s.outs)
	visible := len(p.Exprs)
	place := func(x Expr) Expr {
		key := exprKey(x)
		for _, e := range p.Exprs {
			if exprKey(e.Expr) == key {
				return colRef(e.Col, x.Pos())
			}
		}
		col := s.b.newCol("", x.Type())
		p.Exprs = append(p.Exprs, NamedExpr{Col: col, Expr: x})
		return colRef(col, x.Pos())
	}
	for i := range s.keys {
		pos := s.keys[i].Expr.Pos()
		s.keys[i].Expr = place(s.keys[i].Expr)
		if s.ast.Distinct && s.on == nil && len(p.Exprs) > visible {
			return nil, sqlerr.New(sqlerr.InvalidColumnReference, "for SELECT DISTINCT, ORDER BY expressions must appear in select list").At(pos)
		}
	}
	for i := range s.on {
		s.on[i] = place(s.on[i])
	}
	var n Node = p
	if s.ast.Distinct && s.on == nil {
		n = &Distinct{Input: n}
	}
	if len(s.keys) > 0 {
		n = &Sort{Input: n, Keys: s.keys}
	}
	if s.on != nil {
		n = &Distinct{Input: n, On: s.on}
	}
	if limit != nil {
		if limit.WithTies != nil {
			limit.WithTies = s.keys
		}
		limit.Input, n = n, limit
	}
	return s.b.trim(n, visible), nil
}

// trim leaves the first columns of n.
func (b *builder) trim(n Node, visible int) Node {
	cols := n.Cols()
	if len(cols) == visible {
		return n
	}
	outs := make([]outItem, visible)
	for i, c := range cols[:visible] {
		outs[i] = outItem{name: c.Name, expr: colRef(c, 0)}
	}
	return b.project(n, outs)
}

// placeSets computes set-returning functions below the select list, so that
// expressions around them see plain columns.
func (s *selectQuery) placeSets() {
	var exprs []*Expr
	for i := range s.outs {
		exprs = append(exprs, &s.outs[i].expr)
	}
	for i := range s.keys {
		exprs = append(exprs, &s.keys[i].Expr)
	}
	for i := range s.on {
		exprs = append(exprs, &s.on[i])
	}
	s.liftSets(exprs)
}

// liftSets has the set-returning functions in expressions computed by the input,
// all of them in lockstep.
func (s *selectQuery) liftSets(exprs []*Expr) {
	below := &Project{Input: s.node, SetReturning: true}
	byKey := map[string]Col{}
	lift := func(e Expr) (Expr, bool) {
		c, ok := e.(*Call)
		if !ok || c.Func.Kind != sqlfunc.SetReturning {
			_, sub := e.(*Subquery)
			return e, sub
		}
		key := exprKey(c)
		col, ok := byKey[key]
		if !ok {
			col = s.b.newCol(c.Func.Name, c.T)
			byKey[key] = col
			s.b.keepRecord(col.ID, c)
			below.Exprs = append(below.Exprs, NamedExpr{Col: col, Expr: c})
		}
		return colRef(col, c.P), true
	}
	for _, e := range exprs {
		*e = mapDown(*e, lift)
	}
	if len(below.Exprs) == 0 {
		return
	}
	for _, c := range s.node.Cols() {
		below.Exprs = append(below.Exprs, NamedExpr{Col: c, Expr: colRef(c, 0)})
	}
	s.node = below
}

// limitNode binds LIMIT and OFFSET; nil when there is neither.
func (b *builder) limitNode(t *tail, keys []SortKey) (*Limit, error) {
	if t.limit == nil && t.offset == nil {
		return nil, nil
	}
	l := &Limit{}
	var err error
	if l.Count, err = b.limitExpr(t.limit, "LIMIT"); err != nil {
		return nil, err
	}
	if l.Offset, err = b.limitExpr(t.offset, "OFFSET"); err != nil {
		return nil, err
	}
	if t.withTies {
		if _, null := t.limit.(*ast.NullLiteral); null {
			return nil, sqlerr.New(sqlerr.InvalidRowCountInLimit, "row count cannot be null in FETCH FIRST ... WITH TIES clause").At(t.limit.Pos())
		}
		if len(keys) == 0 {
			return nil, sqlerr.New(sqlerr.SyntaxError, "WITH TIES cannot be specified without ORDER BY clause").At(t.limit.Pos())
		}
		l.WithTies = keys
	}
	return l, nil
}

// limitExpr binds a row count, which may not depend on rows.
func (b *builder) limitExpr(e ast.Expr, clause string) (Expr, error) {
	if e == nil {
		return nil, nil
	}
	if c, ok := e.(*ast.ColumnRef); ok {
		return nil, sqlerr.New(sqlerr.InvalidColumnReference, "argument of %s must not contain variables", clause).At(c.Pos())
	}
	x, err := b.expr(&scope{noAgg: clause, noWindow: clause, noSRF: clause}, e)
	if err != nil {
		return nil, err
	}
	if c, ok := x.(*Const); ok && c.Value.IsNumber() {
		if n, _ := c.Value.RawValue().AsInt64OK(); n < 0 {
			code := sqlerr.InvalidRowCountInLimit
			if clause == "OFFSET" {
				code = sqlerr.InvalidRowCountInOffset
			}
			return nil, sqlerr.New(code, "%s must not be negative", clause)
		}
	}
	y, ok, err := b.coerce(x, int8Type, assignment)
	if err == nil && !ok {
		err = sqlerr.New(sqlerr.DatatypeMismatch, "argument of %s must be type bigint, not type %s", clause, x.Type().OID).At(x.Pos())
	}
	return y, err
}

// values plans VALUES.
func (b *builder) values(v *ast.Values, parent *scope, ctes *cteScope) (Node, error) {
	sc := &scope{parent: parent, ctes: ctes, noAgg: "VALUES", noWindow: "VALUES", noSRF: "VALUES"}
	n := &Values{}
	for _, row := range v.Rows {
		list, err := b.valuesRow(sc, row)
		if err != nil {
			return nil, err
		}
		if len(n.Rows) > 0 && len(list) != len(n.Rows[0]) {
			return nil, sqlerr.New(sqlerr.SyntaxError, "VALUES lists must all be the same length").At(row[0].Pos())
		}
		n.Rows = append(n.Rows, list)
	}
	for c := range n.Rows[0] {
		col := make([]Expr, len(n.Rows))
		for r := range n.Rows {
			col[r] = n.Rows[r][c]
		}
		t, err := b.unify(col, "VALUES")
		if err != nil {
			return nil, err
		}
		for r := range n.Rows {
			n.Rows[r][c] = col[r]
		}
		n.Out = append(n.Out, b.newCol("column"+itoa(c+1), t))
	}
	return n, nil
}

// valuesRow binds a row of VALUES, where t.* stands for its columns.
func (b *builder) valuesRow(sc *scope, row []ast.Expr) ([]Expr, error) {
	var out []Expr
	for _, e := range row {
		star, ok := e.(*ast.Star)
		if !ok || len(star.Qualifier) == 0 {
			x, err := b.expr(sc, e)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
			continue
		}
		cols, err := b.expandStar(sc, star)
		if err != nil {
			return nil, err
		}
		for _, c := range cols {
			out = append(out, c.Expr)
		}
	}
	return out, nil
}

func emptyRow() *Values { return &Values{Rows: [][]Expr{{}}} }
