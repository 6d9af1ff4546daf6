package parser

import (
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
)

// fromList reads item, …
func (p *Parser) fromList() []ast.TableExpr {
	list := []ast.TableExpr{p.tableExpr()}
	for p.acceptOp(",") {
		list = append(list, p.tableExpr())
	}
	return list
}

// tableExpr reads an item of FROM with its joins.
func (p *Parser) tableExpr() ast.TableExpr {
	p.enter()
	defer p.leave()
	return p.joins(p.tablePrimary())
}

// joins reads the joins that follow a table.
func (p *Parser) joins(left ast.TableExpr) ast.TableExpr {
	for {
		j, ok := p.joinKind()
		if !ok {
			return left
		}
		j.Left = left
		j.Right = p.tablePrimary()
		if j.Kind != ast.CrossJoin && !j.Natural {
			// a JOIN b JOIN c ON … ON …: the first condition belongs to the inner join
			for !p.atAny("on", "using") {
				inner, ok := p.joinKind()
				if !ok {
					p.fail()
				}
				j.Right = p.joinTo(j.Right, inner)
			}
			p.joinCondition(j)
		}
		j.Span = p.spanAt(left.Pos())
		left = j
	}
}

// joinTo finishes a join whose keyword has been read.
func (p *Parser) joinTo(left ast.TableExpr, j *ast.Join) ast.TableExpr {
	p.enter()
	defer p.leave()
	j.Left = left
	j.Right = p.tablePrimary()
	if j.Kind != ast.CrossJoin && !j.Natural {
		for !p.atAny("on", "using") {
			inner, ok := p.joinKind()
			if !ok {
				p.fail()
			}
			j.Right = p.joinTo(j.Right, inner)
		}
		p.joinCondition(j)
	}
	j.Span = p.spanAt(left.Pos())
	return j
}

// joinKind reads [NATURAL] [INNER | LEFT | RIGHT | FULL [OUTER] | CROSS] JOIN, if it is there.
func (p *Parser) joinKind() (*ast.Join, bool) {
	j := &ast.Join{}
	if p.accept("cross") {
		p.expect("join")
		j.Kind = ast.CrossJoin
		return j, true
	}
	j.Natural = p.accept("natural")
	switch word := p.acceptAny("inner", "left", "right", "full"); word {
	case "":
		if !j.Natural && !p.at("join") {
			return nil, false
		}
	case "left", "right", "full":
		j.Kind = map[string]ast.JoinKind{"left": ast.LeftJoin, "right": ast.RightJoin, "full": ast.FullJoin}[word]
		p.accept("outer")
	}
	p.expect("join")
	return j, true
}

// joinCondition reads ON cond | USING (column, …) [AS alias]
func (p *Parser) joinCondition(j *ast.Join) {
	if p.accept("on") {
		j.On = p.expr()
		return
	}
	p.expect("using")
	p.expectOp("(")
	j.Using = p.colIDs()
	p.expectOp(")")
	if p.accept("as") {
		j.UsingAlias = p.colID()
	}
}

// tablePrimary reads a table, a function, a derived table or joins in parentheses.
func (p *Parser) tablePrimary() ast.TableExpr {
	t := p.tok
	lateral := p.accept("lateral")
	switch {
	case p.atOp("("):
		return p.parenTable(t, lateral)
	case p.at("only") && !lateral:
		return p.table()
	case p.at("rows", "from"):
		return p.rowsFrom(t, lateral)
	case p.at("change_stream", "on"):
		return p.changeStreamOn(t)
	case lateral || p.atFunction():
		return p.tableFunction(t, lateral)
	}
	return p.table()
}

// parenTable reads (query) [alias] | (joins) [alias]
func (p *Parser) parenTable(t *token, lateral bool) ast.TableExpr {
	query, joined := p.parenItem()
	if query != nil {
		return p.derived(t, query, lateral)
	}
	if lateral {
		p.failAt(p.last)
	}
	if j, ok := joined.(*ast.Join); ok {
		if alias := p.alias(); alias != nil {
			if j.Alias != nil {
				p.failAt(p.last)
			}
			j.Alias = alias
		}
	}
	return joined
}

