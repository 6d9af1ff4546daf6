package sqltype

import (
	"encoding/binary"
	"strconv"
	"strings"

	"weir/sqlerr"
)

// Bit strings are texts of 0 and 1: so they order as PostgreSQL's do, and
// documents show what they hold.

// ParseBits reads a bit string: binary digits, after b too, or hexadecimal
// ones after x.
func ParseBits(s string) (string, error) {
	if s == "" {
		return s, nil
	}
	switch s[0] {
	case 'b', 'B':
		s = s[1:]
	case 'x', 'X':
		return hexBits(s[1:])
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r != '0' && r != '1' }); i >= 0 {
		return "", sqlerr.New(sqlerr.InvalidTextRepresentation, "\"%s\" is not a valid binary digit", firstRune(s[i:]))
	}
	return s, nil
}

func hexBits(s string) (string, error) {
	var b strings.Builder
	for i := range s {
		n, err := strconv.ParseUint(s[i:i+1], 16, 8)
		if err != nil {
			return "", sqlerr.New(sqlerr.InvalidTextRepresentation, "\"%s\" is not a valid hexadecimal digit", firstRune(s[i:]))
		}
		for bit := 3; bit >= 0; bit-- {
			b.WriteByte('0' + byte(n>>bit&1))
		}
	}
	return b.String(), nil
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return s
}

// FitBits applies bit(n) and varbit(n). In explicit casts a string is cut or,
// for bit(n), filled with zeros; else a length that does not fit is an error.
func FitBits(s string, t Type, explicit bool) (string, error) {
	n := int(t.Mod)
	switch {
	case n < 0 || len(s) == n || t.OID == Varbit && len(s) < n:
		return s, nil
	case explicit && len(s) > n:
		return s[:n], nil
	case explicit:
		return s + strings.Repeat("0", n-len(s)), nil
	case t.OID == Varbit:
		return "", sqlerr.New(sqlerr.StringDataRightTruncation, "bit string too long for type %s", t)
	}
	return "", sqlerr.New(sqlerr.StringDataLengthMismatch, "bit string length %d does not match type %s", len(s), t)
}

// bitsModifier is the length of bit(n) and varbit(n).
func bitsModifier(oid OID, args []int64) (int32, error) {
	name := "bit"
	if oid == Varbit {
		name = "varbit"
	}
	const most = 0x7fffffff / 8
	switch {
	case len(args) == 0:
		return -1, nil
	case len(args) > 1:
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "invalid type modifier")
	case args[0] < 1:
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "length for type %s must be at least 1", name)
	case args[0] > most:
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "length for type %s cannot exceed %d", name, most)
	}
	return int32(args[0]), nil
}

// appendBitsBinary is varbit_send: the number of bits, then bytes.
func appendBitsBinary(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), PackBits(s)...)
}

// PackBits puts bits into bytes, the first highest; the last is filled with zeros.
func PackBits(s string) []byte {
	out := make([]byte, (len(s)+7)/8)
	for i := range len(s) {
		out[i/8] |= (s[i] - '0') << (7 - i%8)
	}
	return out
}

// parseBitsBinary is varbit_recv.
func parseBitsBinary(b []byte, t Type) (string, error) {
	if len(b) < 4 {
		return "", badBinary(t)
	}
	n := int(int32(binary.BigEndian.Uint32(b)))
	if n < 0 || len(b)-4 != (n+7)/8 {
		return "", sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid length in external bit string")
	}
	s := make([]byte, n)
	for i := range s {
		s[i] = '0' + b[4+i/8]>>(7-i%8)&1
	}
	return FitBits(string(s), t, false)
}
