package sqltype

import (
	"encoding/binary"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// AppendLine appends a row as a line of COPY's text format. All columns are text.
// On an error dst comes back as it was.
func (enc *RowEncoder) AppendLine(dst []byte, row bson.Raw, delim byte, null string) ([]byte, error) {
	start := len(dst)
	enc.json = encodedJSON{}
	for i, v := range enc.Values(row) {
		if i > 0 {
			dst = append(dst, delim)
		}
		if v.IsNullish() {
			dst = append(dst, null...)
			continue
		}
		c, from, again := &enc.cols[i], len(dst), false
		if dst, again = enc.json.repeats(dst, v, c); again {
			continue
		}
		var err error
		if dst, err = enc.appendValue(dst, v, c); err != nil {
			return dst[:start], err
		}
		if !c.plain || delim > '\r' {
			dst = enc.escapeLine(dst, from, delim)
		}
		enc.json.wrote(v, c, from, len(dst))
	}
	return append(dst, '\n'), nil
}

// escapeLine escapes what was appended from from on, which mostly needs it not.
func (enc *RowEncoder) escapeLine(dst []byte, from int, delim byte) []byte {
	at := firstEscaped(dst[from:], delim)
	if at < 0 {
		return dst
	}
	enc.raw = append(enc.raw[:0], dst[from+at:]...)
	return AppendCopyText(dst[:from+at], enc.raw, delim)
}

// AppendCopyText escapes a value for COPY's text format.
func AppendCopyText(dst, v []byte, delim byte) []byte {
	for {
		at := firstEscaped(v, delim)
		if at < 0 {
			return append(dst, v...)
		}
		dst = append(append(dst, v[:at]...), '\\', copyEscape(v[at]))
		v = v[at+1:]
	}
}

// firstEscaped finds the first byte that must be escaped, -1: none.
func firstEscaped(v []byte, delim byte) int {
	i := 0
	for delim <= '\r' && len(v)-i >= 8 && plainLine(binary.LittleEndian.Uint64(v[i:])) {
		i += 8
	}
	for ; i < len(v); i++ {
		if ch := v[i]; ch <= '\r' && ch >= '\b' || ch == '\\' || ch == delim {
			return i
		}
	}
	return -1
}

// plainLine tells of eight bytes that none is a backslash or below 0x0e: most text
// is so, and is passed over in one step.
func plainLine(x uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	below := (x - each*0x0e) &^ x
	slash := x ^ each*'\\'
	return (below|(slash-each)&^slash)&high == 0
}

// copyEscape is what stands behind the backslash for a byte.
func copyEscape(ch byte) byte {
	switch ch {
	case '\b':
		return 'b'
	case '\f':
		return 'f'
	case '\n':
		return 'n'
	case '\r':
		return 'r'
	case '\t':
		return 't'
	case '\v':
		return 'v'
	}
	return ch
}
