package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"weir/sqltype"
)

// fixedRows are made once: what is built in. liveRows are made for each
// reading. Relations in neither have the rows of their file, if any.
var fixedRows = map[string]rowMaker{
	"pg_class":     systemClasses,
	"pg_attribute": systemAttributes,
	"pg_proc":      builtinFunctions,
	"pg_operator":  builtinOperators,
	"pg_cast":      builtinCasts,
	"pg_aggregate": builtinAggregates,
}

var liveRows = map[string]rowMaker{
	"pg_class": classes, "pg_attribute": attributes, "pg_attrdef": defaults,
	"pg_index": pgIndex, "pg_indexes": pgIndexes, "pg_constraint": constraints,
	"pg_proc": tableFunctions, "pg_namespace": namespaces, "pg_database": databases,
	"pg_type": pgTypes, "pg_enum": pgEnum,
	"pg_authid": authid, "pg_roles": roles, "pg_user": users, "pg_shadow": users,
	"pg_rewrite":     rules,
	"pg_description": descriptions, "pg_depend": depends,
	"pg_tables": pgTables, "pg_views": pgViews, "pg_matviews": pgMatviews,
	"pg_sequence": pgSequence, "pg_sequences": pgSequences,
	"pg_stat_user_tables": statUserTables, "pg_stat_all_tables": statUserTables,
	"pg_statio_user_tables": statioTables, "pg_statio_all_tables": statioTables,
	"pg_stat_user_indexes": statIndexes, "pg_stat_all_indexes": statIndexes,
	"pg_statio_user_indexes": statioIndexes, "pg_statio_all_indexes": statioIndexes,
	"pg_stat_database":  statDatabase,
	"pg_timezone_names": timezoneNames, "pg_available_extensions": availableExtensions,
	"pg_available_extension_versions":                    availableVersions,
	"information_schema.information_schema_catalog_name": infoCatalogName,
	"information_schema.schemata":                        infoSchemata,
	"information_schema.tables":                          infoTables,
	"information_schema.columns":                         infoColumns,
	"information_schema.views":                           infoViews,
	"information_schema.table_constraints":               infoTableConstraints,
	"information_schema.key_column_usage":                infoKeyColumns,
	"information_schema.constraint_column_usage":         infoConstraintColumns,
	"information_schema.constraint_table_usage":          infoConstraintTables,
	"information_schema.check_constraints":               infoChecks,
	"information_schema.domains":                         infoDomains,
	"information_schema.domain_constraints":              infoDomainConstraints,
	"information_schema.attributes":                      infoAttributes,
	"information_schema.user_defined_types":              infoUserTypes,
	"information_schema.referential_constraints":         infoReferential,
	"information_schema.sequences":                       infoSequences,
	"information_schema.routines":                        infoRoutines,
	"information_schema.parameters":                      infoParameters,
	"information_schema.character_sets":                  infoCharacterSets,
	"information_schema.collations":                      infoCollations,
	"information_schema.enabled_roles":                   infoEnabledRoles,
	"information_schema.table_privileges":                infoTablePrivileges,
	"information_schema.role_table_grants":               infoTablePrivileges,
	"information_schema.column_privileges":               infoColumnPrivileges,
	"information_schema.role_column_grants":              infoColumnPrivileges,
}

// The OIDs of the catalogs that others refer to.
const (
	classPgClass      = 1259
	classPgAttrdef    = 2604
	classPgRewrite    = 2618
	classPgConstraint = 2606
)

// The OIDs of access methods.
const (
	amHeap  = 2
	amBtree = 403
	amHash  = 405
	amGist  = 783
	amGin   = 2742
)

// relkind is pg_class.relkind.
func (t *Table) relkind() byte {
	switch {
	case t.Partitioned():
		return 'p'
	case t.IsPartition():
		return 'r'
	}
	switch t.Kind {
	case View, MongoView:
		return 'v'
	case MaterializedView:
		return 'm'
	case Sequence:
		return 'S'
	case Virtual:
		if isStandard(t.Schema) && !t.SystemView {
			return 'r'
		}
		return 'v'
	}
	return 'r'
}

func systemClasses(ctx context.Context, r *reader) error {
	for _, schema := range []string{"pg_catalog", "information_schema"} {
		for _, t := range r.y.c.system[schema] {
			r.class(t)
		}
	}
	return nil
}

func classes(ctx context.Context, r *reader) error {
	list, err := r.classRelations(ctx)
	if err != nil {
		return err
	}
	for _, t := range list {
		r.class(t)
		for _, x := range t.shownIndexes() {
			r.indexClass(t, x)
		}
	}
	return r.typeClasses(ctx)
}

