package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// replaceRootStage is $replaceRoot and $replaceWith.
type replaceRootStage struct {
	reads
	e    expr.Expr
	raw  bson.RawValue
	what string // how messages call the expression
}

func compileReplaceRoot(c *compiler, spec bson.RawValue) ([]stage, error) {
	if spec.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(40229, "expected an object as specification for $replaceRoot stage, got %s", value.TypeName(spec.Type))
	}
	var root value.Value
	for it := value.Walk(spec.Value); it.Next(); {
		if it.Key() != "newRoot" {
			return nil, unknownField("$replaceRoot", it.Key())
		}
		root = it.Value()
	}
	if root.IsMissing() {
		return nil, missingField("$replaceRoot", "newRoot")
	}
	return compileNewRoot(c, root.RawValue(), "'newRoot' expression")
}

func compileReplaceWith(c *compiler, spec bson.RawValue) ([]stage, error) {
	return compileNewRoot(c, spec, "'replacement document'")
}

func compileNewRoot(c *compiler, raw bson.RawValue, what string) ([]stage, error) {
	e, err := c.expr(raw)
	if err != nil {
		return nil, err
	}
	return []stage{&replaceRootStage{e: e, raw: raw, what: what}}, nil
}

func unknownField(stage, field string) error {
	return mongoerr.New(40415, "BSON field '%s.%s' is an unknown field.", stage, field)
}

func missingField(stage, field string) error {
	return mongoerr.New(40414, "BSON field '%s.%s' is missing but a required field", stage, field)
}

func wrongType(stage, field string, got bson.Type, want string) error {
	return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.%s' is the wrong type '%s', expected type '%s'", stage, field, value.TypeName(got), want)
}

func (s *replaceRootStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &nextFunc{piped{in}, func(ctx context.Context) (bson.Raw, error) {
		doc, err := in.Next(ctx)
		if err != nil {
			return nil, err
		}
		r.x.Root = doc
		v, err := s.e.Eval(r.x)
		if err != nil {
			return nil, err
		}
		if !v.IsDocument() {
			return nil, s.notObject(v)
		}
		return v.Doc(), nil
	}}, nil
}

func (s *replaceRootStage) notObject(v value.Value) error {
	return mongoerr.New(40228, "%s must evaluate to an object, but resulting value was: %s. Type of resulting value: '%s'.",
		s.what, show(v), value.TypeName(v.Kind()))
}

// show prints a value for an error message.
func show(v value.Value) string {
	if v.IsMissing() {
		return "MISSING"
	}
	return v.RawValue().String()
}
