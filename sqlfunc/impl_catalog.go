package sqlfunc

import (
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

func ofSystem(f func(sys System, a []value.Value) (value.Value, error)) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		sys, err := systemOf(c)
		if err != nil {
			return fail(err)
		}
		return f(sys, a)
	}
}

func oidArg(a []value.Value, i int) uint32 { return uint32(a[i].AsInt64()) }

func known(s string, ok bool) (value.Value, error) {
	if !ok {
		return null()
	}
	return str(s)
}

func visible(catalog string) evaluator {
	return ofSystem(func(sys System, a []value.Value) (value.Value, error) {
		v, found := sys.Visible(catalog, oidArg(a, 0))
		if !found {
			return null()
		}
		return boolean(v)
	})
}

func formatType(c *expr.Context, a []value.Value) (value.Value, error) {
	if len(a) == 0 || a[0].IsNullish() {
		return null()
	}
	oid := sqltype.OID(a[0].AsInt64())
	known := sqltype.Lookup(oid) != nil
	if !known || oid.Involves() {
		sys, err := systemOf(c)
		if err != nil {
			return fail(err)
		}
		if name, ok := sys.Definition("type", uint32(oid), 0, false); ok {
			return str(name)
		}
	}
	if !known {
		return str("???")
	}
	if len(a) < 2 || a[1].IsNullish() {
		return str(oid.String())
	}
	return str(sqltype.FormatType(oid, int32(a[1].AsInt64())))
}

func definition(kind string) evaluator {
	return ofSystem(func(sys System, a []value.Value) (value.Value, error) {
		column, pretty := 0, false
		for _, v := range a[1:] {
			if v.IsNumber() {
				column = int(v.AsInt64())
			} else {
				pretty = v.AsBool()
			}
		}
		if kind != "index" {
			column = 0
		}
		return known(sys.Definition(kind, oidArg(a, 0), column, pretty))
	})
}

// viewDefinition takes a name too.
func viewDefinition(c *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsString() {
		look := envOf(c).ObjectID
		if look == nil {
			return failf(sqlerr.ObjectNotInPrerequisiteState, "there is no catalog here")
		}
		oid, err := look(sqltype.Regclass, text(a[0]))
		if err != nil {
			return fail(err)
		}
		a = append([]value.Value{value.Int64(int64(oid))}, a[1:]...)
	}
	return definition("view")(c, a)
}

func arguments(kind string) evaluator {
	return ofSystem(func(sys System, a []value.Value) (value.Value, error) {
		return known(sys.Arguments(kind, oidArg(a, 0)))
	})
}

func description(catalogAt int, catalog string) evaluator {
	return ofSystem(func(sys System, a []value.Value) (value.Value, error) {
		name, column := catalog, 0
		if catalogAt < len(a) {
			name = text(a[catalogAt])
		} else if catalog == "pg_class" && len(a) > 1 {
			column = int(a[1].AsInt64())
		}
		return known(sys.Comment(name, oidArg(a, 0), column))
	})
}

func columnDescription(sys System, a []value.Value) (value.Value, error) {
	return known(sys.Comment("pg_class", oidArg(a, 0), int(a[1].AsInt64())))
}

func userByID(sys System, a []value.Value) (value.Value, error) {
	if name, ok := sys.RoleName(oidArg(a, 0)); ok {
		return str(name)
	}
	return str("unknown (OID=" + strconv.FormatUint(uint64(oidArg(a, 0)), 10) + ")")
}

func size(kind string) evaluator {
	return ofSystem(func(sys System, a []value.Value) (value.Value, error) {
		n, ok, err := sys.Size(kind, a[0])
		if err != nil || !ok {
			return value.Null(), err
		}
		return int8(n)
	})
}

var sizeUnits = [...]string{"bytes", "kB", "MB", "GB", "TB", "PB"}

