package executor

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
)

// mostExtremes is how many least and greatest values of a statement are looked for one
// by one.
const mostExtremes = 4

// extreme is a $min or a $max of a field.
type extreme struct {
	field string
	desc  bool
}

// byExtremes has a pipeline that asks for nothing but the least and the greatest values
// of fields that indexes order read these rows alone: a server reads all rows for $min
// and $max. Several are found by a branch each, which transactions do not allow; what is
// least of the rows of all branches is so of all rows.
func byExtremes(rows catalog.FunctionRows, stages []bson.Raw, inTransaction bool) []bson.Raw {
	at := slices.IndexFunc(stages, func(s bson.Raw) bool { return value.Lookup(s, "$match").IsMissing() })
	if at < 0 {
		return stages
	}
	all := extremesOf(rows.Ordered, value.Lookup(stages[at], "$group"))
	if len(all) == 0 || len(all) > mostExtremes || len(all) > 1 && inTransaction {
		return stages
	}
	out := append(slices.Clone(stages[:at]), first(all[0])...)
	for _, x := range all[1:] {
		var union, stage value.Builder
		union.Add("coll", value.String(rows.NS.Coll))
		var branch []value.Value
		for _, s := range slices.Concat(rows.Pipeline, stages[:at], first(x)) {
			branch = append(branch, value.Document(s))
		}
		union.Add("pipeline", value.ArrayFrom(branch))
		stage.Add("$unionWith", union.DocumentOf())
		out = append(out, stage.Doc())
	}
	return append(out, stages[at:]...)
}

// first are the stages that keep the row with an extreme value.
func first(x extreme) []bson.Raw {
	direction := int32(1)
	if x.desc {
		direction = -1
	}
	var order, sort, limit value.Builder
	order.Add(x.field, value.Int32(direction))
	sort.Add("$sort", order.DocumentOf())
	limit.Add("$limit", value.Int64(1))
	return []bson.Raw{sort.Doc(), limit.Doc()}
}

// extremesOf gives what a $group of all rows asks for, none: something else, too.
func extremesOf(ordered []string, group value.Value) (all []extreme) {
	if !group.IsDocument() {
		return nil
	}
	for it := value.Walk(group.Doc()); it.Next(); {
		v := it.Value()
		if it.Key() == "_id" && v.Kind() == bson.TypeNull {
			continue
		}
		if it.Key() == "_id" || !v.IsDocument() {
			return nil
		}
		for of := value.Walk(v.Doc()); of.Next(); {
			field, isField := "", of.Value().IsString()
			if isField {
				field, isField = strings.CutPrefix(of.Value().Str(), "$")
			}
			if op := of.Key(); op != "$min" && op != "$max" || !isField || !slices.Contains(ordered, field) {
				return nil
			}
			if x := (extreme{strings.Clone(field), of.Key() == "$max"}); !slices.Contains(all, x) {
				all = append(all, x)
			}
		}
	}
	return all
}
