package sqlfunc

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"weir/engine/value"
	"weir/sqltype"
)

// The numeric functions against math/big: exact, or rounded to the scale half
// away from zero.
func TestNumericsOfAnyLength(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	number := func() (value.Value, *big.Rat) {
		var b strings.Builder
		b.WriteString([]string{"", "-"}[r.IntN(2)])
		for range 1 + r.IntN(80) {
			b.WriteByte(byte('0' + r.IntN(10)))
		}
		b.WriteByte('.')
		for range 1 + r.IntN(60) {
			b.WriteByte(byte('0' + r.IntN(10)))
		}
		v, err := sqltype.ParseNumeric(b.String(), -1)
		require.NoError(t, err)
		x, _ := new(big.Rat).SetString(b.String())
		return v, x
	}
	call := func(name string, args ...value.Value) (string, *big.Rat) {
		v, err := numericFuncs[name](nil, args)
		require.NoError(t, err, name)
		text := string(sqltype.AppendNumeric(nil, v))
		x, ok := new(big.Rat).SetString(text)
		require.True(t, ok, text)
		return text, x
	}
	half := func(want *big.Rat, text string, got *big.Rat) {
		_, fraction, _ := strings.Cut(text, ".")
		require.Equal(t, want.FloatString(len(fraction)), got.FloatString(len(fraction)), text)
	}
	for range 500 {
		a, x := number()
		b, y := number()
		for name, want := range map[string]*big.Rat{
			"add_numeric": new(big.Rat).Add(x, y), "sub_numeric": new(big.Rat).Sub(x, y), "mul_numeric": new(big.Rat).Mul(x, y),
			"abs_numeric": new(big.Rat).Abs(x), "neg_numeric": new(big.Rat).Neg(x),
		} {
			args := []value.Value{a, b}
			if name == "abs_numeric" || name == "neg_numeric" {
				args = args[:1]
			}
			_, got := call(name, args...)
			require.Zero(t, want.Cmp(got), "%s %s %s", name, a, b)
		}
		q := new(big.Rat).Quo(x, y)
		text, got := call("div_numeric", a, b)
		half(q, text, got)
		whole := new(big.Rat).SetInt(new(big.Int).Quo(q.Num(), q.Denom()))
		_, got = call("quo_numeric", a, b)
		require.Zero(t, whole.Cmp(got))
		_, got = call("mod_numeric", a, b)
		require.Zero(t, new(big.Rat).Sub(x, new(big.Rat).Mul(whole, y)).Cmp(got))
		text, got = call("round_numeric", a, value.Int32(int32(r.IntN(30))))
		half(x, text, got)
		text, got = call("sqrt_numeric", value.Numeric(value.ExactMul(a.APD(), a.APD())))
		half(new(big.Rat).Abs(x), text, got)
	}
}

func TestSumsAreExact(t *testing.T) {
	sum, avg := sumNumeric(), avgNumeric()
	total := new(big.Int)
	one := new(big.Int).Exp(big.NewInt(10), big.NewInt(60), nil)
	for i := range 100 {
		n := new(big.Int).Add(one, big.NewInt(int64(i)))
		total.Add(total, n)
		v, err := sqltype.ParseNumeric(n.String(), -1)
		require.NoError(t, err)
		require.NoError(t, sum.Add([]value.Value{v}))
		require.NoError(t, avg.Add([]value.Value{v}))
	}
	v, err := sum.Result()
	require.NoError(t, err)
	require.Equal(t, total.String(), string(sqltype.AppendNumeric(nil, v)))
	v, err = avg.Result()
	require.NoError(t, err)
	require.Equal(t, new(big.Int).Add(one, big.NewInt(50)).String(), string(sqltype.AppendNumeric(nil, v)))
}
