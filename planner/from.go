package planner

import (
	"strings"

	"weir/catalog"
	"weir/engine/value"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// from plans the FROM list: the items side by side.
func (b *builder) from(list []ast.TableExpr, parent *scope, ctes *cteScope) (Node, *namespace, error) {
	if len(list) == 0 {
		return emptyRow(), &namespace{}, nil
	}
	var node Node
	ns := &namespace{}
	for _, item := range list {
		n, right, err := b.fromItem(item, ns, parent, ctes)
		if err != nil {
			return nil, nil, err
		}
		if err := noDuplicates(ns, right, item.Pos()); err != nil {
			return nil, nil, err
		}
		if node == nil {
			node = n
		} else {
			node = joinNodes(Inner, node, n, nil)
		}
		ns = mergeNS(ns, right)
	}
	return node, ns, nil
}

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

// fromItem plans an item; left are the items before it, for LATERAL.
func (b *builder) fromItem(item ast.TableExpr, left *namespace, parent *scope, ctes *cteScope) (Node, *namespace, error) {
	if err := b.enter(item.Pos()); err != nil {
		return nil, nil, err
	}
	defer b.leave()
	lateral := &scope{parent: parent, ns: left, ctes: ctes, noAgg: "functions in FROM", noWindow: "functions in FROM", noSRF: "functions in FROM"}
	switch x := item.(type) {
	case *ast.TableRef:
		return b.tableRef(x, parent, ctes)
	case *ast.DerivedTable:
		if !x.Lateral {
			lateral = &scope{parent: parent, ctes: ctes}
		}
		return b.derived(x, lateral)
	case *ast.TableFunction:
		return b.tableFunction(x, lateral)
	case *ast.Join:
		return b.join(x, left, parent, ctes)
	}
	return nil, nil, sqlerr.New(sqlerr.FeatureNotSupported, "this item of FROM is not supported").At(item.Pos())
}

func asNS(src *source) *namespace {
	ns := &namespace{}
	ns.add(src)
	return ns
}

// rename applies an alias to a source.
func rename(src *source, a *ast.Alias) error {
	if a == nil {
		return nil
	}
	if !a.Name.IsZero() {
		src.name, src.text, src.schema = a.Name.Name, a.Name.Text, ""
	}
	i := 0
	for _, n := range a.Columns {
		for i < len(src.cols) && src.cols[i].hidden {
			i++
		}
		if i >= len(src.cols) {
			visible := 0
			for _, c := range src.cols {
				if !c.hidden {
					visible++
				}
			}
			return sqlerr.New(sqlerr.InvalidColumnReference, "table %q has %d columns available but %d columns specified",
				src.text, visible, len(a.Columns)).At(a.Pos())
		}
		src.cols[i].name = n.Name
		i++
	}
	return nil
}

// tableRef plans a name: a WITH query, a table, a view.
func (b *builder) tableRef(x *ast.TableRef, parent *scope, ctes *cteScope) (Node, *namespace, error) {
	if len(x.Name.Parts) == 1 {
		if def := ctes.find(x.Name.Last()); def != nil {
			n, cols, err := b.cteUse(def)
			if err != nil {
				return nil, nil, err
			}
			if cols == nil {
				return nil, nil, sqlerr.New(sqlerr.FeatureNotSupported, "WITH query %q does not have a RETURNING clause", x.Name.Last().Text).At(x.Pos())
			}
			src := fixedSource(x.Name.Last(), cols)
			return b.sampled(x, n, src)
		}
	}
	t, err := b.lookupTable(x.Name)
	if err != nil {
		return nil, nil, err
	}
	b.depend(t)
	if t.Kind == catalog.View {
		n, src, err := b.view(t)
		if err != nil {
			return nil, nil, err
		}
		return b.sampled(x, n, src)
	}
	s, src := b.scan(t)
	var n Node = s
	if t.Kind == catalog.Sequence {
		n = b.sequenceRow(s)
	}
	return b.sampled(x, n, src)
}

// sampled applies alias and TABLESAMPLE.
func (b *builder) sampled(x *ast.TableRef, n Node, src *source) (Node, *namespace, error) {
	if err := rename(src, x.Alias); err != nil {
		return nil, nil, err
	}
	if s, ok := n.(*Scan); ok {
		s.Alias = src.text
	}
	if x.Sample == nil {
		return n, asNS(src), nil
	}
	cond, err := b.sampleCondition(x.Sample)
	if err != nil {
		return nil, nil, err
	}
	return &Filter{Input: n, Cond: cond}, asNS(src), nil
}

// sampleCondition keeps each row with the given probability.
func (b *builder) sampleCondition(s *ast.TableSample) (Expr, error) {
	method := s.Method.Last().Name
	if method != "bernoulli" && method != "system" {
		return nil, sqlerr.New(sqlerr.UndefinedObject, "tablesample method %s does not exist", method).At(s.Pos())
	}
	if s.Repeatable != nil {
		return nil, sqlerr.Unsupported(s.Repeatable.Pos(), "Leave REPEATABLE out.", "REPEATABLE is not supported")
	}
	if len(s.Args) != 1 {
		return nil, sqlerr.New("2202H", "tablesample method %s requires 1 argument, not %d", method, len(s.Args)).At(s.Pos())
	}
	x, err := b.expr(&scope{noAgg: "TABLESAMPLE", noWindow: "TABLESAMPLE", noSRF: "TABLESAMPLE"}, s.Args[0])
	if err != nil {
		return nil, err
	}
	percent, err := b.mustCoerce(x, sqltype.Of(sqltype.Float8), assignment, "argument of TABLESAMPLE")
	if err != nil {
		return nil, err
	}
	random, err := b.callExprs("random", nil, s.Pos())
	if err != nil {
		return nil, err
	}
	hundred := &Const{T: sqltype.Of(sqltype.Float8), Value: value.Double(100), P: s.Pos()}
	scaled, err := b.operator("*", []Expr{random, hundred}, s.Pos())
	if err != nil {
		return nil, err
	}
	return b.operator("<", []Expr{scaled, percent}, s.Pos())
}

// lookupTable finds a relation or says that there is none, with near names.
func (b *builder) lookupTable(n *ast.Name) (*catalog.Table, error) {
	if len(n.Parts) > 3 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "improper qualified name (too many dotted names): %s", nameText(n)).At(n.Pos())
	}
	id := n.Last()
	t, ok, err := b.resolver.table(n.Qualifier().Name, id.Text, id.Quoted)
	if err != nil {
		return nil, sqlerr.As(err).At(n.Pos())
	}
	if ok {
		return t, nil
	}
	e := sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", nameText(n)).At(n.Pos())
	if _, isFunc := b.env.Resolver.TableFunction(n.Qualifier().Name, id.Name); isFunc {
		return nil, e.WithHint("%s() is a table function: write FROM %s().", strings.ToUpper(id.Name), strings.ToUpper(id.Name))
	}
	if near := b.resolver.near(id.Name); len(near) > 0 {
		e = e.WithHint("Perhaps you meant %s.", orList(near))
	}
	return nil, e
}

