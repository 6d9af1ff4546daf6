package translator

import (
	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// Arithmetic of numerics: decimal128 holds 34 digits, and MongoDB rounds what has
// more. Where the types and constants do not bound a result to so many, the
// pipeline looks whether it may have been rounded, and fails then: the statement
// is run by another program, which computes such results here (Program.forExact).

var numericOps = map[string]string{"add_numeric": "$add", "sub_numeric": "$subtract", "mul_numeric": "$multiply"}

// numericOutOfRange begins the text that a numeric of too many digits fails to convert from.
const numericOutOfRange = "weir: numeric out of range: "

func numericArithmetic(s scope, e *planner.Call) any {
	if s.slots {
		return obj{{expr.LocalPrefix + e.Func.Impl, s.values(e.Args)}} // constants are computed here, and exactly
	}
	if s.anyWide(e.Args) {
		return nil
	}
	d := s.c.digitsOf(e)
	if d.fit() {
		return s.plainNumeric(e)
	}
	if s.f != nil && s.f.local() || s.c.opts.exact {
		s.c.wide = true // what comes after this meets its results
		return nil
	}
	out := s.plainNumeric(e)
	if traitsOf(out).local {
		s.c.wide = true
		return nil
	}
	return s.c.unrounded(out, d)
}

// unrounded raises an error where a result may have lost digits. One that has has
// all 34 of them.
func (c *compiler) unrounded(x any, d digits) any {
	c.prog.checks = true
	return c.once(x, func(r any) any {
		if d.scale > sqltype.MaxDigits {
			text := op1("$strLenBytes", op1("$toString", op("$ifNull", r, 0)))
			return cond(op("$lt", text, sqltype.MaxDigits), r, tooManyDigits(r))
		}
		return cond(op("$lt", op1("$abs", r), powerOfTen(sqltype.MaxDigits-d.scale)), r, cond(infinite(r), r, tooManyDigits(r)))
	})
}

func tooManyDigits(r any) any {
	return op1("$toInt", op("$concat", numericOutOfRange, op1("$type", r)))
}

func powerOfTen(n int) value.Value { return value.FromAPD(apd.New(1, int32(n))) }

// plainNumeric computes a tree of which only the root has to be looked at: a
// product is not shorter than what it is made of. A sum may be.
func (s scope) plainNumeric(e *planner.Call) any {
	args := make(list, len(e.Args))
	for i, x := range e.Args {
		c, ok := x.(*planner.Call)
		if ok && numericOps[c.Func.Impl] != "" && !s.slots && !s.c.constant(c) && (e.Func.Impl == "mul_numeric" || s.c.digitsOf(c).fit()) {
			args[i] = s.plainNumeric(c)
		} else {
			args[i] = s.value(x)
		}
	}
	return obj{{numericOps[e.Func.Impl], args}}
}

// digits bounds how many an expression's values have before and behind the point.
type digits struct{ whole, scale int }

// fit tells whether decimal128 holds all such values.
func (d digits) fit() bool { return d.whole+d.scale <= sqltype.MaxDigits }

// anyDigits is of expressions of which nothing is known.
var anyDigits = digits{2 * sqltype.MaxDigits, 2 * sqltype.MaxDigits}

// digitsOf bounds the digits of an expression by its type and by what it is made of.
func (c *compiler) digitsOf(e planner.Expr) digits {
	switch x := e.(type) {
	case *planner.Const:
		if !x.Value.IsNumber() || x.Value.IsNaN() || x.Value.IsInf() {
			return digits{}
		}
		d := x.Value.APD()
		return digits{max(int(d.NumDigits())+int(d.Exponent), 1), max(int(-d.Exponent), 0)}
	case *planner.ColRef:
		if d, ok := c.digits[x.ID]; ok {
			return d
		}
	case *planner.Call:
		switch x.Func.Impl {
		case "mul_numeric":
			l, r := c.digitsOf(x.Args[0]), c.digitsOf(x.Args[1])
			return digits{l.whole + r.whole, l.scale + r.scale}
		case "add_numeric", "sub_numeric":
			d := c.digitsOfAll(x.Args...)
			return digits{d.whole + 1, d.scale}
		case "neg_numeric", "abs_numeric":
			return c.digitsOf(x.Args[0])
		}
	case *planner.Cast:
		if isInteger(x.X.Type().OID) {
			return c.digitsOf(x.X)
		}
	case *planner.Case:
		d := digits{}
		if x.Else != nil {
			d = c.digitsOf(x.Else)
		}
		for _, w := range x.Whens {
			d = d.or(c.digitsOf(w.Then))
		}
		return d
	case *planner.Let:
		return c.digitsOf(x.In)
	case *planner.Variadic:
		return c.digitsOfAll(x.Args...)
	}
	switch t := e.Type(); t.OID {
	case sqltype.Int2:
		return digits{5, 0}
	case sqltype.Int4:
		return digits{10, 0}
	case sqltype.Int8:
		return digits{19, 0}
	case sqltype.Numeric:
		if precision, scale, ok := sqltype.NumericModifier(t.Mod); ok {
			return digits{max(precision-scale, 0), max(scale, 0)}
		}
	}
	return anyDigits
}

func (c *compiler) digitsOfAll(es ...planner.Expr) digits {
	d := digits{}
	for _, e := range es {
		d = d.or(c.digitsOf(e))
	}
	return d
}

func (d digits) or(e digits) digits { return digits{max(d.whole, e.whole), max(d.scale, e.scale)} }

// noteDigits remembers those of a column that is computed.
func (c *compiler) noteDigits(col planner.Col, d digits) {
	if col.Type.OID == sqltype.Numeric {
		c.digits[col.ID] = d
	}
}

// noteAggregate notes the digits of the columns of groups.
func (c *compiler) noteAggregate(n *planner.Aggregate) {
	for _, k := range n.Groups {
		c.noteDigits(k.Col, c.digitsOf(k.Expr))
	}
	for _, a := range n.Aggs {
		switch {
		case a.Func == nil || len(a.Args) != 1:
		case a.Func.Name == "sum":
			c.noteDigits(a.Col, c.totalOf(a.Args[0]))
		case a.Func.Name == "min", a.Func.Name == "max":
			c.noteDigits(a.Col, c.digitsOf(a.Args[0]))
		}
	}
}

// Sums are taken to be of fewer rows than a number of so many digits.
const rowDigits = 12

// totalOf is the digits of an expression's sums.
func (c *compiler) totalOf(e planner.Expr) digits {
	d := c.digitsOf(e)
	return digits{d.whole + rowDigits, d.scale}
}

// wholeSum is the total of an accumulator, or an error where it may have been
// rounded. Where nothing bounds the digits of what is summed a second accumulator
// tells of values whose sum could have been, even if the total is short.
func (g *grouping) wholeSum(a *planner.AggCall, x any, total any) any {
	d := g.c.totalOf(a.Args[0])
	switch {
	case a.Col.Type.OID != sqltype.Numeric || d.fit():
		return total
	case d.scale <= sqltype.MaxDigits:
		return g.c.unrounded(total, d)
	}
	g.c.prog.checks = true
	odd := "$" + g.acc("$max", g.filtered(a, g.c.once(x, isLong), null), null)
	return cond(op("$eq", odd, true), tooManyDigits(total), total)
}

// isLong tells of a number with more digits than any sum of such can have.
func isLong(x any) any {
	return op1("$not", list{op("$and", op("$lt", op1("$abs", x), powerOfTen(shortDigits)), op("$eq", x, op("$round", x, shortDigits)))})
}

// shortDigits before the point and as many behind it can be added up.
const shortDigits = (sqltype.MaxDigits - rowDigits + 2) / 2
