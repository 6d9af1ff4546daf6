package engine

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// cmdListIndexes: {listIndexes: coll, cursor}.
func cmdListIndexes(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	batch := 1 << 30
	err := r.fields(func(key string, v value.Value) (_ bool, err error) {
		if key == "cursor" {
			if batch, err = r.cursorOption(v); batch == defaultBatch {
				batch = 1 << 30
			}
			return true, err
		}
		return key == "includeBuildUUIDs" || key == "includeIndexBuildInfo", nil
	})
	if err != nil {
		return dst, err
	}
	c, err := r.existing()
	if err != nil {
		return dst, err
	}
	var docs []bson.Raw
	for _, ix := range c.load().indexes {
		docs = append(docs, ix.Spec)
	}
	if k := value.Lookup(c.load().options, "clusteredIndex"); c.load().options != nil && k.IsDocument() {
		start, d := value.BeginDocument(nil)
		d = append(d, k.Doc()[4:len(k.Doc())-1]...)
		docs[0] = value.EndDocument(value.AppendElement(d, "clustered", value.Bool(true)), start)
	}
	return r.firstBatch(ctx, dst, opened{cur: &sliceCursor{docs: docs}, ns: c.load().ns}, batch, true, false, false)
}

// cmdCreateIndexes: {createIndexes: coll, indexes: [{key, name, …}]}.
func cmdCreateIndexes(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	var list value.Value
	err = r.fields(func(key string, v value.Value) (bool, error) {
		if key == "indexes" {
			list = v
		}
		return key == "indexes" || key == "commitQuorum" || key == "ignoreUnknownIndexOptions", nil
	})
	if err != nil {
		return dst, err
	}
	if ns.DB == "config" && ns.Coll == "transactions" {
		return dst, mongoerr.New(mongoerr.IllegalOperation, "not allowed to create index on config.transactions")
	}
	if !list.IsMissing() && !list.IsArray() {
		return dst, mongoerr.New(mongoerr.TypeMismatch, "The field 'indexes' must be an array, but got %s", value.TypeName(list.Kind()))
	}
	docs, err := r.documents("indexes", list)
	if err != nil {
		return dst, err
	}
	if list.IsMissing() && docs == nil {
		return dst, mongoerr.New(mongoerr.FailedToParse, "The 'indexes' field is a required argument of the createIndexes command")
	}
	if err := r.checkTransactionLevel(); err != nil {
		return dst, err
	}
	if len(docs) == 0 {
		return dst, mongoerr.New(mongoerr.BadValue, "Must specify at least one index to create")
	}
	return r.createIndexes(ctx, dst, ns, docs)
}

func (r *request) createIndexes(ctx context.Context, dst []byte, ns store.Namespace, docs []bson.Raw) ([]byte, error) {
	var specs []bson.Raw
	var m *meta
	if c := r.e.collection(r.tx, ns); c != nil {
		m = c.load()
	}
	if err := checkClusteredKeys(m, docs); err != nil {
		return dst, err
	}
	for _, d := range docs {
		if !value.Lookup(d, "clustered").IsMissing() {
			continue // there already
		}
		s, err := normalIndex(d)
		if err != nil {
			return dst, err
		}
		specs = append(specs, s)
	}
	created := m == nil
	w := r.writer()
	c, err := w.collection(ns)
	if err != nil {
		return dst, err
	}
	before := len(c.load().indexes)
	specs, err = newIndexes(c.load(), specs)
	switch {
	case err != nil || len(specs) == 0:
	case r.tx != nil:
		err = r.e.createIndexesIn(ctx, r.tx, c, specs)
	default:
		err = r.e.buildIndexes(ctx, c, specs)
	}
	if err != nil {
		return dst, err
	}
	after := len(c.load().indexes)
	if len(specs) > 0 {
		dst = value.AppendElement(dst, "createdCollectionAutomatically", value.Bool(created))
	}
	dst = value.AppendElement(dst, "numIndexesBefore", value.Int32(int32(before)))
	dst = value.AppendElement(dst, "numIndexesAfter", value.Int32(int32(after)))
	if len(specs) == 0 {
		dst = value.AppendElement(dst, "note", value.String("all indexes already exist"))
	} else {
		dst = value.AppendElement(dst, "commitQuorum", value.String("votingMembers"))
	}
	return dst, nil
}

// newIndexes leaves out the indexes that exist, and refuses those that clash.
func newIndexes(m *meta, specs []bson.Raw) ([]bson.Raw, error) {
	var out []bson.Raw
	for _, s := range specs {
		exists, err := clash(m, s)
		if err != nil {
			return nil, err
		}
		if !exists {
			if slices.ContainsFunc(out, func(o bson.Raw) bool { return string(o) == string(s) }) {
				return nil, mongoerr.New(mongoerr.OperationFailed, "Collection %s :: caused by :: Cannot build two identical indexes. Try again without duplicate indexes.", m.ns)
			}
			for _, o := range out {
				if value.Equal(value.Lookup(o, "name"), value.Lookup(s, "name")) {
					return nil, nameTaken(s, o)
				}
			}
			if value.Lookup(s, "collation").IsMissing() && m.collation != nil {
				s = withCollation(s, m)
			}
			out = append(out, s)
		}
	}
	return out, nil
}

