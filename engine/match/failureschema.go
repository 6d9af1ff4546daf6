package match

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// schema explains $jsonSchema at the top of a filter.
func (f *failure) schema(spec bson.Raw, inverted bool) bson.Raw {
	var b value.Builder
	b.Add("operatorName", value.String("$jsonSchema"))
	addAnnotations(&b, spec)
	if inverted {
		b.Add("reason", value.String("schema matched"))
		return b.Doc()
	}
	addDetails(&b, "schemaRulesNotSatisfied", f.subschema(spec, value.Document(f.doc)))
	return b.Doc()
}

func addAnnotations(b *value.Builder, spec bson.Raw) {
	b.Add("title", value.Lookup(spec, "title"))
	b.Add("description", value.Lookup(spec, "description"))
}

func addDetails(b *value.Builder, key string, details []bson.Raw) {
	b.Open(bson.TypeArray, key)
	for _, d := range details {
		b.Item(value.Document(d))
	}
	b.Close()
}

// schemaRules is the order in which the rules of one schema are explained.
func schemaRules() []string {
	return []string{"maximum", "minimum", "maxLength", "minLength", "pattern", "multipleOf", "minItems", "maxItems",
		"uniqueItems", "items", "additionalItems", "properties", "additionalProperties", "patternProperties", "required",
		"minProperties", "maxProperties", "dependencies", "allOf", "anyOf", "oneOf", "not", "enum", "type", "bsonType"}
}

// valid holds a value against one schema.
func (f *failure) valid(spec, v value.Value) bool {
	s, err := f.p.subschema("schema", spec)
	return err == nil && s.valid(f.c, v)
}

// validRule holds a value against one rule of a schema. Those that only
// modify another come along with it.
func (f *failure) validRule(spec bson.Raw, rule string, v value.Value) bool {
	var b value.Builder
	b.Add(rule, value.Lookup(spec, rule))
	for _, with := range companions(rule) {
		b.Add(with, value.Lookup(spec, with))
	}
	return f.valid(b.DocumentOf(), v)
}

func companions(rule string) []string {
	switch rule {
	case "minimum":
		return []string{"exclusiveMinimum"}
	case "maximum":
		return []string{"exclusiveMaximum"}
	}
	return nil
}

// subschema explains every rule of a schema that a value breaks.
func (f *failure) subschema(spec bson.Raw, v value.Value) (out []bson.Raw) {
	for _, rule := range schemaRules() {
		arg := value.Lookup(spec, rule)
		if arg.IsMissing() {
			continue
		}
		if d := f.rule(spec, rule, arg, v); d != nil {
			out = append(out, d)
		}
	}
	return out
}

// rule explains one rule; nil if the value keeps it.
func (f *failure) rule(spec bson.Raw, rule string, arg, v value.Value) bson.Raw {
	switch rule {
	case "items", "additionalItems":
		if v.IsArray() {
			return f.items(spec, rule, arg, value.Items(nil, v.Doc()))
		}
		return nil
	case "properties", "patternProperties", "additionalProperties", "dependencies":
		if v.IsDocument() {
			return f.object(spec, rule, arg, v.Doc())
		}
		return nil
	}
	if f.validRule(spec, rule, v) {
		return nil
	}
	switch rule {
	case "allOf", "anyOf", "oneOf":
		return f.combined(rule, arg, v)
	case "not":
		var b value.Builder
		b.Add("operatorName", value.String(rule))
		b.Add("reason", value.String("child expression matched"))
		return b.Doc()
	case "required":
		return missingRequired(arg, v.Doc())
	}
	return f.simpleRule(spec, rule, v)
}

// simpleRule explains a rule about the value itself.
func (f *failure) simpleRule(spec bson.Raw, rule string, v value.Value) bson.Raw {
	var b value.Builder
	b.Add("operatorName", value.String(rule))
	b.Open(bson.TypeEmbeddedDocument, "specifiedAs")
	for _, k := range append([]string{rule}, companions(rule)...) {
		b.Add(k, value.Lookup(spec, k))
	}
	b.Close()
	b.Add("reason", value.String(ruleReason(rule)))
	switch rule {
	case "minProperties", "maxProperties":
		b.Add("numberOfProperties", value.Int32(int32(value.Len(v.Doc()))))
		return b.Doc()
	}
	b.Add("consideredValue", v)
	switch rule {
	case "type", "bsonType":
		b.Add("consideredType", value.String(value.TypeName(v.Kind())))
	case "minItems", "maxItems":
		b.Add("numberOfItems", value.Int32(int32(value.Len(v.Doc()))))
	case "uniqueItems":
		b.Add("duplicatedValue", firstDuplicate(v.Doc()))
	}
	return b.Doc()
}

