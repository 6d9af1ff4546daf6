package sqltype

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

// maxJSONDepth bounds the nesting of JSON: that of BSON.
const maxJSONDepth = 180

// ParseJSONB reads JSON text as a BSON value. Integers become int or long,
// other numbers double where that prints the same, else decimal; the null
// alone becomes the symbol null. The last of equal keys counts.
func ParseJSONB(s string) (value.Value, error) {
	p := jsonParser{s: s, typ: "json"}
	v, err := p.document()
	if err == nil && v.Kind() == bson.TypeNull {
		return JSONNull(), nil
	}
	return v, err
}

// JSONNull is the JSON null as a value of its own, which is not SQL's NULL.
func JSONNull() value.Value { return value.Symbol("null") }

// CheckJSON is the input function of json: it checks the text and keeps it.
func CheckJSON(s string) error {
	p := jsonParser{s: s, typ: "json", checkOnly: true}
	_, err := p.document()
	return err
}

type jsonParser struct {
	s         string
	i         int
	depth     int
	typ       string
	checkOnly bool
}

func (p *jsonParser) document() (value.Value, error) {
	v, err := p.value()
	if err != nil {
		return v, err
	}
	p.skip()
	if p.i < len(p.s) {
		return v, p.unexpected("Expected end of input, but found")
	}
	return v, nil
}

func (p *jsonParser) skip() {
	for p.i < len(p.s) && strings.IndexByte(" \t\n\r", p.s[p.i]) >= 0 {
		p.i++
	}
}

func (p *jsonParser) peek() byte {
	p.skip()
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

func (p *jsonParser) fail(detail string, args ...any) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type %s", p.typ).
		WithDetail(detail, args...)
}

// unexpected is the error for the token at the current place.
func (p *jsonParser) unexpected(what string) error {
	p.skip()
	if p.i >= len(p.s) {
		return p.fail("The input string ended unexpectedly.")
	}
	start := p.i
	end := start + 1
	if isWordByte(p.s[start]) {
		for end < len(p.s) && isWordByte(p.s[end]) {
			end++
		}
	} else {
		_, n := utf8.DecodeRuneInString(p.s[start:])
		end = start + n
	}
	if p.s[start] == '"' {
		if q := strings.IndexByte(p.s[end:], '"'); q >= 0 {
			end += q + 1
		}
	}
	tok := p.s[start:end]
	if strings.IndexByte(`{}[],:"`, tok[0]) < 0 && !isJSONToken(tok) {
		return p.fail(`Token "%s" is invalid.`, tok)
	}
	return p.fail(what+` "%s".`, tok)
}

func isJSONToken(tok string) bool {
	return tok == "true" || tok == "false" || tok == "null" || validJSONNumber(tok)
}

func isWordByte(c byte) bool {
	return c == '_' || c == '-' || c == '+' || c == '.' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

func (p *jsonParser) value() (value.Value, error) {
	switch c := p.peek(); {
	case c == '{':
		return p.nested(p.object)
	case c == '[':
		return p.nested(p.array)
	case c == '"':
		s, err := p.string()
		return value.String(s), err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for word, v := range map[string]value.Value{"true": value.Bool(true), "false": value.Bool(false), "null": value.Null()} {
		if rest := p.s[p.i:]; strings.HasPrefix(rest, word) && (len(rest) == len(word) || !isWordByte(rest[len(word)])) {
			p.i += len(word)
			return v, nil
		}
	}
	return value.Value{}, p.unexpected("Expected JSON value, but found")
}

func (p *jsonParser) nested(read func() (value.Value, error)) (value.Value, error) {
	if p.depth++; p.depth > maxJSONDepth {
		return value.Value{}, sqlerr.New(sqlerr.StatementTooComplex, "JSON is nested more than %d levels deep", maxJSONDepth)
	}
	p.i++
	v, err := read()
	p.depth--
	return v, err
}

func (p *jsonParser) array() (value.Value, error) {
	var b value.Builder
	if p.peek() == ']' {
		p.i++
		return b.ArrayOf(), nil
	}
	for {
		v, err := p.value()
		if err != nil {
			return v, err
		}
		if !p.checkOnly {
			b.Item(v)
		}
		switch p.peek() {
		case ',':
			p.i++
		case ']':
			p.i++
			return b.ArrayOf(), nil
		default:
			return v, p.unexpected(`Expected "," or "]", but found`)
		}
	}
}

func (p *jsonParser) object() (value.Value, error) {
	var fields []Field
	if p.peek() == '}' {
		p.i++
		return value.Document(value.EmptyDocument), nil
	}
	for {
		if p.peek() != '"' {
			return value.Value{}, p.unexpected(map[bool]string{true: `Expected string or "}", but found`, false: "Expected string, but found"}[fields == nil])
		}
		key, err := p.string()
		if err != nil {
			return value.Value{}, err
		}
		if p.peek() != ':' {
			return value.Value{}, p.unexpected(`Expected ":", but found`)
		}
		p.i++
		v, err := p.value()
		if err != nil {
			return v, err
		}
		fields = append(fields, Field{key, v})
		switch p.peek() {
		case ',':
			p.i++
		case '}':
			p.i++
			return p.build(fields), nil
		default:
			return v, p.unexpected(`Expected "," or "}", but found`)
		}
	}
}

func (p *jsonParser) build(fields []Field) value.Value {
	if p.checkOnly {
		return value.Document(value.EmptyDocument)
	}
	return ObjectOf(fields)
}

// ObjectOf makes a document of fields in their order; the last value of equal
// keys counts, at the place of the first.
func ObjectOf(fields []Field) value.Value {
	seen := make(map[string]int, len(fields))
	kept := make([]Field, 0, len(fields))
	for _, f := range fields {
		if i, ok := seen[f.Key]; ok {
			kept[i].Value = f.Value
			continue
		}
		seen[f.Key] = len(kept)
		kept = append(kept, f)
	}
	start, b := value.BeginDocument(nil)
	for _, f := range kept {
		v := f.Value
		if v.IsMissing() || v.Kind() == bson.TypeSymbol {
			v = value.Null()
		}
		b = value.AppendElement(b, f.Key, v)
	}
	return value.Document(value.EndDocument(b, start))
}

// string reads a quoted string at the current place.
func (p *jsonParser) string() (string, error) {
	start := p.i
	p.i++
	from := p.i
	var out []byte
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			s := p.s[from:p.i]
			p.i++
			if out == nil {
				return s, nil
			}
			return string(append(out, s...)), nil
		case c < ' ':
			return "", p.fail("Character with value 0x%02x must be escaped.", c)
		case c == '\\':
			out = append(out, p.s[from:p.i]...)
			var err error
			if out, err = p.escape(out); err != nil {
				return "", err
			}
			if out == nil {
				out = []byte{}
			}
			from = p.i
		default:
			p.i++
		}
	}
	p.i = start
	return "", p.fail(`Token "%s" is invalid.`, p.s[start:])
}

