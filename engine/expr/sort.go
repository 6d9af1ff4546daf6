package expr

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// parseSortArray compiles {$sortArray: {input, sortBy}}; sortBy is 1, -1 or a
// document of paths.
func parseSortArray(p *compiler, _ string, arg value.Value) (Expr, error) {
	if !arg.IsDocument() {
		return nil, fail(2942500, "$sortArray requires an object as an argument, found: %s", typeName(arg))
	}
	f := fields(arg.Doc())
	if k := f.unknown("input", "sortBy"); k != "" {
		return nil, fail(2942501, "$sortArray found an unknown argument: %s", k)
	}
	if f["input"].IsMissing() {
		return nil, fail(2942502, "$sortArray requires 'input' to be specified")
	}
	if f["sortBy"].IsMissing() {
		return nil, fail(2942503, "$sortArray requires 'sortBy' to be specified")
	}
	input, err := p.expr(f["input"])
	if err != nil {
		return nil, err
	}
	less, err := sortOrder(f["sortBy"], p.opts.Collation)
	if err != nil {
		return nil, err
	}
	e := &unary{a: input, fn: func(_ *Context, a value.Value) (value.Value, error) {
		switch {
		case a.IsNullish():
			return value.Null(), nil
		case !a.IsArray():
			return a, fail(2942504, "The input argument to $sortArray must be an array, but was of type: %s", typeName(a))
		}
		items := value.Items(nil, a.Doc())
		slices.SortStableFunc(items, less)
		return value.ArrayFrom(items), nil
	}}
	return p.fold(e, true, input)
}

func sortOrder(by value.Value, col *value.Collation) (func(a, b value.Value) int, error) {
	if by.IsNumber() {
		sign, err := direction(by)
		return func(a, b value.Value) int { return sign * value.CompareCollated(a, b, col) }, err
	}
	if !by.IsDocument() {
		return nil, fail(2942505, "$sortArray requires 'sortBy' to be an integer or an object")
	}
	type key struct {
		path []string
		sign int
	}
	var keys []key
	for it := value.Walk(by.Doc()); it.Next(); {
		sign, err := direction(it.Value())
		if err != nil {
			return nil, err
		}
		path, err := splitPath(it.Key())
		if err != nil {
			return nil, err
		}
		keys = append(keys, key{path, sign})
	}
	if len(keys) == 0 {
		return nil, fail(15976, "$sort stage must have at least one sort key")
	}
	return func(a, b value.Value) int {
		for _, k := range keys {
			x, y := SortKeyAt(a, k.path, k.sign, col), SortKeyAt(b, k.path, k.sign, col)
			if d := value.CompareCollated(x, y, col); d != 0 {
				return d * k.sign
			}
		}
		return 0
	}, nil
}

