package match

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// maxConsidered is how many values an explanation shows.
const maxConsidered = 10

var numberKinds = []bson.Type{bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128}

// wording says how the failure and the success of an operator read, which
// types it looks at (nil: all) and whether it takes an array as a whole.
type wording struct {
	failed, held string
	kinds        []bson.Type
	whole        bool
}

func wordingOf(op string) wording {
	switch op {
	case "$in", "$nin":
		return wording{failed: "no matching value found in array", held: "matching value found in array"}
	case "$type":
		return wording{failed: "type did not match", held: "type did match"}
	case "$mod":
		return wording{failed: "$mod did not evaluate to expected remainder", held: "$mod did evaluate to expected remainder", kinds: numberKinds}
	case "$regex":
		return wording{failed: "regular expression did not match", held: "regular expression did match",
			kinds: []bson.Type{bson.TypeString, bson.TypeSymbol, bson.TypeRegex}}
	case "$size":
		return wording{failed: "array length was not equal to given size", held: "array length was equal to given size",
			kinds: []bson.Type{bson.TypeArray}, whole: true}
	case "$elemMatch":
		return wording{failed: "array did not satisfy the child predicate", held: "array did satisfy the child predicate",
			kinds: []bson.Type{bson.TypeArray}, whole: true}
	case "$all":
		return wording{failed: "array did not contain all specified values", held: "array did contain all specified values", whole: true}
	case "$bitsAllSet", "$bitsAllClear", "$bitsAnySet", "$bitsAnyClear":
		return wording{failed: "bitwise operator failed to match", held: "bitwise operator matched successfully",
			kinds: append(slices.Clone(numberKinds), bson.TypeBinary)}
	case "$exists":
		return wording{failed: "path does not exist", held: "path does exist"}
	case "$alwaysTrue", "$alwaysFalse":
		return wording{failed: "expression always evaluates to false", held: "expression always evaluates to true"}
	}
	return wording{failed: "comparison failed", held: "comparison succeeded"}
}

// predicate explains an operator of one field.
func (f *failure) predicate(k clause, inverted bool) bson.Raw {
	op := k.op
	switch {
	case op == "" && k.arg.Kind() == bson.TypeRegex:
		op = "$regex"
	case op == "":
		op = "$eq"
	}
	w := wordingOf(op)
	if op == "$ne" || op == "$nin" || op == "$exists" && !k.arg.Truthy() {
		inverted = !inverted
	}
	reason := w.failed
	if inverted {
		reason = w.held
	}
	var b value.Builder
	b.Add("operatorName", value.String(op))
	b.Add("specifiedAs", value.Document(k.spec()))
	if k.field == "" || op == "$exists" {
		b.Add("reason", value.String(reason))
		return b.Doc()
	}
	vals, more, found := considered(f.doc, newPath(k.field).Parts, w.whole)
	switch {
	case !found:
		b.Add("reason", value.String("field was missing"))
		return b.Doc()
	case w.kinds != nil && !slices.ContainsFunc(vals, func(v value.Value) bool { return slices.Contains(w.kinds, v.Kind()) }):
		b.Add("reason", value.String("type did not match"))
		addTypes(&b, "considered", kindsOf(vals))
		addTypes(&b, "expected", w.kinds)
	default:
		b.Add("reason", value.String(reason))
	}
	addConsidered(&b, vals, more)
	if op == "$type" {
		addTypes(&b, "considered", kindsOf(vals))
	}
	return b.Doc()
}

func kindsOf(vals []value.Value) (out []bson.Type) {
	for _, v := range vals {
		out = append(out, v.Kind())
	}
	return out
}

// addTypes adds consideredType or consideredTypes (expected…), sorted by name.
func addTypes(b *value.Builder, prefix string, kinds []bson.Type) {
	var names []string
	for _, k := range kinds {
		names = append(names, value.TypeName(k))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	switch len(names) {
	case 0:
	case 1:
		b.Add(prefix+"Type", value.String(names[0]))
	default:
		addStrings(b, prefix+"Types", names)
	}
}

func addStrings(b *value.Builder, key string, texts []string) {
	b.Open(bson.TypeArray, key)
	for _, s := range texts {
		b.Item(value.String(s))
	}
	b.Close()
}

func addConsidered(b *value.Builder, vals []value.Value, more bool) {
	if len(vals) == 1 {
		b.Add("consideredValue", vals[0])
	} else {
		b.Open(bson.TypeArray, "consideredValues")
		for _, v := range vals {
			b.Item(v)
		}
		b.Close()
	}
	if more {
		b.Add("consideredValuesTruncated", value.Bool(true))
	}
}

// considered is the values that a path leads to, the first of them; more says
// that there are others, found whether the path exists at all.
func considered(doc bson.Raw, parts []string, whole bool) (vals []value.Value, more, found bool) {
	leavesAt(value.Document(doc), parts, func(v value.Value) bool {
		switch {
		case v.IsMissing():
			return false
		case v.IsArray() && !whole:
			found = true
			for it := value.Walk(v.Doc()); it.Next() && !more; {
				vals, more = consider(vals, it.Value())
			}
		default:
			found = true
			vals, more = consider(vals, v)
		}
		return !more
	})
	return vals, more, found
}

func consider(vals []value.Value, v value.Value) ([]value.Value, bool) {
	if len(vals) == maxConsidered {
		return vals, true
	}
	return append(vals, v), false
}

// leavesAt walks a path through arrays; f ends the walk with false.
func leavesAt(v value.Value, parts []string, f func(value.Value) bool) bool {
	switch {
	case len(parts) == 0:
		return f(v)
	case v.IsDocument():
		return leavesAt(value.Lookup(v.Doc(), parts[0]), parts[1:], f)
	case !v.IsArray():
		return f(value.Value{})
	}
	index, i := positionOf(parts[0]), 0
	for it := value.Walk(v.Doc()); it.Next(); i++ {
		if it.Value().IsDocument() && !leavesAt(it.Value(), parts, f) {
			return false
		}
		if i == index && !leavesAt(it.Value(), parts[1:], f) {
			return false
		}
	}
	return true
}
