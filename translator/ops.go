package translator

import (
	"maps"
	"sort"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// Library adds the translator's operators to those of the SQL functions. Made
// once and given to Translate, it is not made again for each program.
func Library(base *expr.Library) *expr.Library {
	if base != nil {
		if _, has := base.Functions[opZone]; has {
			return base
		}
	}
	lib := &expr.Library{Functions: map[string]expr.Function{}, Accumulators: map[string]func() expr.Accumulator{}}
	if base != nil {
		for k, f := range base.Functions {
			lib.Functions[k] = f
		}
		for k, f := range base.Accumulators {
			lib.Accumulators[k] = f
		}
	}
	own := map[string]func(*expr.Context, []value.Value) (value.Value, error){
		opZone: zoneOp, opStored: storedOp, opSortKey: sortKeyOp, opUnnest: unnestOp, opDomain: domainOp,
		opAgg:    func(_ *expr.Context, a []value.Value) (value.Value, error) { return aggOp(lib, a) },
		opSpread: func(c *expr.Context, a []value.Value) (value.Value, error) { return spreadOp(lib, c, a) },
	}
	maps.Copy(own, fineOps())
	for name, f := range own {
		lib.Functions[name] = expr.Function{MinArgs: 0, MaxArgs: -1, Eval: f}
	}
	return lib
}

// storedOp reads a document's value as a SQL type: any scalar as text, any
// number as numeric; what is no form of a pinned column's type by its text.
func storedOp(c *expr.Context, a []value.Value) (value.Value, error) {
	v := a[0]
	if v.IsNullish() {
		return value.Null(), nil
	}
	switch oid := sqltype.OID(a[1].AsInt64()); {
	case oid.IsString():
		if v.IsString() {
			return v, nil
		}
		return value.String(string(sqltype.AppendPlain(nil, v))), nil
	case oid == sqltype.Numeric && v.Kind() == bson.TypeDouble:
		return decimalOf(v)
	case (oid == sqltype.Float8 || oid == sqltype.Float4) && v.IsNumber():
		return value.Double(v.AsDouble()), nil
	case oid == sqltype.Timestamptz && v.Kind() == bson.TypeTimestamp:
		sec, _ := v.AsTimestamp()
		return value.Date(int64(sec) * 1000), nil
	default:
		return storedByText(c, v, sqltype.Of(oid))
	}
}

// storedByText reads the text of a value that is no form of a scalar type.
func storedByText(c *expr.Context, v value.Value, t sqltype.Type) (value.Value, error) {
	switch t.OID {
	case sqltype.Int2, sqltype.Int4, sqltype.Int8, sqltype.Float4, sqltype.Float8, sqltype.Numeric,
		sqltype.Bool, sqltype.Date, sqltype.Timestamp, sqltype.Timestamptz:
	default:
		return v, nil
	}
	if canonicalKinds(t).Has(catalog.KindOf(v)) {
		return v, nil
	}
	var types *sqltype.Env
	if s, ok := c.Session.(sqlfunc.Session); ok {
		types = s.Types()
	}
	return sqltype.ParseText(string(sqltype.AppendPlain(nil, v)), t, types)
}

// decimalOf is a double as numeric, with the digits that it prints with.
func decimalOf(v value.Value) (value.Value, error) {
	d, err := bson.ParseDecimal128(value.FormatDouble(v.AsDouble()))
	if err != nil {
		return v.AsDecimal(), nil
	}
	return value.Decimal(d), nil
}

// sortKeyOp makes a value that MongoDB orders and groups as SQL does the
// argument. Types whose own order it is come out as they are.
func sortKeyOp(_ *expr.Context, a []value.Value) (value.Value, error) {
	v := a[0]
	if v.IsNullish() {
		return value.Null(), nil
	}
	switch oid := sqltype.OID(a[1].AsInt64()); {
	case oid.Involves():
		return definedKey(v, oid), nil
	case oid == sqltype.Bytea:
		_, b := v.AsBinary()
		return value.String(hex(b)), nil
	case oid == sqltype.Interval:
		return byteKey(intervalKey(v)), nil
	case oid == sqltype.Timetz:
		return byteKey(timetzKey(v)), nil
	case oid == sqltype.Inet || oid == sqltype.Cidr:
		if n, ok := networkOf(v, oid == sqltype.Cidr); ok {
			return value.String(n.Key()), nil
		}
		return v, nil
	case oid == sqltype.Bpchar:
		return value.String(strings.TrimRight(v.Str(), " ")), nil
	case oid == sqltype.JSONB:
		return byteKey(jsonKey(v)), nil
	case oid == sqltype.Record && v.IsArray():
		return byteKey(recordKey(v)), nil
	case v.IsArray() && needsKey(sqltype.Of(oid.Elem())):
		return byteKey(itemKeys(v, a[1], value.Int64(int64(oid.Elem())))), nil
	case v.IsArray():
		return byteKey(nullsHigh(v)), nil
	case v.IsNaN():
		return value.String(nanKey), nil
	}
	return v, nil
}

// itemKeys has the key of each item of an array; NULL is the greatest.
func itemKeys(v, array, elem value.Value) value.Value {
	items := value.Items(nil, v.Doc())
	for i, x := range items {
		switch {
		case x.IsNullish():
			items[i] = value.MaxKey()
		case x.IsArray():
			items[i] = itemKeys(x, array, elem)
		default:
			items[i], _ = sortKeyOp(nil, []value.Value{x, elem})
		}
	}
	return value.ArrayFrom(items)
}

// recordKey has the key of each field of a row, by the type that stands beside
// it where it is not seen.
func recordKey(v value.Value) value.Value {
	items := value.Items(nil, v.Doc())
	for i, x := range items {
		switch {
		case x.IsArray():
			items[i] = recordKey(x)
		case x.IsDocument() && value.Lookup(x.Doc(), sqltype.RecordTypeKey).IsNumber():
			of := value.Lookup(x.Doc(), sqltype.RecordTypeKey)
			items[i], _ = sortKeyOp(nil, []value.Value{value.Lookup(x.Doc(), sqltype.RecordValueKey), of})
		}
	}
	return nullsHigh(value.ArrayFrom(items))
}

// definedKey orders enums by the place of the label, composites by their
// attributes in order, and arrays of them by their items.
func definedKey(v value.Value, oid sqltype.OID) value.Value {
	if v.IsNullish() {
		return value.MaxKey() // inside of a row or an array
	}
	d := oid.Def()
	switch {
	case d == nil && v.IsArray():
		items := value.Items(nil, v.Doc())
		for i, x := range items {
			if of := oid.Elem(); x.IsArray() {
				items[i] = definedKey(x, oid)
			} else {
				items[i] = definedKey(x, of)
			}
		}
		return byteKey(value.ArrayFrom(items))
	case d != nil && d.Kind == sqltype.EnumKind:
		return value.Int32(int32(d.Position(v.Str())))
	case d != nil && d.Kind == sqltype.CompositeKind && v.IsDocument():
		keys := make([]value.Value, len(d.Attributes))
		for i, a := range d.Attributes {
			x := value.Lookup(v.Doc(), a.Name)
			if x.IsNullish() {
				keys[i] = value.MaxKey()
				continue
			}
			keys[i], _ = sortKeyOp(nil, []value.Value{x, value.Int64(int64(a.Type.OID))})
		}
		return byteKey(value.ArrayFrom(keys))
	}
	return v
}

// byteKey writes an array as text in the same order: $sort would look at its
// least or greatest item only.
func byteKey(v value.Value) value.Value {
	return value.String(hex(value.AppendSortKey(nil, v, false)))
}

// nullsHigh makes NULL elements the greatest, as they are in arrays.
func nullsHigh(v value.Value) value.Value {
	items := value.Items(nil, v.Doc())
	for i, x := range items {
		switch {
		case x.IsNullish():
			items[i] = value.MaxKey()
		case x.IsNaN():
			items[i] = value.String(nanKey)
		case x.IsArray():
			items[i] = nullsHigh(x)
		}
	}
	return value.ArrayFrom(items)
}

// zoneOp is the session's time zone as MongoDB names it.
func zoneOp(c *expr.Context, _ []value.Value) (value.Value, error) {
	s, ok := c.Session.(sqlfunc.Session)
	if !ok || s == nil || s.Types() == nil || s.Types().Zone == nil {
		return value.String("UTC"), nil
	}
	zone := s.Types().Zone
	if name := zone.String(); name == "UTC" || strings.Contains(name, "/") {
		return value.String(name), nil
	}
	return value.String(time.Unix(0, 0).In(zone).Format("-07:00")), nil
}

func hex(b []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(b))
	for _, x := range b {
		out = append(out, digits[x>>4], digits[x&15])
	}
	return string(out)
}

