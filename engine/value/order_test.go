package value_test

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/engine/value/valuetest"
)

// zoo is values of every type with the edges of each.
func zoo(t testing.TB) []value.Value {
	list := []value.Value{{}, value.Null(), value.Undefined(), value.MinKey(), value.MaxKey(),
		value.Regex("a", ""), value.Regex("a", "i"), value.Regex("ab", ""), value.Symbol("sym"), value.JavaScript("x"),
		value.Binary(0, nil), value.Binary(0, []byte{1}), value.Binary(4, []byte{1}), value.Binary(0, []byte{0, 1}),
		value.Timestamp(0, 1), value.Timestamp(1, 0), value.Timestamp(math.MaxUint32, 7), value.Date(-1), value.Date(0), value.Date(math.MinInt64)}
	for _, s := range []string{
		`0`, `-0.0`, `1`, `1.0`, `-1`, `2147483648`, `{"$numberLong":"9007199254740993"}`, `{"$numberDouble":"9007199254740992"}`,
		`{"$numberLong":"9223372036854775807"}`, `{"$numberLong":"-9223372036854775808"}`, `{"$numberDouble":"9223372036854775808"}`,
		`{"$numberDouble":"NaN"}`, `{"$numberDouble":"Infinity"}`, `{"$numberDouble":"-Infinity"}`, `5e-324`, `1.7976931348623157e308`, `0.1`, `0.5`, `-0.5`,
		`{"$numberDecimal":"0"}`, `{"$numberDecimal":"-0E+3"}`, `{"$numberDecimal":"1"}`, `{"$numberDecimal":"1.00"}`, `{"$numberDecimal":"0.1"}`,
		`{"$numberDecimal":"0.1000000000000000055511151231257827"}`, `{"$numberDecimal":"0.5"}`, `{"$numberDecimal":"-0.50"}`,
		`{"$numberDecimal":"9007199254740993"}`, `{"$numberDecimal":"9223372036854775807"}`, `{"$numberDecimal":"9223372036854775807.5"}`,
		`{"$numberDecimal":"9.999999999999999999999999999999999E+6144"}`, `{"$numberDecimal":"-1E+400"}`, `{"$numberDecimal":"1E+400"}`,
		`{"$numberDecimal":"1E-6176"}`, `{"$numberDecimal":"-1E-6176"}`, `{"$numberDecimal":"1E-400"}`, `{"$numberDecimal":"NaN"}`,
		`{"$numberDecimal":"Infinity"}`, `{"$numberDecimal":"-Infinity"}`, `{"$numberDecimal":"1E+3"}`, `1000`,
		`""`, `"a"`, `"a\u0000"`, `"a\u0000b"`, `"ab"`, `"b"`, `"é"`, `{}`, `{"a":1}`, `{"a":1,"b":2}`, `{"a":2}`, `{"b":1}`, `{"a":null}`, `{"a":"x"}`, `{"ab":1}`,
		`[]`, `[1]`, `[1,2]`, `[[]]`, `[[1],2]`, `["a"]`, `[{}]`, `[null]`, `true`, `false`,
		`{"$oid":"000000000000000000000000"}`, `{"$oid":"ffffffffffffffffffffffff"}`, `{"$oid":"507f1f77bcf86cd799439011"}`,
	} {
		list = append(list, valuetest.Val(t, s))
	}
	return list
}

// randomNumber makes numbers that lie close to each other in different types.
func randomNumber(r *rand.Rand) value.Value {
	base := []float64{0, 1, 0.1, 1 << 53, 1 << 62, 1e17, 1e-10, 1e22}[r.IntN(8)] * float64(1+r.IntN(3))
	if r.IntN(2) == 0 {
		base = -base
	}
	switch r.IntN(4) {
	case 0:
		return value.Int64(value.Double(base).AsInt64() + int64(r.IntN(5)-2))
	case 1:
		return value.Double(math.Nextafter(base, float64(r.IntN(3)-1)*math.MaxFloat64))
	case 2:
		return value.Double(base).AsDecimal()
	}
	return value.Add(value.Double(base).AsDecimal34(), value.Int64(int64(r.IntN(5)-2)).AsDecimal())
}

func TestOrderKeysAndHashesAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	list := zoo(t)
	for range 400 {
		list = append(list, randomNumber(r))
	}
	for range 60 {
		list = append(list, value.ArrayFrom([]value.Value{list[r.IntN(len(list))], list[r.IntN(len(list))]}))
	}
	keys, down := make([][]byte, len(list)), make([][]byte, len(list))
	for i, v := range list {
		keys[i], down[i] = value.AppendSortKey(nil, v, false), value.AppendSortKey(nil, v, true)
	}
	for i, a := range list {
		for j, b := range list {
			d := value.Compare(a, b)
			if k := bytes.Compare(keys[i], keys[j]); k != d {
				t.Fatalf("%s and %s: Compare %d, keys %d\n%x\n%x", valuetest.Format(a), valuetest.Format(b), d, k, keys[i], keys[j])
			}
			if k := bytes.Compare(down[i], down[j]); k != -d {
				t.Fatalf("%s and %s: Compare %d, descending keys %d", valuetest.Format(a), valuetest.Format(b), d, k)
			}
			if d != -value.Compare(b, a) || value.Equal(a, b) != (d == 0) {
				t.Fatalf("%s and %s: order is not symmetric", valuetest.Format(a), valuetest.Format(b))
			}
			if d == 0 && value.Hash(7, a) != value.Hash(7, b) {
				t.Fatalf("%s and %s are equal, their hashes are not", valuetest.Format(a), valuetest.Format(b))
			}
		}
	}
	slices.SortFunc(list, value.Compare)
	for i := range list[1:] {
		require.LessOrEqual(t, value.Compare(list[i], list[i+1]), 0)
	}
}