// sizePretty halves away from zero at each unit, as PostgreSQL does.
func sizePretty(n int64) string {
	if magnitude(n) < 10*1024 {
		return strconv.FormatInt(n, 10) + " bytes"
	}
	n /= 512 // one bit more, for rounding
	for i := 1; ; i++ {
		if magnitude(n) < 20*1024-1 || i == len(sizeUnits)-1 {
			r := (n + int64(sign(float64(n)))) / 2
			return strconv.FormatInt(r, 10) + " " + sizeUnits[i]
		}
		n /= 1024
	}
}

func sizePrettyNumeric(_ *expr.Context, a []value.Value) (value.Value, error) {
	d := new(apd.Decimal).Set(dec(a[0]))
	if a := new(apd.Decimal).Set(d); d.Form == apd.Finite {
		a.Negative = false
		if a.Cmp(apd.New(10*1024, 0)) < 0 {
			return str(d.Text('f') + " bytes")
		}
		sqltype.Rescale(d, 0)
	}
	n, err := d.Int64()
	if err != nil {
		return failf(sqlerr.NumericValueOutOfRange, "bigint out of range")
	}
	return str(sizePretty(n))
}

func sizeBytes(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := strings.TrimSpace(text(a[0]))
	i := 0
	for i < len(s) && strings.IndexByte("0123456789.+-eE", s[i]) >= 0 && !(i > 0 && (s[i] == 'e' || s[i] == 'E') && (i+1 >= len(s) || strings.IndexByte("0123456789+-", s[i+1]) < 0)) {
		i++
	}
	d, err := sqltype.ParseAPD(s[:i])
	if err != nil {
		return failf(sqlerr.InvalidParameterValue, "invalid size: \"%s\"", text(a[0]))
	}
	factor := int64(1)
	if unit := strings.TrimSpace(s[i:]); unit != "" {
		found := strings.EqualFold(unit, "b")
		for k, u := range sizeUnits {
			if strings.EqualFold(unit, u) {
				factor, found = 1<<(10*k), true
			}
		}
		if !found {
			return fail(sqlerr.New(sqlerr.InvalidParameterValue, "invalid size: \"%s\"", text(a[0])).
				WithDetail("Invalid size unit: \"%s\".", unit).
				WithHint("Valid units are \"bytes\", \"B\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\"."))
		}
	}
	d, _ = mulNumeric(d, apd.New(factor, 0))
	sqltype.Rescale(d, 0)
	n, err := d.Int64()
	if err != nil {
		return failf(sqlerr.NumericValueOutOfRange, "bigint out of range")
	}
	return int8(n)
}

// toReg looks a name up; a name that is not found is NULL.
func toReg(reg sqltype.OID) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		v, err := sqltype.ParseText(text(a[0]), sqltype.Of(reg), envOf(c))
		if err != nil {
			switch sqlerr.As(err).Code {
			case sqlerr.UndefinedTable, sqlerr.UndefinedObject, sqlerr.UndefinedFunction, sqlerr.InvalidSchemaName, sqlerr.SyntaxError:
				return null()
			}
			return fail(err)
		}
		return v, nil
	}
}

// encodings are those of PostgreSQL that can be asked for by number.
var encodings = map[int64]string{0: "SQL_ASCII", 1: "EUC_JP", 6: "UTF8", 8: "LATIN1", 9: "LATIN2", 16: "LATIN9", 17: "LATIN10", 24: "WIN1252", 34: "KOI8R"}

func encodingToChar(_ *expr.Context, a []value.Value) (value.Value, error) {
	return str(encodings[a[0].AsInt64()])
}

func charToEncoding(_ *expr.Context, a []value.Value) (value.Value, error) {
	want := strings.ToUpper(strings.NewReplacer("-", "", "_", "").Replace(text(a[0])))
	for n, name := range encodings {
		if strings.ReplaceAll(name, "_", "") == want {
			return int4(int(n))
		}
	}
	return int4(-1)
}

// privilege runs has_KIND_privilege in its forms: the role may be missing, a
// name or an OID; columns have a table before them.
func privilege(kind string) evaluator {
	fixed := 2 // object, privilege
	if kind == "column" {
		fixed = 3
	}
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		s, err := sessionOf(c)
		if err != nil {
			return fail(err)
		}
		sys, err := systemOf(c)
		if err != nil {
			return fail(err)
		}
		role := s.User()
		if len(a) > fixed {
			if role, err = roleArg(sys, a[0]); err != nil {
				return fail(err)
			}
			a = a[1:]
		}
		sub := value.Value{}
		if fixed == 3 {
			sub = a[1]
		}
		return hasPrivileges(sys, role, kind, a[0], sub, text(a[len(a)-1]))
	}
}

