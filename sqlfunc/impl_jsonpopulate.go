package sqlfunc

import (
	"slices"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// What makes SQL values of JSON: json(b)_populate_record(set) and the columns of
// json(b)_to_record(set). json and jsonb go the same way, as text, so that a
// field of type json keeps how it was written.

// jsonRaw is JSON as text: of json its own.
func jsonRaw(v value.Value, text bool) rawJSON {
	if text && v.IsString() {
		return rawJSON(v.Str())
	}
	return rawJSON(sqltype.AppendJSONB(nil, v))
}

func (r rawJSON) isNull() bool { return r.kind() == 'n' }

// shape is what messages call a value that is not what was asked for.
func (r rawJSON) shape() string {
	switch r.kind() {
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "a scalar"
}

// populate makes a value of a type. key is the field that it stands at, for the
// hint; base is what was there, for the fields of a row.
func populate(c *expr.Context, r rawJSON, t sqltype.Type, key string, base value.Value) (value.Value, error) {
	if r.isNull() {
		return null()
	}
	d := t.OID.Def()
	switch {
	case d != nil && d.Kind == sqltype.CompositeKind && r.kind() == '{':
		return populateRecord(c, r, d, base)
	case d != nil && d.Kind == sqltype.CompositeKind && r.kind() != '"':
		return failf(sqlerr.InvalidParameterValue, "cannot call populate_composite on %s", r.shape())
	case t.OID.IsArray() && r.kind() == '[':
		a := arrayPopulation{c: c, elem: sqltype.Type{OID: t.OID.Elem(), Mod: t.Mod}, key: key}
		v, err := a.list(r, 1)
		if err != nil {
			return fail(err)
		}
		if slices.Contains(a.size, 0) {
			v = value.ArrayFrom(nil)
		}
		return v, nil
	case t.OID.IsArray() && r.kind() != '"':
		return fail(noArray(key))
	case t.OID == sqltype.JSON:
		return str(r.trim())
	case t.OID == sqltype.JSONB:
		v, err := sqltype.ParseJSONB(r.trim())
		return v, err
	}
	s := r.trim()
	if r.kind() == '"' {
		s = unquoteJSON(s)
	}
	v, err := sqltype.ParseText(s, t, envOf(c))
	if err != nil {
		return fail(err)
	}
	return v, nil
}

// arrayPopulation makes an array whose number of dimensions shows with the
// first item that is no array.
type arrayPopulation struct {
	c    *expr.Context
	elem sqltype.Type
	key  string
	dims int
	size []int // by depth
}

func (a *arrayPopulation) list(r rawJSON, depth int) (value.Value, error) {
	es := r.elements()
	if len(a.size) < depth {
		a.size = append(a.size, len(es))
	} else if a.size[depth-1] != len(es) {
		return value.Value{}, sqlerr.New(sqlerr.InvalidTextRepresentation, "malformed JSON array").
			WithDetail("Multidimensional arrays must have sub-arrays with matching dimensions.")
	}
	if len(es) == 0 && a.dims == 0 {
		a.dims = depth
	}
	items := make([]value.Value, 0, len(es))
	for _, e := range es {
		isArray := e.value.kind() == '['
		if a.dims == 0 && !isArray {
			a.dims = depth
		}
		var v value.Value
		var err error
		switch {
		case a.dims > 0 && depth >= a.dims:
			v, err = populate(a.c, e.value, a.elem, a.key, value.Null())
		case isArray:
			v, err = a.list(e.value, depth+1)
		default:
			err = noArray(a.key)
		}
		if err != nil {
			return v, err
		}
		items = append(items, v)
	}
	return value.ArrayFrom(items), nil
}

// populateRecord makes a composite value; fields that the object does not have
// are those of base.
func populateRecord(c *expr.Context, r rawJSON, d *sqltype.Defined, base value.Value) (value.Value, error) {
	found := map[string]rawJSON{}
	for _, f := range r.elements() {
		found[f.key] = f.value
	}
	if len(found) == 0 && base.IsDocument() {
		return base, nil
	}
	var b value.Builder
	for _, a := range d.Attributes {
		v := value.Null()
		if f, ok := found[a.Name]; ok {
			var err error
			of := value.Null()
			if base.IsDocument() {
				of = value.Lookup(base.Doc(), a.Name)
			}
			if v, err = populate(c, f, a.Type, a.Name, of); err != nil {
				return fail(err)
			}
		} else if base.IsDocument() {
			v = value.Lookup(base.Doc(), a.Name)
		}
		b.Add(a.Name, v)
	}
	return value.Document(b.Doc()), nil
}

// populator is json(b)_populate_record: (base, JSON, [use_json_as_text,] type).
func populator(name string, text bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		if a[1].IsNullish() {
			return a[0], nil
		}
		r := jsonRaw(a[1], text)
		if r.kind() != '{' {
			return failf(sqlerr.InvalidParameterValue, "cannot call %s on %s", name, r.shape())
		}
		d, err := compositeBy(a)
		if err != nil {
			return fail(err)
		}
		return populateRecord(c, r, d, a[0])
	}
}

func compositeBy(a []value.Value) (*sqltype.Defined, error) {
	d := definedBy(a)
	if d.Kind != sqltype.CompositeKind {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "the result is no row type")
	}
	return d, nil
}