func nameText(n *ast.Name) string {
	words := make([]string, len(n.Parts))
	for i, p := range n.Parts {
		words[i] = p.Name
		if p.Quoted {
			words[i] = p.Text
		}
	}
	return strings.Join(words, ".")
}

func orList(names []string) string { return `"` + strings.Join(names, `" or "`) + `"` }

func nearNames(name string, all []string) string {
	near := catalog.NearNames(name, all)
	if len(near) == 0 {
		return ""
	}
	return orList(near)
}

// scan makes a scan that reads no column yet.
func (b *builder) scan(t *catalog.Table) (*Scan, *source) {
	s := &Scan{Table: t, Alias: t.Name}
	src := &source{name: t.Name, text: t.Name, schema: t.Schema, table: t, scan: s}
	for i := range t.Columns {
		c := &t.Columns[i]
		src.cols = append(src.cols, srcCol{name: c.Name, hidden: c.Hidden, def: c})
	}
	return s, src
}

// sequenceRow is the one row of a sequence in the catalog's collection.
func (b *builder) sequenceRow(s *Scan) Node {
	id := &catalog.Column{Name: "_id", Path: []string{"_id"}, Type: textType, Kinds: catalog.KindString}
	col := b.scanColumn(s, id)
	want := textConst(s.Table.SequenceID, 0)
	return &Filter{Input: s, Cond: &Call{Func: b.equality(sqltype.Text), Args: []Expr{colRef(col, 0), want}, T: boolType}}
}

