package planner

import (
	"strconv"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// tail is what follows a query's body.
type tail struct {
	orderBy  []*ast.OrderItem
	limit    ast.Expr
	offset   ast.Expr
	withTies bool
	pos      int
}

func (t *tail) empty() bool { return len(t.orderBy) == 0 && t.limit == nil && t.offset == nil }

// selectItems is the select list as the lenient use of aliases sees it.
type selectItems struct {
	list []*ast.SelectItem
	busy map[int]bool
}

// aliasBeside binds a name as a select-list alias used beside its definition.
// It answers nil where that is not allowed or there is none.
func (b *builder) aliasBeside(sc *scope, id ast.Ident) (Expr, error) {
	if sc.items == nil || b.strict() {
		return nil, nil
	}
	hits, ambiguous := matchName(id, len(sc.items.list), func(i int) string { return sc.items.list[i].Alias.Name })
	if len(hits) == 0 || ambiguous || sc.items.busy[hits[0]] {
		return nil, nil
	}
	i := hits[0]
	sc.items.busy[i] = true
	x, err := b.expr(sc, sc.items.list[i].Expr)
	delete(sc.items.busy, i)
	if err != nil {
		return nil, err
	}
	b.warn(sqlerr.UndefinedColumn, id.Pos(), "Standard SQL knows the alias only in ORDER BY; SET weir.strict = on refuses it.",
		"column %q is not in FROM, the select-list expression of that name is used", id.Text)
	return x, nil
}

// selectQuery plans one SELECT with its ORDER BY and LIMIT.
type selectQuery struct {
	b    *builder
	ast  *ast.Select
	tail *tail
	sc   *scope // of the select list
	sel  *selectState

	node  Node
	outs  []outItem
	group groupBy
	hav   Expr
	keys  []SortKey // over outputs (out >= 0) or expressions
	on    []Expr
}

// outItem is an output column before it is placed.
type outItem struct {
	name string
	expr Expr
	ast  ast.Expr
}

func (b *builder) selectStmt(q *ast.Select, t *tail, parent *scope, ctes *cteScope) (Node, error) {
	if q.Into != nil {
		return nil, sqlerr.Unsupported(q.Into.Pos(), "Use CREATE TABLE … AS SELECT ….", "SELECT INTO is not supported here")
	}
	s := &selectQuery{b: b, ast: q, tail: t, sel: newSelectState()}
	node, ns, err := b.from(q.From, parent, ctes)
	if err != nil {
		return nil, err
	}
	for _, w := range q.Windows {
		if _, dup := s.sel.specs[w.Name.Name]; dup {
			return nil, sqlerr.New("42P20", "window %q is already defined", w.Name.Text).At(w.Pos())
		}
		s.sel.specs[w.Name.Name] = w.Spec
	}
	s.node = node
	s.sc = &scope{parent: parent, ns: ns, ctes: ctes, sel: s.sel, items: &selectItems{list: q.Items, busy: map[int]bool{}}}
	for _, step := range []func() error{s.bindWhere, s.bindItems, s.bindGroupBy, s.bindHaving, s.bindOrderBy, s.bindDistinctOn} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s.assemble()
}

func (s *selectQuery) bindWhere() error {
	if s.ast.Where == nil {
		return nil
	}
	sc := *s.sc
	sc.noAgg, sc.noWindow, sc.noSRF = "WHERE", "WHERE", "WHERE"
	x, err := s.b.expr(&sc, s.ast.Where)
	if err != nil {
		return err
	}
	if x, err = s.b.whereCondition(x); err != nil {
		return err
	}
	s.node = &Filter{Input: s.node, Cond: x}
	return nil
}

func (s *selectQuery) bindItems() error {
	for i, it := range s.ast.Items {
		if star, ok := it.Expr.(*ast.Star); ok {
			cols, err := s.b.expandStar(s.sc, star)
			if err != nil {
				return err
			}
			for _, c := range cols {
				s.outs = append(s.outs, outItem{name: c.Col.Name, expr: c.Expr})
			}
			continue
		}
		if fs, ok := it.Expr.(*ast.FieldStar); ok {
			if err := s.fieldStar(fs); err != nil {
				return err
			}
			continue
		}
		s.sc.items.busy[i] = true
		x, err := s.b.expr(s.sc, it.Expr)
		delete(s.sc.items.busy, i)
		if err != nil {
			return err
		}
		s.outs = append(s.outs, outItem{name: s.b.outputName(it, x), expr: x, ast: it.Expr})
	}
	return nil
}

// fieldStar is (expr).*: all columns of a record.
func (s *selectQuery) fieldStar(fs *ast.FieldStar) error {
	list, err := s.b.recordFields(s.sc, fs)
	for _, f := range list {
		s.outs = append(s.outs, outItem{name: f.Col.Name, expr: f.Expr})
	}
	return err
}

// recordFields are the columns of a record, with their names.
func (b *builder) recordFields(sc *scope, fs *ast.FieldStar) ([]NamedExpr, error) {
	x, err := b.expr(sc, fs.Of)
	if err != nil {
		return nil, err
	}
	var out []NamedExpr
	add := func(name string, e Expr) { out = append(out, NamedExpr{Col: Col{Name: name}, Expr: e}) }
	if r, ok := x.(*Row); ok {
		for i, f := range r.Fields {
			name := "f" + strconv.Itoa(i+1)
			if r.Names != nil {
				name = r.Names[i]
			}
			add(name, f)
		}
		return out, nil
	}
	if d := compositeOf(x); d != nil {
		for i, a := range d.Attributes {
			add(a.Name, attribute(x, d, i, fs.Pos()))
		}
		return out, nil
	}
	if cols := b.recordColumns(x); cols != nil {
		for i, c := range cols {
			add(c.Name, recordField(x, i, c.Type))
		}
		return out, nil
	}
	return nil, sqlerr.New(sqlerr.WrongObjectType, "type %s is not composite", x.Type().OID).At(fs.Pos())
}

func elemOf(args []sqltype.OID) sqltype.OID {
	for _, a := range args {
		if e := itemOf(a); e != sqltype.Invalid {
			return e
		}
	}
	return sqltype.Text
}

// expandStar gives the columns of * or q.*.
func (b *builder) expandStar(sc *scope, star *ast.Star) ([]NamedExpr, error) {
	var out []NamedExpr
	if len(star.Qualifier) == 0 {
		if sc.ns == nil || len(sc.ns.srcs) == 0 {
			return nil, sqlerr.New(sqlerr.SyntaxError, "SELECT * with no tables specified is not valid").At(star.Pos())
		}
		for _, c := range sc.ns.cols {
			if !c.hidden() {
				out = append(out, NamedExpr{Col: Col{Name: c.name}, Expr: b.refNS(c, star.Pos())})
			}
		}
		return out, nil
	}
	q := star.Qualifier
	var schema ast.Ident
	if len(q) > 1 {
		schema = q[len(q)-2]
	}
	for s := sc; s != nil; s = s.parent {
		src, err := s.ns.source(schema, q[len(q)-1])
		if err != nil {
			return nil, err
		}
		if src == nil {
			continue
		}
		for i, c := range src.cols {
			if !c.hidden {
				out = append(out, NamedExpr{Col: Col{Name: c.name}, Expr: b.ref(src, i, star.Pos())})
			}
		}
		return out, nil
	}
	return nil, sqlerr.New(sqlerr.UndefinedTable, "missing FROM-clause entry for table %q", q[len(q)-1].Text).At(star.Pos())
}

// outputName is the name of a column without alias, as PostgreSQL chooses it;
// a column of a document keeps its stored spelling.
func (b *builder) outputName(it *ast.SelectItem, x Expr) string {
	if !it.Alias.IsZero() {
		return it.Alias.Name
	}
	if n := b.pathName(it.Expr, x); n != "" {
		return n
	}
	if n := nameOf(it.Expr, x); n != "" {
		return n
	}
	return "?column?"
}

// pathName is the label of a path into documents, address_city, so that paths
// that end in the same name differ. "" for others.
func (b *builder) pathName(e ast.Expr, x Expr) string {
	ref, ok := e.(*ast.ColumnRef)
	if !ok {
		return ""
	}
	switch x := x.(type) {
	case *ColRef:
		if scan, def := b.scanOf(x.ID); scan != nil && len(def.Path) > 1 && len(ref.Parts) > 1 && def.Name == def.Path[len(def.Path)-1] {
			return strings.Join(def.Path, "_")
		}
	case *Path:
		if top := b.pathName(e, x.X); top != "" {
			return top + "_" + strings.Join(x.Names, "_")
		}
		if c, ok := x.X.(*ColRef); ok {
			return c.Name + "_" + strings.Join(x.Names, "_")
		}
	}
	return ""
}

func nameOf(e ast.Expr, x Expr) string {
	switch e := e.(type) {
	case *ast.ColumnRef:
		if c, ok := x.(*ColRef); ok {
			return c.Name
		}
		return e.Parts[len(e.Parts)-1].Text
	case *ast.Field:
		return e.Name.Text
	case *ast.Subscript:
		if n := nameOf(e.Of, nil); n != "" {
			return n
		}
	case *ast.Slice:
		return nameOf(e.Of, nil)
	case *ast.FunctionCall:
		return e.Name.Last().Name
	case *ast.CollateExpr:
		return nameOf(e.Operand, nil)
	case *ast.CastExpr, *ast.TypedLiteral, *ast.CaseExpr:
		n, _ := weakName(e)
		return n
	case *ast.ArrayExpr, *ast.ArraySubquery:
		return "array"
	case *ast.RowExpr:
		return "row"
	case *ast.ExistsExpr:
		return "exists"
	case *ast.SubqueryExpr:
		if s, ok := e.Query.Body.(*ast.Select); ok && len(s.Items) == 1 {
			if !s.Items[0].Alias.IsZero() {
				return s.Items[0].Alias.Name
			}
			return nameOf(s.Items[0].Expr, nil)
		}
	case *ast.Coalesce:
		return "coalesce"
	case *ast.NullIf:
		return "nullif"
	case *ast.Extremum:
		if e.Least {
			return "least"
		}
		return "greatest"
	case *ast.Grouping:
		return "grouping"
	case *ast.AtTimeZone:
		return "timezone"
	case *ast.OverlapsExpr:
		return "overlaps"
	case *ast.ValueKeyword:
		return strings.ToLower(e.Keyword)
	}
	return ""
}

// weakName is the name of an expression, and whether it is but that of a type or
// of a CASE, which gives way to the type of a cast around it.
func weakName(e ast.Expr) (name string, weak bool) {
	var of ast.Expr
	switch e := e.(type) {
	case *ast.CastExpr:
		of, name = e.Operand, castName(e.Type)
	case *ast.CaseExpr:
		of, name = e.Else, "case"
	case *ast.TypedLiteral:
		return castName(e.Type), true
	default:
		return nameOf(e, nil), false
	}
	if n, weak := weakName(of); n != "" && !weak {
		return n, false
	}
	return name, true
}

func castName(t *ast.TypeName) string {
	if t.Name.Quoted {
		return t.Name.Name
	}
	if oid, ok := sqltype.ByName(strings.ToLower(t.Name.Name)); ok {
		return sqltype.Lookup(oid).Name
	}
	return t.Name.Name
}

func (s *selectQuery) bindHaving() error {
	if s.ast.Having == nil {
		return nil
	}
	sc := *s.sc
	sc.noWindow, sc.noSRF = "HAVING", "HAVING"
	x, err := s.b.expr(&sc, s.ast.Having)
	if err != nil {
		return err
	}
	s.hav, err = s.b.boolean(x, "HAVING")
	s.sel.grouped = true
	return err
}

// outputNamed finds an output column that ORDER BY or GROUP BY names.
func (s *selectQuery) outputNamed(id ast.Ident, clause string) (int, error) {
	found := -1
	for i, o := range s.outs {
		if o.name != id.Name && o.name != id.Text && !(!id.Quoted && strings.EqualFold(o.name, id.Name)) {
			continue
		}
		if found >= 0 && exprKey(s.outs[found].expr) != exprKey(o.expr) {
			return -1, sqlerr.New(sqlerr.AmbiguousColumn, "%s %q is ambiguous", clause, id.Text).At(id.Pos())
		}
		if found < 0 {
			found = i
		}
	}
	return found, nil
}

func isNumber(e ast.Expr) bool {
	_, ok := e.(*ast.NumberLiteral)
	return ok
}

// ordinal reads a position in the select list; -1 when e is none.
func (s *selectQuery) ordinal(e ast.Expr, clause string) (int, error) {
	sign := 1
	for u, ok := e.(*ast.UnaryExpr); ok && u.Op.Symbol == "-"; u, ok = e.(*ast.UnaryExpr) {
		if _, inner := u.Operand.(*ast.UnaryExpr); !inner && !isNumber(u.Operand) {
			return -1, nil
		}
		e, sign = u.Operand, -sign // a negated number is a constant
	}
	n, ok := e.(*ast.NumberLiteral)
	if !ok {
		switch c := e.(type) {
		case *ast.StringLiteral, *ast.NullLiteral, *ast.BoolLiteral:
			return -1, sqlerr.New(sqlerr.SyntaxError, "non-integer constant in %s", clause).At(c.Pos())
		}
		return -1, nil
	}
	i, err := strconv.Atoi(n.Text)
	if !n.Integer || err != nil {
		return -1, sqlerr.New(sqlerr.SyntaxError, "non-integer constant in %s", clause).At(n.Pos())
	}
	if i *= sign; i < 1 || i > len(s.outs) {
		return -1, sqlerr.New(sqlerr.InvalidColumnReference, "%s position %d is not in select list", clause, i).At(n.Pos())
	}
	return i - 1, nil
}

func (s *selectQuery) bindOrderBy() error {
	for _, o := range s.tail.orderBy {
		x, err := s.outputOrExpr(o.Expr, "ORDER BY")
		if err != nil {
			return err
		}
		k, err := s.b.sortKeyOf(x, o)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, k)
	}
	return nil
}

