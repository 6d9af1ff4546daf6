package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// calculusFunc is $derivative and $integral over the sort field.
type calculusFunc struct {
	name string
	e    expr.Expr
	unit int64 // milliseconds; 0: the sort field is a number
	b    *windowBounds
}

func unitMillis(v value.Value) (int64, error) {
	if v.IsString() {
		switch v.Str() {
		case "week":
			return 7 * 86_400_000, nil
		case "day":
			return 86_400_000, nil
		case "hour":
			return 3_600_000, nil
		case "minute":
			return 60_000, nil
		case "second":
			return 1000, nil
		case "millisecond":
			return 1, nil
		}
	}
	return 0, mongoerr.New(5490704, "unit must be 'week' or smaller, found %s", v)
}

func compileCalculus(c *compiler, w *windowSpec) (windowFunc, error) {
	if err := w.oneSortKey(); err != nil {
		return nil, err
	}
	args, err := w.argFields("input", "unit")
	if err != nil {
		return nil, err
	}
	if args["input"].IsMissing() {
		return nil, failParse("%s requires an 'input' expression", w.name)
	}
	if w.name == "$derivative" && w.win.IsMissing() {
		return nil, failParse("%s requires explicit window bounds", w.name)
	}
	f := &calculusFunc{name: w.name}
	if u := args["unit"]; !u.IsMissing() {
		if f.unit, err = unitMillis(u); err != nil {
			return nil, err
		}
	}
	if f.b, err = c.windowBounds(w); err != nil {
		return nil, err
	}
	f.e, err = c.expr(args["input"].RawValue())
	return f, err
}

