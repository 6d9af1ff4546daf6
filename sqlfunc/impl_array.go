package sqlfunc

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

// dimensions of an array; none for the empty one.
func dimensions(v value.Value) []int {
	in := items(v)
	if len(in) == 0 {
		return nil
	}
	if in[0].IsArray() {
		return append([]int{len(in)}, dimensions(in[0])...)
	}
	return []int{len(in)}
}

func dimension(v value.Value, n int64) (int, bool) {
	d := dimensions(v)
	if n < 1 || int(n) > len(d) {
		return 0, false
	}
	return d[n-1], true
}

func arrayLen(_ *expr.Context, a []value.Value) (value.Value, error) {
	n, ok := dimension(a[0], a[1].AsInt64())
	if !ok {
		return null()
	}
	return int4(n)
}

func arrayLower(_ *expr.Context, a []value.Value) (value.Value, error) {
	if _, ok := dimension(a[0], a[1].AsInt64()); !ok {
		return null()
	}
	return int4(1)
}

func arrayDims(_ *expr.Context, a []value.Value) (value.Value, error) {
	d := dimensions(a[0])
	if len(d) == 0 {
		return null()
	}
	var b strings.Builder
	for _, n := range d {
		b.WriteString("[1:" + strconv.Itoa(n) + "]")
	}
	return str(b.String())
}

// flat lists the elements of all dimensions.
func flat(v value.Value) []value.Value {
	var out []value.Value
	for _, e := range items(v) {
		if e.IsArray() {
			out = append(out, flat(e)...)
		} else {
			out = append(out, e)
		}
	}
	return out
}

func arrayAppend(_ *expr.Context, a []value.Value) (value.Value, error) {
	return value.ArrayFrom(append(items(a[0]), a[1])), nil
}

func arrayPrepend(_ *expr.Context, a []value.Value) (value.Value, error) {
	return value.ArrayFrom(append([]value.Value{a[0]}, items(a[1])...)), nil
}

func arrayCat(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, y := a[0], a[1]
	switch {
	case x.IsNullish():
		return y, nil
	case y.IsNullish():
		return x, nil
	}
	dx, dy := dimensions(x), dimensions(y)
	switch {
	case len(dx) == 0:
		return y, nil
	case len(dy) == 0:
		return x, nil
	case len(dx) == len(dy)+1 && slices.Equal(dx[1:], dy):
		return value.ArrayFrom(append(items(x), y)), nil
	case len(dy) == len(dx)+1 && slices.Equal(dy[1:], dx):
		return value.ArrayFrom(append([]value.Value{x}, items(y)...)), nil
	case len(dx) != len(dy) || !slices.Equal(dx[1:], dy[1:]):
		return failf(sqlerr.ArraySubscriptError, "cannot concatenate incompatible arrays")
	}
	return value.ArrayFrom(append(items(x), items(y)...)), nil
}

func multiDimensional(what string) (value.Value, error) {
	return failf(sqlerr.FeatureNotSupported, "%s multidimensional arrays is not supported", what)
}

func arrayPosition(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return null()
	}
	if len(dimensions(a[0])) > 1 {
		return multiDimensional("searching for elements in")
	}
	from := int64(1)
	if len(a) > 2 {
		if a[2].IsNullish() {
			return failf(sqlerr.NullValueNotAllowed, "initial position must not be null")
		}
		from = max(a[2].AsInt64(), 1)
	}
	for i, e := range items(a[0]) {
		if int64(i+1) >= from && compareItems(e, a[1]) == 0 {
			return int4(i + 1)
		}
	}
	return null()
}

func arrayPositions(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return null()
	}
	if len(dimensions(a[0])) > 1 {
		return fail(sqlerr.New(sqlerr.FeatureNotSupported, "searching for elements in multidimensional arrays is not supported"))
	}
	var out []value.Value
	for i, e := range items(a[0]) {
		if compareItems(e, a[1]) == 0 {
			out = append(out, value.Int32(int32(i+1)))
		}
	}
	return value.ArrayFrom(out), nil
}

func arrayRemove(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return null()
	}
	if len(dimensions(a[0])) > 1 {
		return multiDimensional("removing elements from")
	}
	var out []value.Value
	for _, e := range items(a[0]) {
		if compareItems(e, a[1]) != 0 {
			out = append(out, e)
		}
	}
	return value.ArrayFrom(out), nil
}

func arrayReplace(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return null()
	}
	in := items(a[0])
	for i, e := range in {
		if e.IsArray() {
			in[i], _ = arrayReplace(nil, []value.Value{e, a[1], a[2]})
		} else if compareItems(e, a[1]) == 0 {
			in[i] = a[2]
		}
	}
	return value.ArrayFrom(in), nil
}

func arrayToString(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() || a[1].IsNullish() {
		return null()
	}
	var parts []string
	for _, e := range flat(a[0]) {
		switch {
		case !e.IsNullish():
			parts = append(parts, text(e))
		case len(a) > 2 && !a[2].IsNullish():
			parts = append(parts, text(a[2]))
		}
	}
	return joined(parts, text(a[1]))
}

