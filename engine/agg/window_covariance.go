package agg

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// covarianceFunc is $covariancePop and $covarianceSamp of two expressions.
type covarianceFunc struct {
	e      expr.Expr // gives an array of two
	sample bool
	bounds *windowBounds
}

func compileCovariance(c *compiler, w *windowSpec) (windowFunc, error) {
	f := &covarianceFunc{sample: w.name == "$covarianceSamp"}
	var err error
	if f.e, err = c.expr(w.arg.RawValue()); err != nil {
		return nil, err
	}
	f.bounds, err = c.windowBounds(w)
	return f, err
}

func (f *covarianceFunc) evaluate(x *expr.Context, p *partition) ([]value.Value, error) {
	pairs := make([][2]value.Value, len(p.docs))
	for i, doc := range p.docs {
		x.Root = doc
		v, err := f.e.Eval(x)
		if err != nil {
			return nil, err
		}
		if v.IsArray() && value.Len(v.Doc()) == 2 {
			pairs[i] = [2]value.Value{value.Index(v.Doc(), 0), value.Index(v.Doc(), 1)}
		}
	}
	spans, err := f.bounds.spans(x, p)
	if err != nil {
		return nil, err
	}
	out := make([]value.Value, len(pairs))
	for i := range pairs {
		lo, hi := spans(i)
		if out[i], err = f.covariance(pairs[lo:hi]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// covariance adds up the products of the distances from the running means.
// Pairs that are not two numbers do not count, infinite ones only in the sum.
func (f *covarianceFunc) covariance(pairs [][2]value.Value) (value.Value, error) {
	n := int64(0)
	meanA, meanB, sum := value.Double(0), value.Double(0), value.Double(0)
	decimal := false
	for _, p := range pairs {
		a, b := p[0], p[1]
		if !a.IsNumber() || !b.IsNumber() {
			continue
		}
		decimal = decimal || a.Kind() == bson.TypeDecimal128 || b.Kind() == bson.TypeDecimal128
		if !finite(a) || !finite(b) {
			sum = value.Add(sum, infinite(a, b))
			continue
		}
		n++
		before := value.Subtract(a, meanA)
		stepA, err := value.Divide(before, value.Int64(n))
		if err != nil {
			return value.Value{}, err
		}
		stepB, err := value.Divide(value.Subtract(b, meanB), value.Int64(n))
		if err != nil {
			return value.Value{}, err
		}
		meanA, meanB = value.Add(meanA, stepA), value.Add(meanB, stepB)
		sum = value.Add(sum, value.Multiply(before, value.Subtract(b, meanB)))
	}
	if f.sample {
		n--
	}
	switch {
	case n <= 0:
		return value.Null(), nil
	case n == 1 && !f.sample:
		return value.Double(0), nil
	case decimal:
		return value.Divide(sum, value.Int64(n))
	}
	return value.Double(sum.AsDouble() / float64(n)), nil
}

func finite(v value.Value) bool { return !v.IsNaN() && !v.IsInf() }

// infinite is what a pair with an infinite number or NaN adds to the sum.
func infinite(a, b value.Value) value.Value {
	pos, neg := false, false
	for _, v := range []value.Value{a, b} {
		if v.IsNaN() {
			return value.Double(math.NaN())
		}
		pos, neg = pos || v.IsInf() && v.Sign() > 0, neg || v.IsInf() && v.Sign() < 0
	}
	switch {
	case pos && neg:
		return value.Double(math.NaN())
	case pos:
		return value.Double(math.Inf(1))
	}
	return value.Double(math.Inf(-1))
}