func (f *calculusFunc) evaluate(x *expr.Context, p *partition) ([]value.Value, error) {
	ys, err := evalAll(x, p, f.e)
	if err != nil {
		return nil, err
	}
	xs, err := f.sortValues(p)
	if err != nil {
		return nil, err
	}
	spans, err := f.b.spans(x, p)
	if err != nil {
		return nil, err
	}
	out := make([]value.Value, len(ys))
	for i := range ys {
		lo, hi := spans(i)
		if f.name == "$derivative" {
			out[i], err = derivative(xs[lo:hi], ys[lo:hi])
		} else {
			out[i], err = integral(xs[lo:hi], ys[lo:hi])
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sortValues are the sort field's values as numbers in the unit.
func (f *calculusFunc) sortValues(p *partition) ([]value.Value, error) {
	xs := make([]value.Value, len(p.docs))
	for i, doc := range p.docs {
		v := value.GetPath(doc, p.sort.paths[0])
		switch {
		case f.unit > 0 && v.Kind() == bson.TypeDateTime:
			v = value.Double(float64(v.AsDate()) / float64(f.unit))
		case f.unit > 0:
			return nil, mongoerr.New(5624900, "%s with 'unit' expects the sortBy field to be a Date", f.name)
		case v.Kind() == bson.TypeDateTime:
			return nil, mongoerr.New(5624901, "%s where the sortBy is a Date requires a 'unit'", f.name)
		case !v.IsNumber():
			return nil, mongoerr.New(5624902, "%s (with no 'unit') expects the sortBy field to be numeric", f.name)
		}
		xs[i] = v
	}
	return xs, nil
}

func derivative(xs, ys []value.Value) (value.Value, error) {
	n := len(ys) - 1
	if n < 1 {
		return value.Null(), nil
	}
	if ys[0].IsNullish() || ys[n].IsNullish() {
		return value.Null(), nil
	}
	if !ys[0].IsNumber() || !ys[n].IsNumber() {
		return value.Value{}, mongoerr.New(5624903, "$derivative input must evaluate to a number")
	}
	dx := value.Subtract(xs[n], xs[0])
	if dx.Sign() == 0 {
		return value.Null(), nil
	}
	return value.Divide(value.Subtract(ys[n], ys[0]), dx)
}

// integral adds up trapezoids; items that are no numbers are left out.
func integral(xs, ys []value.Value) (value.Value, error) {
	total := value.Int32(0)
	last, n := -1, 0
	for i := range ys {
		if !ys[i].IsNumber() {
			continue
		}
		n++
		if last >= 0 {
			area := value.Multiply(value.Add(ys[i], ys[last]), value.Subtract(xs[i], xs[last]))
			half, err := value.Divide(area, value.Int32(2))
			if err != nil {
				return value.Value{}, err
			}
			total = value.Add(total, half)
		}
		last = i
	}
	if n == 0 {
		return value.Null(), nil
	}
	return total, nil
}

// movingAvgFunc is $expMovingAvg.
type movingAvgFunc struct {
	e     expr.Expr
	alpha value.Value
}

func compileMovingAvg(c *compiler, w *windowSpec) (windowFunc, error) {
	if err := w.noWindow(); err != nil {
		return nil, err
	}
	if w.sort == nil {
		return nil, failParse("$expMovingAvg requires an explicit 'sortBy'")
	}
	args, err := w.argFields("input", "N", "alpha")
	if err != nil {
		return nil, err
	}
	n, alpha := args["N"], args["alpha"]
	if args["input"].IsMissing() || n.IsMissing() == alpha.IsMissing() {
		return nil, failParse("$expMovingAvg sub object must have exactly two fields: An 'input' field, and either an 'N' field or an 'alpha' field")
	}
	f := &movingAvgFunc{}
	if !n.IsMissing() {
		k, ok := n.Integral()
		if !ok || !n.IsNumber() || k <= 0 {
			return nil, failParse("'N' field must be an integer greater than zero, but found %s", n)
		}
		f.alpha = value.Double(2 / (float64(k) + 1))
	} else {
		if a := alpha.AsDouble(); !alpha.IsNumber() || a <= 0 || a >= 1 {
			return nil, failParse("'alpha' must be between 0 and 1 (exclusive), found alpha: %s", alpha)
		}
		f.alpha = alpha
	}
	f.e, err = c.expr(args["input"].RawValue())
	return f, err
}

func (f *movingAvgFunc) evaluate(x *expr.Context, p *partition) ([]value.Value, error) {
	vals, err := evalAll(x, p, f.e)
	if err != nil {
		return nil, err
	}
	rest := value.Subtract(value.Int32(1), f.alpha)
	var avg value.Value
	for i, v := range vals {
		if !v.IsNumber() {
			vals[i] = value.Null()
			continue
		}
		if avg.IsMissing() {
			avg = v
		} else {
			avg = value.Add(value.Multiply(v, f.alpha), value.Multiply(avg, rest))
		}
		vals[i] = avg
	}
	return vals, nil
}

// covarianceFunc is $covariancePop and $covarianceSamp of two expressions.
type covarianceFunc struct {
	a, b   expr.Expr
	sample bool
	bounds *windowBounds
}

func compileCovariance(c *compiler, w *windowSpec) (windowFunc, error) {
	if !w.arg.IsArray() || value.Len(w.arg.Doc()) != 2 {
		return nil, failParse("%s must be specified with an array of two expressions", w.name)
	}
	f := &covarianceFunc{sample: w.name == "$covarianceSamp"}
	var err error
	if f.a, err = c.expr(value.Index(w.arg.Doc(), 0).RawValue()); err != nil {
		return nil, err
	}
	if f.b, err = c.expr(value.Index(w.arg.Doc(), 1).RawValue()); err != nil {
		return nil, err
	}
	f.bounds, err = c.windowBounds(w)
	return f, err
}

func (f *covarianceFunc) evaluate(x *expr.Context, p *partition) ([]value.Value, error) {
	as, err := evalAll(x, p, f.a)
	if err != nil {
		return nil, err
	}
	bs, err := evalAll(x, p, f.b)
	if err != nil {
		return nil, err
	}
	spans, err := f.bounds.spans(x, p)
	if err != nil {
		return nil, err
	}
	out := make([]value.Value, len(as))
	for i := range as {
		lo, hi := spans(i)
		out[i] = f.covariance(as[lo:hi], bs[lo:hi])
	}
	return out, nil
}

func (f *covarianceFunc) covariance(as, bs []value.Value) value.Value {
	n, meanA, meanB, c := 0.0, 0.0, 0.0, 0.0
	for i := range as {
		if !as[i].IsNumber() || !bs[i].IsNumber() {
			continue
		}
		a, b := as[i].AsDouble(), bs[i].AsDouble()
		n++
		d := a - meanA
		meanA += d / n
		meanB += (b - meanB) / n
		c += d * (b - meanB)
	}
	if f.sample {
		n--
	}
	if n <= 0 {
		return value.Null()
	}
	return value.Double(c / n)
}
