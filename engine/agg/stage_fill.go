package agg

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// fillSpec is the specification of $fill.
type fillSpec struct {
	partitionBy value.Value
	sortBy      value.Value
	values      value.Builder // of $addFields
	methods     value.Builder // of $setWindowFields
	hasValues   bool
	hasMethods  bool
	hasOutput   bool
}

// compileFill compiles $fill as a $setWindowFields and an $addFields.
func compileFill(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, failParse("$fill specification must be an object, found %s", value.TypeName(spec.Type))
	}
	var f fillSpec
	for it := value.Walk(spec.Value); it.Next(); {
		if err := f.field(it.Key(), it.Value()); err != nil {
			return nil, err
		}
	}
	if !f.hasOutput {
		return nil, missingField("$fill", "output")
	}
	if !f.hasMethods && !f.hasValues {
		return nil, mongoerr.New(6050203, "The 'output' of $fill must not be empty")
	}
	var specs []stageSpec
	if f.hasMethods {
		var b value.Builder
		b.Add("partitionBy", f.partitionBy)
		if !f.sortBy.IsMissing() {
			b.Add("sortBy", f.sortBy)
		}
		b.Add("output", value.Document(f.methods.Doc()))
		specs = append(specs, stageSpec{"$setWindowFields", b.Doc()})
	}
	if f.hasValues {
		specs = append(specs, stageSpec{"$addFields", f.values.Doc()})
	}
	return c.several(specs...)
}

func (f *fillSpec) field(key string, v value.Value) error {
	switch key {
	case "sortBy":
		if !v.IsDocument() {
			return wrongType("$fill", "sortBy", v.Kind(), "object")
		}
		f.sortBy = v
	case "partitionBy":
		if !f.partitionBy.IsMissing() {
			return bothPartitions()
		}
		if !v.IsString() && !v.IsDocument() {
			return mongoerr.New(mongoerr.TypeMismatch, "BSON field '$fill.partitionBy' is the wrong type '%s', expected types '[string, object]'", value.TypeName(v.Kind()))
		}
		f.partitionBy = v
	case "partitionByFields":
		return f.partitionFields(v)
	case "output":
		return f.output(v)
	default:
		return unknownField("$fill", key)
	}
	return nil
}

func bothPartitions() error {
	return mongoerr.New(6050204, "Maximum one of 'partitionBy' and 'partitionByFields' can be specified in '$fill'")
}

func (f *fillSpec) partitionFields(v value.Value) error {
	if !f.partitionBy.IsMissing() {
		return bothPartitions()
	}
	if !v.IsArray() {
		return wrongType("$fill", "partitionByFields", v.Kind(), "array")
	}
	var b value.Builder
	i := 0
	for it := value.Walk(v.Doc()); it.Next(); i++ {
		if !it.Value().IsString() {
			return wrongType("$fill", "partitionByFields."+itemKey(i), it.Kind(), "string")
		}
		if strings.HasPrefix(it.Value().Str(), "$") {
			return mongoerr.New(168, "Field path in '$fill' partitionByFields may not begin with '$': %s", it.Value())
		}
		// The name does not matter, only that the parts are compared one by one.
		b.Add("f"+itemKey(i), value.String("$"+it.Value().Str()))
	}
	f.partitionBy = b.DocumentOf()
	return nil
}

func (f *fillSpec) output(v value.Value) error {
	if !v.IsDocument() {
		return wrongType("$fill", "output", v.Kind(), "object")
	}
	f.hasOutput = true
	for it := value.Walk(v.Doc()); it.Next(); {
		if err := f.outputField(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (f *fillSpec) outputField(name string, v value.Value) error {
	it := value.Iter{}
	if v.IsDocument() {
		it = value.Walk(v.Doc())
	}
	if !v.IsDocument() || !it.Next() {
		return mongoerr.New(6050200, "Each field of the output of $fill must be an object, found %s", value.TypeName(v.Kind()))
	}
	if extra := value.Walk(v.Doc()); value.Len(v.Doc()) > 1 && extra.Next() && extra.Next() {
		return secondFill(name, extra.Key())
	}
	path := value.String("$" + name)
	switch it.Key() {
	case "value":
		f.hasValues = true
		f.values.Open(bson.TypeEmbeddedDocument, name)
		f.values.Open(bson.TypeArray, "$ifNull")
		f.values.Item(path)
		f.values.Item(it.Value())
		f.values.Close()
		f.values.Close()
		return nil
	case "method":
		fn := ""
		if m := it.Value(); m.IsString() {
			fn = map[string]string{"locf": "$locf", "linear": "$linearFill"}[m.Str()]
		}
		if fn == "" {
			return mongoerr.New(6050202, "Method must be either locf or linear")
		}
		f.hasMethods = true
		f.methods.Open(bson.TypeEmbeddedDocument, name)
		f.methods.Add(fn, path)
		f.methods.Close()
		return nil
	}
	return unknownField("$fill.output."+name, it.Key())
}

// secondFill refuses a second field of an output.
func secondFill(name, key string) error {
	if key == "value" || key == "method" {
		return mongoerr.New(6050201, "The $fill output of '%s' must have exactly one of 'value' and 'method'", name)
	}
	return unknownField("$fill.output."+name, key)
}
