package planner

import (
	"slices"

	"weir/catalog"
)

// spread adds to conditions what follows from them, and from those of inner joins
// below, for columns of system relations and table functions: that a column equals a
// constant when it equals a column that does. The rows of those relations are made, and
// cheaply only for those asked for.
func spread(conds []Expr, in Node) []Expr {
	var scans map[ColID]*Scan
	joined := innerOn(nil, in)
	for i := 0; i < len(conds); i++ {
		col, call := equalsConst(conds[i])
		if col == nil {
			continue
		}
		for _, other := range slices.Concat(conds, joined) {
			to := equated(other, col)
			if to == nil {
				continue
			}
			if scans == nil {
				scans = newEstimate(in).scans
			}
			if s := scans[to.ID]; s == nil || s.Table.Kind != catalog.Virtual && s.Table.Kind != catalog.Function {
				continue
			}
			if more := withColumn(call, col, to); !knownConst(conds, to) {
				conds = append(conds, more)
			}
		}
	}
	return conds
}

// innerOn appends the conditions that all rows of inner joins fulfil.
func innerOn(conds []Expr, n Node) []Expr {
	j, ok := n.(*Join)
	if !ok || j.Kind != Inner {
		return conds
	}
	conds = append(conds, conjuncts(j.On)...)
	return innerOn(innerOn(conds, j.Left), j.Right)
}

// spreadOn is spread for the condition of a join below which a condition on its
// left side goes.
func spreadOn(j *Join, c Expr) {
	col, _ := equalsConst(c)
	if col == nil || j.On == nil || j.Kind != Left {
		return
	}
	on := conjuncts(j.On)
	all := spread(append([]Expr{c}, on...), j.Right)
	if len(all) > len(on)+1 {
		j.On = conjunction(all[1:], j.On.Pos())
	}
}

// equalsConst takes a condition column = constant apart; nil if it is none.
func equalsConst(e Expr) (*ColRef, *Call) {
	call, ok := e.(*Call)
	if !ok || len(call.Args) != 2 || !isEquality(call) {
		return nil, nil
	}
	for i, a := range call.Args {
		col, isCol := a.(*ColRef)
		switch call.Args[1-i].(type) {
		case *Const, *Param:
			if isCol {
				return col, call
			}
		}
	}
	return nil, nil
}

// equated is the column of the same type that a condition equates with one.
func equated(e Expr, col *ColRef) *ColRef {
	call, ok := e.(*Call)
	if !ok || len(call.Args) != 2 || !isEquality(call) {
		return nil
	}
	l, ok1 := call.Args[0].(*ColRef)
	r, ok2 := call.Args[1].(*ColRef)
	switch {
	case !ok1 || !ok2 || l.T != r.T:
		return nil
	case l.ID == col.ID:
		return r
	case r.ID == col.ID:
		return l
	}
	return nil
}

func withColumn(call *Call, from, to *ColRef) Expr {
	more := *call
	more.Args = []Expr{call.Args[0], call.Args[1]}
	for i, a := range more.Args {
		if a == Expr(from) {
			more.Args[i] = to
		}
	}
	return &more
}

func knownConst(conds []Expr, col *ColRef) bool {
	for _, c := range conds {
		if have, _ := equalsConst(c); have != nil && have.ID == col.ID {
			return true
		}
	}
	return false
}
