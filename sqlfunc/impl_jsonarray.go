package sqlfunc

import (
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// arrayField is the field of an object as the text of a SQL array, which is
// read as its type afterwards. With a third argument that is true the items are
// JSON, whose strings keep their quotes.
func arrayField(_ *expr.Context, a []value.Value) (value.Value, error) {
	v, ok := field1(a[0], text(a[1]))
	switch {
	case !ok || isJSONNull(v):
		return null()
	case v.IsArray():
	case jsonbRank(v) == 1:
		return str(text(v))
	default:
		return fail(noArray(text(a[1])))
	}
	var b strings.Builder
	if err := arrayLiteral(&b, v, jsonDepth(v), text(a[1]), a[2].AsBool()); err != nil {
		return fail(err)
	}
	return str(b.String())
}

func noArray(key string) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "expected JSON array").WithHint("See the value of key \"%s\".", key)
}

// jsonDepth counts the arrays that stand first in one another.
func jsonDepth(v value.Value) int {
	n := 0
	for v.IsArray() {
		n++
		v = value.Index(v.Doc(), 0)
	}
	return n
}

func arrayLiteral(b *strings.Builder, v value.Value, dims int, key string, asJSON bool) error {
	b.WriteByte('{')
	for i, item := range items(v) {
		if i > 0 {
			b.WriteByte(',')
		}
		switch {
		case dims > 1:
			if !item.IsArray() {
				return noArray(key)
			}
			if err := arrayLiteral(b, item, dims-1, key, asJSON); err != nil {
				return err
			}
		case isJSONNull(item):
			b.WriteString("NULL")
		case asJSON || jsonbRank(item) != 1:
			writeQuoted(b, string(sqltype.AppendJSONB(nil, item)))
		default:
			writeQuoted(b, text(item))
		}
	}
	b.WriteByte('}')
	return nil
}

func writeQuoted(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
}
