package planner

// withoutUnused takes away left joins whose right side nothing above reads and
// that gives each row once: at most one of its rows can match.
func withoutUnused(n Node, used map[ColID]bool) Node {
	for {
		j, ok := n.(*Join)
		if !ok || j.Kind != Left || j.Lateral || anyIn(colSet(j.Right.Cols()), used) {
			return n
		}
		if anyVolatile(conjuncts(j.On)) || hasSideEffects(j.Right) || !matchesOnce(j) {
			return n
		}
		n = j.Left
	}
}

// matchesOnce tells whether a join's condition equates columns that no two rows
// of its right side share.
func matchesOnce(j *Join) bool {
	right := colSet(j.Right.Cols())
	compared := map[ColID]bool{}
	for _, c := range conjuncts(j.On) {
		call, ok := c.(*Call)
		if !ok || !isEquality(call) || len(call.Args) != 2 {
			continue
		}
		for i, a := range call.Args {
			if r, ok := a.(*ColRef); ok && right[r.ID] && !readsOf(call.Args[1-i], right) {
				compared[r.ID] = true
			}
		}
	}
	return uniqueBy(j.Right, compared)
}

// uniqueScan tells whether a unique index is over nothing but the columns. Only
// of declared tables it is sure that values that are equal in SQL are so for it.
func uniqueScan(s *Scan, cols map[ColID]bool) bool {
	if s.Table.Open {
		return false
	}
	paths := map[string]bool{}
	for id := range cols {
		if p := scanPath(s, id); p != "" {
			paths[p] = true
		}
	}
	for i := range s.Table.Indexes {
		ix := &s.Table.Indexes[i]
		if !ix.Unique || ix.Partial != nil && !ix.OnlyTypes() {
			continue
		}
		all := len(ix.Keys) > 0
		for _, k := range ix.Keys {
			all = all && paths[k.Path]
		}
		if all {
			return true
		}
	}
	return false
}
