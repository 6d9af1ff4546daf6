package expr

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

func mergeObjects(_ *Context, args []value.Value) (value.Value, error) {
	if len(args) == 1 && args[0].IsArray() {
		args = value.Items(nil, args[0].Doc())
	}
	var d fieldList
	for _, a := range args {
		if a.IsNullish() {
			continue
		}
		if !a.IsDocument() {
			return a, fail(40400, "$mergeObjects requires object inputs, but input %s is of type %s", a, typeName(a))
		}
		for it := value.Walk(a.Doc()); it.Next(); {
			d.set(it.Key(), it.Value())
		}
	}
	return d.document(), nil
}

// fieldList is a document under construction in which fields can be set anew.
type fieldList struct {
	names  []string
	values []value.Value
	index  map[string]int
}

func (d *fieldList) set(name string, v value.Value) {
	if i := d.find(name); i >= 0 {
		d.values[i] = v
		return
	}
	if d.index != nil {
		d.index[name] = len(d.names)
	}
	d.names, d.values = append(d.names, name), append(d.values, v)
}

func (d *fieldList) find(name string) int {
	if len(d.names) < 16 {
		return indexOf(d.names, name)
	}
	if d.index == nil {
		d.index = make(map[string]int, 2*len(d.names))
		for i, n := range d.names {
			d.index[n] = i
		}
	}
	if i, ok := d.index[name]; ok {
		return i
	}
	return -1
}

func (d *fieldList) document() value.Value {
	start, buf := value.BeginDocument(make([]byte, 0, 32*len(d.names)+8))
	for i, n := range d.names {
		buf = value.AppendElement(buf, n, d.values[i])
	}
	return value.Document(value.EndDocument(buf, start))
}

func objectToArray(_ *Context, a value.Value) (value.Value, error) {
	switch {
	case a.IsNullish():
		return value.Null(), nil
	case !a.IsDocument():
		return a, fail(40390, "$objectToArray requires a document input, found: %s", typeName(a))
	}
	var b value.Builder
	for it := value.Walk(a.Doc()); it.Next(); {
		b.OpenItem(bson.TypeEmbeddedDocument)
		b.Add("k", value.String(it.Key()))
		b.Add("v", it.Value())
		b.Close()
	}
	return b.ArrayOf(), nil
}

func arrayToObject(_ *Context, a value.Value) (value.Value, error) {
	switch {
	case a.IsNullish():
		return value.Null(), nil
	case !a.IsArray():
		return a, fail(40386, "$arrayToObject requires an array input, found: %s", typeName(a))
	}
	var d fieldList
	form := bson.Type(0)
	for it := value.Walk(a.Doc()); it.Next(); {
		item := it.Value()
		switch {
		case form == 0 && (item.IsArray() || item.IsDocument()):
			form = item.Kind()
		case form == 0:
			return a, fail(40398, "Unrecognised input type format for $arrayToObject: %s", typeName(item))
		}
		k, v, err := pairOf(item, form)
		if err != nil {
			return a, err
		}
		d.set(k, v)
	}
	return d.document(), nil
}

// pairOf reads [k, v] or {k:, v:}; all items have the form of the first.
func pairOf(item value.Value, form bson.Type) (string, value.Value, error) {
	var k, v value.Value
	if form == bson.TypeArray {
		if !item.IsArray() {
			return "", v, fail(40396, "$arrayToObject requires a consistent input format. Elements must all be arrays or all be objects. Array was detected, now found: %s", typeName(item))
		}
		if n := value.Len(item.Doc()); n != 2 {
			return "", v, fail(40397, "$arrayToObject requires an array of size 2 arrays,found array of size: %d", n)
		}
		k, v = value.Index(item.Doc(), 0), value.Index(item.Doc(), 1)
		if !k.IsString() {
			return "", v, fail(40395, "$arrayToObject requires an array of key-value pairs, where the key must be of type string. Found key type: %s", typeName(k))
		}
	} else {
		if !item.IsDocument() {
			return "", v, fail(40391, "$arrayToObject requires a consistent input format. Elements must all be arrays or all be objects. Object was detected, now found: %s", typeName(item))
		}
		if n := value.Len(item.Doc()); n != 2 {
			return "", v, fail(40392, "$arrayToObject requires an object keys of 'k' and 'v'. Found incorrect number of keys:%d", n)
		}
		k, v = value.Lookup(item.Doc(), "k"), value.Lookup(item.Doc(), "v")
		if k.IsMissing() || v.IsMissing() {
			return "", v, fail(40393, "$arrayToObject requires an object with keys 'k' and 'v'. Missing either or both keys from: %s", item)
		}
		if !k.IsString() {
			return "", v, fail(40394, "$arrayToObject requires an object with keys 'k' and 'v', where the value of 'k' must be of type string. Found type: %s", typeName(k))
		}
	}
	for i := 0; i < len(k.Str()); i++ {
		if k.Str()[i] == 0 {
			return "", v, fail(4940400, "Key field cannot contain an embedded null byte")
		}
	}
	return k.Str(), v, nil
}

