package match

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

func mismatch(format string, args ...any) error {
	return mongoerr.New(mongoerr.TypeMismatch, format, args...)
}

func unparsable(format string, args ...any) error {
	return mongoerr.New(mongoerr.FailedToParse, format, args...)
}

func (p *parser) schema(v value.Value) (*Schema, error) {
	if !v.IsDocument() {
		return nil, mismatch("$jsonSchema must be an object")
	}
	s, err := p.subschema("$jsonSchema", v)
	if err != nil {
		return nil, err
	}
	return &Schema{s}, nil
}

// keyword reads one keyword of a schema.
type keyword func(p *parser, s *schema, name string, v value.Value, doc bson.Raw) error

// keywordOf finds a keyword's reader; nil if it is unknown.
func keywordOf(name string) keyword {
	switch name {
	case "type", "bsonType":
		return schemaType
	case "minimum", "maximum":
		return schemaLimit
	case "exclusiveMinimum", "exclusiveMaximum":
		return schemaExclusive
	case "multipleOf":
		return schemaMultipleOf
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		return schemaCount
	case "pattern":
		return schemaPattern
	case "uniqueItems":
		return schemaUnique
	case "items":
		return schemaItems
	case "required":
		return schemaRequired
	case "properties", "patternProperties", "additionalProperties":
		return schemaProperties
	case "dependencies":
		return schemaDependencies
	case "enum":
		return schemaEnum
	case "allOf", "anyOf", "oneOf":
		return schemaCombine
	case "not":
		return schemaNot
	case "additionalItems":
		return schemaAdditionalItems
	case "title", "description":
		return schemaText
	}
	return nil
}

func (p *parser) subschema(name string, v value.Value) (*schema, error) {
	if !v.IsDocument() {
		return nil, mismatch("$jsonSchema keyword '%s' must be an object", name)
	}
	if p.depth++; p.depth > maxDepth {
		return nil, mongoerr.New(mongoerr.Overflow, "$jsonSchema is nested too deeply")
	}
	defer func() { p.depth-- }()
	s := &schema{}
	doc, seen := v.Doc(), map[string]bool{}
	for it := value.Walk(doc); it.Next(); {
		k := it.Key()
		read := keywordOf(k)
		switch {
		case read == nil && slices.Contains([]string{"$ref", "$schema", "default", "definitions", "format", "id"}, k):
			return nil, unparsable("$jsonSchema keyword '%s' is not currently supported", k)
		case read == nil:
			return nil, unparsable("Unknown $jsonSchema keyword: %s", k)
		case seen[k]:
			return nil, unparsable("Duplicate $jsonSchema keyword: %s", k)
		}
		seen[k] = true
		if err := read(p, s, k, it.Value(), doc); err != nil {
			return nil, err
		}
	}
	if seen["type"] && seen["bsonType"] {
		return nil, unparsable("Cannot specify both $jsonSchema keywords 'type' and 'bsonType'")
	}
	return s, nil
}

func (p *parser) subschemas(name string, v value.Value) ([]*schema, error) {
	if !v.IsArray() {
		return nil, mismatch("$jsonSchema keyword '%s' must be an array", name)
	}
	var out []*schema
	for it := value.Walk(v.Doc()); it.Next(); {
		s, err := p.subschema(name, it.Value())
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, bad("$jsonSchema keyword '%s' must be a non-empty array", name)
	}
	return out, nil
}

func schemaType(_ *parser, s *schema, name string, v value.Value, _ bson.Raw) error {
	list := []value.Value{v}
	if v.IsArray() {
		list = value.Items(nil, v.Doc())
		if len(list) == 0 {
			return unparsable("$jsonSchema keyword '%s' must name at least one type", name)
		}
	}
	s.types = &Type{}
	seen := map[string]bool{}
	for _, x := range list {
		if !x.IsString() {
			return mismatch("$jsonSchema keyword '%s' must be either a string or an array of strings", name)
		}
		if seen[x.Str()] {
			return unparsable("$jsonSchema keyword '%s' has duplicate value: %s", name, x.Str())
		}
		seen[x.Str()] = true
		if err := s.addType(name, x); err != nil {
			return err
		}
	}
	return nil
}

func (s *schema) addType(name string, x value.Value) error {
	if name == "bsonType" {
		return s.types.add(x)
	}
	t := x.Str()
	switch t {
	case "integer":
		return unparsable("$jsonSchema type 'integer' is not currently supported.")
	case "boolean":
		t = "bool"
	case "object", "array", "number", "string", "null":
	default:
		return bad("Unknown type name alias: %s", t)
	}
	return s.types.add(value.String(t))
}

func schemaLimit(_ *parser, s *schema, name string, v value.Value, doc bson.Raw) error {
	if !v.IsNumber() {
		return mismatch("$jsonSchema keyword '%s' must be a number", name)
	}
	sign, flag := 1, "exclusiveMinimum"
	if name == "maximum" {
		sign, flag = -1, "exclusiveMaximum"
	}
	s.numbers = append(s.numbers, numberLimit(v, sign, value.Lookup(doc, flag).AsBool()))
	return nil
}

