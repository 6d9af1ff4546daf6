package catalog

import (
	"context"
	"strings"

	"weir/parser/ast"
	"weir/sqltype"
	"weir/store"
)

// RelationVisible tells whether a relation or an index is found by its name
// alone, and whether it is there.
func (s *Scoped) RelationVisible(ctx context.Context, oid uint32) (visible, found bool) {
	t, ok := s.RelationByOID(ctx, oid)
	if !ok {
		if t = s.indexTable(ctx, oid); t == nil {
			return false, false
		}
		return s.onPath(t.Schema), true
	}
	for _, schema := range s.path {
		if schema == t.Schema {
			return true, true
		}
		if s.holds(ctx, schema, t.Name) {
			return false, true
		}
	}
	return false, true
}

func (s *Scoped) onPath(schema string) bool {
	for _, p := range s.path {
		if p == schema {
			return true
		}
	}
	return false
}

// holds tells whether a schema has a relation of just this name.
func (s *Scoped) holds(ctx context.Context, schema, name string) bool {
	if IsSystemSchema(schema) {
		_, ok := s.system[schema][name]
		return ok
	}
	d, err := s.database(ctx, s.DatabaseOf(schema), listAge)
	return err == nil && d.has(name)
}

// indexTable finds the table of an index without looking at documents; nil if
// the OID is no index's.
func (s *Scoped) indexTable(ctx context.Context, oid uint32) *Table {
	s.oids.mu.Lock()
	f := strings.SplitN(s.oids.names[oid], "\x00", 4)
	s.oids.mu.Unlock()
	if len(f) != 4 || f[0] != "index" {
		return nil
	}
	d, err := s.database(ctx, f[1], listAge)
	if err != nil || !d.has(f[2]) {
		return nil
	}
	return s.known(f[1], f[2], d)
}

// IndexName gives an index's table and the name that SQL shows.
func (s *Scoped) IndexName(ctx context.Context, oid uint32) (schema, name string, ok bool) {
	t := s.indexTable(ctx, oid)
	if t == nil {
		return "", "", false
	}
	s.oids.mu.Lock()
	f := strings.SplitN(s.oids.names[oid], "\x00", 4)
	s.oids.mu.Unlock()
	if f[3] == "_id_" {
		return t.Schema, t.Name + "_pkey", true
	}
	return t.Schema, f[3], true
}

// IndexStorage tells where an index is in the store, and its name there.
func (s *Scoped) IndexStorage(ctx context.Context, oid uint32) (ns store.Namespace, name string, ok bool) {
	t := s.indexTable(ctx, oid)
	if t == nil {
		return ns, "", false
	}
	s.oids.mu.Lock()
	f := strings.SplitN(s.oids.names[oid], "\x00", 4)
	s.oids.mu.Unlock()
	return t.NS, f[3], true
}

// IndexNamed finds an index by the name that SQL shows; schema "" means the
// search path.
func (s *Scoped) IndexNamed(ctx context.Context, schema, name string) (uint32, bool) {
	schemas := s.path
	if schema != "" {
		schemas = []string{schema}
	}
	for _, sch := range schemas {
		if IsSystemSchema(sch) || s.standard == nil {
			continue
		}
		d, err := s.database(ctx, s.DatabaseOf(sch), listAge)
		if err != nil {
			continue
		}
		for _, coll := range d.sorted {
			t, err := s.complete(ctx, s.known(s.DatabaseOf(sch), coll, d), indexed)
			if err != nil {
				continue
			}
			for _, x := range t.shownIndexes() {
				if x.name == name {
					return x.OID, true
				}
			}
		}
	}
	return 0, false
}

// ViewDefinition is pg_get_viewdef.
func (s *Scoped) ViewDefinition(ctx context.Context, oid uint32) (string, bool) {
	t, ok := s.RelationByOID(ctx, oid)
	if !ok || t.Definition == "" {
		return "", false
	}
	return s.viewSQL(t), true
}

// RelationComment is the comment on a relation, or on a column of it.
func (s *Scoped) RelationComment(ctx context.Context, oid uint32, column int) (string, bool) {
	t, ok := s.RelationByOID(ctx, oid)
	if !ok {
		return "", false
	}
	if column == 0 {
		return t.Comment, t.Comment != ""
	}
	if t.Columns == nil {
		d, err := s.database(ctx, t.NS.DB, listAge)
		if err != nil {
			return "", false
		}
		if t, err = s.load(ctx, t.NS.DB, t.Name, d); err != nil {
			return "", false
		}
	}
	for i := range t.Columns {
		if int(t.Columns[i].Attr) == column {
			return t.Columns[i].Comment, t.Columns[i].Comment != ""
		}
	}
	return "", false
}

// OwnedSequence is the sequence that a column owns, as pg_get_serial_sequence
// names it; hasColumn is false when the table has no such column.
func (s *Scoped) OwnedSequence(ctx context.Context, table uint32, column string) (name string, owned, hasColumn bool) {
	db, coll, ok := s.nameOf(table)
	if !ok {
		return "", false, false
	}
	d, err := s.database(ctx, db, listAge)
	if err != nil || !d.has(coll) {
		return "", false, false
	}
	t, err := s.load(ctx, db, coll, d)
	if err != nil || findColumn(t.Columns, column) == nil {
		return "", false, false
	}
	for seq, o := range d.objects {
		if o.Sequence != nil && o.Sequence.OwnedBy == coll+"."+column {
			return ast.QuoteIdent(s.SchemaOf(db)) + "." + ast.QuoteIdent(seq), true, true
		}
	}
	return "", false, true
}

