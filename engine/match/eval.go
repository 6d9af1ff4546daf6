package match

import (
	"math"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

func (n *And) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	// A range is two comparisons of one field, which need not be found twice.
	field, v := "", value.Value{}
	for _, x := range n.Of {
		if cmp, ok := x.(*Compare); ok && len(cmp.Path.Parts) == 1 {
			if name := cmp.Path.Text; name != field || name == "" {
				field, v = name, value.Lookup(doc, name)
			}
			if !anyLeaf(c, v, cmp) {
				return false, nil
			}
			continue
		}
		if ok, err := x.matches(c, doc); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (n *And) test(c *expr.Context, v value.Value) bool {
	for _, x := range n.Of {
		if !x.test(c, v) {
			return false
		}
	}
	return true
}

func (n *Or) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	for _, x := range n.Of {
		if ok, err := x.matches(c, doc); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (n *Or) test(c *expr.Context, v value.Value) bool {
	for _, x := range n.Of {
		if x.test(c, v) {
			return true
		}
	}
	return false
}

func (n *Nor) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	ok, err := (*Or)(n).matches(c, doc)
	return !ok && err == nil, err
}

func (n *Nor) test(c *expr.Context, v value.Value) bool { return !(*Or)(n).test(c, v) }

func (n *Not) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	ok, err := n.Of.matches(c, doc)
	return !ok && err == nil, err
}

func (n *Not) test(c *expr.Context, v value.Value) bool { return !n.Of.test(c, v) }

func (n *Compare) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return anyAt(c, doc, n.Path.Parts, n), nil
}

const (
	classUndefined = 2
	classNull      = 5
)

func (n *Compare) test(_ *expr.Context, v value.Value) bool {
	if class := value.Class(v.Kind()); class != n.class {
		return n.testOtherClass(class)
	}
	if v.IsNaN() || n.Value.IsNaN() {
		return v.IsNaN() && n.Value.IsNaN() && n.Op != Lt && n.Op != Gt
	}
	if n.Op == Eq {
		return value.EqualCollated(v, n.Value, n.Collation)
	}
	d := value.CompareCollated(v, n.Value, n.Collation)
	switch n.Op {
	case Lt:
		return d < 0
	case Lte:
		return d <= 0
	case Gt:
		return d > 0
	}
	return d >= 0
}

// testOtherClass knows the only comparisons across classes of types: null
// with missing or undefined, and anything with MinKey and MaxKey.
func (n *Compare) testOtherClass(class byte) bool {
	if class+n.class == classNull+classUndefined && (class == classNull || n.class == classNull) {
		return n.Op != Lt && n.Op != Gt
	}
	switch n.Value.Kind() {
	case bson.TypeMaxKey:
		return n.Op == Lt || n.Op == Lte
	case bson.TypeMinKey:
		return n.Op == Gt || n.Op == Gte
	}
	return false
}

func (n *In) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return anyAt(c, doc, n.Path.Parts, n), nil
}

func (n *In) test(c *expr.Context, v value.Value) bool {
	if n.hasNull && (v.IsMissing() || v.Kind() == bson.TypeNull) {
		return true
	}
	for _, r := range n.Patterns {
		if r.test(c, v) {
			return true
		}
	}
	if v.IsMissing() {
		return false
	}
	list := n.Values
	if n.set != nil {
		list = n.set[value.HashCollated(0, v, n.Collation)]
	}
	for _, x := range list {
		if value.EqualCollated(v, x, n.Collation) {
			return true
		}
	}
	return false
}

func (n *Exists) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	if len(n.Path.Parts) == 1 {
		return !value.Lookup(doc, n.Path.Text).IsMissing(), nil
	}
	return anyAt(c, doc, n.Path.Parts, n), nil
}

func (n *Exists) test(_ *expr.Context, v value.Value) bool { return !v.IsMissing() }

func (n *Type) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return anyAt(c, doc, n.Path.Parts, n), nil
}

func (n *Type) test(_ *expr.Context, v value.Value) bool {
	if n.Number && v.IsNumber() {
		return true
	}
	for _, t := range n.Types {
		if v.Kind() == t {
			return true
		}
	}
	return false
}

