package sqlfunc

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// The values of an enum are its labels. What asks for their order goes by the
// place of the label: EnumPosition and EnumLabel are the ways there and back,
// with the enum's OID as second argument.
const (
	EnumPosition = "enum_position"
	EnumLabel    = "enum_label"
)

func enumPosition(_ *expr.Context, a []value.Value) (value.Value, error) {
	return int4(definedBy(a).Position(text(a[0])))
}

func enumLabel(_ *expr.Context, a []value.Value) (value.Value, error) {
	labels, i := definedBy(a).Labels, int(a[0].AsInt64())
	if i < 0 || i >= len(labels) {
		return null()
	}
	return str(labels[i])
}

func enumEnd(last bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		labels := definedBy(a).Labels
		switch {
		case len(labels) == 0:
			return null()
		case last:
			return str(labels[len(labels)-1])
		}
		return str(labels[0])
	}
}

// enumRange is enum_range(any) and enum_range(from, to), where NULL is an open end.
func enumRange(_ *expr.Context, a []value.Value) (value.Value, error) {
	d := definedBy(a)
	lo, hi := 0, len(d.Labels)-1
	if len(a) == 3 {
		if !a[0].IsNullish() {
			lo = d.Position(text(a[0]))
		}
		if !a[1].IsNullish() {
			hi = d.Position(text(a[1]))
		}
	}
	var out []value.Value
	for i := max(lo, 0); i <= hi; i++ {
		out = append(out, value.String(d.Labels[i]))
	}
	return value.ArrayFrom(out), nil
}

var enumFuncs = map[string]evaluator{
	EnumPosition: enumPosition, EnumLabel: enumLabel,
	"enum_first": enumEnd(false), "enum_last": enumEnd(true), "enum_range": enumRange,
	"lt_enum": unplaced, "le_enum": unplaced, "gt_enum": unplaced, "ge_enum": unplaced, "cmp_enum": unplaced,
	"smaller_enum": unplaced, "larger_enum": unplaced,
}

// functionsEnum are the functions of enums; those of their order come to
// positions before they are called.
var functionsEnum = []functionRow{
	{3528, "enum_first(anyenum) anyenum", "", "sn"},
	{3529, "enum_last(anyenum) anyenum", "", "sn"},
	{3530, "enum_range(anyenum, anyenum) anyarray", "", "sn"},
	{3531, "enum_range(anyenum) anyarray", "", "sn"},
	{3514, "enum_cmp(anyenum, anyenum) int4", "cmp_enum", ""},
	{3524, "enum_smaller(anyenum, anyenum) anyenum", "smaller_enum", ""},
	{3525, "enum_larger(anyenum, anyenum) anyenum", "larger_enum", ""},
}

// operatorsEnum: comparisons of enums.
var operatorsEnum = []operatorRow{
	{3516, "anyenum = anyenum", "bool", 3508, "enum_eq", "eq", "=", "<>", ""},
	{3517, "anyenum <> anyenum", "bool", 3509, "enum_ne", "ne", "<>", "=", ""},
	{3518, "anyenum < anyenum", "bool", 3510, "enum_lt", "lt_enum", ">", ">=", ""},
	{3519, "anyenum > anyenum", "bool", 3511, "enum_gt", "gt_enum", "<", "<=", ""},
	{3520, "anyenum <= anyenum", "bool", 3512, "enum_le", "le_enum", ">=", ">", ""},
	{3521, "anyenum >= anyenum", "bool", 3513, "enum_ge", "ge_enum", "<=", "<", ""},
}

// TakesEnum tells of the functions that take the OID of an enum as an argument more.
func TakesEnum(f *Func) bool {
	switch f.Impl {
	case "enum_first", "enum_last", "enum_range":
		return true
	}
	return false
}

// Ordered is the comparison of positions that a comparison of enums comes to; ""
// for what is none.
func (f *Func) EnumOrder() string {
	switch f.Impl {
	case "lt_enum":
		return "<"
	case "le_enum":
		return "<="
	case "gt_enum":
		return ">"
	case "ge_enum":
		return ">="
	}
	return ""
}

// castDefined is the local operator (value, typmod, explicit, from, to) of casts
// from and to types that were made here.
const castDefined = "cast_defined"

// TakesTypes tells of the conversions whose operator is told the two types.
func (c *Cast) TakesTypes() bool {
	return c.Impl == castDefined || c.Impl == "to_json_defined" || c.Impl == "to_jsonb_defined" || c.Impl == "typeof_defined"
}

func definedCast(make func(from, to sqltype.OID) evaluator, as sqltype.OID) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		to := as
		if to == sqltype.Invalid {
			to = sqltype.OID(a[4].AsInt64())
		}
		return make(sqltype.OID(a[3].AsInt64()), to)(c, a[:3])
	}
}

func addDefinedCasts(lib *Library) {
	for name, eval := range map[string]evaluator{
		castDefined: definedCast(castEvaluator, sqltype.Invalid), "to_json_defined": definedCast(convertEvaluator, sqltype.JSON),
		"to_jsonb_defined": definedCast(convertEvaluator, sqltype.JSONB), "typeof_defined": definedCast(convertEvaluator, sqltype.Regtype),
	} {
		lib.Functions[name] = expr.Function{MinArgs: 5, MaxArgs: 5, Eval: eval}
	}
}

// recordOf is a composite value as a record, whose fields carry their types.
func recordOf(v value.Value, d *sqltype.Defined) value.Value {
	out := make([]value.Value, len(d.Attributes))
	for i, a := range d.Attributes {
		out[i] = value.Lookup(v.Doc(), a.Name)
		if out[i].IsNullish() {
			out[i] = value.Null()
			continue
		}
		if !sqltype.ShowsInRecord(a.Type.OID) {
			var b value.Builder
			b.Add(sqltype.RecordTypeKey, value.Int64(int64(a.Type.OID)))
			b.Add(sqltype.RecordValueKey, out[i])
			out[i] = value.Document(b.Doc())
		}
	}
	return value.ArrayFrom(out)
}

// unplaced stands for the comparisons that come to positions before they run;
// what gets here anyway is refused.
func unplaced(*expr.Context, []value.Value) (value.Value, error) {
	return fail(sqlerr.Unsupported(0, "Compare the elements one by one, with unnest.", "the order of enums is not supported here"))
}