// parenItem reads ( query ) or ( item ); like parens, it knows only at the end
// what several parentheses began.
func (p *Parser) parenItem() (*ast.Query, ast.TableExpr) {
	p.expectOp("(")
	p.enter()
	defer p.leave()
	defer p.inside()()
	if p.atQuery() {
		q := p.query()
		p.expectOp(")")
		return q, nil
	}
	if !p.atOp("(") || !p.atNestedQuery() {
		e := p.tableExpr()
		return nil, p.closeJoin(e)
	}
	t := p.tok
	query, item := p.parenItem()
	if query != nil {
		if p.atOp(")") || p.atQueryTail() {
			query = p.queryAfter(query)
			p.expectOp(")")
			return query, nil
		}
		item = p.derived(t, query, false)
	} else if j, ok := item.(*ast.Join); ok && j.Alias == nil {
		j.Alias = p.alias()
	}
	return nil, p.closeJoin(p.joins(item))
}

// closeJoin: only a join can stand in parentheses.
func (p *Parser) closeJoin(e ast.TableExpr) ast.TableExpr {
	if _, ok := e.(*ast.Join); !ok {
		p.fail()
	}
	p.expectOp(")")
	return e
}

func (p *Parser) derived(t *token, query *ast.Query, lateral bool) ast.TableExpr {
	d := &ast.DerivedTable{Lateral: lateral, Query: query, Alias: p.alias()}
	if d.Alias == nil {
		what, example := "subquery", "(SELECT ...)"
		if _, ok := query.Body.(*ast.Values); ok && bare(query) {
			what, example = "VALUES", "(VALUES ...)"
		}
		panic(sqlerr.New(sqlerr.SyntaxError, "%s in FROM must have an alias", what).At(t.pos).
			WithHint("For example, FROM %s [AS] foo.", example))
	}
	d.Span = p.span(t)
	return d
}

// alias reads [[AS] name [(column, …)]]
func (p *Parser) alias() *ast.Alias {
	t := p.tok
	if !p.accept("as") && !p.tok.isColID() {
		return nil
	}
	a := &ast.Alias{Name: p.colID(), Columns: p.columns()}
	a.Span = p.span(t)
	return a
}

// table reads [ONLY] name [*] [alias] [TABLESAMPLE …]
func (p *Parser) table() *ast.TableRef {
	r := p.relation()
	r.Alias = p.alias()
	if p.at("tablesample") {
		r.Sample = p.tableSample()
	}
	r.Span = p.spanAt(r.Start)
	return r
}

// relation reads [ONLY] name [*] | ONLY (name)
func (p *Parser) relation() *ast.TableRef {
	t := p.tok
	r := &ast.TableRef{Only: p.accept("only")}
	if r.Only && p.acceptOp("(") {
		r.Name = p.name()
		p.expectOp(")")
	} else {
		r.Name = p.name()
	}
	if !r.Only {
		p.acceptOp("*")
	}
	r.Span = p.span(t)
	return r
}

// tableSample reads TABLESAMPLE method (expr, …) [REPEATABLE (expr)]
func (p *Parser) tableSample() *ast.TableSample {
	t := p.next()
	s := &ast.TableSample{Method: p.nameFrom(p.ident(p.tok.isTypeFunctionName())), Args: p.parenExprs()}
	if p.accept("repeatable") {
		p.expectOp("(")
		s.Repeatable = p.expr()
		p.expectOp(")")
	}
	s.Span = p.span(t)
	return s
}

// atFunction reports whether a function call stands here, not a table.
func (p *Parser) atFunction() bool {
	n := 1
	for p.peek(n).op(".") {
		n += 2
	}
	if p.peek(n).op("(") {
		return true
	}
	switch p.tok.name {
	case "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_role",
		"current_user", "session_user", "user", "current_catalog", "current_schema", "cast":
		return p.tok.kind == tokenWord && n == 1
	}
	return false
}