func withCollation(s bson.Raw, m *meta) bson.Raw {
	start, d := value.BeginDocument(nil)
	d = append(d, s[4:len(s)-1]...)
	d = value.AppendElement(d, "collation", value.Lookup(m.options, "collation"))
	return value.EndDocument(d, start)
}

func clash(m *meta, s bson.Raw) (exists bool, err error) {
	name, key := value.Lookup(s, "name").Str(), value.Lookup(s, "key")
	for _, ix := range m.indexes {
		sameKey := string(ix.Key) == string(key.Doc()) ||
			value.Equal(value.Document(ix.Key), key) && value.Equal(value.Lookup(ix.Spec, "collation"), value.Lookup(s, "collation"))
		if ix.IsID() && sameKey {
			return true, nil
		}
		signature := sameKey && sameFields(ix.Spec, s, "collation", "partialFilterExpression", "unique", "sparse", "wildcardProjection")
		switch {
		case ix.Name == name && signature && equalSpecs(ix.Spec, s):
			return true, nil
		case ix.Name == name && signature:
			return false, mongoerr.New(mongoerr.IndexOptionsConflict, "An equivalent index already exists with the same name but different options. Requested index: %s, existing index: %s", value.Document(s), value.Document(ix.Spec))
		case ix.Name == name:
			return false, nameTaken(s, ix.Spec)
		case signature:
			return false, mongoerr.New(mongoerr.IndexOptionsConflict, "Index already exists with a different name: %s", ix.Name)
		}
	}
	return false, nil
}

func nameTaken(s, existing bson.Raw) error {
	return mongoerr.New(mongoerr.IndexKeySpecsConflict, "An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: %s, existing index: %s", value.Document(s), value.Document(existing))
}

func sameFields(a, b bson.Raw, names ...string) bool {
	for _, n := range names {
		if !value.Equal(value.Lookup(a, n), value.Lookup(b, n)) {
			return false
		}
	}
	return true
}

func equalSpecs(a, b bson.Raw) bool {
	return value.Len(a) == value.Len(b) && covers(a, b)
}

func covers(a, b bson.Raw) bool {
	for it := value.Walk(a); it.Next(); {
		if !value.Equal(it.Value(), value.Lookup(b, it.Key())) {
			return false
		}
	}
	return true
}

// normalIndex checks an index specification and puts it into the form of listIndexes.
func normalIndex(d bson.Raw) (bson.Raw, error) {
	key := value.Lookup(d, "key")
	if key.IsMissing() {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Error in specification %s :: caused by :: The 'key' field is a required property of an index specification", value.Document(d))
	}
	if !key.IsDocument() {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "Error in specification %s :: caused by :: The field 'key' must be an object, but got %s", value.Document(d), value.TypeName(key.Kind()))
	}
	if err := checkKeyPattern(key.Doc()); err != nil {
		return nil, err
	}
	name := value.Lookup(d, "name")
	if name.IsMissing() {
		return nil, mongoerr.New(mongoerr.FailedToParse, "Error in specification %s :: caused by :: The 'name' field is a required property of an index specification", value.Document(d))
	}
	if !name.IsString() {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "The field 'name' must be a string, but got %s", value.TypeName(name.Kind()))
	}
	if name.Str() == "" {
		return nil, mongoerr.New(mongoerr.CannotCreateIndex, "Error in specification %s :: caused by :: index name cannot be empty", value.Document(d))
	}
	if err := checkIDIndex(d, key.Doc(), name.Str()); err != nil {
		return nil, err
	}
	if name.Str() == "*" {
		return nil, mongoerr.New(mongoerr.BadValue, "The index name '%s' is not valid.", name.Str())
	}
	if err := checkWildcard(d, key.Doc()); err != nil {
		return nil, err
	}
	version, err := indexVersion(d)
	if err != nil {
		return nil, err
	}
	start, s := value.BeginDocument(nil)
	s = value.AppendElement(s, "v", value.Int32(version))
	s = value.AppendElement(s, "key", key)
	s = value.AppendElement(s, "name", name)
	if s, err = appendIndexOptions(s, d, key.Doc()); err != nil {
		return nil, err
	}
	return value.EndDocument(s, start), nil
}

