package sqlfunc

import (
	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqltype"
)

// aggregate is an Accumulator made of two functions.
type aggregate struct {
	add    func(a []value.Value) error
	result func() (value.Value, error)
}

func (g *aggregate) Add(a []value.Value) error    { return g.add(a) }
func (g *aggregate) Result() (value.Value, error) { return g.result() }

// each makes an aggregate over one argument's values that are not NULL.
func fold(add func(v value.Value) error, result func() (value.Value, error)) *aggregate {
	return &aggregate{result: result, add: func(a []value.Value) error {
		if len(a) == 0 || a[0].IsNullish() {
			return nil
		}
		return add(a[0].Clone())
	}}
}

func count() expr.Accumulator {
	n := int64(0)
	return &aggregate{
		add: func(a []value.Value) error {
			if len(a) == 0 || !a[0].IsNullish() {
				n++
			}
			return nil
		},
		result: func() (value.Value, error) { return int8(n) },
	}
}

func extreme(compare func(a, b value.Value) int, sign int) func() expr.Accumulator {
	return func() expr.Accumulator {
		best := value.Null()
		return fold(func(v value.Value) error {
			if best.IsNullish() || compare(best, v)*sign <= 0 { // the last of equal ones
				best = v
			}
			return nil
		}, func() (value.Value, error) { return best, nil })
	}
}

func boolAggregate(all bool) func() expr.Accumulator {
	return func() expr.Accumulator {
		r := value.Null()
		return fold(func(v value.Value) error {
			if r.IsNullish() || v.AsBool() != all {
				r = value.Bool(v.AsBool())
			}
			return nil
		}, func() (value.Value, error) { return r, nil })
	}
}

func bitAggregate(f func(x, y int64) int64) func() expr.Accumulator {
	return func() expr.Accumulator {
		r := value.Null()
		return fold(func(v value.Value) error {
			if r.IsNullish() {
				r = v
				return nil
			}
			x := f(r.AsInt64(), v.AsInt64())
			if r.Kind() == v.Kind() && r.Kind() == value.Int32(0).Kind() {
				r = value.Int32(int32(x))
			} else {
				r = value.Int64(x)
			}
			return nil
		}, func() (value.Value, error) { return r, nil })
	}
}

// numericSum adds exactly; special numbers go by PostgreSQL's rules.
type numericSum struct {
	sum apd.Decimal
	n   int64
	odd *apd.Decimal // NaN or an infinity, once seen
	max int          // the largest scale
}

func (s *numericSum) add(v value.Value) error {
	d := dec(v)
	s.n++
	if d.Form != apd.Finite {
		if s.odd == nil {
			s.odd = d
			return nil
		}
		r, err := numericOp(s.odd, d, addNumeric, addInfinite)
		s.odd = r
		return err
	}
	s.max = max(s.max, scaleOf(d))
	s.sum = *value.ExactAdd(&s.sum, d)
	return nil
}

func (s *numericSum) total() *apd.Decimal {
	if s.odd != nil {
		return s.odd
	}
	r := new(apd.Decimal).Set(&s.sum)
	sqltype.Rescale(r, s.max)
	return r
}

func sumNumeric() expr.Accumulator {
	var s numericSum
	return fold(s.add, func() (value.Value, error) {
		if s.n == 0 {
			return null()
		}
		return numeric(s.total())
	})
}

func avgNumeric() expr.Accumulator {
	var s numericSum
	return fold(s.add, func() (value.Value, error) {
		if s.n == 0 {
			return null()
		}
		r, err := numericOp(s.total(), apd.New(s.n, 0), divNumeric, divInfinite)
		if err != nil {
			return fail(err)
		}
		return numeric(r)
	})
}

// sumInt is sum over int2 and int4, whose result is int8.
func sumInt() expr.Accumulator {
	sum, n := int64(0), 0
	return fold(func(v value.Value) error {
		s, ok := value.AddInt64(sum, v.AsInt64())
		if !ok {
			_, err := width8.overflow()
			return err
		}
		sum, n = s, n+1
		return nil
	}, func() (value.Value, error) {
		if n == 0 {
			return null()
		}
		return int8(sum)
	})
}

func sumFloat(size int) func() expr.Accumulator {
	return func() expr.Accumulator {
		sum, n := 0.0, 0
		return fold(func(v value.Value) error {
			r, err := checked(sum+v.AsDouble(), size, true, sum, v.AsDouble())
			sum, n = r.AsDouble(), n+1
			return err
		}, func() (value.Value, error) {
			if n == 0 {
				return null()
			}
			return double(sum)
		})
	}
}

func avgFloat() expr.Accumulator {
	sum, n := 0.0, 0
	return fold(func(v value.Value) error {
		sum, n = sum+v.AsDouble(), n+1
		return nil
	}, func() (value.Value, error) {
		if n == 0 {
			return null()
		}
		return double(sum / float64(n))
	})
}

func intervalAggregate(avg bool) func() expr.Accumulator {
	return func() expr.Accumulator {
		sum, n := sqltype.Span{}, 0
		return fold(func(v value.Value) error {
			r, err := addSpans(1)(nil, []value.Value{sum.Value(), v})
			sum, n = span(r), n+1
			return err
		}, func() (value.Value, error) {
			switch {
			case n == 0:
				return null()
			case avg:
				return scaleSpan(sum, 1/float64(n))
			}
			return interval(sum)
		})
	}
}

func firstValue() expr.Accumulator {
	r := value.Null()
	return fold(func(v value.Value) error {
		if r.IsNullish() {
			r = v
		}
		return nil
	}, func() (value.Value, error) { return r, nil })
}

func accumulators() map[string]func() expr.Accumulator {
	m := map[string]func() expr.Accumulator{
		"count": count, "sum_int": sumInt, "sum_int8": sumNumeric, "sum_numeric": sumNumeric,
		"sum_float4": sumFloat(32), "sum_float8": sumFloat(64), "sum_interval": intervalAggregate(false),
		"avg_int": avgNumeric, "avg_numeric": avgNumeric, "avg_float4": avgFloat, "avg_float8": avgFloat, "avg_interval": intervalAggregate(true),
		"bool_and": boolAggregate(true), "bool_or": boolAggregate(false),
		"bit_and":   bitAggregate(func(x, y int64) int64 { return x & y }),
		"bit_or":    bitAggregate(func(x, y int64) int64 { return x | y }),
		"bit_xor":   bitAggregate(func(x, y int64) int64 { return x ^ y }),
		"any_value": firstValue,
	}
	for _, op := range []string{"and", "or", "xor"} {
		m["bit_"+op+"_bit"] = bitsAggregate(bitFuncs[op+"_bit"])
	}
	for suffix, f := range map[string]func(a, b value.Value) int{
		"": compareValues, "_interval": compareIntervals, "_array": compareArrays, "_timetz": compareTimetz, "_bpchar": compareBpchar,
		"_inet": compareInets,
	} {
		m["min"+suffix], m["max"+suffix] = extreme(f, -1), extreme(f, 1)
	}
	addListAggregates(m)
	addStatistics(m)
	addOrdered(m)
	return m
}