func (p *jsonParser) escape(out []byte) ([]byte, error) {
	if p.i+1 >= len(p.s) {
		return nil, p.fail(`Token "%s" is invalid.`, p.s[p.i:])
	}
	c := p.s[p.i+1]
	p.i += 2
	if c == 'u' {
		return p.unicode(out)
	}
	k := strings.IndexByte(`"\/bfnrt`, c)
	if k < 0 {
		return nil, p.fail(`Escape sequence "\%s" is invalid.`, runeAt(p.s, p.i-1))
	}
	return append(out, "\"\\/\b\f\n\r\t"[k]), nil
}

func (p *jsonParser) hex4() (rune, bool) {
	if p.i+4 > len(p.s) {
		return 0, false
	}
	n, err := strconv.ParseUint(p.s[p.i:p.i+4], 16, 16)
	if err != nil {
		return 0, false
	}
	p.i += 4
	return rune(n), true
}

func (p *jsonParser) unicode(out []byte) ([]byte, error) {
	r, ok := p.hex4()
	switch {
	case !ok:
		return nil, p.fail(`"\u" must be followed by four hexadecimal digits.`)
	case p.checkOnly:
		return out, nil
	case r == 0:
		return nil, sqlerr.New(sqlerr.UntranslatableCharacter, "unsupported Unicode escape sequence").
			WithDetail(`\u0000 cannot be converted to text.`)
	case r >= 0xDC00 && r < 0xE000:
		return nil, p.fail("Unicode low surrogate must follow a high surrogate.")
	case r >= 0xD800 && r < 0xDC00:
		if !strings.HasPrefix(p.s[p.i:], `\u`) {
			return nil, p.fail("Unicode low surrogate must follow a high surrogate.")
		}
		p.i += 2
		low, ok := p.hex4()
		if !ok || low < 0xDC00 || low >= 0xE000 {
			return nil, p.fail("Unicode low surrogate must follow a high surrogate.")
		}
		r = 0x10000 + (r-0xD800)<<10 + low - 0xDC00
	}
	return utf8.AppendRune(out, r), nil
}

// validJSONNumber checks JSON's grammar of numbers.
func validJSONNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	digits := func() int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	n := digits()
	if n == 0 || n > 1 && s[0] == '0' {
		return false
	}
	s = s[n:]
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = strings.TrimLeft(s[1:], "+-")
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	return s == ""
}

func (p *jsonParser) number() (value.Value, error) {
	start := p.i
	for p.i < len(p.s) && isWordByte(p.s[p.i]) {
		p.i++
	}
	text := p.s[start:p.i]
	if !validJSONNumber(text) {
		return value.Value{}, p.fail(`Token "%s" is invalid.`, text)
	}
	if p.checkOnly {
		return value.Null(), nil
	}
	return JSONNumber(text)
}

// JSONNumber is the BSON value of a number in JSON.
func JSONNumber(text string) (value.Value, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return value.IntOrLong(i), nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && strconv.FormatFloat(f, 'f', -1, 64) == text {
		return value.Double(f), nil
	}
	d, err := ParseAPD(text)
	if err != nil {
		return value.Value{}, err
	}
	if d.Exponent == 0 {
		if i, err := d.Int64(); err == nil {
			return value.IntOrLong(i), nil
		}
	}
	return NumericValue(d)
}
