package engine

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

const codeCollectionUUIDMismatch = 361

// takesUUID are the commands with a collectionUUID: they fail when the
// collection of that name is another one.
func takesUUID(command string) bool {
	switch command {
	case "find", "aggregate", "count", "distinct", "insert", "update", "delete", "findAndModify", "findandmodify",
		"createIndexes", "dropIndexes", "deleteIndexes", "collMod", "drop", "renameCollection", "collStats", "collstats", "compact", "validate":
		return true
	}
	return false
}

// checkUUID compares the collectionUUID of the command, if it has one, with the
// collection that it names.
func (r *request) checkUUID() error {
	v := value.Lookup(r.cmd, "collectionUUID")
	if v.IsMissing() || !takesUUID(r.name) || !r.arg.IsString() {
		return nil // what is no name is refused by the command itself
	}
	ns := store.Namespace{DB: r.db, Coll: r.arg.Str()}
	if r.name == "renameCollection" {
		ns = splitNamespace(r.arg.Str())
	}
	if err := r.mismatch("collectionUUID", v, ns); err != nil {
		return err
	}
	return nil
}

// namedByUUID are the commands that take a collection's UUID for its name.
func namedByUUID(command string) bool {
	switch command {
	case "find", "count", "distinct", "listIndexes":
		return true
	}
	return false
}

func (r *request) resolveUUID() (ns store.Namespace, err error) {
	sub, id := r.arg.AsBinary()
	if sub != 4 || len(id) != 16 {
		return ns, mongoerr.New(mongoerr.InvalidNamespace, "Collection name must be a string or a UUID")
	}
	for _, c := range append(r.e.catalog.list(r.db), viewsCollection(r.db)) {
		if m := c.load(); m.view == nil && string(c.uuid[:]) == string(id) {
			return m.ns, r.checkReadable(m.ns.Coll)
		}
	}
	return ns, mongoerr.New(mongoerr.NamespaceNotFound, "Unable to resolve %x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func (r *request) mismatch(key string, v value.Value, ns store.Namespace) error {
	if v.Kind() != bson.TypeBinary {
		return r.wrongType(key, v, "binData")
	}
	sub, id := v.AsBinary()
	if sub != 4 || len(id) != 16 {
		return mongoerr.New(mongoerr.TypeMismatch, "BSON field '%s.%s' is the wrong binData type '%d', expected type 'UUID'", r.name, key, sub)
	}
	if c := r.e.collection(r.tx, ns); c != nil && c.load().view == nil && string(c.uuid[:]) == string(id) {
		return nil
	}
	actual := value.Null()
	for _, c := range r.e.catalog.list(ns.DB) {
		if c.load().view == nil && string(c.uuid[:]) == string(id) {
			actual = value.String(c.load().ns.Coll)
		}
	}
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "db", value.String(ns.DB))
	d = value.AppendElement(d, "collectionUUID", value.Binary(4, id))
	d = value.AppendElement(d, "expectedCollection", value.String(ns.Coll))
	d = value.AppendElement(d, "actualCollection", actual)
	return mongoerr.New(codeCollectionUUIDMismatch, "Collection UUID does not match that specified").WithInfo(value.EndDocument(d, start))
}

// failedWrites is the reply of a write command whose first statement fails
// before it is looked at.
func failedWrites(dst []byte, err *mongoerr.Error, update bool) []byte {
	dst = value.AppendElement(dst, "n", value.Int32(0))
	if update {
		dst = value.AppendElement(dst, "nModified", value.Int32(0))
	}
	first := value.Document(writeErrorDoc(store.WriteError{Err: err}))
	return value.AppendElement(dst, "writeErrors", value.ArrayFrom([]value.Value{first}))
}

// runChecked runs a command unless it asks for another collection.
func (r *request) runChecked(run func() ([]byte, error), dst []byte) ([]byte, error) {
	if r.e.commands[r.name].write && r.onOplog() {
		return dst, mongoerr.New(mongoerr.IllegalOperation, "cannot change %s: it is the log of this server", oplogNamespace)
	}
	err := r.checkUUID()
	m, ok := err.(*mongoerr.Error)
	switch {
	case err == nil:
		return run()
	case ok && m.Code == codeCollectionUUIDMismatch && strings.Contains(" insert update delete ", " "+r.name+" "):
		return failedWrites(dst, m, r.name == "update"), nil
	}
	return dst, err
}
