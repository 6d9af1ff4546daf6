package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// minMaxAcc is $min and $max; null and missing do not count.
type minMaxAcc struct {
	best value.Value
	sign int // 1: $max, -1: $min
	coll *value.Collation
}

func compileMinMax(c *compiler, e *extractor, name string, arg bson.RawValue, s *accSpec) (err error) {
	sign := 1
	if name == "$min" {
		sign = -1
	}
	coll := c.env.Collation
	s.make = func(*expr.Context) (accumulator, error) { return &minMaxAcc{sign: sign, coll: coll}, nil }
	s.arg, err = unaryArg(c, e, name, arg)
	return err
}

func (a *minMaxAcc) add(v value.Value) error {
	if v.IsNullish() {
		return nil
	}
	if a.best.IsMissing() || value.CompareCollated(v, a.best, a.coll)*a.sign > 0 {
		a.best = v.Clone()
	}
	return nil
}

func (a *minMaxAcc) result() (value.Value, error) { return orNull(a.best), nil }
func (a *minMaxAcc) size() int                    { return 48 + held(a.best) }

func orNull(v value.Value) value.Value {
	if v.IsMissing() {
		return value.Null()
	}
	return v
}

// held is about how many bytes a value keeps outside of itself.
func held(v value.Value) int {
	switch v.Kind() {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return len(v.Str())
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return len(v.Doc())
	case bson.TypeBinary:
		_, b := v.AsBinary()
		return len(b)
	}
	return 0
}

// firstAcc is $first.
type firstAcc struct {
	v    value.Value
	some bool
}

func (a *firstAcc) add(v value.Value) error {
	if !a.some {
		a.v, a.some = v.Clone(), true
	}
	return nil
}
func (a *firstAcc) result() (value.Value, error) { return orNull(a.v), nil }
func (a *firstAcc) size() int                    { return 48 + held(a.v) }

// lastAcc is $last. It reuses its buffer, as it copies every value.
type lastAcc struct {
	v   value.Value
	buf []byte
}

func (a *lastAcc) add(v value.Value) error {
	if held(v) == 0 {
		a.v = v
		return nil
	}
	a.buf = v.AppendPayload(a.buf[:0])
	a.v = value.Of(v.Kind(), a.buf)
	return nil
}
func (a *lastAcc) result() (value.Value, error) { return orNull(a.v), nil }
func (a *lastAcc) size() int                    { return 48 + cap(a.buf) }