// parseGetField compiles {$getField: "f"} and {$getField: {field, input}}.
func parseGetField(p *compiler, name string, arg value.Value) (Expr, error) {
	field, input := arg, value.Value{}
	if arg.IsDocument() {
		f := fields(arg.Doc())
		_, hasField := f["field"]
		_, hasInput := f["input"]
		if k := f.unknown("field", "input"); k != "" && (hasField || hasInput || k[0] != '$') {
			return nil, fail(3041701, "$getField found an unknown argument: %s", k)
		} else if k == "" {
			if !hasField {
				return nil, fail(3041702, "$getField requires 'field' to be specified")
			}
			if !hasInput {
				return nil, fail(3041703, "$getField requires 'input' to be specified")
			}
			field, input = f["field"], f["input"]
		}
	}
	key, err := p.fieldName(name, field, 5654600, 5654601, 5654602)
	if err != nil {
		return nil, err
	}
	var from Expr
	if input.IsMissing() {
		from, err = p.variable("CURRENT")
	} else {
		from, err = p.expr(input)
	}
	if err != nil {
		return nil, err
	}
	e := &binary{a: key, b: from, fn: func(_ *Context, k, in value.Value) (value.Value, error) {
		if in.IsDocument() {
			return value.Lookup(in.Doc(), k.Str()), nil
		}
		if in.IsMissing() || !in.IsNullish() {
			return value.Value{}, nil
		}
		return value.Null(), nil
	}}
	return p.fold(e, true, key, from)
}

// fieldName compiles the constant name of a field.
func (p *compiler) fieldName(op string, v value.Value, isPath, notConstant, notString int32) (Expr, error) {
	if v.IsString() && len(v.Str()) > 0 && v.Str()[0] == '$' {
		return nil, fail(isPath, "A field path reference which is not allowed in this context. Did you mean {$literal: '%s'}?", v.Str())
	}
	e, err := p.expr(v)
	if err != nil {
		return nil, err
	}
	k, ok := Constant(e)
	if !ok || !isLiteral(v) {
		return nil, fail(notConstant, "%s requires 'field' to evaluate to a constant, but got a non-constant argument", op)
	}
	if !k.IsString() {
		return nil, fail(notString, "%s requires 'field' to evaluate to type String, but got %s", op, typeName(k))
	}
	return e, nil
}

// isLiteral tells whether a constant is written as one: an expression does not
// do, not even one that always has the same value.
func isLiteral(v value.Value) bool {
	if !v.IsDocument() {
		return !v.IsArray()
	}
	it := value.Walk(v.Doc())
	return it.Next() && (it.Key() == "$literal" || it.Key() == "$const")
}

// parseSetField compiles $setField, and $unsetField as its special case.
func parseSetField(p *compiler, name string, arg value.Value) (Expr, error) {
	if !arg.IsDocument() {
		return nil, fail(4161100, "%s only supports an object as its argument", name)
	}
	f := fields(arg.Doc())
	keys := []string{"field", "input", "value"}
	if name == "$unsetField" {
		keys = keys[:2]
	}
	if k := f.unknown(keys...); k != "" {
		return nil, fail(4161101, "%s found an unknown argument: %s", name, k)
	}
	for _, need := range []struct {
		key  string
		code int32
	}{{"field", 4161102}, {"value", 4161103}, {"input", 4161109}} {
		if f[need.key].IsMissing() && (need.key != "value" || name == "$setField") {
			return nil, fail(need.code, "%s requires '%s' to be specified", name, need.key)
		}
	}
	key, err := p.fieldName(name, f["field"], 4161108, 4161106, 4161107)
	if err != nil {
		return nil, err
	}
	args := []Expr{key, nil, constant{}}
	for i, k := range keys[1:] {
		if args[i+1], err = p.expr(f[k]); err != nil {
			return nil, err
		}
	}
	return p.fold(&call{args: args, fn: setField}, true, args...)
}

func setField(_ *Context, args []value.Value) (value.Value, error) {
	name, input, v := args[0].Str(), args[1], args[2]
	if input.IsNullish() {
		return value.Null(), nil
	}
	if !input.IsDocument() {
		return input, fail(4161105, "$setField requires 'input' to evaluate to type Object")
	}
	var b value.Builder
	found := false
	for it := value.Walk(input.Doc()); it.Next(); {
		if it.Key() == name {
			b.Add(name, v)
			found = true
			continue
		}
		b.AddElement(it.Element())
	}
	if !found {
		b.Add(name, v)
	}
	return b.DocumentOf(), nil
}