const (
	microsPerDay = 86_400_000_000
	daysPerMonth = 30
)

func networkOf(v value.Value, cidr bool) (sqltype.Network, bool) {
	if !v.IsString() {
		return sqltype.Network{}, false
	}
	return sqltype.ParseNetwork(v.Str(), cidr)
}

// intervalKey counts a month as 30 days and a day as 24 hours: whole days, then
// the rest, so that nothing overflows.
func intervalKey(v value.Value) value.Value {
	doc := v.Doc()
	days := value.Lookup(doc, "m").AsInt64()*daysPerMonth + value.Lookup(doc, "d").AsInt64()
	micros := value.Lookup(doc, "u").AsInt64()
	days += micros / microsPerDay
	if micros %= microsPerDay; micros < 0 {
		micros += microsPerDay
		days--
	}
	return value.ArrayFrom([]value.Value{value.Int64(days), value.Int64(micros)})
}

// timetzKey orders by the moment in UTC, then by the zone.
func timetzKey(v value.Value) value.Value {
	t, z := value.Lookup(v.Doc(), "t").AsInt64(), value.Lookup(v.Doc(), "z").AsInt64()
	return value.ArrayFrom([]value.Value{value.Int64(t + z*1_000_000), value.Int64(z)})
}

// jsonKey writes jsonb in an order of types and of keys such that equal
// documents are equal and PostgreSQL's order holds: Object > Array > Boolean >
// Number > String > Null; more members are greater.
func jsonKey(v value.Value) value.Value {
	switch v.Kind() {
	case bson.TypeEmbeddedDocument:
		return jsonObjectKey(v)
	case bson.TypeArray:
		items := value.Items(nil, v.Doc())
		out := []value.Value{value.Int32(4), value.Int32(int32(len(items)))}
		for _, x := range items {
			out = append(out, jsonKey(x))
		}
		return value.ArrayFrom(out)
	case bson.TypeBoolean:
		return value.ArrayFrom([]value.Value{value.Int32(3), v})
	case bson.TypeNull, bson.TypeSymbol, bson.TypeUndefined:
		return value.ArrayFrom([]value.Value{value.Int32(0)})
	case bson.TypeString:
		return value.ArrayFrom([]value.Value{value.Int32(1), v})
	}
	if v.IsNumber() {
		return value.ArrayFrom([]value.Value{value.Int32(2), v})
	}
	return value.ArrayFrom([]value.Value{value.Int32(1), value.String(string(sqltype.AppendPlain(nil, v)))})
}

