package translator

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// A pipeline is built as a tree of obj, list, string, bool, int, value.Value
// and placeholder, and encoded once. Strings are field paths and names, so
// constants from outside go through literal.
type (
	obj   []field
	field struct {
		k string
		v any
	}
	list []any
)

// op is {name: [args…]}.
func op(name string, args ...any) obj { return obj{{name, list(args)}} }

// op1 is {name: arg}.
func op1(name string, arg any) obj { return obj{{name, arg}} }

// literal protects values that MongoDB would read as expressions.
func literal(v value.Value) any {
	switch v.Kind() {
	case value.KindMissing:
		return value.Null()
	case bson.TypeString:
		if !strings.HasPrefix(v.Str(), "$") {
			return v
		}
	case bson.TypeEmbeddedDocument, bson.TypeArray:
	default:
		return v
	}
	return op1("$literal", v)
}

// computed is an expression where a bare number or boolean would be read as
// including a field ($project), or an object as a nested specification.
func computed(e any) any {
	switch e := e.(type) {
	case value.Value, bool, int, placeholder:
		return op1("$literal", e)
	case obj:
		if len(e) != 1 || !strings.HasPrefix(e[0].k, "$") {
			return op("$mergeObjects", e)
		}
	}
	return e
}

// appendAny appends a field holding a tree.
func appendAny(dst []byte, key string, v any) []byte {
	if len(dst) > stopWriting {
		return dst
	}
	switch v := v.(type) {
	case obj:
		dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, key)
		return appendObj(dst, v)
	case list:
		dst = value.AppendHeader(dst, bson.TypeArray, key)
		start, dst := value.BeginDocument(dst)
		for i, x := range v {
			dst = appendAny(dst, strconv.Itoa(i), x)
		}
		return value.EndDocument(dst, start)
	case placeholder:
		return value.AppendElement(dst, key, v.encode())
	}
	return value.AppendElement(dst, key, scalar(v))
}

func scalar(v any) value.Value {
	switch v := v.(type) {
	case value.Value:
		if v.IsMissing() {
			return value.Null()
		}
		return v
	case string:
		return value.String(v)
	case bool:
		return value.Bool(v)
	case int:
		if v > 1<<31-1 || v < -1<<31 {
			return value.Int64(int64(v))
		}
		return value.Int32(int32(v))
	}
	return value.Null()
}

func appendObj(dst []byte, o obj) []byte {
	start, dst := value.BeginDocument(dst)
	for _, f := range o {
		dst = appendAny(dst, f.k, f.v)
	}
	return value.EndDocument(dst, start)
}

func encode(o obj) bson.Raw { return appendObj(nil, o) }

// encodeValue encodes an expression of any shape.
func encodeValue(e any) bson.RawValue {
	doc := encode(obj{{"e", e}})
	return value.Lookup(doc, "e").RawValue()
}

// traits is what a walk over a tree finds out.
type traits struct {
	local bool // holds an operator or stage that only we know
	outer bool // reads a variable of an outer query
	bound bool // holds placeholders
	fine  bool // holds fine values
	size  int  // about how many bytes it takes
	// lets are the variables that the tree itself binds, as "$$v_1".
	lets map[string]bool
}

func (t *traits) add(v any) {
	if t.size += elementSize; t.tooLong() {
		return
	}
	switch v := v.(type) {
	case overlong:
		t.size = maxWritten + 1
	case obj:
		for _, f := range v {
			t.size += len(f.k)
			if strings.HasPrefix(f.k, expr.LocalPrefix) {
				t.local = true
			}
			if vars, ok := f.v.(obj); ok && f.k == "let" {
				t.bind(vars)
			}
			if f.k != "$literal" {
				t.add(f.v)
				continue
			}
			switch v := f.v.(type) {
			case placeholder, value.Value:
				t.add(v)
			}
		}
	case list:
		for _, x := range v {
			t.add(x)
		}
	case string:
		t.size += len(v)
		if name, _, _ := strings.Cut(v, "."); strings.HasPrefix(v, outerPrefix) && !t.lets[name] {
			t.outer = true
		}
	case value.Value:
		t.size += v.Size()
		t.fine = t.fine || v.HoldsFine()
	case placeholder:
		t.bound = true
		t.local = t.local || v.fine
		t.fine = t.fine || v.fine
	}
}

// bind notes the variables of a $lookup. Their names are used once, and let
// comes before the pipeline that reads them.
func (t *traits) bind(let obj) {
	if t.lets == nil {
		t.lets = map[string]bool{}
	}
	for _, v := range let {
		t.lets["$$"+v.k] = true
	}
}

func traitsOf(v any) traits {
	var t traits
	t.add(v)
	if t.fine && !t.local && !t.tooLong() {
		t.local = !remotely(v)
	}
	return t
}

// outerPrefix begins the names of variables that hold columns of outer queries.
const outerPrefix = "$$v_"

var null = value.Null()

// isNullish tests for null, undefined and missing, which sort lowest.
func isNullish(e any) any { return op("$lte", e, null) }

func notNull(e any) any { return op("$gt", e, null) }

// cond is {$cond: [c, a, b]}.
func cond(c, a, b any) obj { return op("$cond", c, a, b) }

// simple expressions may be written twice: evaluating them costs nothing.
func simple(e any) bool {
	switch e := e.(type) {
	case string, value.Value, bool, int, placeholder:
		return true
	case obj:
		return len(e) == 1 && e[0].k == "$literal"
	}
	return false
}

// once binds an expression to a variable unless it is simple.
func (c *compiler) once(e any, body func(x any) any) any {
	if simple(e) {
		return body(e)
	}
	name := c.name("x")
	return op1("$let", obj{{"vars", obj{{name, e}}}, {"in", body("$$" + name)}})
}

// onceEach binds several expressions.
func (c *compiler) onceEach(es []any, body func(xs []any) any) any {
	vars := obj{}
	xs := make([]any, len(es))
	for i, e := range es {
		if xs[i] = e; !simple(e) {
			name := c.name("x")
			vars = append(vars, field{name, e})
			xs[i] = "$$" + name
		}
	}
	if len(vars) == 0 {
		return body(xs)
	}
	return op1("$let", obj{{"vars", vars}, {"in", body(xs)}})
}

// name makes a name that is unique in the program.
func (c *compiler) name(prefix string) string {
	c.seq++
	return prefix + strconv.Itoa(c.seq)
}
