package translator

import "weir/planner"

var mergeKinds = map[planner.MergeKind]WriteKind{
	planner.MergeInsert: InsertRows, planner.MergeUpdate: UpdateRows, planner.MergeDelete: DeleteRows,
}

// merge compiles MERGE: the number of the action goes into a field first, as
// the values depend on it.
func (c *compiler) merge(n *planner.Merge) Query {
	f := c.relation(n.Input, nil)
	id := n.Action.Col.ID
	c.settleUsed(f, n.Action.Expr)
	s := scope{c: c, f: f}
	f.cols[id] = &loc{expr: s.value(n.Action.Expr), t: n.Action.Col.Type}
	c.settle(f, id)
	action := &planner.ColRef{ID: id, T: n.Action.Col.Type}
	c.addFilter(f, &planner.Test{X: action, Is: planner.IsNotNull})
	w := &Write{Kind: MergeRows, Table: n.Table}
	w.moments()
	var all []planner.FieldExpr
	for _, a := range n.Actions {
		m := MergeAction{Write: Write{Kind: mergeKinds[a.Kind], Table: n.Table, Targets: c.setTargets(n.Table, a.Set)}, First: len(all)}
		m.Skip = a.Kind == planner.MergeNothing
		m.moments()
		m.Checks, m.CheckStages = c.checks(&n.Target, a.Checks)
		m.Keys = c.foreignKeys(a.Foreign)
		all = append(all, a.Set...)
		w.Actions = append(w.Actions, m)
	}
	spec := append(c.keySpec(f, n.Key, nil), field{"w", computed(f.cols[id].ref())})
	c.projectSets(f, all, spec)
	return Query{Root: c.fetch(f), Write: w}
}
