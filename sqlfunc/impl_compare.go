package sqlfunc

import (
	"bytes"
	"cmp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqltype"
)

// Compare orders two values of one SQL type by their kinds, for types whose
// order is MongoDB's but for NaN, which is greatest here.
func compareValues(a, b value.Value) int {
	if a.IsNumber() && b.IsNumber() {
		switch na, nb := a.IsNaN(), b.IsNaN(); {
		case na && nb:
			return 0
		case na:
			return 1
		case nb:
			return -1
		}
	}
	return value.Compare(a, b)
}

func compareBytes(a, b value.Value) int { return bytes.Compare(bytesOf(a), bytesOf(b)) }

func compareIntervals(a, b value.Value) int { return sqltype.SpanOf(a).Compare(sqltype.SpanOf(b)) }

// compareTimetz orders by the instant, then by the zone.
func compareTimetz(a, b value.Value) int {
	ua, za := sqltype.TimetzOf(a)
	ub, zb := sqltype.TimetzOf(b)
	if c := cmp.Compare(ua+int64(za)*1000000, ub+int64(zb)*1000000); c != 0 {
		return c
	}
	return cmp.Compare(za, zb)
}

func compareBpchar(a, b value.Value) int {
	return strings.Compare(strings.TrimRight(text(a), " "), strings.TrimRight(text(b), " "))
}

// compareArrays orders by items, NULL being greatest, then by length.
func compareArrays(a, b value.Value) int {
	x, y := items(a), items(b)
	for i := 0; i < len(x) && i < len(y); i++ {
		if c := compareItems(x[i], y[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

func compareItems(a, b value.Value) int {
	switch na, nb := a.IsNullish(), b.IsNullish(); {
	case na && nb:
		return 0
	case na:
		return 1
	case nb:
		return -1
	case a.Kind() == bson.TypeArray && b.Kind() == bson.TypeArray:
		return compareArrays(a, b)
	case a.Kind() == bson.TypeEmbeddedDocument && b.Kind() == bson.TypeEmbeddedDocument && isSpan(a) && isSpan(b):
		return compareIntervals(a, b)
	}
	return compareValues(a, b)
}

func isSpan(v value.Value) bool {
	return value.Len(v.Doc()) == 3 && !value.Lookup(v.Doc(), "u").IsMissing() && !value.Lookup(v.Doc(), "m").IsMissing()
}

// jsonbRank is jsonb's order of types.
func jsonbRank(v value.Value) int {
	switch v.Kind() {
	case bson.TypeNull, bson.TypeUndefined, value.KindMissing, bson.TypeSymbol:
		return 0
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return 2
	case bson.TypeBoolean:
		return 3
	case bson.TypeArray:
		return 4
	case bson.TypeEmbeddedDocument:
		return 5
	}
	return 1 // strings, and what prints as one
}

// compareJSONB is jsonb's order; key order within objects does not matter.
func compareJSONB(a, b value.Value) int {
	ra, rb := jsonbRank(a), jsonbRank(b)
	switch {
	case ra != rb:
		return compareJSONBRanks(a, b, ra, rb)
	case ra == 1:
		return strings.Compare(text(a), text(b))
	case ra == 4:
		return compareJSONBArrays(items(a), items(b))
	case ra == 5:
		return compareJSONBObjects(a, b)
	case ra == 0:
		return 0
	}
	return compareValues(a, b)
}

// compareJSONBRanks keeps PostgreSQL's quirk: the empty array is least of all.
func compareJSONBRanks(a, b value.Value, ra, rb int) int {
	if ra == 4 && value.Len(a.Doc()) == 0 {
		return -1
	}
	if rb == 4 && value.Len(b.Doc()) == 0 {
		return 1
	}
	return cmp.Compare(ra, rb)
}

func compareJSONBArrays(x, y []value.Value) int {
	if c := cmp.Compare(len(x), len(y)); c != 0 {
		return c
	}
	for i := range x {
		if c := compareJSONB(x[i], y[i]); c != 0 {
			return c
		}
	}
	return 0
}

func compareJSONBObjects(a, b value.Value) int {
	x, y := sqltype.SortedFields(nil, a.Doc()), sqltype.SortedFields(nil, b.Doc())
	if c := cmp.Compare(len(x), len(y)); c != 0 {
		return c
	}
	for i := range x {
		if c := strings.Compare(x[i].Key, y[i].Key); c != 0 {
			return c
		}
		if c := compareJSONB(x[i].Value, y[i].Value); c != 0 {
			return c
		}
	}
	return 0
}

// compareZoned compares a date or timestamp with a timestamptz: the former is
// wall clock time of the session.
func compareZoned(leftLocal bool) func(c *expr.Context, a, b value.Value) int {
	return func(c *expr.Context, a, b value.Value) int {
		x, y := momentOf(a), momentOf(b)
		if leftLocal {
			x = toUTC(x, zoneOf(c))
		} else {
			y = toUTC(y, zoneOf(c))
		}
		return x.Compare(y)
	}
}

var tests = map[string]func(c int) bool{
	"eq": func(c int) bool { return c == 0 }, "ne": func(c int) bool { return c != 0 },
	"lt": func(c int) bool { return c < 0 }, "le": func(c int) bool { return c <= 0 },
	"gt": func(c int) bool { return c > 0 }, "ge": func(c int) bool { return c >= 0 },
}

var compareFuncs = func() map[string]evaluator {
	m := map[string]evaluator{}
	plain := map[string]func(a, b value.Value) int{
		"": compareValues, "_bytea": compareBytes, "_interval": compareIntervals, "_timetz": compareTimetz,
		"_bpchar": compareBpchar, "_array": compareArrays, "_record": compareArrays, "_jsonb": compareJSONB,
	}
	zoned := map[string]bool{
		"_date_timestamptz": true, "_timestamp_timestamptz": true, "_timestamptz_date": false, "_timestamptz_timestamp": false,
	}
	for op, test := range tests {
		for suffix, f := range plain {
			m[op+suffix] = func(_ *expr.Context, a []value.Value) (value.Value, error) { return boolean(test(f(a[0], a[1]))) }
		}
		for suffix, left := range zoned {
			f := compareZoned(left)
			m[op+suffix] = func(c *expr.Context, a []value.Value) (value.Value, error) { return boolean(test(f(c, a[0], a[1]))) }
		}
	}
	return m
}()