// view plans a view's query in its place.
func (b *builder) view(t *catalog.Table) (Node, *source, error) {
	stmts, err := parser.Parse(t.Definition)
	if err != nil || len(stmts) != 1 {
		return nil, nil, sqlerr.New(sqlerr.InternalError, "view %q holds a definition that does not parse", t.Name).Because(err)
	}
	q, ok := stmts[0].(*ast.Query)
	if !ok {
		return nil, nil, sqlerr.New(sqlerr.InternalError, "view %q is no query", t.Name)
	}
	if b.inView++; b.inView > 64 {
		return nil, nil, sqlerr.New(sqlerr.InvalidObjectDefinition, "infinite recursion detected in rules for relation %q", t.Name)
	}
	n, err := b.queryIn(q, nil, nil)
	b.inView--
	if err == nil {
		n, err = b.settleUnknown(n)
	}
	if err != nil {
		e := *sqlerr.As(err)
		e.Position = 0
		if e.Where == "" {
			e.Where = "view \"" + t.Name + "\""
		}
		return nil, nil, &e
	}
	cols := append([]Col(nil), n.Cols()...)
	for i := range cols {
		if i < len(t.Columns) {
			cols[i].Name = t.Columns[i].Name
			cols[i].Table, cols[i].Attr = t.OID, t.Columns[i].Attr
		}
	}
	src := fixedSource(ast.MakeIdent(t.Name), cols)
	src.table, src.schema = t, t.Schema
	return n, src, nil
}

func (b *builder) derived(x *ast.DerivedTable, sc *scope) (Node, *namespace, error) {
	n, err := b.queryIn(x.Query, sc, sc.ctes)
	if err != nil {
		return nil, nil, err
	}
	if n, err = b.settleUnknown(n); err != nil {
		return nil, nil, err
	}
	src := fixedSource(ast.Ident{}, n.Cols())
	if err := rename(src, x.Alias); err != nil {
		return nil, nil, err
	}
	return n, asNS(src), nil
}

// tableFunction plans functions in FROM: table functions of the catalog, and
// set-returning or plain ones.
func (b *builder) tableFunction(x *ast.TableFunction, sc *scope) (Node, *namespace, error) {
	if len(x.Items) == 1 && !x.RowsFrom {
		if call, ok := x.Items[0].Call.(*ast.FunctionCall); ok {
			schema := call.Name.Qualifier().Name
			if t, ok := b.env.Resolver.TableFunction(schema, call.Name.Last().Name); ok {
				return b.catalogFunction(t, call, x, sc)
			}
		}
	}
	n := &FuncScan{Ordinality: x.Ordinality}
	name := ast.Ident{}
	for i, it := range x.Items {
		fc, cols, id, err := b.fromCall(it, x, sc)
		if err != nil {
			return nil, nil, err
		}
		if i == 0 {
			name = id
		}
		n.Calls = append(n.Calls, *fc)
		n.Out = append(n.Out, cols...)
	}
	if x.Ordinality {
		n.Out = append(n.Out, b.newCol("ordinality", int8Type))
	}
	if a := x.Alias; a != nil && len(a.Columns) == 0 && !a.Name.IsZero() && len(n.Out) == 1 && len(n.Calls[0].Func.Columns) == 0 {
		// A function of one unnamed column calls it like its table.
		n.Out[0].Name = a.Name.Name
	}
	src := fixedSource(name, n.Out)
	if err := rename(src, x.Alias); err != nil {
		return nil, nil, err
	}
	return n, asNS(src), nil
}

