package agg

import (
	"math"

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
		case "year", "quarter", "month":
			return 0, mongoerr.New(5490710, "unit must be 'week' or smaller")
		}
		return 0, failParse("unknown time unit value: %s", v.Str())
	}
	return 0, failParse("'unit' must be a string, but got %s", value.TypeName(v.Kind()))
}

func compileCalculus(c *compiler, w *windowSpec) (windowFunc, error) {
	if w.sort == nil || len(w.sort.keys) != 1 {
		return nil, failParse("%s requires a non-compound sortBy", w.name)
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
	xs := make([]value.Value, len(p.docs))
	for i, doc := range p.docs {
		xs[i] = value.GetPath(doc, p.sort.paths[0])
	}
	spans, err := f.b.spans(x, p)
	if err != nil {
		return nil, err
	}
	out := make([]value.Value, len(ys))
	for i := range ys {
		lo, hi := spans(i)
		if f.name == "$derivative" {
			out[i], err = f.derivative(xs[lo:hi], ys[lo:hi])
		} else {
			out[i], err = f.integral(xs[lo:hi], ys[lo:hi])
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checkSortValue asks for dates with a unit and for numbers without; its
// errors are those of the function.
func (f *calculusFunc) checkSortValue(v value.Value) error {
	date, bare, number := int32(5624900), int32(5624901), int32(5624902)
	if f.name == "$integral" {
		date, bare, number = 5423901, 5423902, 5423902
	}
	switch {
	case f.unit > 0 && v.Kind() != bson.TypeDateTime:
		return mongoerr.New(date, "%s with 'unit' expects the sortBy field to be a Date", f.name)
	case f.unit == 0 && v.Kind() == bson.TypeDateTime:
		return mongoerr.New(bare, "%s where the sortBy is a Date requires a 'unit'", f.name)
	case f.unit == 0 && !v.IsNumber():
		return mongoerr.New(number, "%s (with no 'unit') expects the sortBy field to be numeric", f.name)
	}
	return nil
}

// derivative is the rise between the ends of a window by the run between them.
func (f *calculusFunc) derivative(xs, ys []value.Value) (value.Value, error) {
	n := len(ys) - 1
	if n < 0 {
		return value.Null(), nil
	}
	for _, x := range []value.Value{xs[0], xs[n]} {
		if err := f.checkSortValue(x); err != nil {
			return value.Value{}, err
		}
	}
	for _, y := range []value.Value{ys[0], ys[n]} {
		switch {
		case y.IsNullish():
			return value.Value{}, mongoerr.New(5624903, "$derivative input must not be null or missing")
		case !y.IsNumber() && (y.Kind() != bson.TypeDateTime || ys[0].Kind() != ys[n].Kind()):
			return value.Value{}, mongoerr.New(mongoerr.TypeMismatch, "can't $subtract %s from %s", value.TypeName(ys[0].Kind()), value.TypeName(ys[n].Kind()))
		}
	}
	run := value.Subtract(xs[n], xs[0])
	if run.Sign() == 0 && !run.IsNaN() {
		return value.Null(), nil
	}
	slope, err := value.Divide(value.Subtract(ys[n], ys[0]), run)
	if err != nil || f.unit == 0 {
		return slope, err
	}
	return value.Multiply(slope, value.Int64(f.unit)), nil
}

// integral adds up trapezoids; a NaN makes it NaN.
func (f *calculusFunc) integral(xs, ys []value.Value) (value.Value, error) {
	if len(ys) == 0 {
		return value.Null(), nil
	}
	total := value.Int32(0)
	for i := range ys {
		if !ys[i].IsNumber() || !xs[i].IsNumber() && xs[i].Kind() != bson.TypeDateTime {
			return value.Value{}, mongoerr.New(5423900, "The input values of $integral must be numeric, over numbers or dates")
		}
		if err := f.checkSortValue(xs[i]); err != nil {
			return value.Value{}, err
		}
		if xs[i].IsNaN() || ys[i].IsNaN() {
			return value.Double(math.NaN()), nil
		}
		if i == 0 {
			continue
		}
		area := value.Multiply(value.Add(ys[i], ys[i-1]), value.Subtract(xs[i], xs[i-1]))
		half, err := value.Divide(area, value.Double(2))
		if err != nil {
			return value.Value{}, err
		}
		total = value.Add(total, half)
	}
	if f.unit == 0 {
		return total, nil
	}
	return value.Divide(total, value.Int64(f.unit))
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
		var err error
		if f.alpha, err = value.Divide(value.Int32(2), value.Add(asDecimal(n), value.Int32(1))); err != nil {
			return nil, err
		}
	} else {
		if a := alpha.AsDouble(); !alpha.IsNumber() || !(a > 0 && a < 1) {
			return nil, failParse("'alpha' must be between 0 and 1 (exclusive), found alpha: %s", alpha)
		}
		f.alpha = asDecimal(alpha)
	}
	f.e, err = c.expr(args["input"].RawValue())
	return f, err
}

// asDecimal makes a number a decimal, so that what is calculated with it is one.
func asDecimal(v value.Value) value.Value { return v.AsDecimal34() }

// evaluate calculates in decimals and gives doubles unless an input was a
// decimal. What is no number leaves the average as it was.
func (f *movingAvgFunc) evaluate(x *expr.Context, p *partition) ([]value.Value, error) {
	vals, err := evalAll(x, p, f.e)
	if err != nil {
		return nil, err
	}
	rest := value.Subtract(value.Int32(1), f.alpha)
	var avg value.Value
	decimal := false
	for i, v := range vals {
		if v.IsNumber() {
			decimal = decimal || v.Kind() == bson.TypeDecimal128
			if avg.IsMissing() {
				avg = asDecimal(v)
			} else {
				avg = value.Add(value.Multiply(asDecimal(v), f.alpha), value.Multiply(avg, rest))
			}
		}
		switch {
		case avg.IsMissing():
			vals[i] = value.Null()
		case decimal:
			vals[i] = avg
		default:
			vals[i] = value.Double(avg.AsDouble())
		}
	}
	return vals, nil
}