func jsonObjectKey(v value.Value) value.Value {
	type member struct {
		k string
		v value.Value
	}
	var ms []member
	for it := value.Walk(v.Doc()); it.Next(); {
		ms = append(ms, member{it.Key(), it.Value()})
	}
	// keys by length first, as jsonb stores them
	sort.Slice(ms, func(i, j int) bool {
		if len(ms[i].k) != len(ms[j].k) {
			return len(ms[i].k) < len(ms[j].k)
		}
		return ms[i].k < ms[j].k
	})
	out := []value.Value{value.Int32(5), value.Int32(int32(len(ms)))}
	for _, m := range ms {
		out = append(out, value.String(m.k), jsonKey(m.v))
	}
	return value.ArrayFrom(out)
}

func unnestOp(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return value.ArrayFrom(nil), nil
	}
	if !a[0].IsArray() {
		return value.ArrayFrom(a[:1]), nil
	}
	return value.ArrayFrom(flatten(nil, a[0])), nil
}

// aggOp applies an accumulator to collected rows {a: args, k: sort keys}:
// [name, rows, spec, limit, direct arguments].
func aggOp(lib *expr.Library, a []value.Value) (value.Value, error) {
	make1, ok := lib.Accumulators[a[0].Str()]
	if !ok {
		return value.Value{}, sqlerr.New(sqlerr.FeatureNotSupported, "aggregate %s is not supported", a[0].Str())
	}
	rows := value.Items(nil, a[1].Doc())
	spec := a[2].Doc()
	ordered := value.Lookup(spec, "ordered").AsBool()
	sortRows(rows, spec)
	if value.Lookup(spec, "distinct").AsBool() {
		rows = distinctRows(rows, spec)
	}
	if len(a) > 3 && !a[3].IsNullish() {
		rows = rows[:min(int64(len(rows)), max(a[3].AsInt64(), 0))]
	}
	acc := make1()
	for _, r := range rows {
		args := value.Items(nil, value.Lookup(r.Doc(), "a").Doc())
		if ordered {
			args = value.Items(value.Items(nil, value.Lookup(r.Doc(), "k").Doc())[:1], a[4].Doc())
			if args[0].IsNullish() {
				continue
			}
		}
		if err := acc.Add(args); err != nil {
			return value.Value{}, err
		}
	}
	return acc.Result()
}

