package sqltype

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

// TestInput runs the goldens: a type per case, a literal per line, in the
// environment that the arguments set.
func TestInput(t *testing.T) {
	datadriven.Walk(t, "testdata/input", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			env := envOf(t, d)
			typ, err := ParseName(strings.ReplaceAll(d.Cmd, "_", " "))
			require.NoError(t, err)
			var out strings.Builder
			for _, line := range strings.Split(d.Input, "\n") {
				v, err := ParseText(line, typ, env)
				if err != nil {
					out.WriteString(errorText(err) + "\n")
					continue
				}
				text, err := AppendText(nil, v, typ, env)
				require.NoError(t, err)
				out.WriteString(string(text) + "\n")
				checkBinary(t, v, typ, env, string(text))
			}
			return out.String()
		})
	})
}

func errorText(err error) string {
	e := sqlerr.As(err)
	s := fmt.Sprintf("ERROR %s: %s", e.Code, e.Message)
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// checkBinary checks that binary format carries the same value as text.
func checkBinary(t *testing.T, v value.Value, typ Type, env *Env, want string) {
	t.Helper()
	b, err := AppendBinary(nil, v, typ, env)
	require.NoError(t, err)
	back, err := Decode(b, Of(typ.OID), BinaryFormat, env)
	require.NoError(t, err)
	text, err := AppendText(nil, back, typ, env)
	require.NoError(t, err)
	require.Equal(t, want, string(text), "after binary %x", b)
}

func envOf(t *testing.T, d *datadriven.TestData) *Env {
	env := &Env{Now: time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC)}
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "zone":
			loc, ok := ZoneNamed(a.Vals[0])
			require.True(t, ok)
			env.Zone = loc
		case "datestyle":
			require.NoError(t, env.SetDateStyle(strings.Join(a.Vals, ",")))
		case "intervalstyle":
			require.NoError(t, env.SetIntervalStyle(a.Vals[0]))
		case "digits":
			env.SetFloatDigits(0)
		}
	}
	return env
}

func TestRowEncoder(t *testing.T) {
	want := []byte("D\x00\x00\x00\x19\x00\x04\x00\x00\x00\x017\x00\x00\x00\x01x\x00\x00\x00\x01t\xff\xff\xff\xff")
	for _, order := range []bson.D{
		{{Key: "a", Value: int32(7)}, {Key: "b", Value: "x"}, {Key: "c", Value: bson.D{{Key: "d", Value: true}}}},
		{{Key: "z", Value: 1}, {Key: "c", Value: bson.D{{Key: "d", Value: true}}}, {Key: "b", Value: "x"}, {Key: "a", Value: int64(7)}},
	} {
		row, err := bson.Marshal(order)
		require.NoError(t, err)
		enc := NewRowEncoder([]ResultColumn{{Path: []string{"a"}, Type: Of(Int4), Format: 0}, {Path: []string{"b"}, Type: Of(Text), Format: 0},
			{Path: []string{"c", "d"}, Type: Of(Bool), Format: 0}, {Path: []string{"nope"}, Type: Of(Text), Format: 0}}, nil)
		got, err := enc.AppendDataRow(nil, row)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestMisfitIsAnError(t *testing.T) {
	_, err := AppendText(nil, value.String("x"), Of(Int4), nil)
	require.Equal(t, sqlerr.DatatypeMismatch, sqlerr.As(err).Code)
	_, err = AppendBinary(nil, value.Double(1.5), Of(Int8), nil)
	require.Equal(t, sqlerr.DatatypeMismatch, sqlerr.As(err).Code)
}

func TestMergeKinds(t *testing.T) {
	k := func(kinds ...bson.Type) OID { return MergeKinds(kinds, false, Int4) }
	require.Equal(t, Int8, k(bson.TypeInt32, bson.TypeInt64))
	require.Equal(t, Float8, k(bson.TypeInt32, bson.TypeNull, bson.TypeDouble))
	require.Equal(t, Numeric, k(bson.TypeDouble, bson.TypeDecimal128))
	require.Equal(t, Text, k(bson.TypeDouble, bson.TypeString))
	require.Equal(t, JSONB, k(bson.TypeString, bson.TypeEmbeddedDocument))
	require.Equal(t, Int4.Array(), k(bson.TypeArray, bson.TypeNull))
	require.Equal(t, JSONB, k(bson.TypeArray, bson.TypeInt32))
	require.Equal(t, Unknown, k())
	require.Equal(t, UUID, MergeKinds([]bson.Type{bson.TypeBinary}, true, Unknown))
}

func TestFormatType(t *testing.T) {
	for _, name := range []string{"integer", "character varying(10)", "numeric(10,2)", "timestamp(3) with time zone", "text[]", "interval day to second", "character(1)", `"char"`, "double precision[]"} {
		typ, err := ParseName(name)
		require.NoError(t, err)
		require.Equal(t, name, typ.String())
	}
}

func benchRow(b testing.TB) (bson.Raw, []ResultColumn) {
	dec, _ := bson.ParseDecimal128("12345.67")
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: bson.NewObjectID()}, {Key: "a", Value: int32(42)}, {Key: "b", Value: int64(1234567890123)},
		{Key: "c", Value: 3.25}, {Key: "d", Value: "hello world"}, {Key: "e", Value: true}, {Key: "f", Value: bson.DateTime(1704067200123)},
		{Key: "g", Value: dec}, {Key: "h", Value: nil}, {Key: "i", Value: "another string value"}})
	require.NoError(b, err)
	var cols []ResultColumn
	for i, o := range []OID{Text, Int4, Int8, Float8, Text, Bool, Timestamptz, Numeric, Text, Text} {
		cols = append(cols, ResultColumn{Path: []string{[]string{"_id", "a", "b", "c", "d", "e", "f", "g", "h", "i"}[i]}, Type: Of(o)})
	}
	return doc, cols
}

