package planner

// innerWhere makes an inner join of a left one when a condition over it cannot
// be true for the rows that found no match.
func innerWhere(j *Join, c Expr) {
	if j.Kind == Left && !j.Lateral && !hasSubquery(c) && notOfNull(c, colSet(j.Right.Cols())) {
		j.Kind = Inner
	}
}

// notOfNull tells whether a condition is not true when the columns are NULL.
func notOfNull(c Expr, cols map[ColID]bool) bool {
	switch x := c.(type) {
	case *ColRef, *Cast, *Call:
		return nullOfNull(c, cols)
	case *Logic:
		if x.Op == Not {
			return nullOfNull(x.Args[0], cols)
		}
		all, some := true, false
		for _, a := range x.Args {
			not := notOfNull(a, cols)
			all, some = all && not, some || not
		}
		return all || x.Op == And && some
	case *InList:
		return nullOfNull(x.X, cols)
	case *Test:
		return x.Is == IsNotNull && nullOfNull(x.X, cols)
	}
	return false
}
