package parser

import (
	"weir/parser/ast"
	"weir/sqlerr"
)

// atQuery reports whether a query begins here, parentheses aside.
func (p *Parser) atQuery() bool { return beginsQuery(p.tok, p.peek(1)) }

func beginsQuery(t, next *token) bool {
	return t.is("select") || t.is("with") || t.is("table") || t.is("values") && next.op("(")
}

// atNestedQuery reports whether a query begins behind the parentheses here.
func (p *Parser) atNestedQuery() bool {
	n := 0
	for p.peek(n).op("(") {
		n++
	}
	return beginsQuery(p.peek(n), p.peek(n+1))
}

// atQueryTail reports whether a query in parentheses goes on behind them.
func (p *Parser) atQueryTail() bool {
	return p.atAny("union", "intersect", "except", "order", "limit", "offset", "fetch", "for")
}

// query reads [WITH …] body [ORDER BY …] [LIMIT …] [FOR …]
func (p *Parser) query() *ast.Query {
	p.enter()
	defer p.leave()
	from := p.tok
	with := p.with()
	return p.queryOf(from, with)
}

// queryOf goes on after WITH.
func (p *Parser) queryOf(from *token, with *ast.With) *ast.Query {
	return p.finishQuery(from.pos, &ast.Query{With: with, Body: p.setOperations(p.queryOperand(), ast.Union)})
}

// queryAfter goes on behind a query in parentheses.
func (p *Parser) queryAfter(first *ast.Query) *ast.Query {
	return p.finishQuery(first.Start, &ast.Query{Body: p.setOperations(operand(first), ast.Union)})
}

func (p *Parser) finishQuery(pos int, q *ast.Query) *ast.Query {
	p.queryTail(q)
	q.Span = p.spanAt(pos)
	if inner, ok := q.Body.(*ast.Query); ok && bare(q) {
		return inner
	}
	return q
}

// bare reports whether a query has nothing but a body.
func bare(q *ast.Query) bool {
	return q.With == nil && q.OrderBy == nil && q.Limit == nil && q.Offset == nil && q.Locks == nil
}

func operand(q *ast.Query) ast.QueryExpr {
	if bare(q) {
		return q.Body
	}
	return q
}

// setOperations reads UNION, INTERSECT and EXCEPT; INTERSECT binds tighter.
func (p *Parser) setOperations(left ast.QueryExpr, min ast.SetOp) ast.QueryExpr {
	for {
		op := ast.Union
		switch {
		case p.at("intersect"):
			op = ast.Intersect
		case min == ast.Intersect:
			return left
		case p.at("except"):
			op = ast.Except
		case !p.at("union"):
			return left
		}
		p.next()
		s := &ast.SetOperation{Op: op, Left: left, All: p.accept("all")}
		if !s.All {
			p.accept("distinct")
		}
		s.Right = p.queryOperand()
		if op != ast.Intersect {
			s.Right = p.setOperations(s.Right, ast.Intersect)
		}
		s.Span = p.spanAt(left.Pos())
		left = s
	}
}

// queryOperand reads SELECT …, VALUES …, TABLE t or (query).
func (p *Parser) queryOperand() ast.QueryExpr {
	switch {
	case p.atOp("("):
		p.next()
		q := p.query()
		p.expectOp(")")
		return operand(q)
	case p.at("values"):
		return p.values()
	case p.at("table"):
		t := p.next()
		return &ast.TableCommand{Table: p.relation(), Span: p.span(t)}
	}
	return p.selectCore()
}

// values reads VALUES (expr, …), …
func (p *Parser) values() *ast.Values {
	t := p.tok
	p.expect("values")
	v := &ast.Values{}
	for first := true; first || p.acceptOp(","); first = false {
		v.Rows = append(v.Rows, p.parenExprs())
	}
	v.Span = p.span(t)
	return v
}

// selectCore reads SELECT … up to WINDOW.
func (p *Parser) selectCore() *ast.Select {
	t := p.tok
	p.expect("select")
	s := &ast.Select{}
	leave := p.inside()
	p.distinct(s)
	p.selectList(s)
	if p.accept("into") {
		s.Into = p.into()
	}
	if p.accept("from") {
		s.From = p.fromList()
	}
	s.Where = p.where()
	p.groupBy(s)
	if p.accept("having") {
		s.Having = p.expr()
	}
	if p.accept("window") {
		s.Windows = p.windows()
	}
	leave()
	s.Span = p.span(t)
	return s
}

