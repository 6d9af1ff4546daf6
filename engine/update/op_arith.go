package update

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// arithMod is $inc and $mul.
type arithMod struct {
	name string
	v    value.Value
}

func compileArith(_ *Update, name, path string, v value.Value) (modifier, error) {
	if !v.IsNumber() {
		verb := "increment"
		if name == "$mul" {
			verb = "multiply"
		}
		return nil, mongoerr.New(mongoerr.TypeMismatch, "Cannot %s with non-numeric argument: {%s: %s}", verb, path, v)
	}
	return &arithMod{name, v}, nil
}

func (m *arithMod) existing(a *application, t *target) error {
	old := t.at.value()
	if !old.IsNumber() {
		return mongoerr.New(mongoerr.TypeMismatch, "Cannot apply %s to a value of non-numeric type. %s has the field '%s' of non-numeric type %s",
			m.name, a.idText(), t.path[len(t.path)-1], value.TypeName(old.Kind()))
	}
	v, ok := m.calculate(old)
	if !ok {
		return mongoerr.New(mongoerr.BadValue, "Failed to apply %s operations to current value (%s) for document %s", m.name, old, a.idText())
	}
	if v.IsNaN() {
		a.replace(t, v)
		return nil
	}
	a.change(t, v)
	return nil
}

// calculate keeps integers integers: ints grow to longs, and a long that
// overflows is an error.
func (m *arithMod) calculate(old value.Value) (value.Value, bool) {
	if isInteger(old) && isInteger(m.v) {
		return m.integers(old, m.v)
	}
	if m.name == "$inc" {
		if isDouble(old) && m.v.Kind() == bson.TypeDecimal128 || isDouble(m.v) && old.Kind() == bson.TypeDecimal128 {
			// Unlike $add, this converts doubles to 15 digits, as subtraction does.
			return value.Subtract(old, value.Subtract(value.Int32(0), m.v)), true
		}
		return value.Add(old, m.v), true
	}
	return value.Multiply(old, m.v), true
}

func (m *arithMod) integers(a, b value.Value) (value.Value, bool) {
	var n int64
	var ok bool
	if m.name == "$inc" {
		n, ok = value.AddInt64(a.AsInt64(), b.AsInt64())
	} else {
		n, ok = value.MulInt64(a.AsInt64(), b.AsInt64())
	}
	if a.Kind() == bson.TypeInt64 || b.Kind() == bson.TypeInt64 {
		return value.Int64(n), ok
	}
	return value.IntOrLong(n), ok
}

func isDouble(v value.Value) bool { return v.Kind() == bson.TypeDouble }

func isInteger(v value.Value) bool {
	return v.Kind() == bson.TypeInt32 || v.Kind() == bson.TypeInt64
}

func (m *arithMod) missing(a *application, t *target) error {
	v := m.v
	if m.name == "$mul" {
		v, _ = m.calculate(value.Int32(0))
	}
	return a.create(t, v)
}

// minMaxMod is $min and $max.
type minMaxMod struct {
	sign int
	v    value.Value
	coll *value.Collation
}

func compileMinMax(u *Update, name, _ string, v value.Value) (modifier, error) {
	m := &minMaxMod{1, v, u.opts.Collation}
	if name == "$min" {
		m.sign = -1
	}
	return m, nil
}

func (m *minMaxMod) existing(a *application, t *target) error {
	if value.CompareCollated(m.v, t.at.value(), m.coll)*m.sign > 0 {
		a.change(t, m.v)
	}
	return nil
}

func (m *minMaxMod) missing(a *application, t *target) error { return a.create(t, m.v) }

// bitMod is $bit: operations in order on an integer.
type bitMod struct{ steps []bitStep }

type bitStep struct {
	op string
	v  value.Value
}

func compileBit(_ *Update, _, path string, v value.Value) (modifier, error) {
	if !v.IsDocument() {
		return nil, mongoerr.New(mongoerr.BadValue, "The $bit modifier is not compatible with a %s. You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}", value.TypeName(v.Kind()))
	}
	m := &bitMod{}
	for it := value.Walk(v.Doc()); it.Next(); {
		op, n := it.Key(), it.Value()
		if op != "and" && op != "or" && op != "xor" {
			return nil, mongoerr.New(mongoerr.BadValue, "The $bit modifier only supports 'and', 'or', and 'xor', not '%s' which is an unknown operator: {%s: %s}", op, op, n)
		}
		if !isInteger(n) {
			return nil, mongoerr.New(mongoerr.BadValue, "The $bit modifier field must be an Integer(32/64 bit); a '%s' is not supported here: {%s: %s}", value.TypeName(n.Kind()), op, n)
		}
		m.steps = append(m.steps, bitStep{op, n})
	}
	if len(m.steps) == 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "You must pass in at least one bitwise operation. The format is: {$bit: {field: {and/or/xor: #}}")
	}
	return m, nil
}

func (m *bitMod) calculate(v value.Value) value.Value {
	n, long := v.AsInt64(), v.Kind() == bson.TypeInt64
	for _, s := range m.steps {
		x := s.v.AsInt64()
		long = long || s.v.Kind() == bson.TypeInt64
		switch s.op {
		case "and":
			n &= x
		case "or":
			n |= x
		default:
			n ^= x
		}
	}
	if long {
		return value.Int64(n)
	}
	return value.Int32(int32(n))
}

func (m *bitMod) existing(a *application, t *target) error {
	old := t.at.value()
	if !isInteger(old) {
		return mongoerr.New(mongoerr.BadValue, "Cannot apply $bit to a value of non-integral type. %s has the field %s of non-integer type %s",
			a.idText(), t.path[len(t.path)-1], value.TypeName(old.Kind()))
	}
	a.change(t, m.calculate(old))
	return nil
}

func (m *bitMod) missing(a *application, t *target) error {
	return a.create(t, m.calculate(value.Int32(0)))
}
