package planner

import (
	"slices"
	"strings"

	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
)

// SEARCH and CYCLE are written out: the recursive query carries the rows on the
// way to each row, and a query around it shows what was asked for.

// pathColumns are the columns that SEARCH and CYCLE add, as SQL: in the first
// term, in the second one over the row before it, and in what is shown.
type pathColumns struct {
	names               []string // inside
	first, then, before []string
	shown               []string
	stop                string // of CYCLE: the condition on the row before
}

const (
	firstTerm  = `"*first*"`
	secondTerm = `"*second*"`
	wayColumn  = "*way*"
	depthName  = "*depth*"
)

// withPath rewrites a recursive query that has SEARCH or CYCLE.
func (b *builder) withPath(def *cteDef, recursive bool) (*ast.CTE, error) {
	c := def.ast
	q, _ := c.Statement.(*ast.Query)
	if q == nil || !recursive || !refersTo(q, c.Name) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "WITH query is not recursive").At(c.Pos())
	}
	u, ok := q.Body.(*ast.SetOperation)
	if !ok || u.Op != ast.Union {
		return c, nil // refused with the others
	}
	second, ok := u.Right.(*ast.Select)
	if _, values := u.Left.(*ast.SetOperation); values || !ok {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "with a SEARCH or CYCLE clause, the left and right side of the UNION must be a SELECT").At(c.Pos())
	}
	if err := wellFormed(second, c.Name); err != nil {
		return nil, err
	}
	names, err := b.firstNames(def, q, u)
	if err != nil {
		return nil, err
	}
	if err := checkPath(c, names); err != nil {
		return nil, err
	}
	ref := referenceIn(second.From, c.Name)
	if ref == "" {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported,
			"with a SEARCH or CYCLE clause, the recursive reference to WITH query %q must be at the top level of its right-hand SELECT", c.Name.Text).At(c.Pos())
	}
	if err := noStarOver(second, ref); err != nil {
		return nil, err
	}
	stmts, err := parser.Parse(pathSQL(c, q, u, second, names, ref))
	if err != nil {
		return nil, sqlerr.New(sqlerr.InternalError, "the text of SEARCH or CYCLE does not parse").Because(err)
	}
	out := *c
	out.Search, out.Cycle, out.Columns, out.Statement = nil, nil, nil, stmts[0]
	return &out, nil
}

// firstNames are the columns' names: those given, else the first term's.
func (b *builder) firstNames(def *cteDef, q *ast.Query, u *ast.SetOperation) ([]string, error) {
	ctes, _, err := b.with(q.With, def.parent, def.ctes)
	if err != nil {
		return nil, err
	}
	n, err := b.body(u.Left, &tail{}, def.parent, ctes)
	if err != nil {
		return nil, err
	}
	cols, err := cteColumns(def, n.Cols())
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range cols {
		names = append(names, c.Name)
	}
	return names, nil
}

// checkPath tests the names of SEARCH and CYCLE.
func checkPath(c *ast.CTE, names []string) error {
	listed := func(what string, list []ast.Ident) error {
		for i, id := range list {
			if !slices.Contains(names, id.Name) {
				return sqlerr.New(sqlerr.SyntaxError, "%s column %q not in WITH query column list", what, id.Text).At(id.Pos())
			}
			if slices.ContainsFunc(list[:i], func(o ast.Ident) bool { return o.Name == id.Name }) {
				return sqlerr.New(sqlerr.DuplicateColumn, "%s column %q specified more than once", what, id.Text).At(id.Pos())
			}
		}
		return nil
	}
	type added struct {
		what string
		id   ast.Ident
	}
	var list []added
	if s := c.Search; s != nil {
		if err := listed("search", s.By); err != nil {
			return err
		}
		list = append(list, added{"search sequence", s.Set})
	}
	if s := c.Cycle; s != nil {
		if err := listed("cycle", s.Columns); err != nil {
			return err
		}
		list = append(list, added{"cycle mark", s.Mark}, added{"cycle path", s.Path})
	}
	for i, a := range list {
		if slices.Contains(names, a.id.Name) {
			return sqlerr.New(sqlerr.AmbiguousColumn, "column reference %q is ambiguous", a.id.Text).At(a.id.Pos())
		}
		for _, o := range list[:i] {
			if o.id.Name == a.id.Name {
				return sqlerr.New(sqlerr.SyntaxError, "%s column name and %s column name are the same", o.what, a.what).At(a.id.Pos())
			}
		}
	}
	return nil
}

// referenceIn is the name by which a FROM list has the recursive query; "" when
// it is not at its top.
func referenceIn(from []ast.TableExpr, name ast.Ident) string {
	for _, f := range from {
		switch x := f.(type) {
		case *ast.TableRef:
			if len(x.Name.Parts) != 1 || x.Name.Parts[0].Name != name.Name {
				continue
			}
			if x.Alias != nil {
				return x.Alias.Name.Name
			}
			return name.Name
		case *ast.Join:
			if ref := referenceIn([]ast.TableExpr{x.Left, x.Right}, name); ref != "" {
				return ref
			}
		}
	}
	return ""
}

