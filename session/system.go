package session

import (
	"context"
	"sort"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"weir/catalog"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// system answers the system information functions out of the catalog. These
// have no context of their own: what they ask is kept in memory.
type system struct{ s *Session }

var _ sqlfunc.System = (*system)(nil)

// Visible implements sqlfunc.System.
func (y *system) Visible(cat string, oid uint32) (visible, found bool) {
	switch cat {
	case "pg_class":
		return y.s.scoped().RelationVisible(context.Background(), oid)
	case "pg_type":
		ok := sqltype.Lookup(sqltype.OID(oid)) != nil
		return ok, ok
	case "pg_proc":
		ok := y.s.h.deps.Functions.Function(oid) != nil
		if !ok {
			_, ok = y.s.scoped().FunctionByOID(oid)
		}
		return ok, ok
	}
	return true, true
}

// Definition implements sqlfunc.System.
func (y *system) Definition(kind string, oid uint32, column int, _ bool) (string, bool) {
	ctx, cat := context.Background(), y.s.scoped()
	switch kind {
	case "view":
		return cat.ViewDefinition(ctx, oid)
	case "index":
		return cat.IndexDefinition(ctx, oid, column)
	case "constraint":
		return cat.ConstraintDefinition(ctx, oid)
	case "type":
		if rel, ok := cat.RowTypeRelation(oid); ok {
			return y.s.relationName(rel)
		}
		return cat.QualifiedType(sqltype.OID(oid))
	}
	return "", false
}

// Arguments implements sqlfunc.System.
func (y *system) Arguments(kind string, oid uint32) (string, bool) {
	f := y.s.h.deps.Functions.Function(oid)
	if f == nil {
		return y.s.scoped().TableFunctionArguments(kind, oid)
	}
	if kind == "result" {
		return sqltype.FormatType(f.Ret, -1), true
	}
	args := make([]string, len(f.Args))
	for i, a := range f.Args {
		args[i] = sqltype.FormatType(a, -1)
		if kind == "arguments" && i < len(f.ArgNames) && f.ArgNames[i] != "" {
			args[i] = f.ArgNames[i] + " " + args[i]
		}
	}
	return strings.Join(args, ", "), true
}

// Comment implements sqlfunc.System.
func (y *system) Comment(cat string, oid uint32, column int) (string, bool) {
	if cat != "pg_class" && cat != "" {
		return "", false
	}
	return y.s.scoped().RelationComment(context.Background(), oid, column)
}

// RoleName implements sqlfunc.System.
func (y *system) RoleName(oid uint32) (string, bool) {
	if oid == rootRole {
		return y.s.start.User, true
	}
	for _, u := range y.s.h.deps.Catalog.Users(context.Background()) {
		if u.OID == oid {
			return u.Name, true
		}
	}
	return catalog.PredefinedRole(oid)
}

// RoleOID implements sqlfunc.System.
func (y *system) RoleOID(name string) (uint32, bool) {
	if oid, ok := catalog.PredefinedRoleNamed(name); ok {
		return oid, true
	}
	if name == y.s.start.User {
		return rootRole, true
	}
	if u := y.s.userNamed(name); u != nil {
		return u.OID, true
	}
	return rootRole, false
}

// HasRole implements sqlfunc.System.
func (y *system) HasRole(role, of string) bool { return role == y.s.start.User || role == of }

// HasPrivilege implements sqlfunc.System.
func (y *system) HasPrivilege(role, kind string, object, _ value.Value, privilege string) (*bool, error) {
	yes := y.s.allows(role, y.s.start.Database, privilege)
	if kind != "table" && kind != "column" && kind != "sequence" {
		return &yes, nil
	}
	t, ok, err := y.object(object)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, nil
	}
	if yes = privilege == "SELECT" && catalog.IsSystemSchema(t.Schema); !yes {
		yes = y.s.allows(role, t.NS.DB, privilege)
	}
	return &yes, nil
}

// object finds a relation by OID or name; a name that is not there is an error.
func (y *system) object(v value.Value) (*catalog.Table, bool, error) {
	if v.IsNumber() {
		t, ok := y.s.scoped().RelationByOID(context.Background(), uint32(v.AsInt64()))
		return t, ok, nil
	}
	oid, err := (&objectNames{s: y.s}).oid(sqltype.Regclass, v.Str())
	if err != nil {
		return nil, false, err
	}
	t, ok := y.s.scoped().RelationByOID(context.Background(), oid)
	return t, ok, nil
}

// Size implements sqlfunc.System, by collStats and dbStats.
func (y *system) Size(kind string, object value.Value) (int64, bool, error) {
	if kind == "tablespace" {
		return 0, false, nil // nobody knows what else is in it
	}
	if kind == "database" {
		return y.stats(y.s.start.Database, "dbStats", "1", []string{"storageSize", "indexSize"})
	}
	t, ok, err := y.object(object)
	if err != nil {
		return 0, false, err
	}
	if !ok {
		return y.indexSize(object)
	}
	if t.NS.Coll == "" {
		return 0, true, nil
	}
	fields := []string{"storageSize"}
	switch kind {
	case "indexes":
		fields = []string{"totalIndexSize"}
	case "total":
		fields = []string{"storageSize", "totalIndexSize"}
	}
	return y.stats(t.NS.DB, "collStats", t.NS.Coll, fields)
}

// indexSize is the size of an index, out of its collection's statistics.
func (y *system) indexSize(object value.Value) (int64, bool, error) {
	if !object.IsNumber() {
		return 0, false, nil
	}
	ns, name, ok := y.s.scoped().IndexStorage(context.Background(), uint32(object.AsInt64()))
	if !ok {
		return 0, false, nil
	}
	return y.stats(ns.DB, "collStats", ns.Coll, []string{"indexSizes." + name})
}