func schemaExclusive(_ *parser, _ *schema, name string, v value.Value, doc bson.Raw) error {
	if v.Kind() != bson.TypeBoolean {
		return mismatch("$jsonSchema keyword '%s' must be a boolean", name)
	}
	limit := strings.ToLower(strings.TrimPrefix(name, "exclusive"))
	if value.Lookup(doc, limit).IsMissing() {
		return unparsable("$jsonSchema keyword '%s' must be a present if %s is present", limit, name)
	}
	return nil
}

func schemaMultipleOf(_ *parser, s *schema, _ string, v value.Value, _ bson.Raw) error {
	if !v.IsNumber() {
		return mismatch("$jsonSchema keyword 'multipleOf' must be a number")
	}
	if v.Sign() <= 0 || v.IsInf() {
		return unparsable("$jsonSchema keyword 'multipleOf' must have a positive value")
	}
	s.numbers = append(s.numbers, multipleOf(v))
	return nil
}

func schemaCount(_ *parser, s *schema, name string, v value.Value, _ bson.Raw) error {
	n, ok := v.Integral()
	if !ok || n < 0 {
		return unparsable("Expected a non-negative integer in: %s: %s", name, v)
	}
	sign := 1
	if strings.HasPrefix(name, "max") {
		sign = -1
	}
	switch name[3:] {
	case "Length":
		s.strings = append(s.strings, lengthLimit(n, sign))
	case "Items":
		s.arrays = append(s.arrays, countLimit(n, sign))
	default:
		s.objects = append(s.objects, countLimit(n, sign))
	}
	return nil
}

func schemaPattern(_ *parser, s *schema, _ string, v value.Value, _ bson.Raw) error {
	if !v.IsString() {
		return mismatch("$jsonSchema keyword 'pattern' must be a string")
	}
	re, err := compileRegex(Path{}, v.Str(), "")
	if err != nil {
		return err
	}
	s.strings = append(s.strings, func(text string) bool {
		ok, err := re.compiled.Matches(nil, text)
		return ok && err == nil
	})
	return nil
}

func schemaUnique(_ *parser, s *schema, _ string, v value.Value, _ bson.Raw) error {
	if v.Kind() != bson.TypeBoolean {
		return mismatch("$jsonSchema keyword 'uniqueItems' must be a boolean")
	}
	if v.AsBool() {
		s.arrays = append(s.arrays, uniqueItems)
	}
	return nil
}

func schemaItems(p *parser, s *schema, name string, v value.Value, doc bson.Raw) error {
	if v.IsDocument() {
		all, err := p.subschema(name, v)
		s.arrays = append(s.arrays, items(nil, all, nil, true))
		return err
	}
	if !v.IsArray() {
		return mismatch("$jsonSchema keyword 'items' must be an array or an object")
	}
	var each []*schema
	for it := value.Walk(v.Doc()); it.Next(); {
		x, err := p.subschema(name, it.Value())
		if err != nil {
			return err
		}
		each = append(each, x)
	}
	rest, allowed, err := p.boolOrSchema("additionalItems", value.Lookup(doc, "additionalItems"))
	s.arrays = append(s.arrays, items(each, nil, rest, allowed))
	return err
}

func schemaAdditionalItems(p *parser, _ *schema, name string, v value.Value, _ bson.Raw) error {
	_, _, err := p.boolOrSchema(name, v)
	return err
}

// boolOrSchema reads additionalItems and additionalProperties.
func (p *parser) boolOrSchema(name string, v value.Value) (s *schema, allowed bool, err error) {
	switch v.Kind() {
	case value.KindMissing:
		return nil, true, nil
	case bson.TypeBoolean:
		return nil, v.AsBool(), nil
	case bson.TypeEmbeddedDocument:
		s, err = p.subschema(name, v)
		return s, true, err
	}
	return nil, false, mismatch("$jsonSchema keyword '%s' must be either an object or a boolean", name)
}

func schemaRequired(_ *parser, s *schema, name string, v value.Value, _ bson.Raw) error {
	names, err := stringList(name, v)
	for _, k := range names {
		s.field(k).required = true
	}
	return err
}

func stringList(name string, v value.Value) ([]string, error) {
	if !v.IsArray() {
		return nil, mismatch("$jsonSchema keyword '%s' must be an array", name)
	}
	var out []string
	for it := value.Walk(v.Doc()); it.Next(); {
		x := it.Value()
		if !x.IsString() {
			return nil, mismatch("$jsonSchema keyword '%s' must be an array of strings", name)
		}
		if slices.Contains(out, x.Str()) {
			return nil, unparsable("$jsonSchema keyword '%s' array cannot contain duplicate values", name)
		}
		out = append(out, x.Str())
	}
	if len(out) == 0 {
		return nil, unparsable("$jsonSchema keyword '%s' cannot be an empty array", name)
	}
	return out, nil
}