// indexVersion is the version that a specification asks for; it is shown and
// makes no difference.
func indexVersion(d bson.Raw) (int32, error) {
	v := value.Lookup(d, "v")
	n, ok := v.Integral()
	switch {
	case v.IsMissing():
		return 2, nil
	case !v.IsNumber():
		return 0, mongoerr.New(mongoerr.TypeMismatch, "The field 'v' must be a number, but got %s", value.TypeName(v.Kind()))
	case !ok:
		return 0, mongoerr.New(mongoerr.BadValue, "Index version must be representable as a 32-bit integer, but got %s", v)
	case n != 1 && n != 2:
		return 0, mongoerr.New(mongoerr.CannotCreateIndex, "Invalid index specification %s; cannot create an index with v=%d", value.Document(d), n)
	}
	return int32(n), nil
}

// checkIDIndex allows an index on _id alone only as the one that exists anyway.
func checkIDIndex(d, key bson.Raw, name string) error {
	onID := value.Len(key) == 1 && firstKey(key) == "_id" && !hashed(key)
	switch {
	case !onID && name == "_id_":
		return mongoerr.New(mongoerr.BadValue, "The index name '_id_' is reserved for the _id index, which must have key pattern {_id: 1}, found key: %s", value.Document(key))
	case !onID:
		return nil
	case value.Lookup(key, "_id").Sign() < 0:
		return mongoerr.New(mongoerr.BadValue, "The field 'key' for an _id index must be {_id: 1}, but got %s", value.Document(key))
	}
	for it := value.Walk(d); it.Next(); {
		switch it.Key() {
		case "unique", "sparse", "hidden", "partialFilterExpression", "expireAfterSeconds":
			return mongoerr.New(mongoerr.InvalidIndexSpecificationOption, "The field '%s' is not valid for an _id index specification. Specification: %s", it.Key(), value.Document(d))
		}
	}
	return nil
}

func appendIndexOptions(s []byte, d, key bson.Raw) ([]byte, error) {
	for it := value.Walk(d); it.Next(); {
		k, v := it.Key(), it.Value()
		switch k {
		case "v", "key", "name", "ns", "dropDups":
			continue
		case "background":
		case "unique", "sparse", "hidden":
			if k != "unique" && !v.IsNumber() && v.Kind() != bson.TypeBoolean {
				return s, mongoerr.New(mongoerr.TypeMismatch, "Error in specification %s :: caused by :: The field '%s' has value %s, which is not convertible to bool", value.Document(d), k, v)
			}
			if !v.Truthy() {
				continue
			}
			v = value.Bool(true)
		case "expireAfterSeconds":
			if err := checkTTL(v, key); err != nil {
				return s, err
			}
			v = value.Int32(int32(v.AsInt64()))
		case "partialFilterExpression":
			if err := checkPartial(v, d); err != nil {
				return s, err
			}
		case "collation":
			if !v.IsDocument() {
				return s, mongoerr.New(mongoerr.TypeMismatch, "The field 'collation' must be an object, but got %s", value.TypeName(v.Kind()))
			}
			if value.Len(v.Doc()) == 0 {
				return s, mongoerr.New(mongoerr.BadValue, "The field 'collation' cannot be an empty object.")
			}
			c, err := value.ParseCollation(v.Doc())
			if err != nil {
				return s, err
			}
			if c == nil {
				continue
			}
			v = value.Document(completeCollation(v.Doc()))
		case "wildcardProjection", "storageEngine", "weights", "default_language", "language_override", "textIndexVersion", "2dsphereIndexVersion",
			"bits", "min", "max", "prepareUnique", "clustered", "originalSpec":
		case countedOption:
			if !v.Truthy() {
				continue
			}
			if err := checkCounted(d, key); err != nil {
				return s, err
			}
			v = value.Bool(true)
		default:
			return s, mongoerr.New(mongoerr.InvalidIndexSpecificationOption, "The field '%s' is not valid for an index specification. Specification: %s", k, value.Document(d))
		}
		s = value.AppendElement(s, k, v)
	}
	if value.Lookup(d, "unique").Truthy() && !value.Lookup(d, "unique").IsMissing() && hashed(key) {
		return s, mongoerr.New(16764, "Currently hashed indexes cannot guarantee uniqueness. Use a regular index.")
	}
	if !value.Lookup(d, "sparse").IsNullish() && value.Lookup(d, "sparse").Truthy() && !value.Lookup(d, "partialFilterExpression").IsMissing() {
		return s, mongoerr.New(mongoerr.CannotCreateIndex, "Error in specification %s :: caused by :: cannot mix \"partialFilterExpression\" and \"sparse\" options", value.Document(d))
	}
	return s, nil
}

func hashed(key bson.Raw) bool {
	for it := value.Walk(key); it.Next(); {
		if it.Kind() == bson.TypeString && it.Value().Str() == "hashed" {
			return true
		}
	}
	return false
}