func ruleReason(rule string) string {
	switch rule {
	case "minLength", "maxLength":
		return "specified string length was not satisfied"
	case "pattern":
		return "regular expression did not match"
	case "multipleOf":
		return "considered value is not a multiple of the specified value"
	case "minItems", "maxItems":
		return "array did not match specified length"
	case "uniqueItems":
		return "found a duplicate item"
	case "minProperties", "maxProperties":
		return "specified number of properties was not satisfied"
	case "enum":
		return "value was not found in enum"
	case "type", "bsonType":
		return "type did not match"
	}
	return "comparison failed"
}

func firstDuplicate(arr bson.Raw) value.Value {
	var seen []value.Value
	for it := value.Walk(arr); it.Next(); {
		v := sortedFields(it.Value())
		if slices.ContainsFunc(seen, func(x value.Value) bool { return value.Equal(x, v) }) {
			return it.Value()
		}
		seen = append(seen, v)
	}
	return value.Value{}
}

func missingRequired(names value.Value, doc bson.Raw) bson.Raw {
	var b value.Builder
	b.Add("operatorName", value.String("required"))
	b.Open(bson.TypeEmbeddedDocument, "specifiedAs")
	b.Add("required", names)
	b.Close()
	addStrings(&b, "missingProperties", missingOf(names, doc))
	return b.Doc()
}

// missingOf is the names that a document lacks, sorted.
func missingOf(names value.Value, doc bson.Raw) (out []string) {
	for it := value.Walk(names.Doc()); it.Next(); {
		if value.Lookup(doc, it.Value().Str()).IsMissing() {
			out = append(out, it.Value().Str())
		}
	}
	slices.Sort(out)
	return out
}

// combined explains allOf, anyOf and oneOf.
func (f *failure) combined(rule string, list, v value.Value) bson.Raw {
	var b, matching value.Builder
	b.Add("operatorName", value.String(rule))
	specs := value.Items(nil, list.Doc())
	held := 0
	for i, s := range specs {
		if f.valid(s, v) {
			held++
			matching.Item(value.Int32(int32(i)))
		}
	}
	if rule == "oneOf" && held > 0 {
		b.Add("reason", value.String("more than one subschema matched"))
		b.Add("matchingSchemaIndexes", matching.ArrayOf())
		return b.Doc()
	}
	b.Open(bson.TypeArray, "schemasNotSatisfied")
	for i, s := range specs {
		if f.valid(s, v) {
			continue
		}
		b.OpenItem(bson.TypeEmbeddedDocument)
		b.Add("index", value.Int64(int64(i)))
		addAnnotations(&b, s.Doc())
		addDetails(&b, "details", f.subschema(s.Doc(), v))
		b.Close()
	}
	b.Close()
	return b.Doc()
}

// items explains items and additionalItems.
func (f *failure) items(spec bson.Raw, rule string, arg value.Value, list []value.Value) bson.Raw {
	var b value.Builder
	b.Add("operatorName", value.String(rule))
	each := value.Lookup(spec, "items")
	switch {
	case rule == "items" && arg.IsArray():
		return f.itemsByPosition(&b, value.Items(nil, arg.Doc()), list)
	case rule == "items":
		return f.firstWrongItem(&b, arg, list, 0, "At least one item did not match the sub-schema")
	case !each.IsArray() || len(list) <= value.Len(each.Doc()):
		return nil
	}
	from := value.Len(each.Doc())
	if arg.IsDocument() {
		return f.firstWrongItem(&b, arg, list, from, "At least one additional item did not match the sub-schema")
	}
	if arg.AsBool() {
		return nil
	}
	b.Open(bson.TypeEmbeddedDocument, "specifiedAs")
	b.Add(rule, arg)
	b.Close()
	b.Add("reason", value.String("found additional items"))
	b.Open(bson.TypeArray, "additionalItems")
	for _, v := range list[from:] {
		b.Item(v)
	}
	b.Close()
	return b.Doc()
}

func (f *failure) firstWrongItem(b *value.Builder, spec value.Value, list []value.Value, from int, reason string) bson.Raw {
	for i := from; i < len(list); i++ {
		if f.valid(spec, list[i]) {
			continue
		}
		addAnnotations(b, spec.Doc())
		b.Add("reason", value.String(reason))
		b.Add("itemIndex", value.Int64(int64(i)))
		addDetails(b, "details", f.subschema(spec.Doc(), list[i]))
		return b.Doc()
	}
	return nil
}

func (f *failure) itemsByPosition(b *value.Builder, specs, list []value.Value) bson.Raw {
	wrong := false
	b.Open(bson.TypeArray, "details")
	for i := 0; i < len(specs) && i < len(list); i++ {
		if f.valid(specs[i], list[i]) {
			continue
		}
		wrong = true
		b.OpenItem(bson.TypeEmbeddedDocument)
		b.Add("itemIndex", value.Int64(int64(i)))
		addDetails(b, "details", f.subschema(specs[i].Doc(), list[i]))
		b.Close()
	}
	b.Close()
	if !wrong {
		return nil
	}
	return b.Doc()
}