// setPopulator is json(b)_populate_recordset.
func setPopulator(name string, text bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		if a[1].IsNullish() {
			return value.ArrayFrom(nil), nil
		}
		r := jsonRaw(a[1], text)
		if r.kind() != '[' {
			return failf(sqlerr.InvalidParameterValue, "cannot call %s on %s", name, map[bool]string{true: "an object", false: "a scalar"}[r.kind() == '{'])
		}
		d, err := compositeBy(a)
		if err != nil {
			return fail(err)
		}
		var rows []value.Value
		for _, e := range r.elements() {
			if e.value.kind() != '{' {
				return failf(sqlerr.InvalidParameterValue, "argument of %s must be an array of objects", name)
			}
			v, err := populateRecord(c, e.value, d, a[0])
			if err != nil {
				return fail(err)
			}
			if v.IsNullish() {
				v = value.Document(value.EmptyDocument)
			}
			rows = append(rows, v)
		}
		return value.ArrayFrom(rows), nil
	}
}

// definedBy is the composite type whose OID is the last argument.
func definedBy(a []value.Value) *sqltype.Defined {
	if d := sqltype.OID(a[len(a)-1].AsInt64()).Def(); d != nil {
		return d
	}
	return &sqltype.Defined{}
}

// toRecord is json(b)_to_record: the object, for PopulateField.
func toRecord(name string, text bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		r := jsonRaw(a[0], text)
		if r.kind() != '{' {
			return failf(sqlerr.InvalidParameterValue, "cannot call %s on %s", name, r.shape())
		}
		return a[0], nil
	}
}

// toRecordset is json(b)_to_recordset: its objects.
func toRecordset(name string, text bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if a[0].IsNullish() {
			return value.ArrayFrom(nil), nil
		}
		r := jsonRaw(a[0], text)
		if r.kind() != '[' {
			return failf(sqlerr.InvalidParameterValue, "cannot call %s on %s", name, map[bool]string{true: "an object", false: "a scalar"}[r.kind() == '{'])
		}
		var rows []value.Value
		for _, e := range r.elements() {
			if e.value.kind() != '{' {
				return failf(sqlerr.InvalidParameterValue, "argument of %s must be an array of objects", name)
			}
			rows = append(rows, value.String(e.value.trim()))
		}
		return value.ArrayFrom(rows), nil
	}
}

// PopulateField is the local operator (object, name, type, modifier) that reads
// a field of an object, json text or a document, as a type.
const PopulateField = "json_populate_field"

func populateField(c *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return null()
	}
	f, ok := jsonRaw(a[0], true).field(text(a[1]))
	if !ok {
		return null()
	}
	t := sqltype.Type{OID: sqltype.OID(a[2].AsInt64()), Mod: int32(a[3].AsInt64())}
	return populate(c, f, t, text(a[1]), value.Null())
}

var jsonPopulateFuncs = map[string]evaluator{
	"jsonb_populate_record": populator("jsonb_populate_record", false), "json_populate_record": populator("json_populate_record", true),
	"jsonb_populate_recordset": setPopulator("jsonb_populate_recordset", false), "json_populate_recordset": setPopulator("json_populate_recordset", true),
	"jsonb_to_record": toRecord("jsonb_to_record", false), "json_to_record": toRecord("json_to_record", true),
	"jsonb_to_recordset": toRecordset("jsonb_to_recordset", false), "json_to_recordset": toRecordset("json_to_recordset", true),
	PopulateField: populateField,
}

// Populates tells of the functions that take the OID of the composite type that
// they make as an argument more.
func Populates(f *Func) bool {
	switch f.Impl {
	case "json_populate_record", "jsonb_populate_record", "json_populate_recordset", "jsonb_populate_recordset":
		return true
	}
	return false
}

// MakesRecord tells of the functions whose columns only a definition list in FROM
// gives.
func MakesRecord(f *Func) bool {
	switch f.Name {
	case "json_to_record", "jsonb_to_record", "json_to_recordset", "jsonb_to_recordset":
		return true
	}
	return false
}

func noArray(key string) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "expected JSON array").WithHint("See the value of key \"%s\".", key)
}
