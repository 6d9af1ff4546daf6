package sqltype

import (
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
		if c.same && v.IsString() {
			dst = AppendCopyText(dst, v.Str(), delim)
			continue
		}
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
func AppendCopyText[T string | []byte](dst []byte, v T, delim byte) []byte {
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
func firstEscaped[T string | []byte](v T, delim byte) int {
	i := 0
	if delim <= '\r' {
		i = plainHead(v, plainLine)
	}
	for ; i < len(v); i++ {
		if ch := v[i]; ch <= '\r' && ch >= '\b' || ch == '\\' || ch == delim {
			return i
		}
	}
	return -1
}

// plainHead is how many bytes from the beginning on are plain for sure: all of them in
// most text, which is passed over in steps of eight.
func plainHead[T string | []byte](v T, plain func(uint64) bool) int {
	i := 0
	for ; len(v)-i >= 8; i += 8 {
		if !plain(eight(v[i:])) {
			return i
		}
	}
	if i > 0 && i < len(v) && plain(eight(v[len(v)-8:])) {
		return len(v)
	}
	return i
}

func eight[T string | []byte](v T) uint64 {
	_ = v[7]
	return uint64(v[0]) | uint64(v[1])<<8 | uint64(v[2])<<16 | uint64(v[3])<<24 | uint64(v[4])<<32 | uint64(v[5])<<40 | uint64(v[6])<<48 | uint64(v[7])<<56
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