func (n *Size) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return anyAt(c, doc, n.Path.Parts, n), nil
}

func (n *Size) test(_ *expr.Context, v value.Value) bool {
	return v.IsArray() && int64(value.Len(v.Doc())) == n.N
}

func (n *Mod) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return anyAt(c, doc, n.Path.Parts, n), nil
}

func (n *Mod) test(_ *expr.Context, v value.Value) bool {
	if !v.IsNumber() || v.IsNaN() || v.IsInf() {
		return false
	}
	if value.Compare(v, value.Int64(math.MaxInt64)) > 0 || value.Compare(v, value.Int64(math.MinInt64)) < 0 {
		return false
	}
	if n.Divisor == -1 {
		return n.Remainder == 0
	}
	return v.AsInt64()%n.Divisor == n.Remainder
}

func (n *Regex) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return anyAt(c, doc, n.Path.Parts, n), nil
}

func (n *Regex) test(c *expr.Context, v value.Value) bool {
	switch v.Kind() {
	case bson.TypeString, bson.TypeSymbol:
		return searches(c, n.compiled, v.Str())
	case bson.TypeRegex:
		p, o := v.AsRegex()
		return p == n.Pattern && o == n.Options
	}
	return false
}

func (n *Bits) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return anyAt(c, doc, n.Path.Parts, n), nil
}

func (n *Bits) test(_ *expr.Context, v value.Value) bool {
	bit := bitsOf(v)
	if bit == nil {
		return false
	}
	set := n.Op == AllSet || n.Op == AnySet
	anyOf := n.Op == AnySet || n.Op == AnyClear
	for _, p := range n.Positions {
		if (bit(p) == set) == anyOf {
			return anyOf
		}
	}
	return !anyOf
}

// bitsOf reads single bits of a number or binary; nil for other values.
func bitsOf(v value.Value) func(uint32) bool {
	if v.Kind() == bson.TypeBinary {
		_, data := v.AsBinary()
		return func(p uint32) bool { return int(p/8) < len(data) && data[p/8]>>(p%8)&1 == 1 }
	}
	i, ok := v.Integral()
	if !ok && v.Kind() == bson.TypeDecimal128 && !v.IsNaN() && !v.IsInf() {
		i = v.AsInt64() // MongoDB cuts the fraction of decimals, not of doubles
		ok = i != math.MaxInt64 && i != math.MinInt64
	}
	if !ok {
		return nil
	}
	return func(p uint32) bool { return i>>min(p, 63)&1 == 1 }
}

func (n *ElemMatch) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return anyAt(c, doc, n.Path.Parts, n), nil
}

func (n *ElemMatch) test(c *expr.Context, v value.Value) bool {
	if !v.IsArray() {
		return false
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		if k := it.Kind(); k != bson.TypeEmbeddedDocument && k != bson.TypeArray {
			continue
		}
		if ok, err := n.Of.matches(c, it.Value().Doc()); ok && err == nil {
			return true
		}
	}
	return false
}

func (n *ElemMatchValue) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return anyAt(c, doc, n.Path.Parts, n), nil
}

func (n *ElemMatchValue) test(c *expr.Context, v value.Value) bool {
	if !v.IsArray() {
		return false
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		if (&And{n.Of}).test(c, it.Value()) {
			return true
		}
	}
	return false
}

func (n *Expr) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	c.Root = doc
	v, err := n.Of.Eval(c)
	return v.Truthy(), err
}

func (n *Expr) test(*expr.Context, value.Value) bool { return false }

func (n *Schema) matches(c *expr.Context, doc bson.Raw) (bool, error) {
	return n.root.valid(c, value.Document(doc)), nil
}

func (n *Schema) test(c *expr.Context, v value.Value) bool { return n.root.valid(c, v) }

func (n *Always) matches(*expr.Context, bson.Raw) (bool, error) { return n.Value, nil }

func (n *Always) test(*expr.Context, value.Value) bool { return n.Value }

func (n *Sample) matches(*expr.Context, bson.Raw) (bool, error) {
	return rand.Float64() < n.Rate, nil
}

func (n *Sample) test(*expr.Context, value.Value) bool { return rand.Float64() < n.Rate }