func (r *reader) classRelations(ctx context.Context) ([]*Table, error) {
	if !r.hint.admitsText("relkind", "i") {
		return r.relations(ctx, names, "oid")
	}
	found, ok, err := r.named(ctx)
	if err != nil {
		return nil, err
	}
	if ok {
		return found, r.complete(ctx, found, indexed)
	}
	return r.relations(ctx, indexed, "oid")
}

// class writes a relation's row of pg_class.
func (r *reader) class(t *Table) {
	kind := t.relkind()
	am, node, tuples, replica := uint32(0), uint32(0), int64(-1), byte('n')
	stored := t.Kind == Collection || t.Kind == MaterializedView
	if kind == 'r' || kind == 'm' {
		am, node = amHeap, t.OID
	}
	if stored {
		replica = 'd'
		if t.Columns != nil || t.Estimate > 0 {
			tuples = t.Estimate
		}
	}
	if t.Kind == Sequence {
		node, tuples = t.OID, 1
	}
	r.add(t.OID, t.Name, r.y.c.SchemaOID(t.Schema), r.y.c.rowType(t), 0, owner, am, node, 0,
		0, tuples, 0, 0, stored && t.hasIndexes(), false, byte('p'), kind,
		t.numbers(), r.checks(t), false, r.bound(t), false,
		false, false, r.populated(t), replica, false, 0, 0, 0, nil, nil, nil)
}

// hasIndexes: a collection has an index on _id at least, which is not shown
// where a declared table has no such column.
func (t *Table) hasIndexes() bool { return t.Indexes == nil || len(t.shownIndexes()) > 0 }

func (r *reader) populated(t *Table) bool {
	if t.Kind != MaterializedView {
		return true
	}
	o := r.y.c.objectOf(t)
	return o == nil || !o.Unpopulated
}

// bound tells whether foreign keys begin or end at a table, which clients look
// for where PostgreSQL says that it has triggers.
func (r *reader) bound(t *Table) bool {
	if r.ends == nil {
		r.ends = r.y.c.foreignEnds()
	}
	return r.ends[t.OID]
}

// checks counts the check constraints, which a table that was not looked at
// does not have.
func (r *reader) checks(t *Table) int {
	if o := r.y.c.objectOf(t); o != nil {
		return len(o.Checks)
	}
	return len(t.Checks)
}

// numbers is how many column numbers were given out, those of dropped columns
// among them.
func (t *Table) numbers() int {
	n := 0
	for i := range t.Columns {
		if !t.Columns[i].Hidden {
			n = max(n, int(t.Columns[i].Attr))
		}
	}
	return n
}

// indexClass writes an index's row of pg_class.
func (r *reader) indexClass(t *Table, x shownIndex) {
	r.add(x.OID, x.name, r.y.c.SchemaOID(t.Schema), 0, 0, owner, x.method(), x.OID, 0,
		0, 0, 0, 0, false, false, byte('p'), byte('i'),
		len(x.Keys), 0, false, false, false,
		false, false, true, byte('n'), false, 0, 0, 0, nil, nil, nil)
}

func systemAttributes(ctx context.Context, r *reader) error {
	for _, schema := range []string{"pg_catalog", "information_schema"} {
		for _, t := range r.y.c.system[schema] {
			r.attributes(t)
		}
	}
	return nil
}

func attributes(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, whole, "attrelid")
	if err != nil {
		return err
	}
	for _, t := range list {
		r.attributes(t)
		for _, x := range t.shownIndexes() {
			r.indexAttributes(t, x)
		}
	}
	return r.typeAttributes(ctx)
}

func (r *reader) attributes(t *Table) {
	used := make([]bool, t.numbers()+1)
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.Hidden {
			r.attribute(t.OID, c.Name, c.Attr, c, isStandard(t.Schema))
			if c.Attr > 0 {
				used[c.Attr] = true
			}
		}
	}
	for n := 1; n < len(used); n++ {
		if !used[n] {
			r.droppedAttribute(t.OID, n)
		}
	}
}

// droppedAttribute writes the row of a column that is gone: clients such as
// pg_dump expect the numbers to have no gaps.
func (r *reader) droppedAttribute(rel uint32, num int) {
	r.add(rel, fmt.Sprintf("........pg.dropped.%d........", num), 0, 0, 4, num, 0, -1, -1, true, byte('i'), byte('p'), "",
		false, false, false, "", "", true, true, 0, 0, nil, nil, nil, nil)
}

