package ast

func (p *printer) dml(n Node) bool {
	switch n := n.(type) {
	case *Insert:
		p.insert(n)
	case *Update:
		p.with(n.With)
		p.s("UPDATE ")
		p.node(n.Table)
		p.set(n.Set)
		p.from(" FROM ", n.From)
		p.optNode(" WHERE ", nodeOf(n.Where))
		p.returning(n.Returning)
	case *Delete:
		p.with(n.With)
		p.s("DELETE FROM ")
		p.node(n.Table)
		p.from(" USING ", n.Using)
		p.optNode(" WHERE ", nodeOf(n.Where))
		p.returning(n.Returning)
	case *Merge:
		p.merge(n)
	case *MergeWhen:
		p.mergeWhen(n)
	case *OnConflict:
		p.onConflict(n)
	case *Assignment:
		p.assignment(n)
	case *Truncate:
		p.s("TRUNCATE TABLE ")
		nodes(p, n.Tables)
		p.opt(n.RestartIdentity, " RESTART IDENTITY")
		p.behavior(n.Behavior)
	case *Copy:
		p.copy(n)
	default:
		return false
	}
	return true
}

func (p *printer) set(list []*Assignment) {
	p.s(" SET ")
	nodes(p, list)
}

func (p *printer) returning(list []*SelectItem) {
	if list != nil {
		p.s(" RETURNING ")
		nodes(p, list)
	}
}

func (p *printer) targets(list []Expr) {
	if list != nil {
		p.keywordCall(" ", list)
	}
}

var overridingWords = [...]string{"", " OVERRIDING SYSTEM VALUE", " OVERRIDING USER VALUE"}

func (p *printer) insert(n *Insert) {
	p.with(n.With)
	p.s("INSERT INTO ")
	p.name(n.Table)
	p.optID(" AS ", n.Alias)
	p.targets(n.Columns)
	p.s(overridingWords[n.Overriding])
	if n.Query == nil {
		p.s(" DEFAULT VALUES")
	} else {
		p.s(" ")
		p.node(n.Query)
	}
	if n.OnConflict != nil {
		p.s(" ")
		p.node(n.OnConflict)
	}
	p.returning(n.Returning)
}

func (p *printer) onConflict(c *OnConflict) {
	p.s("ON CONFLICT")
	if c.Target != nil {
		p.s(" (")
		nodes(p, c.Target)
		p.s(")")
	}
	p.optNode(" WHERE ", nodeOf(c.TargetWhere))
	p.optID(" ON CONSTRAINT ", c.Constraint)
	if c.Set == nil {
		p.s(" DO NOTHING")
		return
	}
	p.s(" DO UPDATE")
	p.set(c.Set)
	p.optNode(" WHERE ", nodeOf(c.Where))
}

func (p *printer) assignment(a *Assignment) {
	if a.Row {
		p.keywordCall("", a.Targets)
	} else {
		p.expr(a.Targets[0])
	}
	p.s(" = ")
	p.expr(a.Value)
}

func (p *printer) merge(n *Merge) {
	p.with(n.With)
	p.s("MERGE INTO ")
	p.node(n.Table)
	p.s(" USING ")
	p.node(n.Using)
	p.s(" ON ")
	p.expr(n.On)
	for _, w := range n.Whens {
		p.s(" ")
		p.node(w)
	}
	p.returning(n.Returning)
}

func (p *printer) mergeWhen(w *MergeWhen) {
	p.s("WHEN ", [...]string{"MATCHED", "NOT MATCHED", "NOT MATCHED BY SOURCE"}[w.Match])
	p.optNode(" AND ", nodeOf(w.Cond))
	p.s(" THEN ")
	switch w.Action {
	case MergeDoNothing:
		p.s("DO NOTHING")
	case MergeDelete:
		p.s("DELETE")
	case MergeUpdate:
		p.s("UPDATE")
		p.set(w.Set)
	case MergeInsert:
		p.s("INSERT")
		p.targets(w.Columns)
		p.s(overridingWords[w.Overriding])
		if w.Values == nil {
			p.s(" DEFAULT VALUES")
		} else {
			p.keywordCall(" VALUES ", w.Values)
		}
	}
}

func (p *printer) copy(n *Copy) {
	p.s("COPY ")
	if n.Query != nil {
		p.s("(")
		p.node(n.Query)
		p.s(")")
	} else {
		p.name(n.Table)
		p.columns(n.Columns)
	}
	p.s(map[bool]string{true: " FROM ", false: " TO "}[n.From])
	p.opt(n.Program, "PROGRAM ")
	switch {
	case n.File != "" || n.Program:
		p.str(n.File)
	case n.From:
		p.s("STDIN")
	default:
		p.s("STDOUT")
	}
	p.options(" WITH ", n.Options, " ")
	p.optNode(" WHERE ", nodeOf(n.Where))
}