// object explains the rules about the fields of a document.
func (f *failure) object(spec bson.Raw, rule string, arg value.Value, doc bson.Raw) bson.Raw {
	switch rule {
	case "properties":
		return f.properties(arg.Doc(), doc)
	case "patternProperties":
		return f.patternProperties(arg.Doc(), doc)
	case "additionalProperties":
		return f.additionalProperties(spec, arg, doc)
	}
	return f.dependencies(arg.Doc(), doc)
}

func (f *failure) properties(specs, doc bson.Raw) bson.Raw {
	var b value.Builder
	wrong := false
	b.Add("operatorName", value.String("properties"))
	b.Open(bson.TypeArray, "propertiesNotSatisfied")
	for it := value.Walk(specs); it.Next(); {
		v := value.Lookup(doc, it.Key())
		if v.IsMissing() || f.valid(it.Value(), v) {
			continue
		}
		wrong = true
		b.OpenItem(bson.TypeEmbeddedDocument)
		b.Add("propertyName", value.String(it.Key()))
		addAnnotations(&b, it.Value().Doc())
		addDetails(&b, "details", f.subschema(it.Value().Doc(), v))
		b.Close()
	}
	b.Close()
	if !wrong {
		return nil
	}
	return b.Doc()
}

func (f *failure) patternProperties(specs, doc bson.Raw) bson.Raw {
	var b value.Builder
	wrong := false
	b.Add("operatorName", value.String("patternProperties"))
	b.Open(bson.TypeArray, "details")
	for it := value.Walk(specs); it.Next(); {
		re, err := compileRegex(Path{}, it.Key(), "")
		if err != nil {
			continue
		}
		for fields := value.Walk(doc); fields.Next(); {
			if !searches(f.c, re.compiled, fields.Key()) || f.valid(it.Value(), fields.Value()) {
				continue
			}
			wrong = true
			b.OpenItem(bson.TypeEmbeddedDocument)
			b.Add("propertyName", value.String(fields.Key()))
			addAnnotations(&b, it.Value().Doc())
			b.Add("regexMatched", value.String(it.Key()))
			addDetails(&b, "details", f.subschema(it.Value().Doc(), fields.Value()))
			b.Close()
			break
		}
	}
	b.Close()
	if !wrong {
		return nil
	}
	return b.Doc()
}

func (f *failure) additionalProperties(spec bson.Raw, arg value.Value, doc bson.Raw) bson.Raw {
	extra := additional(spec, doc)
	var b value.Builder
	b.Add("operatorName", value.String("additionalProperties"))
	if !arg.IsDocument() {
		if arg.AsBool() || len(extra) == 0 {
			return nil
		}
		b.Open(bson.TypeEmbeddedDocument, "specifiedAs")
		b.Add("additionalProperties", arg)
		b.Close()
		addStrings(&b, "additionalProperties", extra)
		return b.Doc()
	}
	for _, k := range extra {
		v := value.Lookup(doc, k)
		if f.valid(arg, v) {
			continue
		}
		addAnnotations(&b, arg.Doc())
		b.Add("reason", value.String("at least one additional property did not match the subschema"))
		b.Add("failingProperty", value.String(k))
		addDetails(&b, "details", f.subschema(arg.Doc(), v))
		return b.Doc()
	}
	return nil
}

// additional is the names of a document that neither properties nor
// patternProperties mention.
func additional(spec, doc bson.Raw) (out []string) {
	var patterns []*expr.Pattern
	known := value.Lookup(spec, "properties")
	if p := value.Lookup(spec, "patternProperties"); p.IsDocument() {
		for it := value.Walk(p.Doc()); it.Next(); {
			if re, err := compileRegex(Path{}, it.Key(), ""); err == nil {
				patterns = append(patterns, re.compiled)
			}
		}
	}
	for it := value.Walk(doc); it.Next(); {
		k := it.Key()
		named := known.IsDocument() && !value.Lookup(known.Doc(), k).IsMissing()
		if !named && !slices.ContainsFunc(patterns, func(p *expr.Pattern) bool { return searches(nil, p, k) }) {
			out = append(out, k)
		}
	}
	return out
}

func (f *failure) dependencies(specs, doc bson.Raw) bson.Raw {
	var b value.Builder
	wrong := false
	b.Add("operatorName", value.String("dependencies"))
	b.Open(bson.TypeArray, "failingDependencies")
	for it := value.Walk(specs); it.Next(); {
		need := it.Value()
		if value.Lookup(doc, it.Key()).IsMissing() || need.IsArray() && len(missingOf(need, doc)) == 0 || need.IsDocument() && f.valid(need, value.Document(doc)) {
			continue
		}
		wrong = true
		b.OpenItem(bson.TypeEmbeddedDocument)
		b.Add("conditionalProperty", value.String(it.Key()))
		if need.IsArray() {
			addStrings(&b, "missingProperties", missingOf(need, doc))
		} else {
			addDetails(&b, "details", f.subschema(need.Doc(), value.Document(doc)))
		}
		b.Close()
	}
	b.Close()
	if !wrong {
		return nil
	}
	return b.Doc()
}
