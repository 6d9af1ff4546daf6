package sqlfunc

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

// ArraySlice is the local operator (array, mask, bounds …): the mask has two
// letters for each dimension, n for a bound among the arguments and - for an
// open end.
const ArraySlice = "array_slice"

func arraySlice(_ *expr.Context, a []value.Value) (value.Value, error) {
	mask, next := text(a[1]), 2
	bounds := make([]bound, len(mask)/2)
	for i := range bounds {
		for j, to := range []**int{&bounds[i].lo, &bounds[i].hi} {
			if mask[2*i+j] == 'n' {
				n := int(a[next].AsInt64())
				*to, next = &n, next+1
			}
		}
	}
	out, ok := cutArray(a[0], bounds)
	if !ok {
		return value.ArrayFrom(nil), nil
	}
	return out, nil
}

type bound struct{ lo, hi *int }

// cutArray is the part of an array between bounds; false where nothing is left.
func cutArray(v value.Value, bounds []bound) (value.Value, bool) {
	if len(bounds) == 0 {
		return v, true
	}
	if !v.IsArray() {
		return v, false
	}
	all := items(v)
	lo, hi := 1, len(all)
	if b := bounds[0].lo; b != nil {
		lo = max(lo, *b)
	}
	if b := bounds[0].hi; b != nil {
		hi = min(hi, *b)
	}
	if lo > hi {
		return v, false
	}
	part := make([]value.Value, 0, hi-lo+1)
	for _, x := range all[lo-1 : hi] {
		y, ok := cutArray(x, bounds[1:])
		if !ok {
			return v, false
		}
		part = append(part, y)
	}
	return value.ArrayFrom(part), true
}

// ArrayPut is the local operator (array, subscript, item) that gives the array
// with the item at its place.
const ArrayPut = "array_put"

// Late is the local operator that gives its argument, of which nothing is known
// before it is computed for a row.
const Late = "late"

func late(_ *expr.Context, a []value.Value) (value.Value, error) { return a[0], nil }

func arrayPut(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[1].IsNullish() {
		return failf("22004", "array subscript in assignment must not be null")
	}
	var all []value.Value
	if a[0].IsArray() {
		all = items(a[0])
	}
	i := int(a[1].AsInt64())
	if i < 1 || len(all) == 0 && i > 1 {
		return fail(sqlerr.Unsupported(0, "Begin the array with item 1.", "arrays that do not begin at 1 are not supported"))
	}
	if i > 1<<20 {
		return failf(sqlerr.ProgramLimitExceeded, "array size exceeds the maximum allowed")
	}
	for len(all) < i {
		all = append(all, value.Null())
	}
	if all[i-1] = a[2]; a[2].IsMissing() {
		all[i-1] = value.Null()
	}
	return value.ArrayFrom(all), nil
}
