package agg

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// sumAcc is $sum.
type sumAcc struct{ s value.Sum }

func compileSum(c *compiler, e *extractor, name string, arg bson.RawValue, s *accSpec) (err error) {
	if s.arg, err = unaryArg(c, e, name, arg); err != nil {
		return err
	}
	if s.arg.slot < 0 {
		v, ok := exprConstant(s.arg.expr)
		s.counts = ok && v.Kind() == bson.TypeInt32 && v.AsInt32() == 1
	}
	make := func(*expr.Context) (accumulator, error) { return &sumAcc{}, nil }
	if s.counts {
		make = func(*expr.Context) (accumulator, error) { return &countAcc{}, nil }
	}
	s.make = make
	return nil
}

// exprConstant gives the value of an expression that reads nothing.
func exprConstant(e expr.Expr) (value.Value, bool) {
	if k, ok := e.(constant); ok {
		return k.v, true
	}
	return expr.Constant(e)
}

func (a *sumAcc) add(v value.Value) error {
	if v.IsNumber() {
		a.s.Add(v)
	}
	return nil
}
func (a *sumAcc) result() (value.Value, error) { return a.s.Total(), nil }
func (a *sumAcc) size() int                    { return 96 }

// avgAcc is $avg.
type avgAcc struct {
	s value.Sum
	n int64
}

func (a *avgAcc) add(v value.Value) error {
	if v.IsNumber() {
		a.s.Add(v)
		a.n++
	}
	return nil
}

func (a *avgAcc) result() (value.Value, error) {
	if a.n == 0 {
		return value.Null(), nil
	}
	return a.s.Average(a.n), nil
}
func (a *avgAcc) size() int { return 104 }

// countAcc is $count.
type countAcc struct{ n int64 }

func compileCountAcc(_ *compiler, _ *extractor, _ string, arg bson.RawValue, s *accSpec) error {
	if arg.Type != bson.TypeEmbeddedDocument || len(arg.Value) > 5 {
		return mongoerr.New(mongoerr.TypeMismatch, "$count takes no arguments, i.e. $count:{}")
	}
	s.arg, s.counts = input{slot: -1, expr: constant{value.Null()}}, true
	s.make = func(*expr.Context) (accumulator, error) { return &countAcc{}, nil }
	return nil
}

func (a *countAcc) add(value.Value) error        { a.n++; return nil }
func (a *countAcc) result() (value.Value, error) { return value.IntOrLong(a.n), nil }
func (a *countAcc) size() int                    { return 16 }

// constant is an expression that is one value.
type constant struct{ v value.Value }

func (c constant) Eval(*expr.Context) (value.Value, error) { return c.v, nil }

// stdDevAcc is $stdDevPop and $stdDevSamp, by Welford's method.
type stdDevAcc struct {
	sample   bool
	n        float64
	mean, m2 float64
	bad      bool // an infinity or NaN was met
}

func (a *stdDevAcc) add(v value.Value) error {
	if !v.IsNumber() {
		return nil
	}
	f := v.AsDouble()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		a.bad = true
	}
	a.n++
	d := f - a.mean
	a.mean += d / a.n
	a.m2 += d * (f - a.mean)
	return nil
}

func (a *stdDevAcc) result() (value.Value, error) {
	n := a.n
	if a.sample {
		n--
	}
	if n <= 0 {
		return value.Null(), nil
	}
	if a.bad {
		return value.Double(math.NaN()), nil
	}
	return value.Double(math.Sqrt(a.m2 / n)), nil
}
func (a *stdDevAcc) size() int { return 40 }