// indexAttributes writes the columns of an index, numbered from one.
func (r *reader) indexAttributes(t *Table, x shownIndex) {
	for i, k := range x.Keys {
		c := Column{Name: k.Path, Type: sqltype.Of(sqltype.Text)}
		if of := t.columnAt(k.Path); of != nil {
			c.Name, c.Type = of.Name, of.Type
		}
		r.attribute(x.OID, c.Name, int16(i+1), &c, false)
	}
}

// attribute writes a row of pg_attribute. Texts of the catalogs themselves have
// the collation "C".
func (r *reader) attribute(rel uint32, name string, num int16, c *Column, standard bool) {
	info := sqltype.Lookup(c.Type.OID)
	if of := sqltype.Lookup(c.Domain); of != nil {
		info = of
	}
	if info == nil {
		info = sqltype.Lookup(sqltype.Text)
	}
	identity, generated, dims := "", "", 0
	if c.Generated != "" {
		generated = "s"
	}
	if c.Identity != 0 {
		identity = string(rune(c.Identity))
	}
	if c.Type.OID.IsArray() {
		dims = 1
	}
	collation := collationOf(c.Type.OID)
	if standard && collation != 0 {
		collation = 950
	}
	r.add(rel, name, info.OID, -1, info.Len, num, dims, -1, c.Type.Mod, info.ByVal, info.Align, storageOf(info), "",
		c.NotNull, c.Identity == 0 && (c.Default != "" || c.Generated != ""), false, identity, generated, false, true, 0, collation, nil, nil, nil, nil)
}

// storageOf is pg_type.typstorage.
func storageOf(t *sqltype.Info) byte {
	switch {
	case t.Len != -1, t.OID == sqltype.Int2Vector, t.OID == sqltype.OidVector:
		return 'p'
	case t.OID == sqltype.Numeric, t.OID == sqltype.Inet, t.OID == sqltype.Cidr:
		return 'm'
	}
	return 'x'
}

// collationOf is pg_type.typcollation: "C" for name, the default for texts.
func collationOf(t sqltype.OID) uint32 {
	if e := t.Elem(); e != sqltype.Invalid {
		t = e
	}
	switch t {
	case sqltype.Name:
		return 950
	case sqltype.Text, sqltype.Varchar, sqltype.Bpchar, sqltype.PgNodeTree:
		return 100
	}
	return 0
}

// defaults is pg_attrdef; the expression is its SQL.
func defaults(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, names, "adrelid")
	if err != nil {
		return err
	}
	// Of what the catalog keeps nothing, there are no defaults.
	list = slices.DeleteFunc(list, func(t *Table) bool { return t.Kind == Collection && r.y.c.objectOf(t) == nil })
	if err := r.complete(ctx, list, whole); err != nil {
		return err
	}
	for _, t := range list {
		for i := range t.Columns {
			c := &t.Columns[i]
			sql := c.defaultSQL()
			if c.Generated != "" {
				sql = c.Generated
			}
			if sql != "" && !c.Hidden && c.Identity == 0 {
				r.add(r.y.c.defaultOID(t, c), t.OID, c.Attr, r.s.inPath(sql))
			}
		}
	}
	return nil
}

// defaultOID is pg_attrdef's.
func (c *Catalog) defaultOID(t *Table, col *Column) uint32 {
	return c.oids.of("attrdef", t.NS.DB, t.NS.Coll+"\x00"+col.Name)
}

// defaultSQL is a default as PostgreSQL prints it: constants with their type.
func (c *Column) defaultSQL() string {
	sql := strings.TrimSpace(c.Default)
	inner, ok := strings.CutPrefix(sql, "nextval(")
	if seq, closed := strings.CutSuffix(inner, ")"); ok && closed && isStringLiteral(seq) {
		return "nextval(" + seq + "::regclass)"
	}
	if isStringLiteral(sql) {
		return sql + "::" + sqltype.FormatType(c.Type.OID, -1)
	}
	return sql
}

// isStringLiteral tells whether SQL is one plain quoted string.
func isStringLiteral(sql string) bool {
	n := len(sql)
	return n >= 2 && sql[0] == '\'' && sql[n-1] == '\'' && !strings.Contains(strings.ReplaceAll(sql[1:n-1], "''", ""), "'")
}

// columnAt finds the column that shows a path; nil if none does.
func (t *Table) columnAt(path string) *Column {
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.Hidden && strings.Join(c.Path, ".") == path {
			return c
		}
	}
	return nil
}