func trimArray(_ *expr.Context, a []value.Value) (value.Value, error) {
	in, n := items(a[0]), a[1].AsInt64()
	if n < 0 || n > int64(len(in)) {
		return failf(sqlerr.ArraySubscriptError, "number of elements to trim must be between 0 and %d", len(in))
	}
	return value.ArrayFrom(in[:len(in)-int(n)]), nil
}

func arrayFill(_ *expr.Context, a []value.Value) (value.Value, error) {
	if len(a) < 2 || a[1].IsNullish() {
		return failf(sqlerr.NullValueNotAllowed, "dimension array or low bound array cannot be null")
	}
	if len(a) > 2 {
		for _, lo := range items(a[2]) {
			if lo.AsInt64() != 1 {
				return fail(sqlerr.Unsupported(0, "Leave the bounds out.", "arrays that do not begin at 1 are not supported"))
			}
		}
	}
	total := int64(1)
	dims := items(a[1])
	for _, d := range dims {
		if d.IsNullish() {
			return failf(sqlerr.NullValueNotAllowed, "dimension values cannot be null")
		}
		if total *= d.AsInt64(); total < 0 || total > 1<<22 {
			return failf(sqlerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", 1<<22)
		}
	}
	if total == 0 || len(dims) == 0 {
		return value.ArrayFrom(nil), nil
	}
	if total*int64(a[0].Size()) > maxBytes {
		return fail(tooLong())
	}
	return filled(a[0], dims), nil
}

func filled(v value.Value, dims []value.Value) value.Value {
	if len(dims) == 0 {
		return v
	}
	sub := filled(v, dims[1:])
	out := make([]value.Value, dims[0].AsInt64())
	for i := range out {
		out[i] = sub
	}
	return value.ArrayFrom(out)
}

// containsAll is @> of arrays: every element of b is in a; NULLs never are.
func containsAll(a, b value.Value) bool {
	in := flat(a)
	for _, want := range flat(b) {
		if !member(in, want) {
			return false
		}
	}
	return true
}

func member(in []value.Value, want value.Value) bool {
	if want.IsNullish() {
		return false
	}
	for _, e := range in {
		if !e.IsNullish() && compareItems(e, want) == 0 {
			return true
		}
	}
	return false
}

func arrayOverlap(_ *expr.Context, a []value.Value) (value.Value, error) {
	in := flat(a[0])
	for _, e := range flat(a[1]) {
		if member(in, e) {
			return boolean(true)
		}
	}
	return boolean(false)
}

func arraySort(_ *expr.Context, a []value.Value) (value.Value, error) {
	in := items(a[0])
	sort.SliceStable(in, func(i, j int) bool { return compareItems(in[i], in[j]) < 0 })
	return value.ArrayFrom(in), nil
}

func arrayReverse(_ *expr.Context, a []value.Value) (value.Value, error) {
	in := items(a[0])
	for i, j := 0, len(in)-1; i < j; i, j = i+1, j-1 {
		in[i], in[j] = in[j], in[i]
	}
	return value.ArrayFrom(in), nil
}

func widthBucketArray(_ *expr.Context, a []value.Value) (value.Value, error) {
	if len(dimensions(a[1])) > 1 {
		return failf(sqlerr.ArraySubscriptError, "thresholds must be one-dimensional array")
	}
	n := 0
	for _, e := range items(a[1]) {
		if e.IsNullish() {
			return failf(sqlerr.NullValueNotAllowed, "thresholds array must not contain NULLs")
		}
		if compareItems(e, a[0]) <= 0 {
			n++
		}
	}
	return int4(n)
}

var arrayFuncs = map[string]evaluator{
	ArraySlice: arraySlice, ArrayPut: arrayPut, Late: late,
	"array_length": arrayLen, "array_upper": arrayLen, "array_lower": arrayLower, "array_dims": arrayDims,
	"array_ndims": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if n := len(dimensions(a[0])); n > 0 {
			return int4(n)
		}
		return null()
	},
	"cardinality":  func(_ *expr.Context, a []value.Value) (value.Value, error) { return int4(len(flat(a[0]))) },
	"array_append": arrayAppend, "array_prepend": arrayPrepend, "array_cat": arrayCat,
	"array_position": arrayPosition, "array_positions": arrayPositions, "array_remove": arrayRemove, "array_replace": arrayReplace,
	"array_to_string": arrayToString, "trim_array": trimArray, "array_fill": arrayFill,
	"arraycontains":  func(_ *expr.Context, a []value.Value) (value.Value, error) { return boolean(containsAll(a[0], a[1])) },
	"arraycontained": func(_ *expr.Context, a []value.Value) (value.Value, error) { return boolean(containsAll(a[1], a[0])) },
	"arrayoverlap":   arrayOverlap, "array_sort": arraySort, "array_reverse": arrayReverse,
	"width_bucket_anycompatible": widthBucketArray,
	"num_nulls":                  func(_ *expr.Context, a []value.Value) (value.Value, error) { return int4(countNulls(a)) },
	"num_nonnulls":               func(_ *expr.Context, a []value.Value) (value.Value, error) { return int4(len(a) - countNulls(a)) },
}

func countNulls(a []value.Value) int {
	n := 0
	for _, v := range a {
		if v.IsNullish() || v.Kind() == bson.TypeUndefined {
			n++
		}
	}
	return n
}