func noStarOver(s *ast.Select, ref string) error {
	for _, it := range s.Items {
		if star, ok := it.Expr.(*ast.Star); ok && (len(star.Qualifier) == 0 || star.Qualifier[len(star.Qualifier)-1].Name == ref) {
			return sqlerr.Unsupported(it.Pos(), "Name the columns.", "* over the recursive query is not supported with SEARCH or CYCLE")
		}
	}
	return nil
}

func (p *pathColumns) add(name, first, then, before string) {
	p.names, p.first = append(p.names, name), append(p.first, first)
	p.then, p.before = append(p.then, then), append(p.before, before)
}

// pathOf says what SEARCH and CYCLE add. ref is the row before.
func pathOf(c *ast.CTE, ref string) *pathColumns {
	p := &pathColumns{}
	old := func(name string) string { return ast.QuoteIdent(ref) + "." + ast.QuoteIdent(name) }
	if s := c.Search; s != nil {
		row := "ROW(" + quoted(s.By) + ")"
		if s.Breadth {
			p.add(depthName, "0::int8", ast.QuoteIdent(depthName)+" + 1", old(depthName))
			p.shown = append(p.shown, "ROW("+ast.QuoteIdent(depthName)+", "+quoted(s.By)+") AS "+ast.QuoteIdent(s.Set.Name))
		} else {
			p.add(wayColumn, "ARRAY["+row+"]", ast.QuoteIdent(wayColumn)+" || "+row, old(wayColumn))
			p.shown = append(p.shown, ast.QuoteIdent(wayColumn)+" AS "+ast.QuoteIdent(s.Set.Name))
		}
	}
	if s := c.Cycle; s != nil {
		row, path := "ROW("+quoted(s.Columns)+")", ast.QuoteIdent(s.Path.Name)
		yes, no := "true", "false"
		if s.To != nil {
			yes, no = ast.Print(s.To), ast.Print(s.Default)
		}
		mark := "CASE WHEN " + row + " = ANY (" + path + ") THEN " + yes + " ELSE " + no + " END"
		p.add(s.Mark.Name, "CASE WHEN false THEN "+yes+" ELSE "+no+" END", mark, old(s.Mark.Name))
		p.add(s.Path.Name, "ARRAY["+row+"]", path+" || "+row, old(s.Path.Name))
		p.stop = old(s.Mark.Name) + " <> " + yes
		p.shown = append(p.shown, ast.QuoteIdent(s.Mark.Name), path)
	}
	return p
}

func quoted(list []ast.Ident) string {
	var out []string
	for _, id := range list {
		out = append(out, ast.QuoteIdent(id.Name))
	}
	return strings.Join(out, ", ")
}

// pathSQL is the query that carries the way to each row, in one that shows it.
func pathSQL(c *ast.CTE, q *ast.Query, u *ast.SetOperation, second *ast.Select, names []string, ref string) string {
	p := pathOf(c, ref)
	list := func(names []string) string {
		var out []string
		for _, n := range names {
			out = append(out, ast.QuoteIdent(n))
		}
		return strings.Join(out, ", ")
	}
	all := ""
	if u.All {
		all = " ALL"
	}
	inner := *second
	inner.Items = slices.Clone(second.Items)
	for i, text := range append(slices.Clone(p.before), p.stop) {
		if text == "" {
			continue
		}
		e, err := parser.ParseExpr(text)
		if err != nil {
			continue // made of quoted names only
		}
		if i < len(p.before) {
			inner.Items = append(inner.Items, &ast.SelectItem{Expr: e})
		} else if inner.Where = e; second.Where != nil {
			inner.Where = &ast.AndExpr{Operands: []ast.Expr{second.Where, e}}
		}
	}
	name := ast.QuoteIdent(c.Name.Name)
	with := ""
	if q.With != nil {
		with = ast.Print(q.With) + " "
	}
	carried := append(slices.Clone(names), p.names...)
	return "WITH RECURSIVE " + name + "(" + list(carried) + ") AS (" + with +
		"SELECT " + list(names) + ", " + strings.Join(p.first, ", ") + " FROM (" + ast.Print(u.Left) + ") AS " + firstTerm + "(" + list(names) + ")" +
		" UNION" + all + " SELECT " + list(names) + ", " + strings.Join(p.then, ", ") +
		" FROM (" + ast.Print(&inner) + ") AS " + secondTerm + "(" + list(carried) + "))" +
		" SELECT " + list(names) + ", " + strings.Join(p.shown, ", ") + " FROM " + name
}
