package catalog

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqltype"
)

// shownIndex is an index as SQL shows it: that on _id has PostgreSQL's name
// of a primary key.
type shownIndex struct {
	Index
	name string
}

// shownIndexes leaves out the index on the _id of tables that do not have the
// column.
func (t *Table) shownIndexes() []shownIndex {
	var out []shownIndex
	for _, x := range t.Indexes {
		name := x.Name
		if name == "_id_" {
			if !x.Primary {
				continue
			}
			name = t.Name + "_pkey"
		}
		if x.Unique && x.OnlyTypes() {
			x.Partial = nil
		}
		out = append(out, shownIndex{x, name})
	}
	for _, a := range t.IndexAliases {
		for _, x := range out {
			if x.Name == a.Of && x.OID != a.OID {
				x.OID, x.Name, x.name, x.Primary = a.OID, a.Name, a.Name, false
				x.Unique = x.Unique && !a.Plain
				out = append(out, x)
				break
			}
		}
	}
	return out
}

// method is the access method that comes nearest.
func (x *shownIndex) method() uint32 {
	for _, k := range x.Keys {
		switch k.Kind {
		case "hashed":
			return amHash
		case "text":
			return amGin
		case "2dsphere", "2d":
			return amGist
		}
	}
	return amBtree
}

var methodNames = map[uint32]string{amBtree: "btree", amHash: "hash", amGist: "gist", amGin: "gin"}

// attnums are the numbers of the indexed columns, 0 for paths inside of them.
func (x *shownIndex) attnums(t *Table) []int16 {
	nums := make([]int16, len(x.Keys))
	for i, k := range x.Keys {
		if c := t.columnAt(k.Path); c != nil {
			nums[i] = c.Attr
		}
	}
	return nums
}

// onColumns tells whether all parts of the index are columns.
func (x *shownIndex) onColumns(t *Table) bool {
	for _, k := range x.Keys {
		if t.columnAt(k.Path) == nil {
			return false
		}
	}
	return true
}

// constraint is 'p' or 'u' for the index of a constraint, else 0.
func (x *shownIndex) constraint(t *Table) byte {
	switch {
	case x.Primary:
		return 'p'
	case x.Unique && x.Partial == nil && x.onColumns(t):
		return 'u'
	}
	return 0
}

func pgIndex(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, whole, "indrelid", "indexrelid")
	if err != nil {
		return err
	}
	for _, t := range list {
		for _, x := range t.shownIndexes() {
			r.index(ctx, t, x)
		}
	}
	return nil
}

func (r *reader) index(ctx context.Context, t *Table, x shownIndex) {
	n := len(x.Keys)
	options, exprs := make([]int16, n), []string(nil)
	collations, classes := make([]uint32, n), make([]uint32, n)
	for i, k := range x.Keys {
		typ := sqltype.Text
		if c := t.columnAt(k.Path); c != nil {
			typ = c.Type.OID
		} else {
			exprs = append(exprs, keySQL(t, k))
		}
		if k.Desc {
			options[i] = 3 // DESC NULLS FIRST
		}
		collations[i], classes[i] = collationOf(typ), r.y.opclass(ctx, x.method(), typ)
	}
	r.add(x.OID, t.OID, n, n, x.Unique, false, x.Primary, false, true, false, true, false, true, true, false,
		x.attnums(t), collations, classes, options, orNull(strings.Join(exprs, ", ")), orNull(partialSQL(t, x.Partial)))
}

// opclass is the default operator class of a type, by the file of pg_opclass.
func (y *systemCatalog) opclass(ctx context.Context, method uint32, typ sqltype.OID) uint32 {
	switch {
	case typ.IsArray():
		typ = sqltype.AnyArray
	case typ == sqltype.Varchar:
		typ = sqltype.Text
	}
	docs, _ := y.fixedDocs(ctx, "pg_opclass", y.c.system["pg_catalog"]["pg_opclass"], nil)
	for _, d := range docs {
		if value.Lookup(d, "opcmethod").AsInt64() == int64(method) && value.Lookup(d, "opcintype").AsInt64() == int64(typ) &&
			value.Lookup(d, "opcdefault").AsBool() {
			return uint32(value.Lookup(d, "oid").AsInt64())
		}
	}
	return 0
}