func checkTTL(v value.Value, key bson.Raw) error {
	switch {
	case !v.IsNumber():
		return mongoerr.New(mongoerr.TypeMismatch, "TTL index 'expireAfterSeconds' option must be numeric, but received a type of '%s'", value.TypeName(v.Kind()))
	case v.AsInt64() < 0 || v.AsInt64() > 1<<31-1:
		return mongoerr.New(mongoerr.CannotCreateIndex, "TTL index 'expireAfterSeconds' option must be within an acceptable range, try a different number than %s", v)
	case value.Len(key) > 1:
		return mongoerr.New(mongoerr.CannotCreateIndex, "TTL indexes are single-field indexes, compound indexes do not support TTL. Index spec: %s", value.Document(key))
	case firstKey(key) == "_id":
		return mongoerr.New(mongoerr.InvalidIndexSpecificationOption, "The field 'expireAfterSeconds' is not valid for an _id index specification.")
	}
	return nil
}

// checkPartial allows what the server allows in a partial index: comparisons,
// $exists: true, $type, $in, $and and $or.
func checkPartial(v value.Value, spec bson.Raw) error {
	if !v.IsDocument() {
		return mongoerr.New(mongoerr.TypeMismatch, "The field 'partialFilterExpression' must be an object, but got %s", value.TypeName(v.Kind()))
	}
	m, err := match.Compile(v.Doc(), nil)
	if err != nil {
		return err
	}
	if !partialNode(m.Root()) {
		return mongoerr.New(mongoerr.CannotCreateIndex, "Error in specification %s :: caused by :: Expression not supported in partial index: %s", value.Document(spec), v)
	}
	return nil
}

func partialNode(n match.Node) bool {
	switch n := n.(type) {
	case *match.And:
		return !slices.ContainsFunc(n.Of, func(x match.Node) bool { return !partialNode(x) })
	case *match.Or:
		return !slices.ContainsFunc(n.Of, func(x match.Node) bool { return !partialNode(x) })
	case *match.Compare, *match.In, *match.Exists, *match.Type:
		return true
	}
	return false
}

// checkKeyPattern refuses key patterns that the server refuses, and the index
// types that the engine does not have.
func checkKeyPattern(key bson.Raw) error {
	if value.Len(key) == 0 {
		return mongoerr.New(mongoerr.CannotCreateIndex, "Index keys cannot be empty.")
	}
	seen := map[string]bool{}
	hashes, wildcards := 0, 0
	for it := value.Walk(key); it.Next(); {
		k, v := it.Key(), it.Value()
		if v.IsString() && v.Str() == "hashed" {
			hashes++
		}
		if index.IsWildcardField(k) {
			wildcards++
			k = strings.TrimSuffix(strings.TrimSuffix(k, "$**"), ".")
			if wildcards > 1 {
				return mongoerr.New(7246201, "Wildcard index allows only one wildcard field, but found several in %s", value.Document(key))
			}
			if k == "" {
				k = "_"
			}
		}
		switch {
		case hashes > 1:
			return mongoerr.New(31303, "A maximum of one index field is allowed to be hashed but found %d for 'key' %s", hashes, value.Document(key))
		case seen[it.Key()]:
			return mongoerr.New(mongoerr.BadValue, "Error in specification %s, the field '%s' appears multiple times", value.Document(key), k)
		case k == "":
			return mongoerr.New(mongoerr.CannotCreateIndex, "Index keys cannot be an empty field.")
		case strings.HasPrefix(k, ".") || strings.HasSuffix(k, ".") || strings.Contains(k, ".."):
			return mongoerr.New(mongoerr.CannotCreateIndex, "Index keys cannot contain an empty field.")
		case illegalDollar(k):
			return mongoerr.New(mongoerr.CannotCreateIndex, "Index key contains an illegal field name: field name starts with '$'.")
		case v.IsString() && v.Str() == "hashed":
		case v.IsString():
			return mongoerr.New(mongoerr.CannotCreateIndex, "Unknown index plugin '%s'", v.Str())
		case !v.IsNumber():
			return mongoerr.New(mongoerr.CannotCreateIndex, "Values in v:2 index key pattern cannot be of type %s. Only numbers > 0, numbers < 0, and strings are allowed.", value.TypeName(v.Kind()))
		case v.Sign() == 0 || v.IsNaN():
			return mongoerr.New(mongoerr.CannotCreateIndex, "Values in the index key pattern cannot be 0.")
		}
		seen[it.Key()] = true
	}
	return nil
}

// illegalDollar finds names that begin with "$", but those of a DBRef.
func illegalDollar(path string) bool {
	for i, part := range strings.Split(path, ".") {
		if strings.HasPrefix(part, "$") && (i == 0 || part != "$id" && part != "$ref" && part != "$db") {
			return true
		}
	}
	return false
}
