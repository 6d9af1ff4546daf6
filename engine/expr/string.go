package expr

import (
	"bytes"
	"math"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

func concat(_ *Context, args []value.Value) (value.Value, error) {
	n := 0
	for _, a := range args {
		if a.IsNullish() {
			return value.Null(), nil
		}
		if !a.IsString() {
			return a, fail(16702, "$concat only supports strings, not %s", typeName(a))
		}
		n += len(a.Str())
	}
	if err := checkString(n); err != nil {
		return value.Null(), err
	}
	b := make([]byte, 0, n)
	for _, a := range args {
		b = append(b, a.Str()...)
	}
	return value.StringBytes(b), nil
}

// coerceToString is MongoDB's implicit conversion to a string.
func coerceToString(v value.Value) (string, error) {
	switch v.Kind() {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		return v.Str(), nil
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDecimal128:
		return v.String(), nil
	case bson.TypeDouble:
		return coercedDouble(v), nil
	case bson.TypeTimestamp:
		return timestampString(v), nil
	case bson.TypeDateTime:
		return formatISO(v.AsDate())
	case value.KindMissing, bson.TypeNull, bson.TypeUndefined:
		return "", nil
	}
	return "", fail(16007, "can't convert from BSON type %s to String", typeName(v))
}

func toLower(_ *Context, a value.Value) (value.Value, error) { return mapASCII(a, 'A', 'Z') }

func toUpper(_ *Context, a value.Value) (value.Value, error) { return mapASCII(a, 'a', 'z') }

// mapASCII swaps the case of letters from low to high.
func mapASCII(a value.Value, low, high byte) (value.Value, error) {
	s, err := coerceToString(a)
	if err != nil {
		return a, err
	}
	return value.StringBytes(swapCase(s, low, high)), nil
}

func swapCase(s string, low, high byte) []byte {
	b := []byte(s)
	for i, c := range b {
		if c >= low && c <= high {
			b[i] = c ^ 0x20
		}
	}
	return b
}

func strcasecmp(_ *Context, a, b value.Value) (value.Value, error) {
	x, err := coerceToString(a)
	if err != nil {
		return a, err
	}
	y, err := coerceToString(b)
	if err != nil {
		return b, err
	}
	d := bytes.Compare(swapCase(x, 'a', 'z'), swapCase(y, 'a', 'z'))
	return value.Int32(int32(d)), nil
}

func strLenBytes(_ *Context, a value.Value) (value.Value, error) {
	if !a.IsString() {
		return a, fail(34473, "$strLenBytes requires a string argument, found: %s", typeName(a))
	}
	return value.Int32(int32(len(a.Str()))), nil
}

func strLenCP(_ *Context, a value.Value) (value.Value, error) {
	if !a.IsString() {
		return a, fail(34471, "$strLenCP requires a string argument, found: %s", typeName(a))
	}
	return value.Int32(int32(utf8.RuneCountInString(a.Str()))), nil
}

func binarySize(_ *Context, a value.Value) (value.Value, error) {
	switch {
	case a.IsNullish():
		return value.Null(), nil
	case a.IsString():
		return value.Int32(int32(len(a.Str()))), nil
	case a.Kind() == bson.TypeBinary:
		_, data := a.AsBinary()
		return value.Int32(int32(len(data))), nil
	}
	return a, fail(51276, "$binarySize requires a string or BinData argument, found: %s", typeName(a))
}

func bsonSize(_ *Context, a value.Value) (value.Value, error) {
	switch {
	case a.IsNullish():
		return value.Null(), nil
	case a.IsDocument():
		return value.Int32(int32(len(a.Doc()))), nil
	}
	return a, fail(31393, "$bsonSize requires a document input, found: %s", typeName(a))
}

func continuation(s string, i int) bool { return i < len(s) && s[i]&0xc0 == 0x80 }

func substrBytes(_ *Context, args []value.Value) (value.Value, error) {
	s, err := coerceToString(args[0])
	if err != nil {
		return args[0], err
	}
	if !args[1].IsNumber() {
		return args[0], fail(16034, "$substrBytes:  starting index must be a numeric type (is BSON type %s)", typeName(args[1]))
	}
	if !args[2].IsNumber() {
		return args[0], fail(16035, "$substrBytes:  length must be a numeric type (is BSON type %s)", typeName(args[2]))
	}
	from, length := args[1].AsInt64(), args[2].AsInt64()
	if from < 0 {
		return args[0], fail(50752, "$substrBytes:  starting index must be non-negative (got: %d)", from)
	}
	if from >= int64(len(s)) {
		return value.String(""), nil
	}
	if continuation(s, int(from)) {
		return args[0], fail(28656, "$substrBytes:  Invalid range, starting index is a UTF-8 continuation byte.")
	}
	end := len(s)
	if length >= 0 && length < int64(len(s))-from {
		end = int(from + length)
	}
	if continuation(s, end) {
		return args[0], fail(28657, "$substrBytes:  Invalid range, ending index is in the middle of a UTF-8 character.")
	}
	return value.String(s[from:end]), nil
}

func substrCP(_ *Context, args []value.Value) (value.Value, error) {
	s, err := coerceToString(args[0])
	if err != nil {
		return args[0], err
	}
	var n [2]int
	for i, what := range []string{"starting index", "length"} {
		v := args[i+1]
		if !v.IsNumber() {
			return v, fail(34450+2*int32(i), "$substrCP: %s must be a numeric type (is BSON type %s)", what, typeName(v))
		}
		x, ok := v.Integral32()
		if !ok {
			return v, fail(34451+2*int32(i), "$substrCP: %s cannot be represented as a 32-bit integral value: %s", what, v)
		}
		n[i] = int(x)
	}
	if n[1] < 0 {
		return args[0], fail(34454, "$substrCP: length must be a nonnegative integer.")
	}
	if n[0] < 0 {
		return args[0], fail(34455, "$substrCP: the starting index must be nonnegative integer.")
	}
	from := byteOffset(s, n[0])
	return value.String(s[from : from+byteOffset(s[from:], n[1])]), nil
}

// byteOffset is where the n-th code point begins.
func byteOffset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

func indexOfBytes(_ *Context, args []value.Value) (value.Value, error) {
	s, token, null, err := searchOperands("$indexOfBytes", args, 40091, 40092)
	if null || err != nil {
		return value.Null(), err
	}
	from, to, err := indexRange("$indexOfBytes", args, len(s))
	if err != nil || from > to {
		return value.Int32(-1), err
	}
	i := strings.Index(s[from:to], token)
	if i >= 0 {
		i += from
	}
	return value.Int32(int32(i)), nil
}

func searchOperands(name string, args []value.Value, first, second int32) (s, token string, null bool, err error) {
	if args[0].IsNullish() {
		return "", "", true, nil
	}
	if !args[0].IsString() {
		return "", "", false, fail(first, "%s requires a string as the first argument, found: %s", name, typeName(args[0]))
	}
	if !args[1].IsString() {
		return "", "", false, fail(second, "%s requires a string as the second argument, found: %s", name, typeName(args[1]))
	}
	return args[0].Str(), args[1].Str(), false, nil
}

func indexOfCP(_ *Context, args []value.Value) (value.Value, error) {
	s, token, null, err := searchOperands("$indexOfCP", args, 40093, 40094)
	if null || err != nil {
		return value.Null(), err
	}
	from, to, err := indexRange("$indexOfCP", args, utf8.RuneCountInString(s))
	if s == "" && token == "" && err == nil {
		return value.Int32(0), nil
	}
	if err != nil || from > to {
		return value.Int32(-1), err
	}
	start := byteOffset(s, from)
	// The token must begin before "to" code points, its end may lie behind.
	i := strings.Index(s[start:], token)
	if i < 0 {
		return value.Int32(-1), nil
	}
	at := from + utf8.RuneCountInString(s[start:start+i])
	if at >= to {
		return value.Int32(-1), nil
	}
	return value.Int32(int32(at)), nil
}

func split(_ *Context, a, b value.Value) (value.Value, error) {
	switch {
	case a.IsNullish() || b.IsNullish():
		return value.Null(), nil
	case !a.IsString():
		return a, fail(40085, "$split requires an expression that evaluates to a string as a first argument, found: %s", typeName(a))
	case !b.IsString():
		return a, fail(40086, "$split requires an expression that evaluates to a string as a second argument, found: %s", typeName(b))
	case b.Str() == "":
		return a, fail(40087, "$split requires a non-empty separator")
	}
	var out value.Builder
	for _, part := range strings.Split(a.Str(), b.Str()) {
		out.Item(value.String(part))
	}
	return out.ArrayOf(), nil
}

// whitespace is what $trim removes by default.
const whitespace = "\x00 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"

func parseTrim(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(50696, "%s only supports an object as an argument, found %s", name, typeName(arg))
	args, err := p.named(arg, notObject, unknownArgument(50694, name), "input", "chars")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, fail(50695, "%s requires an 'input' field", name)
	}
	hasChars := args[1] != nil
	trim := map[string]func(string, string) string{"$trim": strings.Trim, "$ltrim": strings.TrimLeft, "$rtrim": strings.TrimRight}[name]
	e := &call{args: args, fn: func(_ *Context, v []value.Value) (value.Value, error) {
		cut := whitespace
		switch {
		case v[0].IsNullish():
			return value.Null(), nil
		case !v[0].IsString():
			return v[0], fail(50699, "%s requires its input to be a string, got %s (of type %s) instead.", name, v[0], typeName(v[0]))
		case hasChars && v[1].IsNullish():
			return value.Null(), nil
		case hasChars && !v[1].IsString():
			return v[1], fail(50700, "%s requires 'chars' to be a string, got %s (of type %s) instead.", name, v[1], typeName(v[1]))
		case hasChars:
			cut = v[1].Str()
		}
		return value.String(trim(v[0].Str(), cut)), nil
	}}
	return p.fold(e, true, args...)
}

