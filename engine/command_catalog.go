package engine

import (
	"context"
	"crypto/sha256"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// listed answers a list command: its documents through filter as a cursor.
func (r *request) listed(ctx context.Context, dst []byte, ns store.Namespace, docs []bson.Raw, filter bson.Raw, batch int) ([]byte, error) {
	var kept []bson.Raw
	f, err := r.e.compileFilter(filter, nil, nil)
	if err != nil {
		return dst, err
	}
	for _, d := range docs {
		ok, err := f.matches(d)
		if err != nil {
			return dst, err
		}
		if ok {
			kept = append(kept, d)
		}
	}
	return r.firstBatch(ctx, dst, opened{cur: &sliceCursor{docs: kept}, ns: ns}, batch, true, false, false)
}

// cmdListDatabases: {listDatabases: 1, filter, nameOnly}.
func cmdListDatabases(_ context.Context, r *request, dst []byte) ([]byte, error) {
	filter, nameOnly := emptyDoc, false
	err := r.fields(func(key string, v value.Value) (_ bool, err error) {
		switch key {
		case "filter":
			filter, err = r.document(key, v)
		case "nameOnly":
			nameOnly, err = r.boolean(key, v)
		case "authorizedDatabases":
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return dst, err
	}
	f, err := r.e.compileFilter(filter, nil, nil)
	if err != nil {
		return dst, err
	}
	var total int64
	dst = value.AppendHeader(dst, bson.TypeArray, "databases")
	start, dst := value.BeginDocument(dst)
	n := 0
	for _, db := range r.e.catalog.databases() {
		if !r.maySee(db) {
			continue
		}
		s, doc := value.BeginDocument(nil)
		doc = value.AppendElement(doc, "name", value.String(db))
		size := r.e.databaseSize(db)
		if !nameOnly {
			doc = value.AppendElement(doc, "sizeOnDisk", value.Int64(size))
			doc = value.AppendElement(doc, "empty", value.Bool(false))
		}
		raw := bson.Raw(value.EndDocument(doc, s))
		ok, err := f.matches(raw)
		if err != nil {
			return dst, err
		}
		if ok {
			dst = value.AppendItem(dst, n, value.Document(raw))
			n, total = n+1, total+size
		}
	}
	dst = value.EndDocument(dst, start)
	if !nameOnly {
		dst = value.AppendElement(dst, "totalSize", value.Int64(total))
		dst = value.AppendElement(dst, "totalSizeMb", value.Int64(total>>20))
	}
	return dst, nil
}

func (e *Engine) databaseSize(db string) int64 {
	size := int64(8192)
	for _, c := range e.catalog.list(db) {
		size += c.size.Load()
	}
	return size
}

// cmdListCollections: {listCollections: 1, filter, nameOnly, cursor}.
func cmdListCollections(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	filter, nameOnly, batch := emptyDoc, false, 1<<30
	err := r.fields(func(key string, v value.Value) (_ bool, err error) {
		switch key {
		case "filter":
			filter, err = r.document(key, v)
		case "nameOnly":
			nameOnly, err = r.boolean(key, v)
		case "cursor":
			if batch, err = r.cursorOption(v); batch == defaultBatch {
				batch = 1 << 30
			}
		case "authorizedCollections", "$includePendingDrops":
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return dst, err
	}
	var docs []bson.Raw
	views := false
	for _, c := range r.e.catalog.list(r.db) {
		docs = append(docs, c.describe(nameOnly))
		views = views || c.load().view != nil
	}
	if r.db == oplogNamespace.DB {
		docs = append(docs, r.e.describeOplog(nameOnly))
	}
	if views {
		docs = append(docs, viewsCollection(r.db).describe(nameOnly))
	}
	return r.listed(ctx, dst, store.Namespace{DB: r.db, Coll: "$cmd.listCollections"}, docs, filter, batch)
}

// viewsCollection stands for system.views, the collection of a database's view
// definitions. The engine keeps them with the other collections.
func viewsCollection(db string) *collection {
	sum := sha256.Sum256([]byte("system.views of " + db))
	c := &collection{uuid: [16]byte(sum[:16])}
	c.uuid[6], c.uuid[8] = c.uuid[6]&0x0f|0x40, c.uuid[8]&0x3f|0x80
	c.meta.Store(&meta{ns: store.Namespace{DB: db, Coll: "system.views"}, indexes: []*indexState{newIDIndex(0, nil, nil)}})
	return c
}

// describe is the collection as listCollections shows it.
func (c *collection) describe(nameOnly bool) bson.Raw {
	m := c.load()
	kind := "collection"
	if m.view != nil {
		kind = "view"
	}
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "name", value.String(m.ns.Coll))
	d = value.AppendElement(d, "type", value.String(kind))
	if nameOnly {
		return value.EndDocument(d, start)
	}
	options := m.options
	if options == nil {
		options = emptyDoc
	}
	d = value.AppendElement(d, "options", value.Document(options))
	d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "info")
	info, d := value.BeginDocument(d)
	d = value.AppendElement(d, "readOnly", value.Bool(m.view != nil))
	if m.view == nil {
		d = value.AppendElement(d, "uuid", value.Binary(4, c.uuid[:]))
	}
	d = value.EndDocument(d, info)
	if m.view == nil {
		if value.Lookup(options, "clusteredIndex").IsMissing() {
			d = value.AppendElement(d, "idIndex", value.Document(m.idIndex().Spec))
		}
	}
	return value.EndDocument(d, start)
}

// createOptions are the fields of create that become options of the collection.
var createOptions = map[string]bson.Type{
	"capped": bson.TypeBoolean, "size": bson.TypeInt64, "max": bson.TypeInt64, "validator": bson.TypeEmbeddedDocument,
	"validationLevel": bson.TypeString, "validationAction": bson.TypeString, "collation": bson.TypeEmbeddedDocument,
	"viewOn": bson.TypeString, "pipeline": bson.TypeArray, "changeStreamPreAndPostImages": bson.TypeEmbeddedDocument,
	"storageEngine": bson.TypeEmbeddedDocument, "indexOptionDefaults": bson.TypeEmbeddedDocument,
	"expireAfterSeconds": bson.TypeInt64, "flags": bson.TypeInt64,
}

// createOption checks an option of create and makes of it what is kept with the
// collection, if anything is.
func (r *request) createOption(ns store.Namespace, key string, v value.Value) (kept value.Value, keep, known bool, err error) {
	switch key {
	case "autoIndexId":
		if auto, err := r.boolean(key, v); err != nil || auto || ns.DB == "local" {
			return v, false, true, err
		}
		return v, false, true, mongoerr.New(50001, "autoIndexId:false is not allowed for collection %s because it can be replicated", ns)
	case "writeConcern", "temp":
		return v, false, true, nil
	case "idIndex":
		return v, false, true, r.checkIDIndexOption(v)
	case "clusteredIndex":
		v, err := clusteredIndex(v)
		return v, v.IsDocument(), true, err
	case "timeseries", "encryptedFields":
		return v, false, true, mongoerr.New(mongoerr.InvalidOptions, "create option '%s' is not supported", key)
	}
	want, known := createOptions[key]
	if !known {
		return v, false, false, nil
	}
	if v.IsDocument() { // what is wrong in these is told before a wrong type is
		switch key {
		case "indexOptionDefaults":
			if err := checkIndexDefaults(v.Doc()); err != nil || value.Len(v.Doc()) == 0 {
				return v, false, true, err
			}
		case "storageEngine":
			if err := checkEngineOptions(v.Doc()); err != nil {
				return v, false, true, err
			}
		}
	}
	if err := r.checkType(key, v, want); err != nil {
		return v, false, true, err
	}
	switch {
	case key == "changeStreamPreAndPostImages":
		keep, err := r.checkImages(v)
		return v, keep, true, err
	case key == "collation":
		return keptCollation(v)
	case key == "capped":
		return value.Bool(true), v.Truthy(), true, nil
	case key == "size" && v.AsInt64() > 0, key == "max":
		v = value.IntOrLong(v.AsInt64())
	}
	return v, true, true, nil
}

// keptCollation completes the collation of a new collection; simple is not kept.
func keptCollation(v value.Value) (kept value.Value, keep, known bool, err error) {
	if value.Len(v.Doc()) == 0 {
		return v, false, true, mongoerr.New(40414, "BSON field 'create.collation.locale' is missing but a required field")
	}
	c, err := value.ParseCollation(v.Doc())
	if err != nil || c == nil {
		return v, false, true, err
	}
	return value.Document(completeCollation(v.Doc())), true, true, nil
}

// cmdCreate: {create: coll, …options}.
func cmdCreate(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	start, options := value.BeginDocument(nil)
	err = r.fields(func(key string, v value.Value) (bool, error) {
		v, keep, known, err := r.createOption(ns, key, v)
		if keep && err == nil {
			options = value.AppendElement(options, key, v)
		}
		return known, err
	})
	if err != nil {
		return dst, err
	}
	if !value.Lookup(r.cmd, "viewOn").IsMissing() && value.Lookup(r.cmd, "pipeline").IsMissing() {
		options = value.AppendElement(options, "pipeline", value.Array(emptyDoc))
	}
	opts := bson.Raw(value.EndDocument(options, start))
	if err := r.checkClustered(opts); err != nil {
		return dst, err
	}
	if err := checkCreate(ns, opts); err != nil {
		return dst, err
	}
	if value.Len(opts) == 0 {
		opts = nil
	}
	if err := r.checkTransactionLevel(); err != nil {
		return dst, err
	}
	if c := r.e.collection(r.tx, ns); c != nil {
		if r.tx == nil && sameOptions(c.load().options, opts) {
			return dst, nil
		}
		return dst, mongoerr.New(mongoerr.NamespaceExists, "Collection %s already exists.", ns)
	}
	if r.tx != nil {
		_, err = r.e.createIn(ctx, r.tx, ns, opts)
	} else {
		_, err = r.e.createCollection(ctx, ns, opts)
	}
	return dst, err
}

func sameOptions(a, b bson.Raw) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return value.Equal(value.Document(a), value.Document(b))
}

func checkCreate(ns store.Namespace, o bson.Raw) error {
	capped := !value.Lookup(o, "capped").IsMissing()
	size := value.Lookup(o, "size")
	switch {
	case size.IsNumber() && size.AsInt64() < 1:
		return mongoerr.New(51024, "BSON field 'size' value must be >= 1, actual value '%d'", size.AsInt64())
	case capped && !value.Lookup(o, "viewOn").IsMissing():
		return mongoerr.New(mongoerr.InvalidOptions, "Cannot specify 'capped' and 'viewOn' together.")
	case capped && size.IsMissing():
		return mongoerr.New(mongoerr.InvalidOptions, "the 'size' field is required when 'capped' is true")
	case !capped && (!size.IsMissing() || !value.Lookup(o, "max").IsMissing()):
		return mongoerr.New(mongoerr.InvalidOptions, "the 'capped' field needs to be true when either the 'size' or 'max' fields are present")
	case !value.Lookup(o, "pipeline").IsMissing() && value.Lookup(o, "viewOn").IsMissing():
		return mongoerr.New(mongoerr.InvalidOptions, "'pipeline' requires 'viewOn' to also be specified")
	}
	for _, e := range [...]struct{ key, values string }{
		{"validationLevel", " off strict moderate "}, {"validationAction", " error warn "},
	} {
		if v := value.Lookup(o, e.key); v.IsString() && !strings.Contains(e.values, " "+v.Str()+" ") {
			return mongoerr.New(mongoerr.BadValue, "Enumeration value '%s' for field 'create.%s' is not a valid value.", v.Str(), e.key)
		}
	}
	if err := checkImageOption(ns, o); err != nil {
		return err
	}
	return checkValidator(ns, value.Lookup(o, "validator"))
}

func checkValidator(ns store.Namespace, v value.Value) error {
	if v.IsDocument() && isServersOwn(ns.DB) {
		return mongoerr.New(mongoerr.InvalidOptions, "Document validators not allowed on collection %s in the %s database", ns, ns.DB)
	}
	return nil
}

// checkType checks the type of an option; numbers and bools may be of any number type.
func (r *request) checkType(key string, v value.Value, want bson.Type) error {
	switch want {
	case 0:
		return nil
	case bson.TypeBoolean:
		_, err := r.boolean(key, v)
		return err
	case bson.TypeInt64:
		if !v.IsNumber() {
			return r.wrongType(key, v, "long")
		}
		return nil
	}
	if v.Kind() != want {
		return r.wrongType(key, v, value.TypeName(want))
	}
	return nil
}

// completeCollation adds the options that a collation leaves out, as the server shows them.
func completeCollation(c bson.Raw) bson.Raw {
	defaults := []struct {
		key string
		v   value.Value
	}{
		{"locale", value.Value{}}, {"caseLevel", value.Bool(false)}, {"caseFirst", value.String("off")},
		{"strength", value.Int32(3)}, {"numericOrdering", value.Bool(false)}, {"alternate", value.String("non-ignorable")},
		{"maxVariable", value.String("punct")}, {"normalization", value.Bool(false)}, {"backwards", value.Bool(false)},
		{"version", value.String("57.1")},
	}
	start, d := value.BeginDocument(nil)
	for _, o := range defaults {
		v := value.Lookup(c, o.key)
		if v.IsMissing() {
			v = o.v
		}
		d = value.AppendElement(d, o.key, v)
	}
	return value.EndDocument(d, start)
}

// cmdDrop: {drop: coll}.
func cmdDrop(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	if err := r.fields(func(key string, _ value.Value) (bool, error) { return key == "collectionUUID", nil }); err != nil {
		return dst, err
	}
	var indexes int
	var view, found bool
	err = r.e.ddl(ctx, func(u *unit) error {
		c := r.e.catalog.get(ns)
		if c == nil {
			return nil
		}
		m := c.load()
		indexes, view, found = len(m.indexes), m.view != nil, true
		return u.drop(c)
	})
	if err != nil || !found {
		return dst, err
	}
	r.e.cursors.fail(ns, mongoerr.New(175, "collection dropped: %s", ns))
	if !view {
		dst = value.AppendElement(dst, "nIndexesWas", value.Int32(int32(indexes)))
	}
	return value.AppendElement(dst, "ns", value.String(ns.String())), nil
}

// cmdDropDatabase: {dropDatabase: 1}.
func cmdDropDatabase(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	if n, ok := r.arg.Integral(); !ok || n != 1 {
		return dst, mongoerr.New(5, "have to pass 1 as db parameter")
	}
	existed, err := r.e.dropDatabase(ctx, r.db)
	if err != nil {
		return dst, err
	}
	r.e.cursors.fail(store.Namespace{DB: r.db}, mongoerr.New(175, "database dropped: %s", r.db))
	if existed {
		dst = value.AppendElement(dst, "dropped", value.String(r.db))
	}
	return dst, nil
}

// cmdRenameCollection: {renameCollection: "db.a", to: "db.b", dropTarget}.
func cmdRenameCollection(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	to, drop := value.Value{}, false
	err := r.fields(func(key string, v value.Value) (_ bool, err error) {
		switch key {
		case "to":
			to = v
		case "dropTarget":
			if target := value.Lookup(r.cmd, "to"); v.Kind() == bson.TypeBinary && target.IsString() {
				drop, err = true, r.mismatch(key, v, splitNamespace(target.Str()))
				break
			}
			drop, err = r.boolean(key, v)
		case "stayTemp", "collectionUUID":
		default:
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
		return dst, err
	case !r.arg.IsString():
		return dst, r.wrongType("renameCollection", r.arg, "string")
	case to.IsMissing():
		return dst, r.missing("to")
	case !to.IsString():
		return dst, r.wrongType("to", to, "string")
	}
	from, target := splitNamespace(r.arg.Str()), splitNamespace(to.Str())
	if err := checkNamespace(from); err != nil {
		return dst, err
	}
	if checkNamespace(target) != nil {
		return dst, mongoerr.New(mongoerr.InvalidNamespace, "Invalid target namespace: %s", to.Str())
	}
	if err := checkCreatable(target); err != nil {
		return dst, mongoerr.New(mongoerr.IllegalOperation, "error with target namespace: %v", err)
	}
	if (from.DB == "local") != (target.DB == "local") {
		return dst, mongoerr.New(mongoerr.IllegalOperation, "Cannot rename collections between a replicated and an unreplicated database")
	}
	if from == target {
		return dst, mongoerr.New(mongoerr.IllegalOperation, "Can't rename a collection to itself")
	}
	return dst, r.e.rename(ctx, from, target, drop)
}

func splitNamespace(s string) store.Namespace {
	db, coll, _ := strings.Cut(s, ".")
	return store.Namespace{DB: db, Coll: coll}
}

// existing finds the collection that a command is about; a view or nothing is an error.
func (r *request) existing() (*collection, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	c := r.e.catalog.get(ns)
	switch {
	case c == nil:
		return nil, mongoerr.New(mongoerr.NamespaceNotFound, "ns does not exist: %s", ns)
	case c.load().view != nil:
		return nil, mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", ns)
	}
	return c, nil
}
