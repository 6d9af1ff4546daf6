package planner

import "weir/sqlfunc"

// An operand that a construct writes several times, as BETWEEN and CASE X WHEN
// do, is bound by a Let unless it is light: written out, one in the other, they
// would double the expression at each level. A light one stays where it is
// written, so that the rules and indexes see plain comparisons of columns.

// lightWeight is the most parts that a light expression has.
const lightWeight = 12

// light tells whether an expression may be written several times. What is volatile
// must not be: it is computed once.
func light(e Expr) bool {
	left := lightWeight
	walkExpr(e, func(e Expr) bool {
		left--
		if c, ok := e.(*Call); ok && c.Func.Volatility == sqlfunc.Volatile {
			left = -1
		}
		return left >= 0
	})
	return left >= 0
}

// shared makes an expression that in builds of operands which it may write
// several times.
func (b *builder) shared(operands []Expr, in func(operands []Expr) (Expr, error)) (Expr, error) {
	var lets []*Let
	out := make([]Expr, len(operands))
	for i, x := range operands {
		out[i] = b.bind(x, &lets)
	}
	e, err := in(out)
	if err != nil {
		return nil, err
	}
	for i := len(lets) - 1; i >= 0; i-- {
		lets[i].In = e
		e = lets[i]
	}
	return e, nil
}

// shareOne is shared of one operand.
func (b *builder) shareOne(x Expr, in func(x Expr) (Expr, error)) (Expr, error) {
	return b.shared([]Expr{x}, func(xs []Expr) (Expr, error) { return in(xs[0]) })
}

// bind gives what stands for an operand and appends the Lets that it needs. What
// is read by its form, rows and parts of documents, keeps it.
func (b *builder) bind(x Expr, lets *[]*Let) Expr {
	if light(x) {
		return x
	}
	switch e := x.(type) {
	case *Row:
		r := *e
		r.Fields = make([]Expr, len(e.Fields))
		for i, f := range e.Fields {
			r.Fields[i] = b.bind(f, lets)
		}
		return &r
	case *Path:
		p := *e
		p.X = b.bind(e.X, lets)
		return &p
	case *Subscript:
		s := *e
		s.X = b.bind(e.X, lets)
		return &s
	case *Const, *Array: // literals have yet to get their types
		return x
	}
	col := b.newCol("operand", x.Type())
	if cols := b.recordColumns(x); cols != nil {
		b.records[col.ID] = cols
	}
	*lets = append(*lets, &Let{Col: col, X: x, P: x.Pos()})
	return &ColRef{ID: col.ID, Name: col.Name, T: col.Type, Bound: true, P: x.Pos()}
}

// foldLet puts a constant in the places that it is bound for.
func (b *builder) foldLet(l *Let) Expr {
	k, ok := l.X.(*Const)
	if !ok {
		return l
	}
	return mapExpr(l.In, func(e Expr) Expr {
		if r, ok := e.(*ColRef); ok && r.ID == l.Col.ID {
			return k
		}
		return b.foldOne(e)
	})
}
