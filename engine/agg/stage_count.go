package agg

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// compileCount compiles {$count: name} as a $group and a $project.
func compileCount(c *compiler, spec bson.RawValue) ([]stage, error) {
	v := value.FromRaw(spec)
	if !v.IsString() {
		return nil, mongoerr.New(40156, "the count field must be a non-empty string")
	}
	name := v.Str()
	switch {
	case name == "":
		return nil, mongoerr.New(40157, "the count field must be a non-empty string")
	case name[0] == '$':
		return nil, mongoerr.New(40158, "the count field cannot be a $-prefixed path")
	case strings.IndexByte(name, 0) >= 0:
		return nil, mongoerr.New(40159, "the count field cannot contain a null byte")
	case strings.Contains(name, "."):
		return nil, mongoerr.New(40160, "the count field cannot contain '.'")
	case name == "_id":
		return nil, mongoerr.New(9039800, "the count field cannot be '_id'")
	}
	var group, project value.Builder
	group.Add("_id", value.Null())
	group.Open(bson.TypeEmbeddedDocument, name)
	group.Add("$sum", value.Int32(1))
	project.Add("_id", value.Int32(0))
	return c.several(stageSpec{"$group", group.Doc()}, stageSpec{"$project", project.Doc()})
}

// stageSpec is a stage that another one is written in terms of.
type stageSpec struct {
	name string
	spec bson.Raw
}

// several compiles the stages that one stage stands for.
func (c *compiler) several(specs ...stageSpec) ([]stage, error) {
	var out []stage
	for _, s := range specs {
		stages, err := c.compileStage(stageNamed(s.name), bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: s.spec})
		if err != nil {
			return nil, err
		}
		out = append(out, stages...)
	}
	return out, nil
}