// schemaProperties reads one of three keywords; the first of them that stands
// in the document adds the check of the two that belong together.
func schemaProperties(p *parser, s *schema, name string, v value.Value, doc bson.Raw) error {
	switch name {
	case "properties":
		if !v.IsDocument() {
			return mismatch("$jsonSchema keyword 'properties' must be an object")
		}
		for it := value.Walk(v.Doc()); it.Next(); {
			x, err := p.subschema(it.Key(), it.Value())
			if err != nil {
				return err
			}
			s.field(it.Key()).schema = x
		}
		return nil
	case "additionalProperties":
		if !value.Lookup(doc, "patternProperties").IsMissing() {
			return nil
		}
	}
	patterns, err := p.patternProperties(value.Lookup(doc, "patternProperties"))
	if err != nil {
		return err
	}
	rest, allowed, err := p.boolOrSchema("additionalProperties", value.Lookup(doc, "additionalProperties"))
	if err != nil {
		return err
	}
	known := map[string]bool{}
	if props := value.Lookup(doc, "properties"); props.IsDocument() {
		for it := value.Walk(props.Doc()); it.Next(); {
			known[it.Key()] = true
		}
	}
	s.objects = append(s.objects, properties(known, patterns, rest, allowed))
	return nil
}

func (p *parser) patternProperties(v value.Value) ([]patternProperty, error) {
	if v.IsMissing() {
		return nil, nil
	}
	if !v.IsDocument() {
		return nil, mismatch("$jsonSchema keyword 'patternProperties' must be an object")
	}
	var out []patternProperty
	for it := value.Walk(v.Doc()); it.Next(); {
		if !it.Value().IsDocument() {
			return nil, mismatch("$jsonSchema keyword 'patternProperties' has property '%s' which is not an object", it.Key())
		}
		s, err := p.subschema(it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		re, err := expr.CompilePattern(it.Key(), "")
		if err != nil {
			return nil, mongoerr.New(51091, "Regular expression is invalid: %v", err)
		}
		out = append(out, patternProperty{re, s})
	}
	return out, nil
}

func schemaDependencies(p *parser, s *schema, name string, v value.Value, _ bson.Raw) error {
	if !v.IsDocument() {
		return mismatch("$jsonSchema keyword 'dependencies' must be an object")
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		var sub *schema
		var names []string
		var err error
		switch x := it.Value(); x.Kind() {
		case bson.TypeEmbeddedDocument:
			sub, err = p.subschema(name, x)
		case bson.TypeArray:
			names, err = stringList(name, x)
		default:
			err = mismatch("$jsonSchema keyword 'dependencies' must be an object whose values are objects or arrays")
		}
		if err != nil {
			return err
		}
		s.objects = append(s.objects, dependency(it.Key(), sub, names))
	}
	return nil
}

func schemaEnum(_ *parser, s *schema, _ string, v value.Value, _ bson.Raw) error {
	if !v.IsArray() {
		return mismatch("$jsonSchema keyword 'enum' must be an array")
	}
	list := value.Items(nil, v.Doc())
	if len(list) == 0 {
		return unparsable("$jsonSchema keyword 'enum' cannot be an empty array")
	}
	for i, x := range list {
		for _, y := range list[:i] {
			if value.Equal(sortedFields(x), sortedFields(y)) {
				return unparsable("$jsonSchema keyword 'enum' array cannot contain duplicate values.")
			}
		}
	}
	s.any = append(s.any, enum(list))
	return nil
}

func schemaCombine(p *parser, s *schema, name string, v value.Value, _ bson.Raw) error {
	of, err := p.subschemas(name, v)
	if err != nil {
		return err
	}
	least, most := len(of), anyNumber
	switch name {
	case "anyOf":
		least = 1
	case "oneOf":
		least, most = 1, 1
	}
	s.any = append(s.any, combine(of, least, most))
	return nil
}

func schemaNot(p *parser, s *schema, name string, v value.Value, _ bson.Raw) error {
	x, err := p.subschema(name, v)
	if err != nil {
		return err
	}
	s.any = append(s.any, combine([]*schema{x}, 0, 0))
	return nil
}

func schemaText(_ *parser, _ *schema, name string, v value.Value, _ bson.Raw) error {
	if !v.IsString() {
		return mismatch("$jsonSchema keyword '%s' must be of type string", name)
	}
	return nil
}

// sortedFields is v with the fields of its documents in order of name, since
// JSON Schema does not regard that order.
func sortedFields(v value.Value) value.Value {
	var b value.Builder
	switch v.Kind() {
	case bson.TypeArray:
		for it := value.Walk(v.Doc()); it.Next(); {
			b.Item(sortedFields(it.Value()))
		}
		return b.ArrayOf()
	case bson.TypeEmbeddedDocument:
		type field struct {
			name string
			v    value.Value
		}
		var fields []field
		for it := value.Walk(v.Doc()); it.Next(); {
			fields = append(fields, field{it.Key(), sortedFields(it.Value())})
		}
		slices.SortFunc(fields, func(x, y field) int { return strings.Compare(x.name, y.name) })
		for _, f := range fields {
			b.Add(f.name, f.v)
		}
		return b.DocumentOf()
	}
	return v
}