// hasPrivileges is true when one of the comma-separated privileges is held.
func hasPrivileges(sys System, role, kind string, object, sub value.Value, list string) (value.Value, error) {
	for _, p := range strings.Split(list, ",") {
		ok, err := sys.HasPrivilege(role, kind, object, sub, strings.ToUpper(strings.TrimSpace(p)))
		if err != nil {
			return fail(err)
		}
		if ok == nil {
			return null()
		}
		if *ok {
			return boolean(true)
		}
	}
	return boolean(false)
}

func roleArg(sys System, v value.Value) (string, error) {
	if v.IsNumber() {
		if name, ok := sys.RoleName(uint32(v.AsInt64())); ok {
			return name, nil
		}
		return "", nil // an OID that does not exist holds nothing but PUBLIC's
	}
	name := text(v)
	if _, ok := sys.RoleOID(name); !ok && !strings.EqualFold(name, "public") {
		return "", sqlerr.New(sqlerr.UndefinedObject, "role \"%s\" does not exist", name)
	}
	return name, nil
}

func hasRole(c *expr.Context, a []value.Value) (value.Value, error) {
	s, err := sessionOf(c)
	if err != nil {
		return fail(err)
	}
	sys, err := systemOf(c)
	if err != nil {
		return fail(err)
	}
	who := s.User()
	if len(a) > 2 {
		if who, err = roleArg(sys, a[0]); err != nil {
			return fail(err)
		}
		a = a[1:]
	}
	of, err := roleArg(sys, a[0])
	if err != nil {
		return fail(err)
	}
	return boolean(who == of || sys.HasRole(who, of))
}

func serialSequence(sys System, a []value.Value) (value.Value, error) {
	name, ok, err := sys.SerialSequence(text(a[0]), text(a[1]))
	if err != nil {
		return fail(err)
	}
	return known(name, ok)
}

// indexProperty answers for ordered indexes, which all have here.
func indexProperty(_ *expr.Context, a []value.Value) (value.Value, error) {
	switch strings.ToLower(text(a[len(a)-1])) {
	case "asc", "orderable", "returnable", "search_array", "search_nulls", "nulls_last", "can_order", "can_unique", "can_multi_col", "index_scan", "bitmap_scan", "backward_scan":
		return boolean(true)
	case "desc", "nulls_first", "distance_orderable", "can_exclude", "can_include", "clusterable":
		return boolean(false)
	}
	return null()
}

// typeLimit answers information_schema's helpers from a type and its modifier.
func typeLimit(f func(t sqltype.Type) (int, bool)) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if n, ok := f(sqltype.Type{OID: sqltype.OID(a[0].AsInt64()), Mod: int32(a[1].AsInt64())}); ok {
			return int4(n)
		}
		return null()
	}
}

func charMaxLength(t sqltype.Type) (int, bool) {
	return int(t.Mod) - 4, (t.OID == sqltype.Varchar || t.OID == sqltype.Bpchar) && t.Mod >= 4
}

func numericPrecision(t sqltype.Type) (int, bool) {
	switch t.OID {
	case sqltype.Int2:
		return 16, true
	case sqltype.Int4:
		return 32, true
	case sqltype.Int8:
		return 64, true
	case sqltype.Float4:
		return 24, true
	case sqltype.Float8:
		return 53, true
	case sqltype.Numeric:
		p, _, ok := sqltype.NumericModifier(t.Mod)
		return p, ok
	}
	return 0, false
}

func numericScale(t sqltype.Type) (int, bool) {
	switch t.OID {
	case sqltype.Int2, sqltype.Int4, sqltype.Int8:
		return 0, true
	case sqltype.Numeric:
		_, s, ok := sqltype.NumericModifier(t.Mod)
		return s, ok
	}
	return 0, false
}

