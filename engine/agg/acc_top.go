package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// topSpec is {sortBy, output, n} of $top, $topN, $bottom and $bottomN.
type topSpec struct {
	sorter *sortPattern
	output expr.Expr
	single bool
	bottom bool
}

func compileTop(c *compiler, _ *extractor, name string, arg bson.RawValue, s *accSpec) error {
	if arg.Type != bson.TypeEmbeddedDocument {
		return mongoerr.New(5788001, "specification must be an object; found %s", name)
	}
	t := &topSpec{single: name == "$top" || name == "$bottom", bottom: name == "$bottom" || name == "$bottomN"}
	fields := map[string]value.Value{}
	for it := value.Walk(arg.Value); it.Next(); {
		switch k := it.Key(); {
		case k == "sortBy", k == "output", k == "n" && !t.single:
			fields[k] = it.Value()
		default:
			return mongoerr.New(5788002, "Unknown argument to %s '%s'", name, k)
		}
	}
	count, err := t.parse(c, name, fields)
	if err != nil {
		return err
	}
	s.docs, s.sorter = true, t.sorter
	s.make = func(x *expr.Context) (accumulator, error) {
		n, err := count(x)
		return &topAcc{spec: t, n: int(min(n, 1<<31))}, err
	}
	return nil
}

func (t *topSpec) parse(c *compiler, name string, fields map[string]value.Value) (count func(*expr.Context) (int64, error), err error) {
	count = func(*expr.Context) (int64, error) { return 1, nil }
	if !t.single {
		if fields["n"].IsMissing() {
			return nil, mongoerr.New(5788003, "Missing value for 'n'")
		}
		if count, err = c.nArg(fields["n"].RawValue()); err != nil {
			return nil, err
		}
	}
	if fields["output"].IsMissing() {
		return nil, mongoerr.New(5788004, "Missing value for 'output'")
	}
	by := fields["sortBy"]
	if by.IsMissing() {
		return nil, mongoerr.New(5788005, "Missing value for 'sortBy'")
	}
	if !by.IsDocument() {
		return nil, mongoerr.New(10065, "invalid parameter: expected an object (sortBy) in the arguments to %s", name)
	}
	if t.sorter, err = c.sortPattern(by.Doc()); err != nil {
		return nil, err
	}
	t.output, err = c.expr(fields["output"].RawValue())
	return count, err
}

// topAcc keeps the n first documents in an order. The bottom ones are the
// first in the reverse order, given out backwards.
type topAcc struct {
	spec *topSpec
	n    int
	best rankedValues
	seq  uint64
}

func (a *topAcc) add(value.Value) error { return nil }

func (a *topAcc) addDoc(x *expr.Context, doc bson.Raw) error {
	key, err := a.spec.sorter.appendKey(nil, doc)
	if err != nil {
		return err
	}
	if a.spec.bottom {
		for i := range key {
			key[i] = ^key[i]
		}
		// Later documents come first among equals, so that they end up last.
		a.seq--
		key = appendUint64(key, a.seq)
	}
	v, err := a.spec.output.Eval(x)
	if err != nil {
		return err
	}
	a.best.offer(key, orNull(v), a.n)
	return nil
}

func (a *topAcc) result() (value.Value, error) {
	vals := a.best.values()
	if a.spec.bottom {
		for i, j := 0, len(vals)-1; i < j; i, j = i+1, j-1 {
			vals[i], vals[j] = vals[j], vals[i]
		}
	}
	if !a.spec.single {
		return value.ArrayFrom(vals), nil
	}
	if len(vals) == 0 {
		return value.Null(), nil
	}
	return vals[0], nil
}

func (a *topAcc) size() int { return 64 + a.best.bytes }