func parseReplace(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(51751, "%s requires an object as an argument, found: %s", name, typeName(arg))
	args, err := p.named(arg, notObject, unknownArgument(51750, name), "input", "find", "replacement")
	if err != nil {
		return nil, err
	}
	for i, code := range []int32{51749, 51748, 51747} {
		if args[i] == nil {
			return nil, fail(code, "%s requires '%s' to be specified", name, []string{"input", "find", "replacement"}[i])
		}
	}
	limit := 1
	if name == "$replaceAll" {
		limit = math.MaxInt
	}
	e := &call{args: args, fn: func(_ *Context, v []value.Value) (value.Value, error) {
		null := false
		for i, code := range []int32{51746, 51745, 51744} {
			if !v[i].IsNullish() && !v[i].IsString() {
				return v[i], fail(code, "%s requires that '%s' be a string, found: %s", name, []string{"input", "find", "replacement"}[i], v[i])
			}
			null = null || v[i].IsNullish()
		}
		if null {
			return value.Null(), nil
		}
		if err := checkString(replacedSize(v[0].Str(), v[1].Str(), v[2].Str(), limit)); err != nil {
			return v[0], err
		}
		return value.String(replace(v[0].Str(), v[1].Str(), v[2].Str(), limit)), nil
	}}
	return p.fold(e, true, args...)
}

func replacedSize(s, find, with string, limit int) int {
	n := len(s) + 1
	if find != "" {
		n = strings.Count(s, find)
	}
	return len(s) + min(n, limit)*(len(with)-len(find))
}

// replace is byte by byte where find is empty: before each byte and at the end.
func replace(s, find, with string, limit int) string {
	if find != "" || limit == 1 {
		return strings.Replace(s, find, with, limit)
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteString(with)
		b.WriteByte(s[i])
	}
	b.WriteString(with)
	return b.String()
}
