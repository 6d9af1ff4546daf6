package engine

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// clusteredIndex checks the option of create and completes it as it is shown;
// false is as good as none. Documents are found by _id in every collection; a
// clustered one has no index beside them, and that order.
func clusteredIndex(v value.Value) (value.Value, error) {
	if v.Kind() == bson.TypeBoolean {
		if v.AsBool() {
			return v, mongoerr.New(5979703, "The 'clusteredIndex' legacy format {clusteredIndex: <bool>} is only supported for specific internal collections and vice versa")
		}
		return value.Value{}, nil
	}
	if !v.IsDocument() {
		return v, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'create.clusteredIndex' is the wrong type '%s', expected types '[bool, object]'", value.TypeName(v.Kind()))
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		switch it.Key() {
		case "v", "key", "name", "unique":
		default:
			return v, mongoerr.New(40415, "BSON field 'create.clusteredIndex.%s' is an unknown field.", it.Key())
		}
	}
	key, unique, name := value.Lookup(v.Doc(), "key"), value.Lookup(v.Doc(), "unique"), value.Lookup(v.Doc(), "name")
	version := value.Lookup(v.Doc(), "v")
	switch {
	case !key.IsDocument():
		return v, mongoerr.New(40414, "BSON field 'create.clusteredIndex.key' is missing but a required field")
	case unique.IsMissing():
		return v, mongoerr.New(40414, "BSON field 'create.clusteredIndex.unique' is missing but a required field")
	case !unique.Truthy():
		return v, mongoerr.New(5979700, "The clusteredIndex option requires unique: true to be specified")
	case value.Len(key.Doc()) != 1 || value.Compare(value.Lookup(key.Doc(), "_id"), value.Int32(1)) != 0:
		return v, mongoerr.New(mongoerr.InvalidIndexSpecificationOption, "The clusteredIndex option is only supported for key: {_id: 1}")
	case !version.IsMissing() && value.Compare(version, value.Int32(2)) != 0:
		return v, mongoerr.New(5979704, "The clusteredIndex option is only supported with index version 2")
	}
	if name.IsMissing() {
		name = value.String("_id_")
	}
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "v", value.Int32(2))
	d = value.AppendElement(d, "key", key)
	d = value.AppendElement(d, "name", name)
	d = value.AppendElement(d, "unique", value.Bool(true))
	return value.Document(value.EndDocument(d, start)), nil
}

// checkClustered tells which options of create go with clusteredIndex, or only
// with it.
func (r *request) checkClustered(o bson.Raw) error {
	has := func(key string) bool { return !value.Lookup(o, key).IsMissing() }
	expire := value.Lookup(o, "expireAfterSeconds")
	if !has("clusteredIndex") {
		if !expire.IsMissing() {
			return mongoerr.New(mongoerr.InvalidOptions, "'expireAfterSeconds' is only supported on time-series collections or when the 'clusteredIndex' option is specified")
		}
		return nil
	}
	autoID := value.Lookup(r.cmd, "autoIndexId")
	switch {
	case has("size"):
		return mongoerr.New(6049200, "'size' field for a clustered capped collection is not supported")
	case has("max"):
		return mongoerr.New(6049204, "'max' field for a clustered capped collection is not supported")
	case has("capped") && expire.IsMissing():
		return mongoerr.New(6049201, "A capped clustered collection requires the 'expireAfterSeconds' field")
	case has("capped"):
		return mongoerr.New(6127800, "Clustered capped collections are not supported")
	case has("viewOn"):
		return mongoerr.New(6026500, "The 'clusteredIndex' option is not supported with views")
	case !autoID.IsMissing() && !autoID.Truthy():
		return mongoerr.New(6026501, "The 'clusteredIndex' option does not support {autoIndexId: false}")
	case !value.Lookup(r.cmd, "idIndex").IsMissing():
		return mongoerr.New(mongoerr.InvalidOptions, "The 'clusteredIndex' option is not supported with the 'idIndex' option")
	case !expire.IsMissing():
		return checkClusteredExpiry(expire)
	}
	return nil
}

func checkClusteredExpiry(v value.Value) error {
	if v.AsInt64() < 0 {
		return mongoerr.New(mongoerr.InvalidOptions, "TTL index 'expireAfterSeconds' option must be within an acceptable range, try a different number than %s", v)
	}
	return nil
}

// checkIDIndexOption is create's idIndex: what it may say is what the index on
// _id is anyway.
func (r *request) checkIDIndexOption(v value.Value) error {
	if !v.IsDocument() {
		return r.wrongType("idIndex", v, "object")
	}
	if !value.Lookup(r.cmd, "viewOn").IsMissing() {
		return mongoerr.New(mongoerr.InvalidOptions, "'idIndex' is not allowed with 'viewOn'")
	}
	key := value.Lookup(v.Doc(), "key")
	switch {
	case key.IsMissing():
		return mongoerr.New(mongoerr.FailedToParse, "The 'key' field is a required property of an index specification")
	case !key.IsDocument():
		return mongoerr.New(mongoerr.TypeMismatch, "The field 'key' must be an object, but got %s", value.TypeName(key.Kind()))
	case value.Len(key.Doc()) != 1 || value.Compare(value.Lookup(key.Doc(), "_id"), value.Int32(1)) != 0:
		return mongoerr.New(mongoerr.BadValue, "The field 'key' for an _id index must be {_id: 1}, but got %s", key)
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		switch it.Key() {
		case "v", "key", "name", "ns", "collation":
		default:
			return mongoerr.New(mongoerr.InvalidIndexSpecificationOption, "The field '%s' is not valid for an _id index specification. Specification: %s", it.Key(), v)
		}
	}
	if c := value.Lookup(v.Doc(), "collation"); c.IsDocument() {
		own, theirs := r.simplified(c), r.simplified(value.Lookup(r.cmd, "collation"))
		if !value.Equal(own, theirs) {
			return mongoerr.New(mongoerr.BadValue, "'idIndex' must have the same collation as the collection.")
		}
	}
	return nil
}

// simplified is a collation with all its options, or missing for the simple one.
func (r *request) simplified(v value.Value) value.Value {
	if !v.IsDocument() {
		return value.Value{}
	}
	if l := value.Lookup(v.Doc(), "locale"); l.IsString() && l.Str() == "simple" {
		return value.Value{}
	}
	return value.Document(completeCollation(v.Doc()))
}

// checkClusteredKeys holds the option clustered of createIndexes, which may only
// name again the index that a clustered collection has anyway. m is nil where
// the collection is not there.
func checkClusteredKeys(m *meta, specs []bson.Raw) error {
	for _, d := range specs {
		v := value.Lookup(d, "clustered")
		switch {
		case v.IsMissing():
			continue
		case !v.Truthy():
			return mongoerr.New(6492800, "The 'clustered' field of an index must be true")
		case m == nil:
			return mongoerr.New(6100900, "Cannot implicitly create a clustered collection with createIndexes")
		case m.clustered && firstKey(value.Lookup(d, "key").Doc()) == "_id":
		default:
			return mongoerr.New(6243700, "Cannot create index: the 'clustered' option is only for the cluster key of a clustered collection")
		}
	}
	return nil
}
