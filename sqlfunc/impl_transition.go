package sqlfunc

import (
	"math"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// The steps of PostgreSQL's aggregates over floats, which are functions there:
// states are [n, sum, sum of squared deviations], for two variables [n, sum and
// squares of x, of y, sum of products].

var transitionFuncs = map[string]evaluator{
	"float8_accum":        floatStep("float8_accum", 3, accumulateOne),
	"float8_regr_accum":   floatStep("float8_regr_accum", 6, accumulateTwo),
	"float8_combine":      floatMerge("float8_combine", 3),
	"float8_regr_combine": floatMerge("float8_regr_combine", 6),
	"booland_statefunc": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return boolean(a[0].AsBool() && a[1].AsBool())
	},
	"boolor_statefunc": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return boolean(a[0].AsBool() || a[1].AsBool())
	},
	"float8send": func(_ *expr.Context, a []value.Value) (value.Value, error) { return sent(a[0], sqltype.Float8) },
	"float4send": func(_ *expr.Context, a []value.Value) (value.Value, error) { return sent(a[0], sqltype.Float4) },
	"int2send":   func(_ *expr.Context, a []value.Value) (value.Value, error) { return sent(a[0], sqltype.Int2) },
	"int4send":   func(_ *expr.Context, a []value.Value) (value.Value, error) { return sent(a[0], sqltype.Int4) },
	"int8send":   func(_ *expr.Context, a []value.Value) (value.Value, error) { return sent(a[0], sqltype.Int8) },
	"textsend":   func(_ *expr.Context, a []value.Value) (value.Value, error) { return sent(a[0], sqltype.Text) },
	"boolsend":   func(_ *expr.Context, a []value.Value) (value.Value, error) { return sent(a[0], sqltype.Bool) },
}

// sent is a value in the binary form of the protocol.
func sent(v value.Value, t sqltype.OID) (value.Value, error) {
	b, err := sqltype.AppendBinary(nil, v, sqltype.Of(t), &sqltype.Env{})
	if err != nil {
		return fail(err)
	}
	return binary(b)
}

func floatState(fn string, v value.Value, n int) ([]float64, error) {
	in := items(v)
	if len(in) != n {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "%s: expected %d-element float8 array", fn, n)
	}
	out := make([]float64, n)
	for i := range in {
		if in[i].IsNullish() || in[i].IsArray() {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "%s: expected %d-element float8 array", fn, n)
		}
		out[i] = in[i].AsDouble()
	}
	return out, nil
}

func floatResult(state []float64) (value.Value, error) {
	out := make([]value.Value, len(state))
	for i, f := range state {
		out[i] = value.Double(f)
	}
	return value.ArrayFrom(out), nil
}

func floatStep(fn string, n int, step func(state, args []float64) bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		state, err := floatState(fn, a[0], n)
		if err != nil {
			return fail(err)
		}
		args := make([]float64, len(a)-1)
		for i := range args {
			args[i] = a[i+1].AsDouble()
		}
		if !step(state, args) {
			return failf(sqlerr.NumericValueOutOfRange, "value out of range: overflow")
		}
		return floatResult(state)
	}
}

// accumulateOne adds a value; false: it overflows.
func accumulateOne(s, args []float64) bool {
	x, n, sum := args[0], s[0]+1, s[1]+args[0]
	if s[0] > 0 {
		d := x*n - sum
		s[2] += d * d / (n * s[0])
		if math.IsInf(sum, 0) || math.IsInf(s[2], 0) {
			if !math.IsInf(s[1], 0) && !math.IsInf(x, 0) {
				return false
			}
			s[2] = math.NaN()
		}
	} else if math.IsNaN(x) || math.IsInf(x, 0) {
		s[2] = math.NaN()
	}
	s[0], s[1] = n, sum
	return true
}

// accumulateTwo adds a pair: first y, then x, as in the aggregates of regression.
func accumulateTwo(s, args []float64) bool {
	y, x := args[0], args[1]
	n, sx, sy := s[0]+1, s[1]+x, s[3]+y
	special := func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) }
	if s[0] > 0 {
		dx, dy, scale := x*n-sx, y*n-sy, 1/(n*s[0])
		s[2] += dx * dx * scale
		s[4] += dy * dy * scale
		s[5] += dx * dy * scale
		for _, f := range []struct{ sum, was, arg, squares float64 }{{sx, s[1], x, s[2]}, {sy, s[3], y, s[4]}} {
			if (math.IsInf(f.sum, 0) || math.IsInf(f.squares, 0)) && !math.IsInf(f.was, 0) && !math.IsInf(f.arg, 0) {
				return false
			}
		}
		for _, i := range []int{2, 4, 5} {
			if math.IsInf(s[i], 0) {
				s[i] = math.NaN()
			}
		}
	} else {
		for _, i := range []int{2, 4, 5} {
			if i != 4 && special(x) || i != 2 && special(y) {
				s[i] = math.NaN()
			}
		}
	}
	s[0], s[1], s[3] = n, sx, sy
	return true
}

// floatMerge puts two states together.
func floatMerge(fn string, size int) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		p, err := floatState(fn, a[0], size)
		if err != nil {
			return fail(err)
		}
		q, err := floatState(fn, a[1], size)
		switch {
		case err != nil:
			return fail(err)
		case p[0] == 0:
			return floatResult(q)
		case q[0] == 0:
			return floatResult(p)
		}
		n := p[0] + q[0]
		out := make([]float64, size)
		out[0] = n
		dx := p[1]/p[0] - q[1]/q[0]
		out[1], out[2] = p[1]+q[1], p[2]+q[2]+p[0]*q[0]*dx*dx/n
		if size > 3 {
			dy := p[3]/p[0] - q[3]/q[0]
			out[3], out[4] = p[3]+q[3], p[4]+q[4]+p[0]*q[0]*dy*dy/n
			out[5] = p[5] + q[5] + p[0]*q[0]*dx*dy/n
		}
		for i, f := range out {
			if math.IsInf(f, 0) && !math.IsInf(p[i], 0) && !math.IsInf(q[i], 0) {
				return failf(sqlerr.NumericValueOutOfRange, "value out of range: overflow")
			}
		}
		return floatResult(out)
	}
}