func direction(v value.Value) (int, error) {
	i, ok := v.Integral()
	if !ok || i != 1 && i != -1 {
		return 0, fail(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
	}
	return int(i), nil
}

// SortKeyAt is the value that a sort looks at: of the values that a path leads
// to through arrays the least (sign > 0) or the greatest; null for none, and
// undefined for an empty array.
func SortKeyAt(v value.Value, path []string, sign int, col *value.Collation) value.Value {
	best, found := value.Value{}, false
	eachSortKey(v, path, func(x value.Value) {
		if x.IsMissing() {
			x = value.Null()
		}
		if !found || value.CompareCollated(x, best, col)*sign < 0 {
			best, found = x, true
		}
	})
	if !found {
		return value.Null()
	}
	return best
}

func eachSortKey(v value.Value, path []string, visit func(value.Value)) {
	for ; len(path) > 0; path = path[1:] {
		switch v.Kind() {
		case bson.TypeEmbeddedDocument:
			v = value.Lookup(v.Doc(), path[0])
		case bson.TypeArray:
			eachItemSortKey(v, path, visit)
			return
		default:
			visit(value.Value{})
			return
		}
	}
	if !v.IsArray() {
		visit(v)
		return
	}
	n := 0
	for it := value.Walk(v.Doc()); it.Next(); n++ {
		visit(it.Value())
	}
	if n == 0 {
		visit(value.Undefined())
	}
}

func eachItemSortKey(arr value.Value, path []string, visit func(value.Value)) {
	if isPosition(path[0]) {
		if x := value.Lookup(arr.Doc(), path[0]); !x.IsMissing() {
			eachSortKey(x, path[1:], visit)
			return
		}
	}
	for it := value.Walk(arr.Doc()); it.Next(); {
		if it.Kind() == bson.TypeEmbeddedDocument {
			eachSortKey(it.Value(), path, visit)
		} else {
			visit(value.Value{})
		}
	}
}

func isPosition(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// manyOf compiles $firstN, $lastN, $minN and $maxN: {n, input}.
func manyOf(pick func(items []value.Value, n int, col *value.Collation) []value.Value) func(*compiler, string, value.Value) (Expr, error) {
	return func(p *compiler, name string, arg value.Value) (Expr, error) {
		if !arg.IsDocument() {
			code := int32(5787801)
			if name == "$minN" || name == "$maxN" {
				code = 5787900
			}
			return nil, fail(code, "specification must be an object; found %s", typeName(arg))
		}
		f := fields(arg.Doc())
		if k := f.unknown("n", "input"); k != "" {
			return nil, fail(5787901, "Unknown argument for 'n' operator: %s", k)
		}
		if f["n"].IsMissing() {
			return nil, fail(5787906, "Missing value for 'n'")
		}
		if f["input"].IsMissing() {
			return nil, fail(5787907, "Missing value for 'input'")
		}
		n, err := p.expr(f["n"])
		if err != nil {
			return nil, err
		}
		input, err := p.expr(f["input"])
		if err != nil {
			return nil, err
		}
		col := p.opts.Collation
		e := &binary{a: n, b: input, fn: func(_ *Context, n, in value.Value) (value.Value, error) {
			count, err := CountOf(n)
			if err != nil {
				return n, err
			}
			if !in.IsArray() {
				return in, fail(5788200, "Input must be an array")
			}
			return value.ArrayFrom(pick(value.Items(nil, in.Doc()), count, col)), nil
		}}
		return p.fold(e, true, n, input)
	}
}

// CountOf checks the "n" of the operators that give n values.
func CountOf(v value.Value) (int, error) {
	if !v.IsNumber() {
		return 0, fail(5787902, "Value for 'n' must be of integral type, but found %s", v)
	}
	n, ok := v.Integral()
	if !ok {
		return 0, fail(5787903, "Value for 'n' must be of integral type, but found %s", v)
	}
	if n <= 0 {
		return 0, fail(5787908, "'n' must be greater than 0, found %d", n)
	}
	return int(min(n, 1<<31-1)), nil
}

func firstN(items []value.Value, n int, _ *value.Collation) []value.Value {
	return items[:min(n, len(items))]
}

func lastN(items []value.Value, n int, _ *value.Collation) []value.Value {
	return items[max(0, len(items)-n):]
}

// extremeN is $minN (sign 1) and $maxN (-1); null and missing do not count.
func extremeN(sign int) func([]value.Value, int, *value.Collation) []value.Value {
	return func(items []value.Value, n int, col *value.Collation) []value.Value {
		items = slices.DeleteFunc(items, value.Value.IsNullish)
		slices.SortStableFunc(items, func(a, b value.Value) int { return sign * value.CompareCollated(a, b, col) })
		return items[:min(n, len(items))]
	}
}

// parsePercentile compiles $percentile and $median over an array or a number.
func parsePercentile(p *compiler, name string, arg value.Value) (Expr, error) {
	if !arg.IsDocument() {
		return nil, fail(7436100, "specification must be an object; found %s: %s", name, typeName(arg))
	}
	f := fields(arg.Doc())
	keys := []string{"input", "method", "p"}
	if name == "$median" {
		keys = keys[:2]
	}
	if k := f.unknown(keys...); k != "" {
		return nil, fail(40415, "BSON field '%s.%s' is an unknown field.", name, k)
	}
	for _, k := range keys {
		if f[k].IsMissing() {
			return nil, fail(40414, "BSON field '%s.%s' is missing but a required field", name, k)
		}
	}
	if m := f["method"]; !m.IsString() || m.Str() != "approximate" {
		return nil, mongoerr.New(mongoerr.BadValue, "Currently only 'approximate' can be used as percentile 'method'.")
	}
	ps, err := p.percentiles(name, f["p"])
	if err != nil {
		return nil, err
	}
	input, err := p.expr(f["input"])
	if err != nil {
		return nil, err
	}
	e := &unary{a: input, fn: func(_ *Context, a value.Value) (value.Value, error) {
		var numbers []float64
		if a.IsNumber() {
			numbers = append(numbers, a.AsDouble())
		} else if a.IsArray() {
			for it := value.Walk(a.Doc()); it.Next(); {
				if v := it.Value(); v.IsNumber() {
					numbers = append(numbers, v.AsDouble())
				}
			}
		}
		result := value.Percentiles(numbers, ps)
		if name == "$median" {
			return result[0], nil
		}
		return value.ArrayFrom(result), nil
	}}
	return p.fold(e, true, input)
}

// percentiles reads the constant list p; {0.5} for $median.
func (p *compiler) percentiles(name string, v value.Value) ([]float64, error) {
	if name == "$median" {
		return []float64{0.5}, nil
	}
	e, err := p.expr(v)
	if err != nil {
		return nil, err
	}
	k, ok := Constant(e)
	if !ok {
		return nil, fail(7750300, "The $percentile 'p' field must be an array of constant values, but found value: %s.", v)
	}
	if !k.IsArray() || value.Len(k.Doc()) == 0 {
		return nil, fail(7750301, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", v)
	}
	var out []float64
	for it := value.Walk(k.Doc()); it.Next(); {
		x := it.Value()
		if !x.IsNumber() {
			return nil, fail(7750302, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", x)
		}
		if f := x.AsDouble(); !(f >= 0 && f <= 1) {
			return nil, fail(7750303, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", x)
		}
		out = append(out, x.AsDouble())
	}
	return out, nil
}