// distinct reads [ALL | DISTINCT [ON (expr, …)]]
func (p *Parser) distinct(s *ast.Select) {
	if p.accept("all") {
		return
	}
	if s.Distinct = p.accept("distinct"); s.Distinct && p.accept("on") {
		s.DistinctOn = p.parenExprs()
	}
}

func (p *Parser) selectList(s *ast.Select) {
	if !s.Distinct && (p.atEnd() || p.atOp(")") || p.atAny("from", "where", "group", "having", "into", "window", "order", "limit", "union", "intersect", "except", "offset", "fetch", "for")) {
		return // PostgreSQL allows an empty list
	}
	if s.DistinctOn != nil && p.at("from") {
		return
	}
	s.Items = p.selectItems()
}

// selectItems reads expr [[AS] alias], …
func (p *Parser) selectItems() []*ast.SelectItem {
	var list []*ast.SelectItem
	for first := true; first || p.acceptOp(","); first = false {
		list = append(list, p.selectItem())
	}
	return list
}

func (p *Parser) selectItem() *ast.SelectItem {
	t := p.tok
	if p.acceptOp("*") {
		return &ast.SelectItem{Expr: &ast.Star{Span: p.span(t)}, Span: p.span(t)}
	}
	outer := p.labels
	p.labels = true
	item := &ast.SelectItem{Expr: p.expr()}
	p.labels = outer
	switch {
	case p.accept("as"):
		item.Alias = p.label()
	case p.tok.isBareLabel():
		item.Alias = p.label()
	}
	item.Span = p.span(t)
	return item
}

// into reads [TEMPORARY | UNLOGGED] [TABLE] name
func (p *Parser) into() *ast.Into {
	t := p.tok
	i := &ast.Into{Persistence: p.persistence()}
	p.accept("table")
	i.Table = p.name()
	i.Span = p.span(t)
	return i
}

// persistence reads [[GLOBAL | LOCAL] TEMPORARY | TEMP | UNLOGGED]
func (p *Parser) persistence() ast.Persistence {
	if p.atAny("global", "local") && (p.peek(1).is("temporary") || p.peek(1).is("temp")) {
		p.next()
	}
	switch p.acceptAny("temporary", "temp", "unlogged") {
	case "unlogged":
		return ast.Unlogged
	case "":
		return ast.Permanent
	}
	return ast.Temporary
}

func (p *Parser) where() ast.Expr {
	if p.accept("where") {
		return p.expr()
	}
	return nil
}

// groupBy reads [GROUP BY [ALL | DISTINCT] item, …]
func (p *Parser) groupBy(s *ast.Select) {
	if !p.accept("group") {
		return
	}
	p.expect("by")
	s.GroupDistinct = p.accept("distinct")
	if !s.GroupDistinct {
		p.accept("all")
	}
	s.GroupBy = p.groupItems()
}

func (p *Parser) groupItems() []ast.Expr {
	list := []ast.Expr{p.groupItem()}
	for p.acceptOp(",") {
		list = append(list, p.groupItem())
	}
	return list
}

// groupItem reads expr | ROLLUP (…) | CUBE (…) | GROUPING SETS (…) | ()
func (p *Parser) groupItem() ast.Expr {
	t := p.tok
	g := &ast.GroupingSet{}
	switch {
	case p.atOp("(") && p.peek(1).op(")"):
		p.next()
		p.next()
		g.Kind, g.Span = ast.GroupingEmpty, p.span(t)
		return g
	case p.at("rollup") && p.peek(1).op("("):
		g.Kind = ast.GroupingRollup
	case p.at("cube") && p.peek(1).op("("):
		g.Kind = ast.GroupingCube
	case p.at("grouping", "sets"):
		p.next()
	default:
		return p.expr()
	}
	p.next()
	p.enter()
	p.expectOp("(")
	g.Items = p.groupItems()
	p.expectOp(")")
	p.leave()
	g.Span = p.span(t)
	return g
}

