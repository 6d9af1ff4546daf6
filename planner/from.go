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
	if len(t.Children) > 0 && !x.Only {
		b.inChildren++
		defer func() { b.inChildren-- }()
		if t, err = b.withChildren(t); err != nil {
			return nil, nil, err
		}
	}
	if x.Only && t.Partitioned() {
		return b.onlyPartitioned(x, t)
	}
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
	if c, ok := b.fold(percent).(*Const); ok {
		if p := c.Value; p.IsNumber() && !(p.AsDouble() >= 0 && p.AsDouble() <= 100) {
			return nil, sqlerr.New("2202H", "sample percentage must be between 0 and 100").At(x.Pos())
		}
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
	outside := b.resolver
	b.resolver = outside.within(t)
	n, err := b.queryIn(q, nil, nil)
	b.resolver = outside
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
	n, cols := b.viewColumns(t, n)
	src := fixedSource(ast.MakeIdent(t.Name), cols)
	src.table, src.schema = t, t.Schema
	return n, src, nil
}

// viewColumns gives a view the columns that it was created with, found by the
// names that its query gave them: SELECT * over documents may give more, less or
// another order by now. A column that is gone reads as NULL.
func (b *builder) viewColumns(t *catalog.Table, n Node) (Node, []Col) {
	have := n.Cols()
	if len(t.Columns) == 0 {
		return n, have
	}
	byName := map[string]int{}
	for i, c := range have {
		if _, dup := byName[c.Name]; dup {
			i = -1
		}
		byName[c.Name] = i
	}
	cols := make([]Col, len(t.Columns))
	var gone []NamedExpr
	for i, tc := range t.Columns {
		at := -1
		if len(tc.Path) == 1 {
			if j, ok := byName[tc.Path[0]]; ok {
				at = j
				if j < 0 && len(have) == len(t.Columns) {
					at = i // two columns of that name
				}
			}
		}
		if at >= 0 {
			cols[i] = have[at]
		} else {
			cols[i] = b.newCol(tc.Name, tc.Type)
			gone = append(gone, NamedExpr{Col: cols[i], Expr: null(tc.Type, 0)})
		}
		cols[i].Name, cols[i].Table, cols[i].Attr = tc.Name, t.OID, tc.Attr
	}
	if gone != nil {
		p := &Project{Input: n, Exprs: gone}
		for i, c := range cols {
			for _, h := range have {
				if h.ID == c.ID {
					cols[i] = b.newCol(c.Name, c.Type)
					cols[i].Table, cols[i].Attr = c.Table, c.Attr
					p.Exprs = append(p.Exprs, NamedExpr{Col: cols[i], Expr: colRef(h, 0)})
				}
			}
		}
		n = p
	}
	return n, cols
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

// hasSideEffects tells whether a plan writes or calls volatile functions, so
// that it must run just once.
func hasSideEffects(n Node) bool {
	switch n.(type) {
	case *Insert, *Update, *Delete, *Merge:
		return true
	}
	found := false
	visit := func(e Expr) bool {
		switch x := e.(type) {
		case *Call:
			found = found || x.Func.Volatility == sqlfunc.Volatile
		case *Subquery: // its plan's nodes are looked at, too, and each once
			found = found || hasSideEffects(x.Plan) || anyVolatile(x.X)
			return false
		}
		return !found
	}
	eachExpr(n, func(e *Expr) { walkExpr(*e, visit) })
	for _, in := range Inputs(n) {
		found = found || hasSideEffects(*in)
	}
	return found
}
