package agg

import (
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// compilePercentile compiles $median and $percentile. The method
// "approximate" is answered exactly: all numbers are kept.
func compilePercentile(c *compiler, e *extractor, name string, arg bson.RawValue, s *accSpec) error {
	if arg.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(7429703, "specification must be an object; found %s", name)
	}
	fields := map[string]value.Value{}
	for it := value.Walk(arg.Value); it.Next(); {
		switch k := it.Key(); {
		case k == "input", k == "method", k == "p" && name == "$percentile":
			fields[k] = it.Value()
		default:
			return unknownField(name, k)
		}
	}
	for _, k := range []string{"input", "method"} {
		if fields[k].IsMissing() {
			return missingField(name, k)
		}
	}
	if m := fields["method"]; !m.IsString() || m.Str() != "approximate" {
		return mongoerr.New(mongoerr.BadValue, "Currently only 'approximate' can be used as percentile 'method'.")
	}
	ps, err := c.percentiles(name, fields["p"])
	if err != nil {
		return err
	}
	s.make = func(*expr.Context) (accumulator, error) {
		return &percentileAcc{ps: ps, median: name == "$median"}, nil
	}
	s.arg, err = e.input(c, fields["input"].RawValue())
	return err
}

func (c *compiler) percentiles(name string, p value.Value) ([]float64, error) {
	if name == "$median" {
		return []float64{0.5}, nil
	}
	if p.IsMissing() {
		return nil, missingField(name, "p")
	}
	e, err := c.expr(p.RawValue())
	if err != nil {
		return nil, err
	}
	v, ok := expr.Constant(e)
	if !ok {
		return nil, mongoerr.New(7750300, "The $percentile 'p' field must be an array of constant values, but found value: %s.", show(p))
	}
	if !v.IsArray() || value.Len(v.Doc()) == 0 {
		return nil, mongoerr.New(7750301, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", show(v))
	}
	var ps []float64
	for it := value.Walk(v.Doc()); it.Next(); {
		f := it.Value().AsDouble()
		if !it.Value().IsNumber() {
			return nil, mongoerr.New(7750302, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", show(it.Value()))
		}
		if !(f >= 0 && f <= 1) {
			return nil, mongoerr.New(7750303, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", show(it.Value()))
		}
		ps = append(ps, f)
	}
	return ps, nil
}

type percentileAcc struct {
	ps     []float64
	median bool
	vals   []float64
}

func (a *percentileAcc) add(v value.Value) error {
	if v.IsNumber() && !v.IsNaN() {
		a.vals = append(a.vals, v.AsDouble())
	}
	return nil
}

func (a *percentileAcc) result() (value.Value, error) {
	sorted := slices.Clone(a.vals)
	slices.Sort(sorted)
	out := make([]value.Value, len(a.ps))
	for i, p := range a.ps {
		out[i] = value.Null()
		if n := len(sorted); n > 0 {
			rank := int(math.Ceil(p*float64(n))) - 1
			out[i] = value.Double(sorted[max(rank, 0)])
		}
	}
	if a.median {
		return out[0], nil
	}
	return value.ArrayFrom(out), nil
}

func (a *percentileAcc) size() int { return 64 + 8*cap(a.vals) }