func datetimePrecision(t sqltype.Type) (int, bool) {
	switch t.OID {
	case sqltype.Date:
		return 0, true
	case sqltype.Time, sqltype.Timetz, sqltype.Timestamp, sqltype.Timestamptz:
		if t.Mod < 0 {
			return 6, true
		}
		return int(t.Mod), true
	}
	return 0, false
}

func acls(*expr.Context, []value.Value) (value.Value, error) { return value.ArrayFrom(nil), nil }

// explodeACL reads role=privileges/grantor items.
func explodeACL(c *expr.Context, a []value.Value) (value.Value, error) {
	sys, err := systemOf(c)
	if err != nil {
		return fail(err)
	}
	role := func(name string) value.Value {
		oid, _ := sys.RoleOID(strings.Trim(name, `"`))
		return value.Int64(int64(oid))
	}
	var out []value.Value
	for _, item := range flat(a[0]) {
		grantee, rest, _ := strings.Cut(text(item), "=")
		letters, grantor, _ := strings.Cut(rest, "/")
		for i := 0; i < len(letters); i++ {
			name, ok := aclLetters[letters[i]]
			if !ok {
				continue
			}
			grantable := i+1 < len(letters) && letters[i+1] == '*'
			out = append(out, row(role(grantor), role(grantee), value.String(name), value.Bool(grantable)))
		}
	}
	return value.ArrayFrom(out), nil
}

var aclLetters = map[byte]string{
	'r': "SELECT", 'a': "INSERT", 'w': "UPDATE", 'd': "DELETE", 'D': "TRUNCATE", 'x': "REFERENCES", 't': "TRIGGER",
	'X': "EXECUTE", 'U': "USAGE", 'C': "CREATE", 'T': "TEMPORARY", 'c': "CONNECT", 's': "SET", 'A': "ALTER SYSTEM",
}

func exprText(_ *expr.Context, a []value.Value) (value.Value, error) { return str(text(a[0])) }

func updatable(_ *expr.Context, _ []value.Value) (value.Value, error) { return int4(28) } // INSERT, UPDATE and DELETE

// vectorTypes names the types of a list of arguments.
func vectorTypes(_ *expr.Context, a []value.Value) (value.Value, error) {
	var names []string
	for _, v := range items(a[0]) {
		names = append(names, sqltype.FormatType(sqltype.OID(v.AsInt64()), -1))
	}
	return str(strings.Join(names, ", "))
}

// ofAttribute gives a column of a row of pg_attribute, which is the first
// argument. There are no domains that would hide another type.
func ofAttribute(column int) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if row := items(a[0]); column < len(row) {
			return row[column], nil
		}
		return null()
	}
}

