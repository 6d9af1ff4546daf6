package sqlfunc

import (
	"math"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
)

// moments are count, mean and sums of squares by Youngs and Cramer's updates.
type moments struct {
	n            float64
	sx, sxx      float64
	sy, syy, sxy float64
	overflow     bool
}

func (m *moments) add(x, y float64) {
	m.n++
	sx, sy := m.sx, m.sy
	m.sx += x
	m.sy += y
	if m.n > 1 {
		tx, ty := x*m.n-m.sx, y*m.n-m.sy
		scale := 1 / (m.n * (m.n - 1))
		m.sxx += tx * tx * scale
		m.syy += ty * ty * scale
		m.sxy += tx * ty * scale
		m.odd(x, sx, &m.sx, &m.sxx)
		m.odd(y, sy, &m.sy, &m.syy)
		if math.IsInf(m.sxy, 0) {
			m.sxy = math.NaN()
		}
		return
	}
	if odd(x) {
		m.sxx, m.sxy = math.NaN(), math.NaN()
	}
	if odd(y) {
		m.syy, m.sxy = math.NaN(), math.NaN()
	}
}

func odd(x float64) bool { return math.IsInf(x, 0) || math.IsNaN(x) }

// odd looks after sums that an infinity came into: the squares are NaN if one
// was among the values, else the range is too small for them.
func (m *moments) odd(x, before float64, sum, squares *float64) {
	if math.IsInf(*sum, 0) || math.IsInf(*squares, 0) {
		if !math.IsInf(before, 0) && !math.IsInf(x, 0) {
			m.overflow = true
		}
		*squares = math.NaN()
	}
}

// variance of floats; sample divides by n-1, root gives the deviation.
func floatVariance(sample, root bool) func() expr.Accumulator {
	return func() expr.Accumulator {
		var m moments
		return fold(func(v value.Value) error { m.add(v.AsDouble(), 0); return nil }, func() (value.Value, error) {
			n := m.n
			if m.overflow {
				return floatOverflow()
			}
			if sample {
				n--
			}
			if n <= 0 {
				return null()
			}
			r := m.sxx / n
			if root {
				r = math.Sqrt(r)
			}
			return double(r)
		})
	}
}

// numericVariance is exact: (n·Σx² - (Σx)²) / (n·n or n·(n-1)).
func numericVariance(sample, root bool) func() expr.Accumulator {
	return func() expr.Accumulator {
		var sum, squares apd.Decimal
		n, odd := int64(0), false
		return fold(func(v value.Value) error {
			d := dec(v)
			n++
			if d.Form != apd.Finite {
				odd = true
				return nil
			}
			squares = *value.ExactAdd(&squares, value.ExactMul(d, d))
			sum = *value.ExactAdd(&sum, d)
			return nil
		}, func() (value.Value, error) {
			switch {
			case n == 0 || sample && n == 1:
				return null()
			case odd:
				return numeric(nan())
			}
			return variance(&sum, &squares, n, sample, root)
		})
	}
}

func variance(sum, squares *apd.Decimal, n int64, sample, root bool) (value.Value, error) {
	a := value.ExactAdd(value.ExactMul(squares, apd.New(n, 0)), negated(value.ExactMul(sum, sum)))
	if a.Sign() <= 0 {
		return numeric(new(apd.Decimal))
	}
	m := n
	if sample {
		m = n - 1
	}
	den := value.ExactMul(apd.New(n, 0), apd.New(m, 0))
	r, err := divNumeric(a, den)
	if err != nil {
		return fail(err)
	}
	if root {
		r = sqrtScaled(r, scaleOf(r))
	}
	return numeric(r)
}

// regression is an aggregate over pairs (Y, X) without NULLs.
func regression(result func(m *moments) (float64, bool)) func() expr.Accumulator {
	return func() expr.Accumulator {
		var m moments
		return &aggregate{
			add: func(a []value.Value) error {
				if !a[0].IsNullish() && !a[1].IsNullish() {
					m.add(a[1].AsDouble(), a[0].AsDouble())
				}
				return nil
			},
			result: func() (value.Value, error) {
				if m.overflow {
					return floatOverflow()
				}
				r, ok := result(&m)
				if !ok {
					return null()
				}
				return double(r)
			},
		}
	}
}

func regrCount() expr.Accumulator {
	n := int64(0)
	return &aggregate{
		add: func(a []value.Value) error {
			if !a[0].IsNullish() && !a[1].IsNullish() {
				n++
			}
			return nil
		},
		result: func() (value.Value, error) { return int8(n) },
	}
}

func rSquared(m *moments) (float64, bool) {
	switch {
	case m.n == 0 || m.sxx == 0:
		return 0, false
	case m.syy == 0:
		return 1, true
	}
	return m.sxy * m.sxy / (m.sxx * m.syy), true
}

func addStatistics(m map[string]func() expr.Accumulator) {
	for name, f := range map[string][2]bool{"var_pop": {false, false}, "var_samp": {true, false}, "stddev_pop": {false, true}, "stddev_samp": {true, true}} {
		m[name+"_float"] = floatVariance(f[0], f[1])
		m[name+"_numeric"] = numericVariance(f[0], f[1])
	}
	for name, f := range map[string]func(m *moments) (float64, bool){
		"corr": func(m *moments) (float64, bool) {
			return m.sxy / math.Sqrt(m.sxx*m.syy), m.n > 0 && m.sxx != 0 && m.syy != 0
		},
		"covar_pop":      func(m *moments) (float64, bool) { return m.sxy / m.n, m.n > 0 },
		"covar_samp":     func(m *moments) (float64, bool) { return m.sxy / (m.n - 1), m.n > 1 },
		"regr_avgx":      func(m *moments) (float64, bool) { return m.sx / m.n, m.n > 0 },
		"regr_avgy":      func(m *moments) (float64, bool) { return m.sy / m.n, m.n > 0 },
		"regr_sxx":       func(m *moments) (float64, bool) { return m.sxx, m.n > 0 },
		"regr_syy":       func(m *moments) (float64, bool) { return m.syy, m.n > 0 },
		"regr_sxy":       func(m *moments) (float64, bool) { return m.sxy, m.n > 0 },
		"regr_r2":        rSquared,
		"regr_slope":     func(m *moments) (float64, bool) { return m.sxy / m.sxx, m.n > 0 && m.sxx != 0 },
		"regr_intercept": func(m *moments) (float64, bool) { return (m.sy - m.sx*m.sxy/m.sxx) / m.n, m.n > 0 && m.sxx != 0 },
	} {
		m[name] = regression(f)
	}
	m["regr_count"] = regrCount
}