func TestRowsDoNotAllocate(t *testing.T) {
	doc, cols := benchRow(t)
	for _, format := range []int16{TextFormat, BinaryFormat} {
		for i := range cols {
			cols[i].Format = format
		}
		enc := NewRowEncoder(cols, &Env{})
		buf := make([]byte, 0, 1024)
		require.Zero(t, testing.AllocsPerRun(100, func() { buf, _ = enc.AppendDataRow(buf[:0], doc) }))
	}
}

func BenchmarkRow(b *testing.B) {
	doc, cols := benchRow(b)
	for _, format := range []int16{TextFormat, BinaryFormat} {
		b.Run(fmt.Sprint("format", format), func(b *testing.B) {
			for i := range cols {
				cols[i].Format = format
			}
			enc := NewRowEncoder(cols, &Env{})
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = enc.AppendDataRow(buf[:0], doc)
			}
		})
	}
}

// A document that two columns show is written alike in both, and in the next row
// what is there then.
func TestRowEncoderRepeatsDocuments(t *testing.T) {
	cols := []ResultColumn{
		{Path: []string{"a"}, Type: Of(JSONB)}, {Path: []string{"c"}, Type: Of(JSONB), Format: BinaryFormat},
		{Path: []string{"b"}, Type: Of(JSONB)}, {Path: []string{"b", "x"}, Type: Of(Text)},
	}
	enc := NewRowEncoder(cols, nil)
	doc := func(n int) bson.D { return bson.D{{Key: "x", Value: fmt.Sprintf("t%d", n)}} }
	for _, row := range []bson.D{
		{{Key: "a", Value: doc(1)}, {Key: "b", Value: doc(1)}, {Key: "c", Value: doc(1)}},
		{{Key: "a", Value: doc(2)}, {Key: "z", Value: 1}, {Key: "b", Value: doc(3)}, {Key: "c", Value: doc(2)}},
		{{Key: "b", Value: doc(4)}, {Key: "a", Value: doc(4)}},
	} {
		raw, err := bson.Marshal(row)
		require.NoError(t, err)
		got, err := enc.AppendColumns(nil, raw)
		require.NoError(t, err)
		var want []byte
		for _, c := range cols { // each column alone
			want, err = NewRowEncoder([]ResultColumn{c}, nil).AppendColumns(want, raw)
			require.NoError(t, err)
		}
		require.Equal(t, want, got, "%v", row)
	}
}
