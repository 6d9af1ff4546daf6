package expr

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/engine/value"
	"weir/mongoerr"
)

// odd is values that operators may not expect.
func odd() []value.Value {
	list := []value.Value{{}, value.Null(), value.Undefined(), value.MinKey(), value.MaxKey(), value.Bool(true),
		value.Int32(0), value.Int32(1), value.Int32(-1), value.Int32(math.MinInt32), value.Int64(math.MaxInt64), value.Int64(math.MinInt64), value.Int64(3),
		value.Double(0.5), value.Double(math.NaN()), value.Double(math.Inf(1)), value.Double(-1e300), value.Double(5e-324),
		value.String(""), value.String("abc"), value.String("h\xc3\xa9"), value.String("\xff\xfe"), value.String("2020-02-29T12:00:00Z"), value.String("day"), value.String("$a"), value.String("x\x00y"),
		value.Date(0), value.Date(math.MaxInt64), value.Date(math.MinInt64), value.Timestamp(1, 2), value.Regex("a(b)?", "i"), value.Regex("(", ""), value.Regex("(?<=a)b++", "x"),
		value.Binary(0, []byte{1, 2}), value.Document(value.EmptyDocument), value.Array(value.EmptyDocument), value.Symbol("s"), value.JavaScript("f")}
	for _, s := range []string{"0", "-1.5", "9.999999999999999999999999999999999E+6144", "1E-6176", "NaN", "-Infinity", "2", "1E+40"} {
		d, _ := value.ParseDecimal(s)
		list = append(list, d)
	}
	list = append(list, value.ArrayFrom(list[1:9]), value.ArrayFrom(list[18:22]))
	var b value.Builder
	b.Add("k", value.String("a"))
	b.Add("v", value.Int32(1))
	return append(list, b.DocumentOf(), value.ArrayFrom([]value.Value{b.DocumentOf()}))
}

// argument makes the argument of an operator: a list, or an object with the
// names that operators know.
func argument(r *rand.Rand, list []value.Value, pick func() value.Value) value.Value {
	if r.IntN(3) > 0 {
		args := make([]value.Value, r.IntN(4))
		for i := range args {
			args[i] = pick()
		}
		return value.ArrayFrom(args)
	}
	sets := [][]string{{"input", "in", "as"}, {"input", "cond"}, {"input", "initialValue", "in"}, {"input", "regex", "options"}, {"date", "timezone"},
		{"date", "format"}, {"dateString", "format"}, {"dateString"}, {"startDate", "unit", "amount"}, {"startDate", "endDate", "unit", "timezone"}, {"date", "unit", "binSize"},
		{"input", "to"}, {"input", "to", "onError", "onNull"}, {"input", "n"}, {"input", "sortBy"}, {"year", "month", "day", "second", "millisecond"}, {"isoWeekYear", "isoWeek"},
		{"field", "input", "value"}, {"field", "input"}, {"input", "chars"}, {"input", "find", "replacement"}, {"vars", "in"}, {"if", "then", "else"}, {"input", "p", "method"}, {"inputs", "defaults", "useLongestLength"}}
	var b value.Builder
	for _, k := range sets[r.IntN(len(sets))] {
		switch {
		case k == "as":
			b.Add(k, value.String("this"))
		case k == "unit":
			b.Add(k, value.String(unitNames[r.IntN(len(unitNames))]))
		case k == "method":
			b.Add(k, value.String("approximate"))
		default:
			b.Add(k, pick())
		}
	}
	return b.DocumentOf()
}

// TestNothingPanics gives every operator arguments of every kind: it must
// answer with a well-formed value or with an error that has a code, and soon.
func TestNothingPanics(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	list := odd()
	var names []string
	for n := range operators {
		names = append(names, n)
	}
	sort.Strings(names)
	var b value.Builder
	for i, v := range list {
		b.Add(string(rune('A'+i)), v)
	}
	root := b.Doc()
	c := &Context{Root: root}
	pick := func() value.Value {
		switch i := r.IntN(len(list)); r.IntN(3) {
		case 0:
			return value.String("$" + string(rune('A'+i)))
		case 1:
			return value.String("$$this")
		default:
			var lit value.Builder
			lit.Add("$literal", list[i])
			return lit.DocumentOf()
		}
	}
	for _, name := range names {
		for range 400 {
			var b value.Builder
			b.Add(name, argument(r, list, pick))
			start := time.Now()
			e, err := CompileValue(b.DocumentOf(), &CompileOptions{Vars: []string{"this"}})
			if err == nil {
				c.Vars = []value.Value{list[r.IntN(len(list))]}
				var v value.Value
				if v, err = e.Eval(c); err == nil {
					var out value.Builder
					out.Add("v", v)
					require.NoError(t, value.Validate(out.Doc()), b.DocumentOf())
				}
			}
			if err != nil {
				require.NotZero(t, mongoerr.CodeOf(err), "%s: %v", b.DocumentOf(), err)
			}
			require.Less(t, time.Since(start), 20*time.Second, "%s", b.DocumentOf())
		}
	}
}