// SchemaByOID gives the name of a schema.
func (s *Scoped) SchemaByOID(ctx context.Context, oid uint32) (string, bool) {
	for _, name := range []string{PublicSchema, "pg_catalog", "information_schema", SystemSchema} {
		if s.SchemaOID(name) == oid {
			return name, true
		}
	}
	dbs, err := s.databaseNames(ctx)
	if err != nil {
		return "", false
	}
	for _, db := range dbs {
		if s.SchemaOID(s.SchemaOf(db)) == oid {
			return s.SchemaOf(db), true
		}
	}
	return "", false
}

// FunctionInfo is a function as pg_proc has it, for the functions and types that
// tell of it.
type FunctionInfo struct {
	OID    uint32
	Schema string
	Name   string
	Args   []sqltype.OID
}

// FunctionByOID finds a function that no expression can call: an input or
// output function of a type, or one over live state.
func (s *Scoped) FunctionByOID(oid uint32) (FunctionInfo, bool) {
	for _, t := range s.functions {
		if t.OID == oid {
			return functionInfo(t), true
		}
	}
	if s.standard == nil {
		return FunctionInfo{}, false
	}
	for _, f := range s.standard.typeFunctions() {
		if f.OID == oid {
			return f, true
		}
	}
	return FunctionInfo{}, false
}

// FunctionsNamed finds them by their name.
func (s *Scoped) FunctionsNamed(name string) []FunctionInfo {
	var out []FunctionInfo
	if t, ok := s.functions[name]; ok {
		out = append(out, functionInfo(t))
	}
	if s.standard == nil {
		return out
	}
	for _, f := range s.standard.typeFunctions() {
		if f.Name == name {
			out = append(out, f)
		}
	}
	return out
}

func functionInfo(t *Table) FunctionInfo {
	f := FunctionInfo{OID: t.OID, Schema: t.Schema, Name: t.Name}
	for _, p := range t.Params {
		f.Args = append(f.Args, p.Type.OID)
	}
	return f
}

// typeFunctions are those of the file of pg_proc.
func (y *systemCatalog) typeFunctions() []FunctionInfo {
	y.once.Do(func() {
		for line := range strings.Lines(string(systemFile("pg_proc.tsv"))) {
			f := strings.Split(line, "\t")
			info := FunctionInfo{OID: y.procs[f[1]], Schema: "pg_catalog", Name: f[1]}
			for _, a := range strings.Fields(f[19]) {
				n, _ := sqltype.ParseOid(a, "oid")
				info.Args = append(info.Args, sqltype.OID(n))
			}
			y.typeFuncs = append(y.typeFuncs, info)
		}
	})
	return y.typeFuncs
}

// TableFunctionArguments prints the arguments of a function over live state as
// pg_get_function_arguments (kind arguments or identity) and …_result do.
func (s *Scoped) TableFunctionArguments(kind string, oid uint32) (string, bool) {
	for _, t := range s.functions {
		if t.OID != oid {
			continue
		}
		var parts []string
		if kind == "result" {
			for i := range t.Columns {
				parts = append(parts, ast.QuoteIdent(t.Columns[i].Name)+" "+t.Columns[i].Type.String())
			}
			return "TABLE(" + strings.Join(parts, ", ") + ")", true
		}
		for _, p := range t.Params {
			part := ast.QuoteIdent(p.Name) + " " + p.Type.String()
			if kind == "arguments" && !p.Required {
				part += " DEFAULT NULL"
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ", "), true
	}
	return "", false
}

// nameInPath is a relation's name as SQL finds it: with its schema where the
// search path does not lead to it.
func (s *Scoped) nameInPath(t *Table) string {
	name := ast.QuoteIdent(t.Name)
	if s.onPath(t.Schema) {
		return name
	}
	return ast.QuoteIdent(t.Schema) + "." + name
}

// QualifiedType is the name, with its schema, of a type that the search path
// does not lead to.
func (s *Scoped) QualifiedType(oid sqltype.OID) (string, bool) {
	of := oid
	if elem := oid.Elem(); elem != sqltype.Invalid {
		of = elem
	}
	d := of.Def()
	if d == nil {
		return "", false
	}
	schema := s.SchemaOf(d.Schema)
	if s.onPath(schema) {
		return "", false
	}
	return ast.QuoteIdent(schema) + "." + oid.String(), true
}

// inPath leaves out the schema of a default's sequence where the search path
// leads to it.
func (s *Scoped) inPath(sql string) string {
	rest, ok := strings.CutPrefix(sql, "nextval('")
	schema, name, qualified := strings.Cut(rest, ".")
	if !ok || !qualified {
		return sql
	}
	if schema = s.SchemaOf(schema); s.onPath(schema) {
		return "nextval('" + name
	}
	return "nextval('" + schema + "." + name
}