// outputOrExpr binds an item of ORDER BY or DISTINCT ON: an output column by
// name or position, else an expression over the input.
func (s *selectQuery) outputOrExpr(e ast.Expr, clause string) (Expr, error) {
	if c, ok := e.(*ast.ColumnRef); ok && len(c.Parts) == 1 {
		i, err := s.outputNamed(c.Parts[0], clause)
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			return s.output(i)
		}
	}
	i, err := s.ordinal(e, clause)
	if err != nil {
		return nil, err
	}
	if i >= 0 {
		return s.output(i)
	}
	sc := *s.sc
	sc.noSRF = clause
	return s.b.expr(&sc, e)
}

// output is an output's expression; one of unknown type becomes text for good.
func (s *selectQuery) output(i int) (Expr, error) {
	x, err := s.b.known(s.outs[i].expr)
	s.outs[i].expr = x
	return x, err
}

func (s *selectQuery) bindDistinctOn() error {
	for _, e := range s.ast.DistinctOn {
		x, err := s.outputOrExpr(e, "DISTINCT ON")
		if err != nil {
			return err
		}
		if x, err = s.b.known(x); err != nil {
			return err
		}
		s.on = append(s.on, x)
	}
	if len(s.on) == 0 {
		return nil
	}
	for i, k := range s.keys {
		if i < len(s.on) && !containsKey(s.on, exprKey(k.Expr)) {
			return sqlerr.New(sqlerr.InvalidColumnReference, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions").At(s.on[0].Pos())
		}
	}
	return nil
}
