package value

import (
	"math"
	"slices"
)

// Percentiles gives the discrete percentiles of numbers: for each p the least
// number that at least that share of all numbers does not exceed. Null where
// there are no numbers. It sorts the numbers.
func Percentiles(numbers []float64, ps []float64) []Value {
	slices.Sort(numbers)
	out := make([]Value, len(ps))
	for i, p := range ps {
		if len(numbers) == 0 {
			out[i] = Null()
			continue
		}
		rank := int(math.Ceil(p*float64(len(numbers)))) - 1
		out[i] = Double(numbers[min(max(rank, 0), len(numbers)-1)])
	}
	return out
}

// Deviation is the running standard deviation, by Welford's method.
type Deviation struct {
	n        int64
	mean, m2 float64
}

// Add adds a number; other values are not looked at.
func (d *Deviation) Add(v Value) {
	if !v.IsNumber() {
		return
	}
	x := v.AsDouble()
	d.n++
	delta := x - d.mean
	d.mean += delta / float64(d.n)
	d.m2 += delta * (x - d.mean)
}

// Population is the standard deviation of all numbers; null without any.
func (d *Deviation) Population() Value {
	if d.n == 0 {
		return Null()
	}
	return Double(math.Sqrt(d.m2 / float64(d.n)))
}

// Sample is the standard deviation of a sample; null below two numbers.
func (d *Deviation) Sample() Value {
	if d.n < 2 {
		return Null()
	}
	return Double(math.Sqrt(d.m2 / float64(d.n-1)))
}
