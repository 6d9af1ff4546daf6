package catalog

import (
	"strings"

	"weir/sqltype"
)

// manyRelations is the number of relations that plans of system relations are
// made for: with few of them every plan is good.
const manyRelations = 10_000

// systemEstimates are about how many rows system relations then have; the
// others have few.
var systemEstimates = map[string]int64{
	"pg_class": 2 * manyRelations, "pg_attribute": 12 * manyRelations, "pg_index": manyRelations, "pg_indexes": manyRelations,
	"pg_constraint": manyRelations, "pg_attrdef": manyRelations / 10, "pg_description": manyRelations / 10,
	"pg_depend": manyRelations / 10, "pg_shdepend": 1, "pg_type": 700, "pg_proc": 3000, "pg_operator": 800, "pg_namespace": 5,
	"pg_database": 5, "pg_tables": manyRelations, "pg_stat_user_tables": manyRelations, "pg_stat_all_tables": manyRelations,
	"tables": manyRelations, "columns": 12 * manyRelations, "table_constraints": manyRelations, "key_column_usage": manyRelations,
	"constraint_column_usage": manyRelations, "constraint_table_usage": manyRelations, "schemata": 5,
	"table_privileges": 7 * manyRelations, "role_table_grants": 7 * manyRelations,
	"column_privileges": 48 * manyRelations, "role_column_grants": 48 * manyRelations,
}

const fewRows = 50

// estimate notes how many rows a system relation may have, and how many values
// its columns.
func (t *Table) estimate() {
	if t.Estimate = systemEstimates[t.Name]; t.Estimate == 0 {
		t.Estimate = fewRows
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		c.Distinct = min(distinctOf(c), t.Estimate)
	}
}

// distinctOf is about how many values a column of a system relation has.
func distinctOf(c *Column) int64 {
	switch c.Name {
	case "oid":
		return 1 << 40 // of every row
	case "attrelid", "indrelid", "conrelid", "confrelid", "adrelid", "indexrelid", "objoid", "objid", "conname", "constraint_name",
		"relname", "tablename", "table_name", "relid", "reltype":
		return manyRelations
	case "indexname":
		return 500 // the names that MongoDB gives are those of keys, the same in many collections
	case "attname", "column_name", "typname", "proname", "nspname":
		return 200
	case "atttypid", "attnum", "ordinal_position", "objsubid", "adnum", "udt_name", "data_type":
		return 20
	}
	switch {
	case strings.HasSuffix(c.Name, "namespace"), strings.HasSuffix(c.Name, "_schema"), strings.HasSuffix(c.Name, "_catalog"), strings.HasSuffix(c.Name, "owner"):
		return 5
	case c.Type.OID == sqltype.Bool, c.Type.OID == sqltype.CharByte, c.Type.OID == sqltype.Varchar:
		return 3
	}
	return manyRelations
}
