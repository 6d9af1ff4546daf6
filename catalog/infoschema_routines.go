package catalog

import (
	"context"

	"weir/sqlfunc"
	"weir/sqltype"
)

// routine is a function as information_schema shows it.
type routine struct {
	oid          uint32
	schema, name string
	result       sqltype.OID
	impl         string
	kind         sqlfunc.Kind
	immutable    bool
	strict       bool
	args         []sqltype.OID
	names        []string
}

// routines are the functions that are built in and those over live state.
func (r *reader) routines(ctx context.Context) ([]routine, error) {
	var out []routine
	seen := map[uint32]bool{}
	for _, f := range r.y.funcs.All() {
		if seen[f.OID] {
			continue
		}
		seen[f.OID] = true
		x := routine{oid: f.OID, schema: f.Schema, name: f.Name, result: f.Ret, impl: f.Impl, kind: f.Kind,
			immutable: f.Volatility == sqlfunc.Immutable, strict: !f.NotStrict, args: f.Args, names: f.ArgNames}
		if x.schema == "" {
			x.schema = "pg_catalog"
		}
		out = append(out, x)
	}
	for _, t := range r.s.tableFunctions() {
		x := routine{oid: t.OID, schema: t.Schema, name: t.Name, result: sqltype.Record, impl: t.Name, kind: sqlfunc.SetReturning}
		for _, p := range t.Params {
			x.args, x.names = append(x.args, p.Type.OID), append(x.names, p.Name)
		}
		out = append(out, x)
	}
	return out, nil
}

func (x *routine) specific() string { return x.name + "_" + formatInt(int64(x.oid)) }

func infoRoutines(ctx context.Context, r *reader) error {
	list, err := r.routines(ctx)
	if err != nil {
		return err
	}
	db := r.who.Database()
	for i := range list {
		x := &list[i]
		var kind any = "FUNCTION"
		if x.kind != sqlfunc.Scalar && x.kind != sqlfunc.SetReturning {
			kind = nil
		}
		f := describeType(sqltype.Of(x.result))
		row := make([]any, len(r.out.cols))
		for name, v := range map[string]any{
			"specific_catalog": db, "specific_schema": x.schema, "specific_name": x.specific(),
			"routine_catalog": db, "routine_schema": x.schema, "routine_name": x.name, "routine_type": kind,
			"data_type": f.name, "type_udt_catalog": db, "type_udt_schema": "pg_catalog", "type_udt_name": f.udt,
			"dtd_identifier": "0", "routine_body": "EXTERNAL", "routine_definition": x.impl, "external_name": x.impl,
			"external_language": "INTERNAL", "parameter_style": "GENERAL", "is_deterministic": yesNo(x.immutable),
			"sql_data_access": "MODIFIES", "is_null_call": yesNo(x.strict), "schema_level_routine": "YES",
			"max_dynamic_result_sets": 0, "security_type": "INVOKER", "as_locator": "NO", "is_udt_dependent": "NO",
		} {
			row[r.out.at(name)] = v
		}
		r.add(row...)
	}
	return nil
}

// at is the place of a column.
func (w *rows) at(name string) int {
	for i := range w.cols {
		if w.cols[i].Name == name {
			return i
		}
	}
	panic("catalog: no column " + name)
}

func infoParameters(ctx context.Context, r *reader) error {
	list, err := r.routines(ctx)
	if err != nil {
		return err
	}
	db := r.who.Database()
	for i := range list {
		x := &list[i]
		for j, a := range x.args {
			var name any
			if j < len(x.names) {
				name = orNull(x.names[j])
			}
			f := describeType(sqltype.Of(a))
			r.add(db, x.schema, x.specific(), j+1, "IN", "NO", "NO", name, f.name,
				nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
				db, "pg_catalog", f.udt, nil, nil, nil, nil, formatInt(int64(j+1)), nil)
		}
	}
	return nil
}
