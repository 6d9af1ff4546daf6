package sqlfunc

import (
	"math"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// ordered collects the ordered values; direct are the direct arguments.
func ordered(result func(vs []value.Value, direct []value.Value) (value.Value, error)) func() expr.Accumulator {
	return func() expr.Accumulator {
		var vs, direct []value.Value
		return &aggregate{
			add: func(a []value.Value) error {
				if direct == nil {
					for _, d := range a[1:] {
						direct = append(direct, d.Clone())
					}
				}
				if !a[0].IsNullish() {
					vs = append(vs, a[0].Clone())
				}
				return nil
			},
			result: func() (value.Value, error) {
				if len(vs) == 0 {
					return null()
				}
				return result(vs, direct)
			},
		}
	}
}

func fraction(v value.Value) (float64, error) {
	p := v.AsDouble()
	if p < 0 || p > 1 || math.IsNaN(p) {
		return 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "percentile value %g is not between 0 and 1", p)
	}
	return p, nil
}

func percentileDisc(vs []value.Value, p float64) (value.Value, error) {
	return vs[max(int(math.Ceil(p*float64(len(vs)))), 1)-1], nil
}

func percentileCont(vs []value.Value, p float64) (value.Value, error) {
	at := p * float64(len(vs)-1)
	lo, hi := vs[int(math.Floor(at))], vs[int(math.Ceil(at))]
	f := at - math.Floor(at)
	if f == 0 {
		if lo.IsNumber() {
			return double(lo.AsDouble())
		}
		return lo, nil
	}
	if lo.IsDocument() {
		a, b := span(lo), span(hi)
		d, err := scaleSpan(sqltype.Span{Months: b.Months - a.Months, Days: b.Days - a.Days, Micros: b.Micros - a.Micros}, f)
		if err != nil {
			return fail(err)
		}
		return addSpans(1)(nil, []value.Value{lo, d})
	}
	return double(lo.AsDouble() + f*(hi.AsDouble()-lo.AsDouble()))
}

// percentile takes a fraction or an array of them.
func percentile(one func(vs []value.Value, p float64) (value.Value, error)) func() expr.Accumulator {
	return ordered(func(vs, direct []value.Value) (value.Value, error) {
		if len(direct) == 0 || direct[0].IsNullish() {
			return null()
		}
		return percentiles(vs, direct[0], one)
	})
}

// percentiles gives the shape of the fractions: one, or an array of any dimensions.
func percentiles(vs []value.Value, of value.Value, one func(vs []value.Value, p float64) (value.Value, error)) (value.Value, error) {
	switch {
	case of.IsNullish():
		return null()
	case !of.IsArray():
		p, err := fraction(of)
		if err != nil {
			return fail(err)
		}
		return one(vs, p)
	}
	var out []value.Value
	for _, d := range items(of) {
		v, err := percentiles(vs, d, one)
		if err != nil {
			return fail(err)
		}
		out = append(out, v)
	}
	return value.ArrayFrom(out), nil
}

// mode is the most frequent value, the first of equally frequent ones.
func mode(vs, _ []value.Value) (value.Value, error) {
	best, bestN := vs[0], 0
	for i := 0; i < len(vs); {
		j := i
		for j < len(vs) && compareItems(vs[j], vs[i]) == 0 {
			j++
		}
		if j-i > bestN {
			best, bestN = vs[i], j-i
		}
		i = max(j, i+1)
	}
	return best, nil
}

func addOrdered(m map[string]func() expr.Accumulator) {
	m["percentile_cont_float8"], m["percentile_cont_float8_array"] = percentile(percentileCont), percentile(percentileCont)
	m["percentile_disc"] = percentile(percentileDisc)
	m["mode"] = ordered(mode)
}
