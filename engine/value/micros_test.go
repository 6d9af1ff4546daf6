package value_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/engine/value/valuetest"
)

func randomDate(r *rand.Rand) value.Value {
	ms := []int64{-1, 0, 1, 946684799999, 946684800000, 1704067200123, -62135596800000, 9224318015999000}[r.IntN(8)] + int64(r.IntN(3)-1)
	return value.DateMicros(ms, []int{0, 0, 1, 255, 256, 499, 500, 998, 999}[r.IntN(9)])
}

// dates is dates around whole milliseconds, and what may stand beside them.
func dates(r *rand.Rand) []value.Value {
	list := []value.Value{value.Null(), value.MaxKey(), value.MinKey(), value.Date(math.MinInt64), value.Date(math.MaxInt64), value.Timestamp(9, 9), value.Bool(true)}
	for range 120 {
		list = append(list, randomDate(r))
	}
	for range 30 {
		list = append(list, value.ArrayFrom([]value.Value{randomDate(r), randomDate(r)}[:1+r.IntN(2)]))
		var b value.Builder
		b.Add("k", randomDate(r))
		if r.IntN(2) == 0 {
			b.Add("l", randomDate(r))
		}
		list = append(list, b.DocumentOf())
	}
	return list
}

func TestMicrosOrderKeysAndHashesAgree(t *testing.T) {
	list := dates(rand.New(rand.NewPCG(3, 4)))
	key := func(v value.Value, desc bool) []byte { return value.AppendSortKey(nil, v, desc) }
	tuple := func(a, b value.Value, desc bool) []byte { return value.AppendSortKey(key(a, desc), b, !desc) }
	for i, a := range list {
		for j, b := range list {
			d := value.Compare(a, b)
			require.Equal(t, -d, value.Compare(b, a))
			require.Equal(t, d == 0, value.Equal(a, b), "%s %s", a, b)
			require.Equal(t, d, bytes.Compare(key(a, false), key(b, false)), "%s %s", a, b)
			require.Equal(t, -d, bytes.Compare(key(a, true), key(b, true)), "%s %s descending", a, b)
			if d == 0 {
				require.Equal(t, value.Hash(1, a), value.Hash(1, b))
			}
			x, y := list[(i*7+j)%len(list)], list[(i+j*5)%len(list)]
			if d != 0 {
				require.Equal(t, d, bytes.Compare(tuple(a, x, false), tuple(b, y, false)), "%s %s, %s %s", a, x, b, y)
				require.Equal(t, -d, bytes.Compare(tuple(a, x, true), tuple(b, y, true)), "%s %s, %s %s descending", a, x, b, y)
			}
			if a.Kind() == bson.TypeDateTime && b.Kind() == bson.TypeDateTime && a.AsDate() < 1e16 && a.AsDate() > -1e16 && b.AsDate() < 1e16 && b.AsDate() > -1e16 {
				require.Equal(t, d < 0, a.AsDate() < b.AsDate() || a.AsDate() == b.AsDate() && a.Micros() < b.Micros())
			}
		}
	}
}

func TestMicrosRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		v := randomDate(r)
		var b value.Builder
		b.Add("d", v)
		b.Open(bson.TypeArray, "a")
		b.Item(value.Int32(1))
		b.Item(v)
		b.Close()
		doc := b.Doc()
		require.NoError(t, value.Validate(doc))
		require.NoError(t, doc.Validate())
		require.Equal(t, value.Document(doc).HoldsMicros(), v.IsMicros())
		for _, back := range []value.Value{value.Lookup(doc, "d"), value.Index(value.Lookup(doc, "a").Doc(), 1), value.FromRaw(v.RawValue()), v.Clone()} {
			require.Equal(t, bson.TypeDateTime, back.Kind())
			require.True(t, value.Identical(v, back), "%s %s", v, back)
			require.Equal(t, v.Micros(), back.Micros())
		}
		it := value.Walk(doc)
		require.True(t, it.Next())
		require.Equal(t, bson.TypeDateTime, it.Kind())
		require.True(t, value.Identical(value.Date(v.AsDate()), v.FloorMillis()))
		if v.AsDate() < 9.2e15 {
			require.True(t, value.Identical(v, value.DateOfMicros(v.AsDateMicros())))
		}
		if !v.IsMicros() {
			require.Equal(t, bson.TypeDateTime, v.RawValue().Type, "whole milliseconds are a plain date")
		}
	}
}

func TestMicrosRounding(t *testing.T) {
	// A half goes away from the year 2000.
	for us, want := range map[int64]int64{
		1499: 1, 1500: 1, 1501: 2, -1500: -2, -1499: -1, 946684800000499: 946684800000, 946684800000500: 946684800001, 946684799999500: 946684799999,
	} {
		require.Equal(t, want, value.DateOfMicros(us).RoundMillis().AsDate(), "%d", us)
	}
}

// TestBinaryIsNoDate holds what users store to what it is.
func TestBinaryIsNoDate(t *testing.T) {
	raw := value.DateMicros(5, 7).RawValue()
	require.Equal(t, bson.TypeBinary, raw.Type)
	for i := range raw.Value {
		if i < 4 || i >= 13 && i < 21 {
			continue // the length, and the milliseconds
		}
		other := append([]byte(nil), raw.Value...)
		other[i] ^= 0x40
		v := value.Of(bson.TypeBinary, other)
		if i == 21 { // 7 ^ 0x40 microseconds
			require.Equal(t, 71, v.Micros())
			continue
		}
		require.Equal(t, bson.TypeBinary, v.Kind(), "byte %d", i)
		require.Equal(t, other, v.AppendPayload(nil))
	}
	short := value.Binary(0xb7, []byte("\xd1weir"))
	require.True(t, valuetest.Same(short, value.FromRaw(short.RawValue()), true))
}

func BenchmarkWalkDates(b *testing.B) {
	var d value.Builder
	for _, k := range []string{"a", "b", "c", "d"} {
		d.Add(k, value.Date(1704067200123))
		d.Add(k+"i", value.Int32(4))
		d.Add(k+"s", value.String("text"))
		d.Add(k+"x", value.Binary(4, make([]byte, 16)))
	}
	doc := d.Doc()
	b.ReportAllocs()
	for b.Loop() {
		for it := value.Walk(doc); it.Next(); {
			if v := it.Value(); v.IsMissing() {
				b.Fatal("missing")
			}
		}
	}
}

func BenchmarkCompareDates(b *testing.B) {
	x, y := value.Date(1704067200123), value.Date(1704067200124)
	for b.Loop() {
		if value.Compare(x, y) > 0 || value.Equal(x, y) {
			b.Fatal("order")
		}
	}
}

func BenchmarkSortKeyDates(b *testing.B) {
	x := value.Date(1704067200123)
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = value.AppendSortKey(value.AppendSortKey(buf[:0], x, true), x, false)
	}
}
