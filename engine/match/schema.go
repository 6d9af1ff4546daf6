package match

import (
	"math"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// schema is one level of $jsonSchema: draft 4 of JSON Schema without $ref,
// definitions, default and format, plus bsonType. A keyword that concerns
// another type than the value's holds.
type schema struct {
	types   *Type
	numbers []func(v value.Value) bool
	strings []func(s string) bool
	arrays  []func(c *expr.Context, arr bson.Raw) bool
	objects []func(c *expr.Context, doc bson.Raw) bool
	any     []func(c *expr.Context, v value.Value) bool
	fields  *schemaFields // of objects, nil: none
}

func (s *schema) valid(c *expr.Context, v value.Value) bool {
	if s.types != nil && !s.types.test(c, v) {
		return false
	}
	for _, f := range s.any {
		if !f(c, v) {
			return false
		}
	}
	return s.validOfKind(c, v)
}

func (s *schema) validOfKind(c *expr.Context, v value.Value) bool {
	switch {
	case v.IsNumber():
		for _, f := range s.numbers {
			if !f(v) {
				return false
			}
		}
	case v.IsString():
		for _, f := range s.strings {
			if !f(v.Str()) {
				return false
			}
		}
	case v.IsArray():
		for _, f := range s.arrays {
			if !f(c, v.Doc()) {
				return false
			}
		}
	case v.IsDocument():
		if s.fields != nil && !s.fields.valid(c, v.Doc()) {
			return false
		}
		for _, f := range s.objects {
			if !f(c, v.Doc()) {
				return false
			}
		}
	}
	return true
}

// numberLimit is minimum (sign > 0) and maximum (sign < 0).
func numberLimit(limit value.Value, sign int, exclusive bool) func(value.Value) bool {
	return func(v value.Value) bool {
		if v.IsNaN() || limit.IsNaN() {
			return v.IsNaN() && limit.IsNaN() && !exclusive
		}
		d := value.Compare(v, limit) * sign
		return d > 0 || d == 0 && !exclusive
	}
}

func multipleOf(by value.Value) func(value.Value) bool {
	return func(v value.Value) bool {
		r, err := value.Mod(v.AsDecimal(), by)
		return err == nil && r.Sign() == 0 && !r.IsNaN()
	}
}

func lengthLimit(limit int64, sign int) func(string) bool {
	return func(s string) bool {
		return (int64(utf8.RuneCountInString(s))-limit)*int64(sign) >= 0
	}
}

func countLimit(limit int64, sign int) func(*expr.Context, bson.Raw) bool {
	return func(_ *expr.Context, d bson.Raw) bool {
		return (int64(value.Len(d))-limit)*int64(sign) >= 0
	}
}

func uniqueItems(_ *expr.Context, arr bson.Raw) bool {
	seen := map[uint64][]value.Value{}
	for it := value.Walk(arr); it.Next(); {
		v := sortedFields(it.Value())
		h := value.Hash(0, v)
		for _, x := range seen[h] {
			if value.Equal(x, v) {
				return false
			}
		}
		seen[h] = append(seen[h], v)
	}
	return true
}

func required(names []string) func(*expr.Context, bson.Raw) bool {
	return func(_ *expr.Context, doc bson.Raw) bool {
		for _, k := range names {
			if value.Lookup(doc, k).IsMissing() {
				return false
			}
		}
		return true
	}
}

// dependency holds when name is absent or what it depends on is there.
func dependency(name string, s *schema, names []string) func(*expr.Context, bson.Raw) bool {
	need := required(names)
	return func(c *expr.Context, doc bson.Raw) bool {
		if value.Lookup(doc, name).IsMissing() {
			return true
		}
		return need(c, doc) && (s == nil || s.valid(c, value.Document(doc)))
	}
}

// patternProperty is one entry of patternProperties.
type patternProperty struct {
	pattern *expr.Pattern
	schema  *schema
}

// properties checks patternProperties and additionalProperties together.
func properties(known map[string]bool, patterns []patternProperty, rest *schema, allowed bool) func(*expr.Context, bson.Raw) bool {
	return func(c *expr.Context, doc bson.Raw) bool {
		for it := value.Walk(doc); it.Next(); {
			k, v, found := it.Key(), it.Value(), known[it.Key()]
			for _, p := range patterns {
				if !searches(c, p.pattern, k) {
					continue
				}
				if found = true; !p.schema.valid(c, v) {
					return false
				}
			}
			if !found && (!allowed || rest != nil && !rest.valid(c, v)) {
				return false
			}
		}
		return true
	}
}

// items checks the items of an array: one schema each by position, or one for
// all, and one for what follows.
func items(each []*schema, all, rest *schema, restAllowed bool) func(*expr.Context, bson.Raw) bool {
	return func(c *expr.Context, arr bson.Raw) bool {
		i := 0
		for it := value.Walk(arr); it.Next(); i++ {
			v := it.Value()
			switch {
			case all != nil:
				if !all.valid(c, v) {
					return false
				}
			case i < len(each):
				if !each[i].valid(c, v) {
					return false
				}
			case !restAllowed || rest != nil && !rest.valid(c, v):
				return false
			}
		}
		return true
	}
}

func enum(list []value.Value) func(*expr.Context, value.Value) bool {
	for i, x := range list {
		list[i] = sortedFields(x)
	}
	return func(_ *expr.Context, v value.Value) bool {
		if v.IsDocument() || v.IsArray() {
			v = sortedFields(v)
		}
		for _, x := range list {
			if value.Equal(x, v) {
				return true
			}
		}
		return false
	}
}

// combine is allOf, anyOf and oneOf by the number of schemas that may hold.
func combine(of []*schema, least, most int) func(*expr.Context, value.Value) bool {
	return func(c *expr.Context, v value.Value) bool {
		n := 0
		for _, s := range of {
			if s.valid(c, v) {
				n++
			}
		}
		return n >= least && n <= most
	}
}

const anyNumber = math.MaxInt
