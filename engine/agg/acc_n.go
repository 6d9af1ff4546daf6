package agg

import (
	"bytes"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// compileN compiles $firstN, $lastN, $minN and $maxN: {input: …, n: …}.
func compileN(c *compiler, e *extractor, name string, arg bson.RawValue, s *accSpec) error {
	if arg.Type != bson.TypeEmbeddedDocument {
		code := int32(5787801)
		if name == "$minN" || name == "$maxN" {
			code = 5787900
		}
		return mongoerr.New(code, "specification must be an object; found %s", name)
	}
	var in, n bson.RawValue
	for it := value.Walk(arg.Value); it.Next(); {
		switch it.Key() {
		case "input":
			in = it.Value().RawValue()
		case "n":
			n = it.Value().RawValue()
		default:
			return mongoerr.New(5787901, "Unknown argument for 'n' operator: %s", it.Key())
		}
	}
	if n.Type == 0 {
		return mongoerr.New(5787906, "Missing value for 'n'")
	}
	if in.Type == 0 {
		return mongoerr.New(5787907, "Missing value for 'input'")
	}
	count, err := c.nArg(n)
	if err != nil {
		return err
	}
	if s.arg, err = e.input(c, in); err != nil {
		return err
	}
	coll := c.env.Collation
	s.make = func(x *expr.Context) (accumulator, error) {
		n, err := count(x)
		if err != nil {
			return nil, err
		}
		return newNAcc(name, n, coll), nil
	}
	return nil
}

func newNAcc(name string, n int64, coll *value.Collation) accumulator {
	switch name {
	case "$firstN":
		return &firstNAcc{n: n}
	case "$lastN":
		return &lastNAcc{n: n}
	case "$minN":
		return &extremeNAcc{n: int(min(n, 1<<31)), coll: coll}
	}
	return &extremeNAcc{n: int(min(n, 1<<31)), desc: true, coll: coll}
}

// nArg compiles n, which may use the group's key but not the documents.
func (c *compiler) nArg(raw bson.RawValue) (func(x *expr.Context) (int64, error), error) {
	e, err := c.expr(raw)
	if err != nil {
		return nil, err
	}
	if v, ok := expr.Constant(e); ok {
		n, err := checkN(v)
		return func(*expr.Context) (int64, error) { return n, nil }, err
	}
	return func(x *expr.Context) (int64, error) {
		v, err := e.Eval(x)
		if err != nil {
			return 0, err
		}
		return checkN(v)
	}, nil
}

func checkN(v value.Value) (int64, error) {
	if !v.IsNumber() {
		return 0, mongoerr.New(5787902, "Value for 'n' must be of integral type, but found %s", show(v))
	}
	n, ok := v.Integral()
	if !ok {
		return 0, mongoerr.New(5787903, "Value for 'n' must be of integral type, but found %s", show(v))
	}
	if n <= 0 {
		return 0, mongoerr.New(5787908, "'n' must be greater than 0, found %d", n)
	}
	return n, nil
}

// firstNAcc is $firstN; a missing value counts as null.
type firstNAcc struct {
	n     int64
	items arrayBuilder
}

func (a *firstNAcc) add(v value.Value) error {
	if int64(a.items.n) < a.n {
		a.items.add(v)
	}
	return nil
}
func (a *firstNAcc) result() (value.Value, error) { return a.items.array(), nil }
func (a *firstNAcc) size() int                    { return 56 + cap(a.items.buf) }

// lastNAcc is $lastN, a ring of the last values.
type lastNAcc struct {
	n     int64
	ring  []value.Value
	next  int
	bytes int
}

func (a *lastNAcc) add(v value.Value) error {
	v = orNull(v).Clone()
	a.bytes += held(v)
	if int64(len(a.ring)) < a.n {
		a.ring = append(a.ring, v)
		return nil
	}
	a.bytes -= held(a.ring[a.next])
	a.ring[a.next] = v
	a.next = (a.next + 1) % len(a.ring)
	return nil
}

func (a *lastNAcc) result() (value.Value, error) {
	ordered := append(append([]value.Value(nil), a.ring[a.next:]...), a.ring[:a.next]...)
	return value.ArrayFrom(ordered), nil
}
func (a *lastNAcc) size() int { return 64 + 40*len(a.ring) + a.bytes }

// extremeNAcc is $minN and $maxN: the n best values, kept in order.
type extremeNAcc struct {
	n    int
	desc bool
	coll *value.Collation
	best rankedValues
}

func (a *extremeNAcc) add(v value.Value) error {
	if !v.IsNullish() {
		a.best.offer(value.AppendSortKeyCollated(nil, v, a.desc, a.coll), v, a.n)
	}
	return nil
}
func (a *extremeNAcc) result() (value.Value, error) { return value.ArrayFrom(a.best.values()), nil }
func (a *extremeNAcc) size() int                    { return 64 + a.best.bytes }

// rankedValues holds values in the order of their keys, first come first
// among equals.
type rankedValues struct {
	items []rankedValue
	bytes int
}

type rankedValue struct {
	key []byte
	v   value.Value
}

func (r *rankedValues) offer(key []byte, v value.Value, n int) {
	i := sort.Search(len(r.items), func(i int) bool { return bytes.Compare(r.items[i].key, key) > 0 })
	if i >= n {
		return
	}
	v = v.Clone()
	r.bytes += len(key) + held(v) + 64
	if len(r.items) < n {
		r.items = append(r.items, rankedValue{})
	} else {
		last := r.items[len(r.items)-1]
		r.bytes -= len(last.key) + held(last.v) + 64
	}
	copy(r.items[i+1:], r.items[i:])
	r.items[i] = rankedValue{key, v}
}

func (r *rankedValues) values() []value.Value {
	out := make([]value.Value, len(r.items))
	for i, x := range r.items {
		out[i] = x.v
	}
	return out
}
