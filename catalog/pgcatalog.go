package catalog

import (
	"context"
	"embed"
	"strconv"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/sqlfunc"
	"weir/sqltype"
	"weir/store"
)

// The folder system holds what PostgreSQL 15 defines: relations.txt has every
// relation of pg_catalog and information_schema with its OID, kind and columns
// (name:type, ! for NOT NULL; domains by their base types), NAME.tsv rows that
// are the same everywhere, in COPY's text form.
//
//go:embed system
var systemFiles embed.FS

// systemCatalog makes the rows of pg_catalog and information_schema.
type systemCatalog struct {
	c     *Catalog
	funcs *sqlfunc.Table
	procs map[string]uint32 // the input and output functions of types, by name

	once      sync.Once
	typeFuncs []FunctionInfo

	mu    sync.Mutex
	fixed map[string][]bson.Raw // rows that never change, by relation
	lists map[store.Namespace]indexList
}

// rowMaker writes the rows of a relation.
type rowMaker func(ctx context.Context, r *reader) error

// AddSystemRelations registers all relations of pg_catalog and
// information_schema, those without rows here too. Relations of the same names
// that were added before, or are added later, take their place.
func (c *Catalog) AddSystemRelations(funcs *sqlfunc.Table) {
	y := &systemCatalog{c: c, funcs: funcs, procs: map[string]uint32{}, fixed: map[string][]bson.Raw{}, lists: map[store.Namespace]indexList{}}
	for line := range strings.Lines(string(systemFile("pg_proc.tsv"))) {
		f := strings.SplitN(line, "\t", 3)
		oid, _ := strconv.ParseUint(f[0], 10, 32)
		y.procs[f[1]] = uint32(oid)
	}
	for line := range strings.Lines(string(systemFile("relations.txt"))) {
		t := systemRelation(strings.TrimSpace(line))
		if own := c.system[t.Schema][t.Name]; own != nil {
			delete(c.builtin, own.OID)
			own.OID, own.SystemView = t.OID, t.SystemView
			c.register(own)
			continue
		}
		y.fill(t)
		c.AddRelation(t)
	}
	c.standard = y
	for _, f := range viewFunctions {
		t := c.system["pg_catalog"][f.view]
		fn := &Table{OID: f.oid, Schema: "pg_catalog", Name: f.name, Kind: Function}
		for _, c := range t.Columns {
			if c.Attr = 0; c.Name != f.without {
				fn.Columns = append(fn.Columns, c)
			}
		}
		fn.Function = func(ctx context.Context, s Session, _ []bson.RawValue) (FunctionRows, error) {
			cur, err := c.system["pg_catalog"][f.view].Rows(ctx, s)
			return FunctionRows{Rows: cur}, err
		}
		c.register(fn)
		c.functions[f.name] = fn
	}
}

// viewFunctions are the functions that PostgreSQL makes views of; here it is
// the other way round. Some lack a column that the view adds.
var viewFunctions = []struct {
	oid                 uint32
	name, view, without string
}{
	{2084, "pg_show_all_settings", "pg_settings", ""},
	{2856, "pg_timezone_names", "pg_timezone_names", ""},
	{2599, "pg_timezone_abbrevs", "pg_timezone_abbrevs", ""},
	{3082, "pg_available_extensions", "pg_available_extensions", "installed_version"},
	{3083, "pg_available_extension_versions", "pg_available_extension_versions", "installed"},
	{2510, "pg_prepared_statement", "pg_prepared_statements", ""},
	{2511, "pg_cursor", "pg_cursors", ""},
}

// systemFile reads an embedded file; nil if there is none.
func systemFile(name string) []byte {
	b, err := systemFiles.ReadFile("system/" + name)
	if err != nil {
		return nil
	}
	return b
}

// systemRelation reads a line of relations.txt.
func systemRelation(line string) *Table {
	f := strings.Split(line, " ")
	schema, name, _ := strings.Cut(f[0], ".")
	oid, _ := strconv.ParseUint(f[1], 10, 32)
	t := &Table{OID: uint32(oid), Schema: schema, Name: name, Kind: Virtual, SystemView: f[2] == "v"}
	for _, col := range f[3:] {
		col, notNull := strings.CutSuffix(col, "!")
		name, typ, _ := strings.Cut(col, ":")
		t.Columns = append(t.Columns, Column{Name: name, Type: typeOfName(typ), NotNull: notNull})
	}
	if !t.SystemView {
		t.Columns = append(t.Columns,
			Column{Name: "tableoid", Attr: -6, Type: sqltype.Of(sqltype.Oid), Hidden: true, NotNull: true},
			Column{Name: "xmin", Attr: -2, Type: sqltype.Of(sqltype.Xid), Hidden: true, NotNull: true})
	}
	t.estimate()
	return t
}

// typeOfName reads a type of relations.txt: name, _name, name(n).
func typeOfName(s string) sqltype.Type {
	name, arg, has := strings.Cut(strings.TrimSuffix(s, ")"), "(")
	info := sqltype.Named(name)
	if info == nil {
		return sqltype.Of(sqltype.Text)
	}
	t := sqltype.Of(info.OID)
	if has {
		n, _ := strconv.ParseInt(arg, 10, 32)
		if mod, err := sqltype.Modifier(t.OID, []int64{n}); err == nil {
			t.Mod = mod
		}
	}
	return t
}

// fill gives a relation its rows.
func (y *systemCatalog) fill(t *Table) {
	key := t.Name
	if t.Schema == "information_schema" {
		key = "information_schema." + t.Name
	}
	live, ok := liveRows[key]
	once := fixedRows[key]
	t.Rows = func(ctx context.Context, s Session) (store.Cursor, error) {
		docs, err := y.fixedDocs(ctx, key, t, once)
		if err != nil || !ok {
			return &documents{docs: docs}, err
		}
		r := y.reader(ctx, t, s)
		if err := live(ctx, r); err != nil {
			return nil, err
		}
		return &documents{docs: r.with(docs)}, nil
	}
}

// fixedDocs gives the rows of a relation that are the same for everybody: of
// its file, and those that make writes.
func (y *systemCatalog) fixedDocs(ctx context.Context, key string, t *Table, make rowMaker) ([]bson.Raw, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if docs, ok := y.fixed[key]; ok {
		return docs, nil
	}
	r := &reader{y: y, out: newRows(t)}
	if err := r.file(t); err != nil {
		return nil, err
	}
	if make != nil {
		if err := make(ctx, r); err != nil {
			return nil, err
		}
	}
	y.fixed[key] = r.out.docs
	return r.out.docs, nil
}

// file writes the rows of a relation's file.
func (r *reader) file(t *Table) error {
	for line := range strings.Lines(string(systemFile(t.Name + ".tsv"))) {
		values := make([]any, 0, len(r.out.cols))
		for i, text := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			v, err := r.y.constant(text, r.out.cols[i].Type)
			if err != nil {
				return err
			}
			values = append(values, v)
		}
		r.add(values...)
	}
	return nil
}

// constant reads a field of a file. Functions stand there by their names.
func (y *systemCatalog) constant(text string, t sqltype.Type) (any, error) {
	switch {
	case text == `\N`:
		return nil, nil
	case t.OID == sqltype.Regproc:
		return y.procs[text], nil
	}
	return sqltype.ParseText(text, t, nil)
}
