package sqltype

import (
	"strings"

	"weir/sqlerr"
)

func hexNibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// DecodeHex reads hexadecimal digits; white space between bytes is skipped.
func DecodeHex(s string) ([]byte, error) {
	out := make([]byte, 0, len(s)/2)
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(" \n\t\r", s[i]) >= 0 {
			continue
		}
		hi, ok := hexNibble(s[i])
		if !ok {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid hexadecimal digit: \"%s\"", runeAt(s, i))
		}
		if i++; i >= len(s) {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid hexadecimal data: odd number of digits")
		}
		lo, ok := hexNibble(s[i])
		if !ok {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid hexadecimal digit: \"%s\"", runeAt(s, i))
		}
		out = append(out, hi<<4|lo)
	}
	return out, nil
}

func runeAt(s string, i int) string {
	for _, r := range s[i:] {
		return string(r)
	}
	return ""
}

// ParseBytea is the input function of bytea: \x and hex digits, or text with
// backslash escapes.
func ParseBytea(s string) ([]byte, error) {
	if strings.HasPrefix(s, `\x`) {
		return DecodeHex(s[2:])
	}
	return DecodeEscapes(s)
}

// DecodeEscapes reads bytes with \\ and \ooo escapes.
func DecodeEscapes(s string) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		switch {
		case i+1 < len(s) && s[i+1] == '\\':
			out = append(out, '\\')
			i++
		case i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '3' && isOctal(s[i+2]) && isOctal(s[i+3]):
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
		default:
			return nil, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type bytea")
		}
	}
	return out, nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// ParseUUID is the input function of uuid: hex digits with optional braces and
// hyphens after each group of four digits.
func ParseUUID(s string) ([]byte, error) {
	t := s
	if strings.HasPrefix(t, "{") && strings.HasSuffix(t, "}") {
		t = t[1 : len(t)-1]
	}
	out := make([]byte, 0, 16)
	for i := 0; i < len(t) && len(out) < 17; i += 2 {
		if t[i] == '-' && len(out)%2 == 0 && len(out) > 0 && i+1 < len(t) {
			i++
		}
		if i+1 >= len(t) {
			return nil, invalidSyntax("uuid", s)
		}
		hi, ok1 := hexNibble(t[i])
		lo, ok2 := hexNibble(t[i+1])
		if !ok1 || !ok2 {
			return nil, invalidSyntax("uuid", s)
		}
		out = append(out, hi<<4|lo)
	}
	if len(out) != 16 {
		return nil, invalidSyntax("uuid", s)
	}
	return out, nil
}
