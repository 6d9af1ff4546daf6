package expr

import (
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// bitwise makes $bitAnd, $bitOr and $bitXor.
func bitwise(name string, start int64, fn func(a, b int64) int64) func(*Context, []value.Value) (value.Value, error) {
	return func(_ *Context, args []value.Value) (value.Value, error) {
		result, long := start, false
		for _, a := range args {
			switch a.Kind() {
			case bson.TypeInt64:
				long = true
			case bson.TypeInt32:
			default:
				if a.IsNullish() {
					return value.Null(), nil
				}
				return a, fail(mongoerr.TypeMismatch, "%s only supports int and long operands.", name)
			}
			result = fn(result, a.AsInt64())
		}
		if long {
			return value.Int64(result), nil
		}
		return value.Int32(int32(result)), nil
	}
}

func bitNot(_ *Context, a value.Value) (value.Value, error) {
	switch {
	case a.Kind() == bson.TypeInt32:
		return value.Int32(^a.AsInt32()), nil
	case a.Kind() == bson.TypeInt64:
		return value.Int64(^a.AsInt64()), nil
	case a.IsNullish():
		return value.Null(), nil
	}
	if a.IsNumber() {
		return a, fail(mongoerr.TypeMismatch, "$bitNot only supports int and long, not %s", typeName(a))
	}
	return a, fail(28765, "$bitNot only supports int and long, not %s", typeName(a))
}

// timestampPart makes $tsSecond and $tsIncrement.
func timestampPart(name string, code int32, part func(t, i uint32) uint32) func(*Context, value.Value) (value.Value, error) {
	return func(_ *Context, a value.Value) (value.Value, error) {
		switch {
		case a.IsNullish():
			return value.Null(), nil
		case a.Kind() != bson.TypeTimestamp:
			return a, fail(code, "Argument to %s must be a timestamp, but is %s", name, typeName(a))
		}
		return value.Int64(int64(part(a.AsTimestamp()))), nil
	}
}

func parseRand(_ *compiler, name string, arg value.Value) (Expr, error) {
	switch {
	case arg.IsArray() && value.Len(arg.Doc()) == 0:
	case !arg.IsDocument():
		return nil, fail(10065, "invalid parameter: expected an object (%s)", name)
	case value.Len(arg.Doc()) > 0:
		return nil, fail(3040501, "%s does not currently accept arguments", name)
	}
	return lazy(func(*Context) (value.Value, error) { return value.Double(rand.Float64()), nil }), nil
}
