package engine

import (
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// namespace is the collection that the first field names.
func (r *request) namespace() (store.Namespace, error) {
	ns := store.Namespace{DB: r.db}
	if r.arg.Kind() == bson.TypeBinary && namedByUUID(r.name) {
		return r.resolveUUID()
	}
	if !r.arg.IsString() {
		code := mongoerr.BadValue
		switch r.name {
		case "createIndexes", "distinct", "validate", "collStats", "collstats", "convertToCapped", "cloneCollectionAsCapped", "planCacheListFilters", "planCacheClearFilters":
			code = mongoerr.InvalidNamespace
		}
		return ns, mongoerr.New(code, "collection name has invalid type %s", value.TypeName(r.arg.Kind()))
	}
	ns.Coll = strings.Clone(r.arg.Str())
	return ns, checkNamespace(ns)
}

// fields calls f for every field but the first and the generic ones; f tells
// whether it knows the field.
func (r *request) fields(f func(key string, v value.Value) (known bool, err error)) error {
	it := value.Walk(r.cmd)
	it.Next()
	seen := map[string]bool{}
	for it.Next() {
		key := it.Key()
		if seen[key] {
			return mongoerr.New(40413, "BSON field '%s.%s' is a duplicate field", r.name, key)
		}
		seen[key] = true
		if generic[key] || key == "collectionUUID" && takesUUID(r.name) {
			continue
		}
		known, err := f(key, it.Value())
		if err != nil {
			return err
		}
		if !known {
			return mongoerr.New(40415, "BSON field '%s.%s' is an unknown field.", r.name, key)
		}
	}
	return nil
}

func (r *request) wrongType(key string, v value.Value, want string) error {
	return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.%s' is the wrong type '%s', expected type '%s'",
		r.name, key, value.TypeName(v.Kind()), want)
}

func (r *request) missing(key string) error {
	return mongoerr.New(40414, "BSON field '%s.%s' is missing but a required field", r.name, key)
}

func (r *request) document(key string, v value.Value) (bson.Raw, error) {
	if !v.IsDocument() {
		return nil, r.wrongType(key, v, "object")
	}
	return v.Doc(), nil
}

func (r *request) boolean(key string, v value.Value) (bool, error) {
	if v.Kind() == bson.TypeBoolean || v.IsNumber() {
		return v.Truthy(), nil
	}
	return false, r.wrongType(key, v, "bool")
}

// number reads a whole number that is not negative.
func (r *request) number(key string, v value.Value) (int64, error) {
	if !v.IsNumber() {
		return 0, r.wrongType(key, v, "long")
	}
	n := v.AsInt64()
	if n < 0 {
		return 0, mongoerr.New(51024, "BSON field '%s' value must be >= 0, actual value '%d'", key, n)
	}
	return n, nil
}

// documents reads an array of documents, from the command or its sequence.
func (r *request) documents(key string, v value.Value) ([]bson.Raw, error) {
	if v.IsMissing() {
		for _, s := range r.seqs {
			if s.Name == key {
				return s.Docs, nil
			}
		}
		return nil, nil
	}
	if !v.IsArray() && !v.IsDocument() { // the fields of a document pass as items
		return nil, notArray(key[strings.LastIndexByte(key, '.')+1:])
	}
	docs := []bson.Raw{}
	for it := value.Walk(v.Doc()); it.Next(); {
		if it.Kind() != bson.TypeEmbeddedDocument {
			return nil, r.wrongType(key+"."+it.Key(), it.Value(), "object")
		}
		docs = append(docs, it.Value().Doc())
	}
	return docs, nil
}

// writer is the command's writer.
func (r *request) writer() *writer {
	return &writer{e: r.e, tx: r.tx, retry: r.retry, lazy: r.lazy}
}

// hintOf reads a hint: a name or a key pattern.
func (r *request) hintOf(v value.Value) (bson.RawValue, error) {
	switch v.Kind() {
	case bson.TypeString, bson.TypeEmbeddedDocument:
		if v.IsDocument() && value.Len(v.Doc()) == 0 {
			return bson.RawValue{}, nil
		}
		return v.RawValue(), nil
	}
	return bson.RawValue{}, mongoerr.New(mongoerr.FailedToParse, "Hint must be a string or an object")
}

func isEOF(err error) bool { return errors.Is(err, errEnd) }
