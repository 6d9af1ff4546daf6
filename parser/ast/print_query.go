package ast

func (p *printer) query(n Node) bool {
	switch n := n.(type) {
	case *Query:
		p.wholeQuery(n)
	case *Select:
		p.selectCore(n)
	case *SetOperation:
		p.setOperand(n.Left)
		p.s([...]string{" UNION ", " INTERSECT ", " EXCEPT "}[n.Op])
		p.opt(n.All, "ALL ")
		p.setOperand(n.Right)
	case *Values:
		p.s("VALUES ")
		commas(p, n.Rows, func(row []Expr) { p.keywordCall("", row) })
	case *TableCommand:
		p.s("TABLE ")
		p.node(n.Table)
	case *SelectItem:
		p.expr(n.Expr)
		p.optID(" AS ", n.Alias)
	case *Into:
		p.s("INTO ", persistenceWords[n.Persistence], "TABLE ")
		p.name(n.Table)
	case *With:
		p.s("WITH ")
		p.opt(n.Recursive, "RECURSIVE ")
		nodes(p, n.CTEs)
	case *CTE:
		p.cte(n)
	case *Search:
		p.s("SEARCH ", map[bool]string{true: "BREADTH", false: "DEPTH"}[n.Breadth], " FIRST BY ")
		p.ids(n.By)
		p.s(" SET ")
		p.id(n.Set)
	case *Cycle:
		p.cycle(n)
	case *OrderItem:
		p.orderItem(n)
	case *Lock:
		p.lock(n)
	case *WindowDef:
		p.id(n.Name)
		p.s(" AS ")
		p.node(n.Spec)
	case *WindowSpec:
		p.windowSpec(n)
	case *Frame:
		p.frame(n)
	case *FrameBound:
		p.frameBound(n)
	default:
		return false
	}
	return true
}

var persistenceWords = [...]string{"", "TEMPORARY ", "UNLOGGED "}

func (p *printer) with(w *With) {
	if w != nil {
		p.node(w)
		p.s(" ")
	}
}

func (p *printer) wholeQuery(q *Query) {
	p.with(q.With)
	p.queryBody(q.Body)
	p.orderBy(" ORDER BY ", q.OrderBy)
	if q.Offset != nil {
		p.s(" OFFSET ")
		p.expr(q.Offset)
	}
	switch {
	case q.WithTies:
		p.s(" FETCH FIRST (")
		p.expr(q.Limit)
		p.s(") ROWS WITH TIES")
	case q.Limit != nil:
		p.s(" LIMIT ")
		p.expr(q.Limit)
	}
	for _, l := range q.Locks {
		p.s(" ")
		p.node(l)
	}
}

func (p *printer) queryBody(b QueryExpr) {
	if q, ok := b.(*Query); ok {
		p.s("(")
		p.node(q)
		p.s(")")
		return
	}
	p.node(b)
}

func (p *printer) setOperand(b QueryExpr) {
	if s, ok := b.(*SetOperation); ok {
		p.s("(")
		p.node(s)
		p.s(")")
		return
	}
	p.queryBody(b)
}

func (p *printer) orderBy(before string, list []*OrderItem) {
	if list != nil {
		p.s(before)
		nodes(p, list)
	}
}

func (p *printer) selectCore(s *Select) {
	p.s("SELECT")
	p.opt(s.Distinct, " DISTINCT")
	if s.DistinctOn != nil {
		p.keywordCall(" ON ", s.DistinctOn)
	}
	p.opt(s.Items != nil, " ")
	nodes(p, s.Items)
	if s.Into != nil {
		p.s(" ")
		p.node(s.Into)
	}
	p.from(" FROM ", s.From)
	p.optNode(" WHERE ", nodeOf(s.Where))
	if s.GroupBy != nil {
		p.s(" GROUP BY ")
		p.opt(s.GroupDistinct, "DISTINCT ")
		nodes(p, s.GroupBy)
	}
	p.optNode(" HAVING ", nodeOf(s.Having))
	if s.Windows != nil {
		p.s(" WINDOW ")
		nodes(p, s.Windows)
	}
}

func (p *printer) from(before string, list []TableExpr) {
	if list != nil {
		p.s(before)
		nodes(p, list)
	}
}

func (p *printer) cte(c *CTE) {
	p.id(c.Name)
	p.columns(c.Columns)
	p.s(" AS ", [...]string{"", "MATERIALIZED ", "NOT MATERIALIZED "}[c.Materialized], "(")
	p.node(c.Statement)
	p.s(")")
	if c.Search != nil {
		p.s(" ")
		p.node(c.Search)
	}
	if c.Cycle != nil {
		p.s(" ")
		p.node(c.Cycle)
	}
}

func (p *printer) cycle(c *Cycle) {
	p.s("CYCLE ")
	p.ids(c.Columns)
	p.s(" SET ")
	p.id(c.Mark)
	if c.To != nil {
		p.s(" TO ")
		p.operand(c.To, precPrimary)
		p.s(" DEFAULT ")
		p.operand(c.Default, precPrimary)
	}
	p.s(" USING ")
	p.id(c.Path)
}

