package value

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func numberOf(t *testing.T, s string) Value {
	t.Helper()
	mantissa, e, _ := strings.Cut(s, "E")
	x, _, err := apd.NewFromString(mantissa)
	require.NoError(t, err)
	exp, _ := strconv.Atoi(e)
	x.Exponent += int32(exp)
	return Numeric(x)
}

func randomNumber(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(3) == 0 {
		b.WriteByte('-')
	}
	digits := func(n int) {
		for range n {
			b.WriteByte(byte('0' + r.IntN(10)*r.IntN(2)))
		}
	}
	digits(1 + r.IntN(50))
	if r.IntN(2) == 0 {
		b.WriteByte('.')
		digits(1 + r.IntN(50))
	}
	return b.String()
}

func ratOf(t *testing.T, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	require.True(t, ok)
	return r
}

func TestWideOnlyWhatDecimalCannotHold(t *testing.T) {
	for s, wide := range map[string]bool{
		"1": false, "9999999999999999999999999999999999": false, "99999999999999999999999999999999999": true,
		"100000000000000000000000000000000000000000": false, "1.00000000000000000000000000000000000000000": true,
		"0.00": false, "1E+6144": false, "1E+6145": true, "1E-6176": false, "1E-6177": true, "0E-6177": true, "NaN": false, "-Infinity": false,
	} {
		require.Equal(t, wide, numberOf(t, s).IsWide(), s)
	}
}

func TestWideGoesThroughDocuments(t *testing.T) {
	for _, s := range []string{"-99999999999999999999999999999999999999.99", "1.00000000000000000000000000000000000000000", "1E+131000", "-3E-16383", "0E-7000"} {
		v := numberOf(t, s)
		require.True(t, v.IsFine())
		doc := bson.Raw(EndDocument(AppendElement([]byte{0, 0, 0, 0}, "a", v), 0))
		require.NoError(t, doc.Validate())
		got := Lookup(doc, "a")
		require.True(t, Identical(v, got))
		require.Equal(t, bson.TypeDecimal128, got.Kind())
		require.Equal(t, s, got.Clone().APD().Text('G'))
		require.True(t, Document(doc).HoldsFine())
		require.LessOrEqual(t, Compare(v.Floor(), v), 0)
	}
	require.True(t, Binary(microsSubtype, []byte(wideMark)).Kind() == bson.TypeBinary)
}

func TestWideOrderHashAndKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"0.1", "0.1000000000000000055511151231257827021181583404541015625", "1", "1.000000000000000000000000000000000000000000",
		"1E+131000", "1E+130999", "-1E+131000", "1E+6200", "9E+6144", "-9E+6144", "1E-16383", "0E-7000", "0", "Infinity", "-Infinity", "NaN", "1E+45500", "1E+45600"}
	for range 60 {
		texts = append(texts, randomNumber(r))
	}
	values := []Value{Double(0.1), Double(1), Int64(1), Double(math.MaxFloat64), Double(math.Inf(1)), Double(5e-324), String("x")}
	for _, s := range texts {
		values = append(values, numberOf(t, s))
	}
	for _, a := range values {
		for _, b := range values {
			c := Compare(a, b)
			require.Equal(t, -c, Compare(b, a), "%s %s", a, b)
			for _, desc := range []bool{false, true} {
				k, l := append(AppendSortKey(nil, a, desc), 7), append(AppendSortKey(nil, b, desc), 7)
				want := c
				if desc {
					want = -c
				}
				require.Equal(t, want, bytes.Compare(k, l), "%s %s %v", a, b, desc)
			}
			if c == 0 {
				require.Equal(t, Hash(1, a), Hash(1, b), "%s %s", a, b)
			}
		}
	}
}

func TestWideArithmeticIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		s, u := randomNumber(r), randomNumber(r)
		a, b := numberOf(t, s), numberOf(t, u)
		x, y := ratOf(t, s), ratOf(t, u)
		require.Equal(t, x.Cmp(y), Compare(a, b))
		if !a.IsWide() && !b.IsWide() {
			continue
		}
		check := func(want *big.Rat, got Value) {
			require.Equal(t, 0, want.Cmp(ratOf(t, got.APD().Text('G'))), "%s %s: %s", s, u, got)
		}
		check(new(big.Rat).Add(x, y), Add(a, b))
		check(new(big.Rat).Sub(x, y), Subtract(a, b))
		check(new(big.Rat).Mul(x, y), Multiply(a, b))
		var sum Sum
		sum.Add(a)
		sum.Add(Int32(3))
		sum.Add(b)
		check(new(big.Rat).Add(new(big.Rat).Add(x, y), big.NewRat(3, 1)), sum.Total())
		if y.Sign() != 0 {
			q := new(big.Rat).Quo(x, y)
			whole := new(big.Rat).SetInt(new(big.Int).Quo(q.Num(), q.Denom()))
			m, err := Mod(a, b)
			require.NoError(t, err)
			check(new(big.Rat).Sub(x, new(big.Rat).Mul(whole, y)), m)
		}
	}
}

// Who sends such bytes to make a number that fills the memory gets his bytes back.
func TestWideOfOthers(t *testing.T) {
	wide := numberOf(t, "1234567890123456789012345678901234567890.5").AppendPayload(nil)
	require.True(t, Of(bson.TypeBinary, wide).IsWide())
	for _, exp := range []uint32{1 << 30, 1 << 31, 0xff000000} {
		other := bytes.Clone(wide)
		binary.LittleEndian.PutUint32(other[wideExpAt:], exp)
		v := Of(bson.TypeBinary, other)
		require.Equal(t, bson.TypeBinary, v.Kind())
		require.Equal(t, other, v.AppendPayload(nil))
	}
}
