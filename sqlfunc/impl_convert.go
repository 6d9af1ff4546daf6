package sqlfunc

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqltype"
)

// formatG prints a double with so many significant digits.
func formatG(f float64, digits int) string { return strconv.FormatFloat(f, 'g', digits, 64) }

// convertEvaluator prepares an argument of any type (Func.AnyAs).
func convertEvaluator(from, as sqltype.OID) evaluator {
	switch as {
	case sqltype.JSONB:
		return func(c *expr.Context, a []value.Value) (value.Value, error) {
			if a[0].IsNullish() {
				return null()
			}
			v, err := toJSONB(c, a[0], from)
			return outer(v), err
		}
	case sqltype.JSON:
		return func(c *expr.Context, a []value.Value) (value.Value, error) {
			if a[0].IsNullish() {
				return null()
			}
			b, err := appendJSON(nil, c, a[0], from)
			return value.String(string(b)), err
		}
	case sqltype.Regtype:
		return constant(value.Int64(int64(from)))
	case sqltype.Text.Array():
		return castEvaluator(from, as)
	}
	return castEvaluator(from, as)
}

// toJSONB is to_jsonb of a value of a SQL type.
func toJSONB(c *expr.Context, v value.Value, from sqltype.OID) (value.Value, error) {
	if v.IsNullish() {
		return value.Null(), nil
	}
	if e := from.Elem(); e != sqltype.Invalid && v.IsArray() {
		in := items(v)
		for i := range in {
			var err error
			if in[i].IsArray() && e != sqltype.JSONB && e != sqltype.Record { // a record is an array as well
				in[i], err = toJSONB(c, in[i], from)
			} else {
				in[i], err = toJSONB(c, in[i], e)
			}
			if err != nil {
				return fail(err)
			}
			in[i] = inner(in[i])
		}
		return value.ArrayFrom(in), nil
	}
	if d := from.Def(); d != nil && d.Kind == sqltype.CompositeKind && v.IsDocument() {
		fields := make([]sqltype.Field, len(d.Attributes))
		for i, a := range d.Attributes {
			j, err := toJSONB(c, value.Lookup(v.Doc(), a.Name), a.Type.OID)
			if err != nil {
				return fail(err)
			}
			fields[i] = sqltype.Field{Key: a.Name, Value: inner(j)}
		}
		return sqltype.ObjectOf(fields), nil
	}
	switch from {
	case sqltype.JSONB:
		return v, nil
	case sqltype.JSON:
		return parsed(v)
	case sqltype.Bool:
		return v, nil
	case sqltype.Record:
		return recordJSON(c, v)
	case sqltype.Int2, sqltype.Int4, sqltype.Int8, sqltype.Numeric, sqltype.Float4, sqltype.Float8:
		if v.IsNumber() && !v.IsNaN() && !v.IsInf() {
			return numberJSON(v, from), nil
		}
	}
	s, err := jsonScalarText(c, v, from)
	return value.String(s), err
}

// numberJSON gives a float4 the digits that it prints.
func numberJSON(v value.Value, from sqltype.OID) value.Value {
	if from != sqltype.Float4 || v.Kind() != bson.TypeDouble {
		return v
	}
	f, _ := strconv.ParseFloat(strconv.FormatFloat(v.AsDouble(), 'g', -1, 32), 64)
	return value.Double(f)
}

// recordJSON names the fields of a record f1, f2 ….
func recordJSON(c *expr.Context, v value.Value) (value.Value, error) {
	if !v.IsArray() {
		return v, nil
	}
	var fields []sqltype.Field
	for i, e := range items(v) {
		e, t := sqltype.RecordField(e)
		j, err := toJSONB(c, e, t.OID)
		if err != nil {
			return fail(err)
		}
		fields = append(fields, sqltype.Field{Key: "f" + strconv.Itoa(i+1), Value: inner(j)})
	}
	return sqltype.ObjectOf(fields), nil
}

// jsonScalarText is the text of what JSON holds as a string: dates by ISO 8601.
func jsonScalarText(c *expr.Context, v value.Value, from sqltype.OID) (string, error) {
	env := envOf(c)
	switch from {
	case sqltype.Date, sqltype.Timestamp, sqltype.Timestamptz:
		iso := sqltype.Env{Zone: env.Zone}
		b, err := sqltype.AppendText(nil, v, sqltype.Of(from), &iso)
		s := string(b)
		if from != sqltype.Date && !sqltype.IsInfinite(v.AsDate()) {
			s = strings.Replace(s, " ", "T", 1)
			if from == sqltype.Timestamptz {
				s = fullOffset(s)
			}
		}
		return s, err
	}
	b, err := sqltype.AppendText(nil, v, sqltype.Of(from), env)
	return string(b), err
}

// fullOffset gives an offset its minutes: +00 becomes +00:00.
func fullOffset(s string) string {
	era := ""
	if cut, ok := strings.CutSuffix(s, " BC"); ok {
		s, era = cut, " BC"
	}
	if i := strings.LastIndexAny(s, "+-"); i >= 0 && len(s)-i == 3 {
		s += ":00"
	}
	return s + era
}

// appendJSON is to_json: the text of the value, arrays without blanks.
func appendJSON(b []byte, c *expr.Context, v value.Value, from sqltype.OID) ([]byte, error) {
	switch {
	case v.IsNullish():
		return append(b, "null"...), nil
	case from == sqltype.JSON && v.IsString():
		return append(b, v.Str()...), nil
	case from.Elem() != sqltype.Invalid && v.IsArray():
		b = append(b, '[')
		for i, e := range items(v) {
			if i > 0 {
				b = append(b, ',')
			}
			elem := from.Elem()
			if e.IsArray() && elem != sqltype.JSONB && elem != sqltype.Record {
				elem = from
			}
			var err error
			if b, err = appendJSON(b, c, e, elem); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	case from == sqltype.Float8 && v.Kind() == bson.TypeDouble && !v.IsNaN() && !v.IsInf():
		return sqltype.AppendFloat(b, v.AsDouble(), 64, envOf(c)), nil
	case from == sqltype.Record && (v.IsArray() || v.IsDocument()):
		return appendRecordJSON(b, c, v)
	case from.IsComposite() && v.IsDocument():
		return appendCompositeJSON(b, c, v, from.Def())
	}
	j, err := toJSONB(c, v, from)
	if err != nil {
		return b, err
	}
	return sqltype.AppendJSONB(b, j), nil
}

// appendCompositeJSON prints the attributes of a composite value in their order.
func appendCompositeJSON(b []byte, c *expr.Context, v value.Value, d *sqltype.Defined) ([]byte, error) {
	b = append(b, '{')
	for i, a := range d.Attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(sqltype.AppendJSONString(b, a.Name), ':')
		var err error
		if b, err = appendJSON(b, c, value.Lookup(v.Doc(), a.Name), a.Type.OID); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// appendRecordJSON prints a row: fields of documents by their names, others as
// f1, f2 ….
func appendRecordJSON(b []byte, c *expr.Context, v value.Value) ([]byte, error) {
	b = append(b, '{')
	i := 0
	for it := value.Walk(v.Doc()); it.Next(); i++ {
		if i > 0 {
			b = append(b, ',')
		}
		name := it.Key()
		e, t := sqltype.RecordField(it.Value())
		if v.IsArray() {
			name = "f" + strconv.Itoa(i+1)
		}
		b = append(sqltype.AppendJSONString(b, name), ':')
		var err error
		if b, err = appendJSON(b, c, e, t.OID); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}