// sortRows orders rows by their keys; spec says which are descending, where
// NULLs go, and of what types they are.
func sortRows(rows []value.Value, spec bson.Raw) {
	desc := value.Items(nil, value.Lookup(spec, "desc").Doc())
	nulls := value.Items(nil, value.Lookup(spec, "nulls").Doc())
	types := value.Items(nil, value.Lookup(spec, "types").Doc())
	if len(desc) == 0 {
		return
	}
	keys := make([][]value.Value, len(rows))
	index := make([]int, len(rows))
	for i, r := range rows {
		index[i] = i
		keys[i] = value.Items(nil, value.Lookup(r.Doc(), "k").Doc())
		for j := range keys[i] {
			keys[i][j], _ = sortKeyOp(nil, []value.Value{keys[i][j], types[j]})
		}
	}
	sort.SliceStable(index, func(x, y int) bool {
		for j := range desc {
			if c := compareKeys(keys[index[x]][j], keys[index[y]][j], desc[j].AsBool(), nulls[j].AsBool()); c != 0 {
				return c < 0
			}
		}
		return false
	})
	sorted := make([]value.Value, len(rows))
	for i, at := range index {
		sorted[i] = rows[at]
	}
	copy(rows, sorted)
}

// compareKeys compares two sort keys.
func compareKeys(a, b value.Value, desc, nullsFirst bool) int {
	an, bn := a.IsNullish(), b.IsNullish()
	switch {
	case an && bn:
		return 0
	case an != bn:
		if an == nullsFirst {
			return -1
		}
		return 1
	}
	c := value.Compare(a, b)
	if desc {
		return -c
	}
	return c
}

// distinctRows keeps the first row of each list of arguments, in their order as
// PostgreSQL's sorting for DISTINCT leaves them unless another one was asked for.
func distinctRows(rows []value.Value, spec bson.Raw) []value.Value {
	types := value.Items(nil, value.Lookup(spec, "of").Doc())
	seen := map[uint64][]value.Value{}
	var keys []value.Value
	out := rows[:0]
next:
	for _, r := range rows {
		of := value.Lookup(r.Doc(), "d")
		if of.IsMissing() {
			of = value.Lookup(r.Doc(), "a")
		}
		args := value.Items(nil, of.Doc())
		for i := range min(len(args), len(types)) {
			args[i], _ = sortKeyOp(nil, []value.Value{args[i], types[i]})
		}
		key := value.ArrayFrom(args)
		h := value.Hash(0, key)
		for _, x := range seen[h] {
			if value.Equal(x, key) {
				continue next
			}
		}
		seen[h] = append(seen[h], key)
		keys, out = append(keys, key), append(out, r)
	}
	if value.Len(value.Lookup(spec, "desc").Doc()) == 0 {
		sort.Stable(&byKeys{out, keys})
	}
	return out
}

// byKeys sorts rows by keys of which each is an array.
type byKeys struct{ rows, keys []value.Value }

func (b *byKeys) Len() int { return len(b.rows) }

func (b *byKeys) Swap(i, j int) {
	b.rows[i], b.rows[j] = b.rows[j], b.rows[i]
	b.keys[i], b.keys[j] = b.keys[j], b.keys[i]
}

func (b *byKeys) Less(i, j int) bool {
	x, y := value.Items(nil, b.keys[i].Doc()), value.Items(nil, b.keys[j].Doc())
	for k := range x {
		if c := compareKeys(x[k], y[k], false, false); c != 0 {
			return c < 0
		}
	}
	return false
}