// queryTail reads ORDER BY, LIMIT, OFFSET, FETCH and FOR; the last two kinds in either order.
func (p *Parser) queryTail(q *ast.Query) {
	if p.at("order") {
		q.OrderBy = p.orderBy()
	}
	for {
		switch {
		case p.at("limit") && q.Limit == nil:
			p.limit(q)
		case p.at("offset") && q.Offset == nil:
			p.offset(q)
		case p.at("fetch") && q.Limit == nil:
			p.fetchFirst(q)
		case p.at("for"):
			p.locks(q)
		default:
			return
		}
	}
}

// orderBy reads ORDER BY item, …
func (p *Parser) orderBy() []*ast.OrderItem {
	p.expect("order", "by")
	defer p.inside()()
	var list []*ast.OrderItem
	for first := true; first || p.acceptOp(","); first = false {
		list = append(list, p.orderItem())
	}
	return list
}

func (p *Parser) orderItem() *ast.OrderItem {
	t := p.tok
	o := &ast.OrderItem{Expr: p.expr()}
	switch p.acceptAny("asc", "desc", "using") {
	case "asc":
		o.Direction = ast.Ascending
	case "desc":
		o.Direction = ast.Descending
	case "using":
		o.Direction = ast.DirectionUsing
		if p.at("operator") {
			o.Using = p.operator()
		} else {
			from := p.tok
			o.Using = &ast.Operator{Symbol: p.operatorSymbol(), Span: p.span(from)}
		}
	}
	o.Nulls = p.nulls()
	o.Span = p.span(t)
	return o
}

// nulls reads [NULLS FIRST | LAST]
func (p *Parser) nulls() ast.Nulls {
	switch {
	case p.accept("nulls", "first"):
		return ast.NullsFirst
	case p.accept("nulls", "last"):
		return ast.NullsLast
	}
	return ast.NullsDefault
}

// limit reads LIMIT n | ALL | MySQL's LIMIT offset, n
func (p *Parser) limit(q *ast.Query) {
	p.next()
	if p.accept("all") {
		return
	}
	q.Limit = p.expr()
	if q.Offset == nil && p.acceptOp(",") {
		q.Offset, q.Limit = q.Limit, p.expr()
	}
}

// offset reads OFFSET n [ROW | ROWS]
func (p *Parser) offset(q *ast.Query) {
	p.next()
	q.Offset = p.expr()
	p.acceptAny("row", "rows")
}

// fetchFirst reads FETCH FIRST | NEXT [n] ROW | ROWS ONLY | WITH TIES
func (p *Parser) fetchFirst(q *ast.Query) {
	t := p.next()
	p.expectAny("first", "next")
	if p.atAny("row", "rows") {
		q.Limit = &ast.NumberLiteral{Text: "1", Integer: true, Span: p.span(t)}
	} else if p.tok.op("+") || p.tok.op("-") {
		q.Limit = p.numeric()
	} else {
		q.Limit = p.primary()
	}
	p.expectAny("row", "rows")
	if p.accept("only") {
		return
	}
	if p.expect("with", "ties"); q.OrderBy == nil {
		p.refuse(sqlerr.SyntaxError, 0, "WITH TIES cannot be specified without ORDER BY clause")
	}
	q.WithTies = true
}

// locks reads FOR UPDATE …, as often as it is there; FOR READ ONLY says nothing.
func (p *Parser) locks(q *ast.Query) {
	for p.at("for") {
		t := p.next()
		if p.accept("read") {
			p.expect("only")
			continue
		}
		l := &ast.Lock{Strength: p.lockStrength()}
		if p.accept("of") {
			l.Of = p.names()
		}
		switch {
		case p.accept("nowait"):
			l.Wait = ast.NoWait
		case p.accept("skip"):
			p.expect("locked")
			l.Wait = ast.SkipLocked
		}
		l.Span = p.span(t)
		q.Locks = append(q.Locks, l)
	}
}

func (p *Parser) lockStrength() ast.LockStrength {
	switch p.expectAny("update", "no", "share", "key") {
	case "update":
		return ast.ForUpdate
	case "no":
		p.expect("key", "update")
		return ast.ForNoKeyUpdate
	case "share":
		return ast.ForShare
	}
	p.expect("share")
	return ast.ForKeyShare
}