func pgIndexes(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, whole)
	if err != nil {
		return err
	}
	for _, t := range list {
		for _, x := range t.shownIndexes() {
			r.add(t.Schema, t.Name, x.name, nil, x.sql(t))
		}
	}
	return nil
}

// keySQL is a part of an index as SQL: a column or a path.
func keySQL(t *Table, k IndexKey) string {
	if c := t.columnAt(k.Path); c != nil {
		return ast.QuoteIdent(c.Name)
	}
	parts := strings.Split(k.Path, ".")
	for i := range parts {
		parts[i] = ast.QuoteIdent(parts[i])
	}
	return "(" + strings.Join(parts, ".") + ")"
}

// sql is the CREATE INDEX of an index.
func (x *shownIndex) sql(t *Table) string {
	var b strings.Builder
	b.WriteString("CREATE ")
	if x.Unique {
		b.WriteString("UNIQUE ")
	}
	b.WriteString("INDEX " + ast.QuoteIdent(x.name) + " ON " + ast.QuoteIdent(t.Schema) + "." + ast.QuoteIdent(t.Name) + " USING " + methodNames[x.method()] + " (")
	for i, k := range x.Keys {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(keySQL(t, k))
		if k.Desc {
			b.WriteString(" DESC")
		}
	}
	b.WriteString(")")
	if x.TTL != nil {
		b.WriteString(" WITH (expire_after_seconds='" + formatInt(int64(*x.TTL)) + "')")
	}
	if p := partialSQL(t, x.Partial); p != "" {
		b.WriteString(" WHERE " + p)
	}
	return b.String()
}

var comparisonSQL = map[string]string{"$eq": " = ", "$gt": " > ", "$gte": " >= ", "$lt": " < ", "$lte": " <= "}

// partialSQL is a partial index's filter as SQL where it is made of simple
// comparisons, else the filter as it is.
func partialSQL(t *Table, filter bson.Raw) string {
	if filter == nil {
		return ""
	}
	var parts []string
	for it := value.Walk(filter); it.Next(); {
		cond, ok := conditionSQL(keySQL(t, IndexKey{Path: it.Key()}), it.Key(), it.Value())
		if !ok {
			return "(" + string(sqltype.AppendJSONB(nil, value.Document(filter))) + ")"
		}
		parts = append(parts, cond)
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

func conditionSQL(column, key string, v value.Value) (string, bool) {
	if strings.HasPrefix(key, "$") {
		return "", false
	}
	if !v.IsDocument() {
		return "(" + column + " = " + literalSQL(v) + ")", true
	}
	var parts []string
	for it := value.Walk(v.Doc()); it.Next(); {
		switch op, known := comparisonSQL[it.Key()]; {
		case known:
			parts = append(parts, "("+column+op+literalSQL(it.Value())+")")
		case it.Key() == "$exists" && it.Value().AsBool():
			parts = append(parts, "("+column+" IS NOT NULL)")
		default:
			return "", false
		}
	}
	return strings.Join(parts, " AND "), len(parts) > 0
}

func literalSQL(v value.Value) string {
	if v.IsString() {
		return "'" + strings.ReplaceAll(v.Str(), "'", "''") + "'::text"
	}
	return string(sqltype.AppendPlain(nil, v))
}

// IndexDefinition is pg_get_indexdef: of the whole index or of a column of it.
func (s *Scoped) IndexDefinition(ctx context.Context, oid uint32, column int) (string, bool) {
	t := s.ownerOf(ctx, oid)
	if t == nil {
		return "", false
	}
	for _, x := range t.shownIndexes() {
		switch {
		case x.OID != oid:
		case column == 0:
			return x.sql(t), true
		case column > 0 && column <= len(x.Keys):
			return keySQL(t, x.Keys[column-1]), true
		default:
			return "", true
		}
	}
	return "", false
}

// ownerOf finds the collection that an index or a constraint belongs to.
func (s *Scoped) ownerOf(ctx context.Context, oid uint32) *Table {
	s.oids.mu.Lock()
	f := strings.SplitN(s.oids.names[oid], "\x00", 4)
	s.oids.mu.Unlock()
	if len(f) != 4 {
		return nil
	}
	d, err := s.database(ctx, f[1], listAge)
	if err != nil || !d.has(f[2]) {
		return nil
	}
	t, err := s.load(ctx, f[1], f[2], d)
	if err != nil {
		return nil
	}
	return t
}
