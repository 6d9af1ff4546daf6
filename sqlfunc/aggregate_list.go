package sqlfunc

import (
	"slices"
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// stringAgg joins values; the delimiter of the first one is not used. Without
// delimiter it is MySQL's comma.
func stringAgg(bytes bool) func() expr.Accumulator {
	return func() expr.Accumulator {
		var b strings.Builder
		n := 0
		return &aggregate{
			add: func(a []value.Value) error {
				if a[0].IsNullish() {
					return nil
				}
				if n > 0 {
					switch {
					case len(a) < 2:
						b.WriteByte(',')
					case !a[1].IsNullish():
						b.WriteString(string(bytesOf(a[1])))
					}
				}
				n++
				b.WriteString(string(bytesOf(a[0])))
				if b.Len() > maxText {
					return tooLong()
				}
				return nil
			},
			result: func() (value.Value, error) {
				switch {
				case n == 0:
					return null()
				case bytes:
					return binary([]byte(b.String()))
				}
				return str(b.String())
			},
		}
	}
}

// list collects values, NULLs too.
func list(each func(v value.Value) value.Value) func() expr.Accumulator {
	return func() expr.Accumulator {
		n := 0
		start, buf := value.BeginDocument(nil)
		return &aggregate{
			add: func(a []value.Value) error {
				buf = value.AppendItem(buf, n, each(a[0]))
				n++
				return nil
			},
			result: func() (value.Value, error) {
				if n == 0 {
					return null()
				}
				// Of a window whose frame grows, there are more values to come.
				return value.Array(value.EndDocument(slices.Clone(buf), start)), nil
			},
		}
	}
}

func jsonAgg() expr.Accumulator {
	var parts []string
	between := ", "
	return &aggregate{
		add: func(a []value.Value) error {
			if len(a) > 1 {
				between = ", \n "
			}
			parts = append(parts, strings.Clone(jsonArg(a[0])))
			return nil
		},
		result: func() (value.Value, error) {
			if parts == nil {
				return null()
			}
			return str("[" + strings.Join(parts, between) + "]")
		},
	}
}

func jsonObjectAgg() expr.Accumulator {
	var parts []string
	return &aggregate{
		add: func(a []value.Value) error {
			if a[0].IsNullish() {
				return sqlerr.New(sqlerr.InvalidParameterValue, "field name must not be null")
			}
			k, err := jsonKey(a[0], 0)
			parts = append(parts, strings.Clone(k)+" : "+jsonArg(a[1]))
			return err
		},
		result: func() (value.Value, error) {
			if parts == nil {
				return null()
			}
			return str("{ " + strings.Join(parts, ", ") + " }")
		},
	}
}

func jsonbObjectAgg() expr.Accumulator {
	var fields []sqltype.Field
	return &aggregate{
		add: func(a []value.Value) error {
			if isJSONNull(a[0]) {
				return sqlerr.New(sqlerr.InvalidParameterValue, "field name must not be null")
			}
			k, err := keyOf(a[0], 0)
			fields = append(fields, sqltype.Field{Key: strings.Clone(k), Value: inner(a[1]).Clone()})
			return err
		},
		result: func() (value.Value, error) {
			if fields == nil {
				return null()
			}
			return sqltype.ObjectOf(fields), nil
		},
	}
}

func addListAggregates(m map[string]func() expr.Accumulator) {
	m["string_agg"], m["string_agg_bytea"], m["group_concat"] = stringAgg(false), stringAgg(true), stringAgg(false)
	m["array_agg"] = list(func(v value.Value) value.Value { return v })
	m["jsonb_agg"], m["json_arrayagg"] = list(inner), list(inner)
	m["json_agg"], m["json_object_agg"] = jsonAgg, jsonObjectAgg
	m["jsonb_object_agg"], m["json_objectagg"] = jsonbObjectAgg, jsonbObjectAgg
}