func (y *system) stats(db, command, arg string, fields []string) (int64, bool, error) {
	at, b := bsoncore.AppendDocumentStart(nil)
	if arg == "1" {
		b = bsoncore.AppendInt32Element(b, command, 1)
	} else {
		b = bsoncore.AppendStringElement(b, command, arg)
	}
	b, _ = bsoncore.AppendDocumentEnd(b, at)
	reply, err := y.s.access.Store.Command(context.Background(), db, bson.Raw(b))
	if err != nil {
		return 0, true, nil // views and servers without it have no size
	}
	var total int64
	for _, f := range fields {
		doc := reply
		if outer, inner, nested := strings.Cut(f, "."); nested {
			if v := value.Lookup(reply, outer); v.IsDocument() {
				doc, f = v.Doc(), inner
			}
		}
		n := value.Lookup(doc, f)
		if f == "storageSize" && n.IsNumber() && n.AsInt64() == 0 {
			n = inMemory(reply)
		}
		if n.IsNumber() {
			total += n.AsInt64()
		}
	}
	return total, true, nil
}

// inMemory is the size of documents that no file holds yet.
func inMemory(reply bson.Raw) value.Value {
	if v := value.Lookup(reply, "dataSize"); v.IsNumber() {
		return v
	}
	return value.Lookup(reply, "size")
}

// Schemas implements sqlfunc.System.
func (y *system) Schemas(implicit bool) []string {
	var out []string
	for _, name := range y.s.scoped().SearchPath() {
		if name == "pg_catalog" && !implicit || !y.s.scoped().HasSchema(context.Background(), name) {
			continue
		}
		out = append(out, name)
	}
	return out
}

// SerialSequence implements sqlfunc.System.
func (y *system) SerialSequence(table, column string) (string, bool, error) {
	oid, err := (&objectNames{s: y.s}).oid(sqltype.Regclass, table)
	if err != nil {
		return "", false, err
	}
	name, owned, hasColumn := y.s.scoped().OwnedSequence(context.Background(), oid, column)
	if !hasColumn {
		return "", false, sqlerr.New(sqlerr.UndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", column, table)
	}
	return name, owned, nil
}

func (y *system) sequence(oid uint32) (*catalog.Table, error) {
	t, ok := y.s.scoped().RelationByOID(context.Background(), oid)
	if !ok {
		return nil, sqlerr.New(sqlerr.UndefinedTable, "could not open relation with OID %d", oid)
	}
	return t, nil
}

// Next implements sqlfunc.Sequences.
func (y *system) Next(oid uint32) (int64, error) {
	if err := y.s.writable("nextval()"); err != nil {
		return 0, err
	}
	if err := y.s.mayDefine(nil); err != nil {
		return 0, err
	}
	t, err := y.sequence(oid)
	if err != nil {
		return 0, err
	}
	n, err := y.s.scoped().NextVal(context.Background(), t.Schema, t.Name)
	if err == nil {
		y.s.sequences.note(oid, n)
	}
	return n, err
}

// Current implements sqlfunc.Sequences.
func (y *system) Current(oid uint32) (int64, error) {
	if n, ok := y.s.sequences.values[oid]; ok {
		return n, nil
	}
	name := strconv.FormatUint(uint64(oid), 10)
	if t, err := y.sequence(oid); err == nil {
		name = t.Name
	}
	return 0, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "currval of sequence \"%s\" is not yet defined in this session", name)
}

// Last implements sqlfunc.Sequences.
func (y *system) Last() (int64, error) {
	_, there := y.s.scoped().RelationByOID(context.Background(), y.s.sequences.last)
	if y.s.sequences.values == nil || !there {
		return 0, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "lastval is not yet defined in this session")
	}
	return y.s.sequences.values[y.s.sequences.last], nil
}

// Set implements sqlfunc.Sequences.
func (y *system) Set(oid uint32, v int64, called bool) error {
	t, err := y.sequence(oid)
	if err != nil {
		return err
	}
	if err := y.s.scoped().SetVal(context.Background(), t.Schema, t.Name, v, called); err != nil {
		return err
	}
	if called {
		y.s.sequences.note(oid, v)
	}
	return nil
}

// sequenceState is what currval and lastval know.
type sequenceState struct {
	values map[uint32]int64
	last   uint32
}

func (q *sequenceState) note(oid uint32, n int64) {
	if q.values == nil {
		q.values = map[uint32]int64{}
	}
	q.values[oid], q.last = n, oid
}

// Cancel implements sqlfunc.Backends.
func (y *system) Cancel(pid uint32) (bool, error) {
	return y.reached(pid, y.s.h.backends.Cancel(pid)), nil
}

// Terminate implements sqlfunc.Backends.
func (y *system) Terminate(pid uint32) (bool, error) {
	return y.reached(pid, y.s.h.backends.Terminate(pid)), nil
}

func (y *system) reached(pid uint32, ok bool) bool {
	if !ok {
		y.s.warn(sqlerr.Warning, "PID %d is not a PostgreSQL backend process", pid)
	}
	return ok
}

// Notify implements sqlfunc.Backends.
func (y *system) Notify(channel, payload string) error { return y.s.notify(channel, payload) }

// Listening implements sqlfunc.Backends.
func (y *system) Listening() []string {
	var out []string
	for name := range y.s.listening {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// Started implements sqlfunc.Backends.
func (y *system) Started() time.Time { return y.s.h.started }