// fromCall binds one function of FROM and makes its columns.
func (b *builder) fromCall(it *ast.TableFunctionItem, x *ast.TableFunction, sc *scope) (*FuncCall, []Col, ast.Ident, error) {
	inner := *sc
	inner.noSRF = ""
	e, err := b.expr(&inner, it.Call)
	if err != nil {
		return nil, nil, ast.Ident{}, err
	}
	id := ast.MakeIdent("function")
	if fc, ok := it.Call.(*ast.FunctionCall); ok {
		id = fc.Name.Last()
	} else if k, ok := it.Call.(*ast.ValueKeyword); ok {
		id = ast.MakeIdent(k.Keyword)
	}
	c, ok := e.(*Call)
	if !ok {
		return nil, nil, id, sqlerr.New(sqlerr.FeatureNotSupported, "this expression is not supported as a function in FROM").At(it.Pos())
	}
	defs := it.Columns
	cols, err := b.functionColumns(c, defs, id, it.Pos())
	if err != nil {
		return nil, nil, id, err
	}
	return &FuncCall{Func: c.Func, Args: c.Args, Cols: len(cols), Pos: c.P}, cols, id, nil
}

func (b *builder) functionColumns(c *Call, defs []*ast.ColumnDef, id ast.Ident, pos int) ([]Col, error) {
	if len(defs) > 0 {
		if c.T.OID != sqltype.Record || len(c.Func.Columns) > 0 {
			return nil, sqlerr.New(sqlerr.SyntaxError, "a column definition list is only allowed for functions returning \"record\"").At(pos)
		}
		var cols []Col
		for _, d := range defs {
			t, err := b.typeName(d.Type)
			if err != nil {
				return nil, err
			}
			cols = append(cols, b.newCol(d.Name.Name, t))
		}
		return cols, nil
	}
	if len(c.Func.Columns) == 0 {
		if c.T.OID == sqltype.Record {
			return nil, sqlerr.New(sqlerr.SyntaxError, "a column definition list is required for functions returning \"record\"").At(pos)
		}
		return []Col{b.newCol(id.Name, c.T)}, nil
	}
	elem := elemOf(typesOf(c.Args))
	var cols []Col
	for _, d := range c.Func.Columns {
		cols = append(cols, b.newCol(d.Name, sqltype.Of(concrete(d.Type, elem, sqltype.Text))))
	}
	return cols, nil
}

// catalogFunction plans a table function that is a relation of the catalog.
func (b *builder) catalogFunction(t *catalog.Table, call *ast.FunctionCall, x *ast.TableFunction, sc *scope) (Node, *namespace, error) {
	b.depend(t)
	args, names, err := b.callArgs(sc, call.Args)
	if err != nil {
		return nil, nil, err
	}
	s, src := b.scan(t)
	s.Args = make([]Expr, len(t.Params))
	for i, a := range args {
		at := i
		if names[i] != "" {
			at = -1
			for j, p := range t.Params {
				if strings.EqualFold(p.Name, names[i]) {
					at = j
				}
			}
		}
		if at < 0 || at >= len(t.Params) {
			return nil, nil, functionError(strings.ToLower(t.Name), typesOf(args), false, call.Pos())
		}
		y, ok, err := b.coerce(a, t.Params[at].Type, implicit)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			return nil, nil, functionError(strings.ToLower(t.Name), typesOf(args), false, call.Pos())
		}
		s.Args[at] = y
	}
	for i, p := range t.Params {
		if p.Required && s.Args[i] == nil {
			return nil, nil, functionError(strings.ToLower(t.Name), typesOf(args), false, call.Pos())
		}
	}
	if x.Ordinality {
		return nil, nil, sqlerr.Unsupported(x.Pos(), "Use row_number() OVER ().", "WITH ORDINALITY is not supported for %s", t.Name)
	}
	if err := rename(src, x.Alias); err != nil {
		return nil, nil, err
	}
	s.Alias = src.text
	return s, asNS(src), nil
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
		return r, nil
	case ast.FullJoin:
		list := []Expr{l, r}
		t, err := b.unify(list, "JOIN/USING")
		return &Variadic{Kind: Coalesce, Args: list, T: t}, err
	}
	return l, nil
}

// hasSideEffects tells whether a plan writes or calls volatile functions, so
// that it must run just once.
func hasSideEffects(n Node) bool {
	switch n.(type) {
	case *Insert, *Update, *Delete:
		return true
	}
	found := false
	walkNode(n, func(e Expr) bool {
		switch x := e.(type) {
		case *Call:
			found = found || x.Func.Volatility == sqlfunc.Volatile
		case *Subquery:
			found = found || hasSideEffects(x.Plan)
		}
		return !found
	})
	for _, in := range Inputs(n) {
		found = found || hasSideEffects(*in)
	}
	return found
}
