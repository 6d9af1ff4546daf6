package update

import (
	"bytes"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

func (u *Update) compileReplacement(doc bson.Raw) error {
	for it := value.Walk(doc); it.Next(); {
		if strings.HasPrefix(it.Key(), "$") && !dbRefField(it.Key()) {
			return dollarRefused(it.Key())
		}
	}
	u.replace = doc
	return nil
}

func dollarRefused(name string) error {
	return mongoerr.New(mongoerr.DollarPrefixedFieldName,
		"The dollar ($) prefixed field '%s' in '%s' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.", name, name)
}

func dbRefField(name string) bool { return name == "$id" || name == "$ref" || name == "$db" }

// applyReplacement keeps the old _id, which always comes first.
func (u *Update) applyReplacement(doc bson.Raw, insert bool) (bson.Raw, error) {
	oldID, newID := value.Lookup(doc, "_id"), value.Lookup(u.replace, "_id")
	if !newID.IsMissing() && !oldID.IsMissing() && !insert {
		if value.Compare(oldID, newID) != 0 {
			return nil, idAltered(newID)
		}
	}
	id := oldID
	if insert && !newID.IsMissing() {
		if !oldID.IsMissing() && value.Compare(oldID, newID) != 0 {
			return nil, idAltered(newID)
		}
		id = newID
	}
	return withID(id, u.replace), nil
}

func idAltered(id value.Value) error {
	return mongoerr.New(mongoerr.ImmutableField,
		"After applying the update, the (immutable) field '_id' was found to have been altered to _id: %s", id)
}

// withID is doc with this _id in front.
func withID(id value.Value, doc bson.Raw) bson.Raw {
	start, dst := value.BeginDocument(make([]byte, 0, len(doc)+32))
	dst = value.AppendElement(dst, "_id", id)
	for it := value.Walk(doc); it.Next(); {
		if it.Key() != "_id" {
			dst = append(dst, it.Element()...)
		}
	}
	return value.EndDocument(dst, start)
}

func (u *Update) compilePipeline(arr bson.Raw) error {
	var stages []bson.Raw
	for it := value.Walk(arr); it.Next(); {
		if !it.Value().IsDocument() {
			return mongoerr.New(mongoerr.TypeMismatch, "Each element of the 'pipeline' array must be an object")
		}
		stages = append(stages, it.Value().Doc())
	}
	if len(u.opts.ArrayFilters) > 0 {
		return mongoerr.New(mongoerr.FailedToParse, "arrayFilters may not be specified for pipeline-style updates")
	}
	env := agg.Env{}
	if u.opts.Env != nil {
		env = *u.opts.Env
	}
	if u.opts.Let != nil {
		env.Let = u.opts.Let
	}
	if u.opts.Collation != nil {
		env.Collation = u.opts.Collation
	}
	pipe, err := agg.CompileUpdate(stages, &env)
	u.pipe = pipe
	return err
}

func (u *Update) applyPipeline(c *expr.Context, doc bson.Raw, insert bool) (bson.Raw, error) {
	out, err := u.pipe.RunOne(c, doc)
	if err != nil {
		return nil, err
	}
	oldID, newID := value.Lookup(doc, "_id"), value.Lookup(out, "_id")
	if newID.IsMissing() && !oldID.IsMissing() {
		return withID(oldID, out), nil
	}
	if !oldID.IsMissing() && value.Compare(oldID, newID) != 0 {
		return nil, idAltered(newID)
	}
	return bytes.Clone(out), nil
}
