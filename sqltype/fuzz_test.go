package sqltype

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzInput reads any text as any type: it must not panic, and what is read
// prints in a form that reads back as the same.
func FuzzInput(f *testing.F) {
	for _, s := range []string{"1", "-1.5e3", "2024-01-01 10:00:00+02", "1 day 02:03:04", "P1Y2M", `{"a":[1,2.5,"x"]}`, "{1,2}", "t", `\xff`, "infinity", "Jan 8 99 BC", "00:00:00.000001", "[1:2]={a,b}", "1-2 3 4:5:6"} {
		f.Add(s)
	}
	types := []Type{Of(Int4), Of(Int8), Of(Float8), Of(Numeric), {Numeric, 10<<16 | 2 + 4}, Of(Bool), Of(Date), Of(Time), Of(Timetz), Of(Timestamp),
		Of(Timestamptz), Of(Interval), Of(JSON), Of(JSONB), Of(UUID), Of(Bytea), Of(Oid), Of(Int4.Array()), Of(Text.Array()), Of(Varchar), {Bpchar, 9}}
	f.Fuzz(func(t *testing.T, s string) {
		for _, typ := range types {
			v, err := ParseText(s, typ, nil)
			if err != nil {
				continue
			}
			text, err := AppendText(nil, v, typ, nil)
			require.NoError(t, err)
			back, err := ParseText(string(text), typ, nil)
			require.NoError(t, err, "%s of %q printed as %q", typ, s, text)
			again, err := AppendText(nil, back, typ, nil)
			require.NoError(t, err)
			require.Equal(t, string(text), string(again), "%s of %q", typ, s)
			b, err := AppendBinary(nil, v, typ, nil)
			require.NoError(t, err)
			_, err = Decode(b, Of(typ.OID), BinaryFormat, nil)
			if typ.OID != JSON && typ.OID != JSONB && !typ.OID.IsString() && typ.OID.Elem() == Invalid {
				require.NoError(t, err, "%s of %q in binary", typ, s)
			}
		}
	})
}
