package agg

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// compileSortByCount compiles {$sortByCount: expression} as $group and $sort.
func compileSortByCount(c *compiler, spec bson.RawValue) ([]stage, error) {
	v := value.FromRaw(spec)
	switch {
	case v.IsDocument():
		it := value.Walk(v.Doc())
		if !it.Next() || !strings.HasPrefix(it.Key(), "$") {
			return nil, mongoerr.New(40147, "the sortByCount field must be defined as a $-prefixed path or an expression inside an object")
		}
	case v.IsString():
		if !strings.HasPrefix(v.Str(), "$") {
			return nil, mongoerr.New(40148, "the sortByCount field must be defined as a $-prefixed path or an expression inside an object")
		}
	default:
		return nil, mongoerr.New(40149, "the sortByCount field must be specified as a string or as an object")
	}
	var group, sort value.Builder
	group.Add("_id", v)
	group.Open(bson.TypeEmbeddedDocument, "count")
	group.Add("$sum", value.Int32(1))
	sort.Add("count", value.Int32(-1))
	return c.several(stageSpec{"$group", group.Doc()}, stageSpec{"$sort", sort.Doc()})
}