// TestKeysConcatenate holds keys of several values to the order of tuples.
func TestKeysConcatenate(t *testing.T) {
	list := zoo(t)
	key := func(a, b value.Value) []byte {
		return value.AppendSortKey(value.AppendSortKey(nil, a, false), b, true)
	}
	for _, a := range list {
		for _, b := range list {
			for _, c := range []value.Value{list[3], list[20], list[len(list)-1]} {
				x, y := key(a, b), key(b, c)
				require.Equal(t, cmp.Or(value.Compare(a, b), -value.Compare(b, c)), bytes.Compare(x, y))
			}
		}
	}
}

func TestPayloadsRoundTrip(t *testing.T) {
	for _, v := range zoo(t) {
		if v.IsMissing() {
			continue
		}
		var b value.Builder
		b.Add("k", v)
		doc := b.Doc()
		require.NoError(t, value.Validate(doc), valuetest.Format(v))
		require.NoError(t, doc.Validate())
		back := value.Lookup(doc, "k")
		require.True(t, valuetest.Same(v, back, false), valuetest.Format(v))
		require.True(t, valuetest.Same(v, value.FromRaw(v.RawValue()), false))
		require.True(t, valuetest.Same(v, v.Clone(), false))
	}
}

func TestArithmetic(t *testing.T) {
	for _, c := range []struct{ op, a, b, want string }{
		{"+", `2147483647`, `1`, `{"$numberLong":"2147483648"}`},
		{"+", `{"$numberLong":"9223372036854775807"}`, `1`, `{"$numberDouble":"9.223372036854776E+18"}`},
		{"+", `1`, `0.5`, `{"$numberDouble":"1.5"}`},
		{"+", `0.1`, `{"$numberDecimal":"0.2"}`, `{"$numberDecimal":"0.3000000000000000055511151231257827"}`},
		{"+", `{"$numberDecimal":"1.10"}`, `{"$numberDecimal":"2.2"}`, `{"$numberDecimal":"3.30"}`},
		{"+", `{"$numberDecimal":"9999999999999999999999999999999999"}`, `{"$numberDecimal":"0.6"}`, `{"$numberDecimal":"1.000000000000000000000000000000000E+34"}`},
		{"-", `{"$numberLong":"-9223372036854775808"}`, `1`, `{"$numberDouble":"-9.223372036854776E+18"}`},
		{"-", `1`, `{"$numberDecimal":"1.00"}`, `{"$numberDecimal":"0.00"}`},
		{"*", `65536`, `65536`, `{"$numberLong":"4294967296"}`},
		{"*", `{"$numberLong":"4294967296"}`, `{"$numberLong":"4294967296"}`, `{"$numberDouble":"1.8446744073709552E+19"}`},
		{"*", `{"$numberDecimal":"1.20"}`, `{"$numberDecimal":"3.0"}`, `{"$numberDecimal":"3.600"}`},
		{"/", `1`, `4`, `{"$numberDouble":"0.25"}`},
		{"/", `{"$numberDecimal":"1"}`, `3`, `{"$numberDecimal":"0.3333333333333333333333333333333333"}`},
		{"/", `{"$numberDecimal":"2.40"}`, `{"$numberDecimal":"2"}`, `{"$numberDecimal":"1.20"}`},
		{"%", `-7`, `3`, `{"$numberInt":"-1"}`},
		{"%", `7.5`, `2`, `{"$numberDouble":"1.5"}`},
		{"%", `{"$numberLong":"-9223372036854775808"}`, `-1`, `{"$numberLong":"0"}`},
		{"%", `{"$numberDecimal":"1E+30"}`, `7`, `{"$numberDecimal":"1"}`},
	} {
		a, b := valuetest.Val(t, c.a), valuetest.Val(t, c.b)
		var got value.Value
		var err error
		switch c.op {
		case "+":
			got = value.Add(a, b)
		case "-":
			got = value.Subtract(a, b)
		case "*":
			got = value.Multiply(a, b)
		case "/":
			got, err = value.Divide(a, b)
		case "%":
			got, err = value.Mod(a, b)
		}
		require.NoError(t, err)
		require.Equal(t, c.want, valuetest.Format(got), "%s %s %s", c.a, c.op, c.b)
	}
}

func TestValidateRefusesBrokenDocuments(t *testing.T) {
	good := valuetest.Doc(t, `{"a": {"b": [1, "x"]}, "c": true, "d": {"$binary": {"base64": "AQ==", "subType": "00"}}}`)
	require.NoError(t, value.Validate(good))
	for n := range len(good) {
		require.Error(t, value.Validate(good[:n]))
	}
	deep := value.EmptyDocument
	for range value.MaxDepth {
		var b value.Builder
		b.Add("a", value.Document(deep))
		deep = b.Doc()
	}
	require.ErrorContains(t, value.Validate(deep), "nested")
}

func FuzzWalk(f *testing.F) {
	f.Add([]byte(valuetest.Doc(f, `{"a": {"b": [1, "x", null]}, "c": {"$code": "f", "$scope": {"x": 1}}, "r": {"$regularExpression": {"pattern": "a", "options": "i"}}}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		// Nothing may read outside of data, whatever it holds.
		v := value.Document(bson.Raw(data))
		_ = v.String()
		_ = value.Compare(v, v)
		_ = value.AppendSortKey(nil, v, false)
		_ = value.Hash(1, v)
		if value.Validate(data) == nil {
			require.NoError(t, bson.Raw(data).Validate())
		}
	})
}