func (p *printer) orderItem(o *OrderItem) {
	p.expr(o.Expr)
	p.direction(o.Direction, o.Nulls, o.Using)
}

func (p *printer) direction(d Direction, n Nulls, using *Operator) {
	p.s([...]string{"", " ASC", " DESC", " USING "}[d])
	if using != nil {
		p.operator(using)
	}
	p.s([...]string{"", " NULLS FIRST", " NULLS LAST"}[n])
}

func (p *printer) lock(l *Lock) {
	p.s("FOR ", [...]string{"UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"}[l.Strength])
	if l.Of != nil {
		p.s(" OF ")
		p.names(l.Of)
	}
	p.s([...]string{"", " NOWAIT", " SKIP LOCKED"}[l.Wait])
}

func (p *printer) windowSpec(w *WindowSpec) {
	if !w.Ref.IsZero() {
		p.id(w.Ref)
		return
	}
	p.s("(")
	start := len(p.b)
	space := func() { p.opt(len(p.b) > start, " ") }
	p.optID("", w.Base)
	if w.PartitionBy != nil {
		space()
		p.s("PARTITION BY ")
		nodes(p, w.PartitionBy)
	}
	if w.OrderBy != nil {
		space()
		p.orderBy("ORDER BY ", w.OrderBy)
	}
	if w.Frame != nil {
		space()
		p.node(w.Frame)
	}
	p.s(")")
}

func (p *printer) frame(f *Frame) {
	p.s([...]string{"RANGE ", "ROWS ", "GROUPS "}[f.Unit])
	if f.To != nil {
		p.s("BETWEEN ")
		p.node(f.From)
		p.s(" AND ")
		p.node(f.To)
	} else {
		p.node(f.From)
	}
	if f.HasExclude {
		p.s(" EXCLUDE ", [...]string{"NO OTHERS", "CURRENT ROW", "GROUP", "TIES"}[f.Exclude])
	}
}

func (p *printer) frameBound(b *FrameBound) {
	if b.Offset != nil {
		p.operand(b.Offset, precPrimary)
	}
	p.s([...]string{"UNBOUNDED PRECEDING", " PRECEDING", "CURRENT ROW", " FOLLOWING", "UNBOUNDED FOLLOWING"}[b.Kind])
}

func (p *printer) table(n Node) bool {
	switch n := n.(type) {
	case *TableRef:
		p.opt(n.Only, "ONLY ")
		p.name(n.Name)
		p.alias(n.Alias)
		if n.Sample != nil {
			p.s(" ")
			p.node(n.Sample)
		}
	case *TableSample:
		p.s("TABLESAMPLE ")
		p.name(n.Method)
		p.keywordCall("", n.Args)
		if n.Repeatable != nil {
			p.keywordCall(" REPEATABLE ", []Expr{n.Repeatable})
		}
	case *DerivedTable:
		p.opt(n.Lateral, "LATERAL ")
		p.s("(")
		p.node(n.Query)
		p.s(")")
		p.alias(n.Alias)
	case *TableFunction:
		p.tableFunction(n)
	case *TableFunctionItem:
		p.expr(n.Call)
		p.columnDefs(" AS ", n.Columns)
	case *Join:
		p.join(n)
	case *Alias:
		p.id(n.Name)
		p.columns(n.Columns)
	default:
		return false
	}
	return true
}

func (p *printer) alias(a *Alias) {
	if a != nil {
		p.s(" AS ")
		p.node(a)
	}
}

func (p *printer) columnDefs(before string, list []*ColumnDef) {
	if list != nil {
		p.s(before, "(")
		nodes(p, list)
		p.s(")")
	}
}

func (p *printer) tableFunction(f *TableFunction) {
	p.opt(f.Lateral, "LATERAL ")
	switch {
	case f.RowsFrom:
		p.s("ROWS FROM (")
		nodes(p, f.Items)
		p.s(")")
		p.opt(f.Ordinality, " WITH ORDINALITY")
		p.alias(f.Alias)
	default:
		p.expr(f.Items[0].Call)
		p.opt(f.Ordinality, " WITH ORDINALITY")
		if f.Alias == nil {
			p.columnDefs(" AS ", f.Items[0].Columns)
			return
		}
		p.alias(f.Alias)
		p.columnDefs(" ", f.Items[0].Columns)
	}
}

func (p *printer) join(j *Join) {
	p.opt(j.Alias != nil, "(")
	p.node(j.Left)
	p.opt(j.Natural, " NATURAL")
	p.s([...]string{" JOIN ", " LEFT JOIN ", " RIGHT JOIN ", " FULL JOIN ", " CROSS JOIN "}[j.Kind])
	if r, ok := j.Right.(*Join); ok && r.Alias == nil {
		p.s("(")
		p.node(r)
		p.s(")")
	} else {
		p.node(j.Right)
	}
	p.optNode(" ON ", nodeOf(j.On))
	if j.Using != nil {
		p.s(" USING")
		p.columns(j.Using)
		p.optID(" AS ", j.UsingAlias)
	}
	p.opt(j.Alias != nil, ")")
	p.alias(j.Alias)
}
