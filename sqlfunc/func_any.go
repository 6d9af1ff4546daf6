package sqlfunc

import "weir/sqltype"

// anyConversions says by meaning what arguments of any type become before the
// call; functions not listed take the values as they are.
var anyConversions = map[string]sqltype.OID{
	"concat":           sqltype.Cstring,
	"concat_ws":        sqltype.Cstring,
	"concat_op":        sqltype.Text,
	"format":           sqltype.Cstring,
	"quote_literal":    sqltype.Text,
	"quote_nullable":   sqltype.Text,
	"group_concat":     sqltype.Cstring,
	"field":            sqltype.Text,
	"array_to_string":  sqltype.Text.Array(),
	"pg_typeof":        sqltype.Regtype,
	"to_json":          sqltype.JSON,
	"array_to_json":    sqltype.JSON,
	"row_to_json":      sqltype.JSON,
	"json_build_array": sqltype.JSON, "json_build_object": sqltype.JSON,
	"json_agg": sqltype.JSON, "json_object_agg": sqltype.JSON,
	"to_jsonb":          sqltype.JSONB,
	"jsonb_build_array": sqltype.JSONB, "jsonb_build_object": sqltype.JSONB,
	"jsonb_agg": sqltype.JSONB, "jsonb_object_agg": sqltype.JSONB,
	"json_object": sqltype.JSONB, "json_array": sqltype.JSONB,
	"json_arrayagg": sqltype.JSONB, "json_objectagg": sqltype.JSONB,
	"mysql_json_set": sqltype.JSONB, "mysql_json_insert": sqltype.JSONB, "mysql_json_replace": sqltype.JSONB,
	"mysql_json_array_append": sqltype.JSONB, "mysql_json_array_insert": sqltype.JSONB, "mysql_json_contains": sqltype.JSONB,
}