// functionCall reads what FROM takes as a function.
func (p *Parser) functionCall() *ast.TableFunctionItem {
	t := p.tok
	if !p.atFunction() {
		p.name()
		p.fail()
	}
	e := p.word()
	switch e.(type) {
	case *ast.FunctionCall, *ast.ValueKeyword, *ast.Coalesce, *ast.NullIf, *ast.Extremum, *ast.CastExpr:
	default:
		p.failAt(t)
	}
	return &ast.TableFunctionItem{Call: e, Span: p.span(t)}
}

// tableFunction reads call [WITH ORDINALITY] [alias | [AS] [name] (column type, …)]
func (p *Parser) tableFunction(t *token, lateral bool) ast.TableExpr {
	f := &ast.TableFunction{Lateral: lateral, Items: []*ast.TableFunctionItem{p.functionCall()}}
	f.Ordinality = p.accept("with", "ordinality")
	p.functionAlias(f)
	f.Span = p.span(t)
	return f
}

func (p *Parser) functionAlias(f *ast.TableFunction) {
	switch {
	case p.at("as") && p.peek(1).op("("):
		p.next()
		f.Items[0].Columns = p.columnDefs()
	case !p.at("as") && !p.tok.isColID():
	case p.aliasHasTypes():
		t := p.tok
		p.accept("as")
		f.Alias = &ast.Alias{Name: p.colID(), Span: p.span(t)}
		f.Items[0].Columns = p.columnDefs()
	default:
		f.Alias = p.alias()
	}
}

// aliasHasTypes tells f(…) AS t (a int) from f(…) AS t (a).
func (p *Parser) aliasHasTypes() bool {
	n := 1
	if p.at("as") {
		n = 2
	}
	return p.peek(n).op("(") && !p.peek(n+2).op(",") && !p.peek(n+2).op(")")
}

// columnDefs reads (name type [COLLATE c], …)
func (p *Parser) columnDefs() []*ast.ColumnDef {
	p.expectOp("(")
	var list []*ast.ColumnDef
	for first := true; first || p.acceptOp(","); first = false {
		t := p.tok
		d := &ast.ColumnDef{Name: p.colID(), Type: p.typeName()}
		if p.accept("collate") {
			d.Collation = p.name()
		}
		d.Span = p.span(t)
		list = append(list, d)
	}
	p.expectOp(")")
	return list
}

// rowsFrom reads ROWS FROM (call [AS (column type, …)], …) [WITH ORDINALITY] [alias]
func (p *Parser) rowsFrom(t *token, lateral bool) ast.TableExpr {
	p.next()
	p.next()
	p.expectOp("(")
	f := &ast.TableFunction{Lateral: lateral, RowsFrom: true}
	for first := true; first || p.acceptOp(","); first = false {
		item := p.functionCall()
		if p.accept("as") {
			item.Columns = p.columnDefs()
		}
		f.Items = append(f.Items, item)
	}
	p.expectOp(")")
	f.Ordinality = p.accept("with", "ordinality")
	f.Alias = p.alias()
	f.Span = p.span(t)
	return f
}

// changeStreamOn reads CHANGE_STREAM ON coll [alias] as CHANGE_STREAM('coll') [alias]
func (p *Parser) changeStreamOn(t *token) ast.TableExpr {
	call := &ast.FunctionCall{Name: p.nameFrom(makeIdent(p.next()))}
	p.next()
	name := p.name()
	parts := make([]string, len(name.Parts))
	for i, part := range name.Parts {
		parts[i] = part.Text
	}
	call.Args = []ast.Expr{&ast.StringLiteral{Value: strings.Join(parts, "."), Span: name.Span}}
	call.Span = p.span(t)
	item := &ast.TableFunctionItem{Call: call, Span: call.Span}
	return &ast.TableFunction{Items: []*ast.TableFunctionItem{item}, Alias: p.alias(), Span: p.span(t)}
}
