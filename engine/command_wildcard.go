package engine

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/value"
	"weir/mongoerr"
)

// wildcardSpec is an index specification with a field "$**" or "a.$**".
type wildcardSpec struct {
	spec    bson.Raw
	field   string   // the wildcard
	regular []string // the other fields
}

// checkWildcard checks what only wildcard indexes have, and that others do not have it.
func checkWildcard(spec, key bson.Raw) error {
	w := wildcardSpec{spec: spec}
	for it := value.Walk(key); it.Next(); {
		if index.IsWildcardField(it.Key()) {
			w.field = it.Key()
			continue
		}
		w.regular = append(w.regular, it.Key())
	}
	projection := value.Lookup(spec, "wildcardProjection")
	if w.field == "" {
		if !projection.IsMissing() {
			return mongoerr.New(mongoerr.BadValue, "The field 'wildcardProjection' is only allowed in an 'wildcard' index")
		}
		return nil
	}
	if err := w.options(key); err != nil {
		return err
	}
	if prefix := strings.TrimSuffix(w.field, ".$**"); prefix != w.field {
		for _, r := range w.regular {
			if overlap(r, prefix) {
				return mongoerr.New(7246204, "The wildcard field '%s' of the index overlaps its field '%s'", w.field, r)
			}
		}
	}
	switch {
	case !projection.IsMissing() && !projection.IsDocument():
		return mongoerr.New(mongoerr.TypeMismatch, "The field 'wildcardProjection' must be a non-empty object, but got %s", value.TypeName(projection.Kind()))
	case !projection.IsMissing() && w.field != "$**":
		return mongoerr.New(mongoerr.FailedToParse, "The field 'wildcardProjection' is only allowed when the wildcard field is '$**'")
	case !projection.IsMissing() && value.Len(projection.Doc()) == 0:
		return mongoerr.New(mongoerr.FailedToParse, "The 'wildcardProjection' field can't be an empty object")
	case !projection.IsMissing():
		return w.projection(projection.Doc())
	case w.field == "$**" && len(w.regular) > 0:
		return w.refused("a compound wildcard index on all fields must have a 'wildcardProjection' that leaves out its other fields")
	}
	return nil
}

func (w *wildcardSpec) refused(why string) error {
	return mongoerr.New(mongoerr.CannotCreateIndex, "Error in specification %s :: caused by :: %s", value.Document(w.spec), why)
}

func (w *wildcardSpec) options(key bson.Raw) error {
	for it := value.Walk(key); it.Next(); {
		if v := it.Value(); v.IsString() {
			return w.refused("a wildcard index cannot be of the type '" + v.Str() + "'")
		}
	}
	for _, k := range []string{"unique", "sparse"} {
		if v := value.Lookup(w.spec, k); !v.IsMissing() && v.Truthy() {
			return w.refused("Index type 'wildcard' does not support the " + k + " option")
		}
	}
	if !value.Lookup(w.spec, "expireAfterSeconds").IsMissing() {
		return w.refused("Index type 'wildcard' cannot be a TTL index")
	}
	if v := value.Lookup(w.spec, "v"); v.IsNumber() && v.AsInt64() < 2 {
		return w.refused("Index type 'wildcard' needs index version 2")
	}
	return nil
}

// projection checks the wildcardProjection. All fields but _id are either
// included or excluded; the other fields of a compound index must not be in
// the wildcard.
func (w *wildcardSpec) projection(projection bson.Raw) error {
	var in, out []string
	if err := w.flatten(projection, "", &in, &out); err != nil {
		return err
	}
	if len(w.regular) == 0 {
		return nil
	}
	for i, a := range in {
		for _, b := range in[i+1:] {
			if overlap(a, b) {
				return mongoerr.New(7246200, "The fields '%s' and '%s' of the wildcardProjection overlap", a, b)
			}
		}
		for _, r := range w.regular {
			if overlap(a, r) && (a != "_id" || !excludes(out)) {
				return mongoerr.New(7246208, "wildcardProjection includes the field '%s' of the index", r)
			}
		}
	}
	if slices.ContainsFunc(in, func(k string) bool { return k != "_id" }) || len(out) == 0 {
		return nil
	}
	slices.Sort(out)
	for _, r := range slices.Sorted(slices.Values(w.regular)) {
		at := slices.IndexFunc(out, func(x string) bool { return under(r, x) || x > r })
		switch {
		case at < 0:
			return mongoerr.New(7246210, "wildcardProjection must exclude the field '%s' of the index", r)
		case !under(r, out[at]):
			return mongoerr.New(7246209, "wildcardProjection must exclude the field '%s' of the index", r)
		}
	}
	return nil
}

func (w *wildcardSpec) flatten(projection bson.Raw, at string, in, out *[]string) error {
	for it := value.Walk(projection); it.Next(); {
		k, v := at+it.Key(), it.Value()
		switch {
		case v.IsDocument():
			if err := w.flatten(v.Doc(), k+".", in, out); err != nil {
				return err
			}
			continue
		case !v.IsNumber() && v.Kind() != bson.TypeBoolean:
			return mongoerr.New(51271, "Bad projection specification, cannot include fields or add computed fields during a wildcard projection: %s", value.Document(projection))
		case v.Truthy():
			*in = append(*in, k)
		default:
			*out = append(*out, k)
		}
		notID := func(k string) bool { return k != "_id" }
		if slices.ContainsFunc(*in, notID) && slices.ContainsFunc(*out, notID) {
			switch {
			case len(w.regular) > 0:
				return mongoerr.New(7246211, "wildcardProjection cannot both include and exclude fields")
			case v.Truthy():
				return mongoerr.New(31253, "Cannot do inclusion on field %s in exclusion projection", k)
			}
			return mongoerr.New(31254, "Cannot do exclusion on field %s in inclusion projection", k)
		}
	}
	return nil
}

// excludes tells whether a projection leaves out more than _id.
func excludes(out []string) bool {
	return slices.ContainsFunc(out, func(k string) bool { return k != "_id" })
}

// under tells whether a path is root or begins with it.
func under(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+".")
}

func overlap(a, b string) bool { return under(a, b) || under(b, a) }
