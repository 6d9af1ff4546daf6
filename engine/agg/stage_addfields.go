package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// addFieldsCompiler compiles $addFields and its other name $set.
func addFieldsCompiler(name string) stageCompiler {
	return func(c *compiler, spec bson.RawValue) ([]stage, error) {
		if spec.Type != bson.TypeEmbeddedDocument {
			return nil, mongoerr.New(40272, "%s specification stage must be an object, got %s", name, value.TypeName(spec.Type))
		}
		parser := addFieldsParser{compile: c.expr}
		p, err := parser.parse(bson.Raw(spec.Value))
		if err != nil {
			return nil, caused("Invalid "+name, err)
		}
		return []stage{&projectStage{p: p, spec: bson.Raw(spec.Value), kind: projectAdd}}, nil
	}
}