var catalogFuncs = func() map[string]evaluator {
	m := map[string]evaluator{
		"format_type": formatType, "pg_get_expr": exprText,
		"oidvectortypes": vectorTypes, "pg_current_logfile": constant(value.Null()), "pg_stat_file": noFiles,
		"_pg_truetypid": ofAttribute(2), "_pg_truetypmod": ofAttribute(8),
		"col_description": ofSystem(columnDescription),
		"obj_description": description(1, "pg_class"), "shobj_description": description(1, "pg_database"),
		"pg_get_userbyid": ofSystem(userByID), "pg_get_viewdef": viewDefinition,
		"pg_get_serial_sequence": ofSystem(serialSequence),
		"pg_size_pretty_int8":    func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(sizePretty(a[0].AsInt64())) },
		"pg_size_pretty_numeric": sizePrettyNumeric, "pg_size_bytes": sizeBytes,
		"pg_encoding_to_char": encodingToChar, "pg_char_to_encoding": charToEncoding,
		"pg_relation_is_publishable": constant(value.Bool(false)), "pg_relation_is_updatable": updatable,
		"pg_column_is_updatable": constant(value.Bool(true)), "row_security_active": constant(value.Bool(false)),
		"pg_tablespace_location": constant(value.String("")), "pg_relation_filepath": constant(value.Null()),
		"pg_relation_filenode": constant(value.Null()), "pg_filenode_relation": constant(value.Null()),
		"pg_partition_root": constant(value.Null()), "pg_describe_object": constant(value.Null()),
		"pg_get_function_sqlbody": constant(value.Null()), "pg_get_function_arg_default": constant(value.Null()),
		"pg_get_statisticsobjdef_expressions": constant(value.Null()), "pg_get_partition_constraintdef": constant(value.Null()),
		"pg_index_column_has_property": indexProperty, "pg_index_has_property": indexProperty, "pg_indexam_has_property": indexProperty,
		"pg_sequence_last_value": sequence(func(s Sequences, a []value.Value) (int64, error) { return s.Current(uint32(a[0].AsInt64())) }),
		"pg_has_role":            hasRole, "acldefault": acls, "aclexplode": explodeACL,
		"_pg_char_max_length": typeLimit(charMaxLength), "_pg_numeric_precision": typeLimit(numericPrecision),
		"_pg_numeric_scale": typeLimit(numericScale), "_pg_datetime_precision": typeLimit(datetimePrecision),
		"pg_typeof": same, "age_xid": constant(value.Int32(0)), // transaction numbers do not age here
		"pg_column_size": func(_ *expr.Context, a []value.Value) (value.Value, error) {
			return int4(len(a[0].FloorMillis().AppendPayload(nil)))
		},
	}
	for _, n := range []string{"numscans", "live_tuples", "dead_tuples", "tuples_inserted", "tuples_updated", "tuples_deleted"} {
		m["pg_stat_get_"+n] = constant(value.Int64(0))
	}
	for fn, catalog := range map[string]string{
		"table": "pg_class", "type": "pg_type", "function": "pg_proc", "operator": "pg_operator", "opclass": "pg_opclass",
		"opfamily": "pg_opfamily", "collation": "pg_collation", "conversion": "pg_conversion", "statistics_obj": "pg_statistic_ext",
		"ts_config": "pg_ts_config", "ts_dict": "pg_ts_dict", "ts_parser": "pg_ts_parser", "ts_template": "pg_ts_template",
	} {
		m["pg_"+fn+"_is_visible"] = visible(catalog)
	}
	for fn, kind := range map[string]string{
		"pg_get_indexdef": "index", "pg_get_constraintdef": "constraint", "pg_get_triggerdef": "trigger", "pg_get_ruledef": "rule",
		"pg_get_functiondef": "function", "pg_get_partkeydef": "partition", "pg_get_statisticsobjdef": "statistics", "pg_get_statisticsobjdef_columns": "statistics",
	} {
		m[fn] = definition(kind)
	}
	for fn, kind := range map[string]string{"arguments": "arguments", "identity_arguments": "identity", "result": "result"} {
		m["pg_get_function_"+fn] = arguments(kind)
	}
	for fn, kind := range map[string]string{
		"pg_relation_size": "relation", "pg_total_relation_size": "total", "pg_table_size": "table", "pg_indexes_size": "indexes",
		"pg_database_size": "database", "pg_tablespace_size": "tablespace",
	} {
		m[fn] = size(kind)
	}
	for fn, reg := range map[string]sqltype.OID{
		"to_regclass": sqltype.Regclass, "to_regtype": sqltype.Regtype, "to_regproc": sqltype.Regproc, "to_regprocedure": sqltype.Regprocedure,
		"to_regnamespace": sqltype.Regnamespace, "to_regrole": sqltype.Regrole, "to_regoper": sqltype.Regoper, "to_regoperator": sqltype.Regoperator,
	} {
		m[fn] = toReg(reg)
	}
	for _, kind := range []string{"any_column", "column", "database", "foreign_data_wrapper", "function", "language", "parameter", "schema",
		"sequence", "server", "table", "tablespace", "type"} {
		m["has_"+kind+"_privilege"] = privilege(kind)
	}
	return m
}()

// noFiles refuses the server's files.
func noFiles(*expr.Context, []value.Value) (value.Value, error) {
	return failf(sqlerr.InsufficientPrivilege, "permission denied: the gateway's files cannot be read")
}
