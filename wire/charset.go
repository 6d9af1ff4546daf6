package wire

import (
	"encoding/binary"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"weir/sqlerr"
)

// charsets are the client encodings beside UTF8, by PostgreSQL's names: those
// of one byte a character.
var charsets = map[string]*charmap.Charmap{
	"LATIN1": charmap.ISO8859_1, "LATIN2": charmap.ISO8859_2, "LATIN3": charmap.ISO8859_3, "LATIN4": charmap.ISO8859_4,
	"LATIN5": charmap.ISO8859_9, "LATIN6": charmap.ISO8859_10, "LATIN7": charmap.ISO8859_13, "LATIN8": charmap.ISO8859_14,
	"LATIN9": charmap.ISO8859_15, "LATIN10": charmap.ISO8859_16,
	"ISO_8859_5": charmap.ISO8859_5, "ISO_8859_6": charmap.ISO8859_6, "ISO_8859_7": charmap.ISO8859_7, "ISO_8859_8": charmap.ISO8859_8,
	"WIN1250": charmap.Windows1250, "WIN1251": charmap.Windows1251, "WIN1252": charmap.Windows1252, "WIN1253": charmap.Windows1253,
	"WIN1254": charmap.Windows1254, "WIN1255": charmap.Windows1255, "WIN1256": charmap.Windows1256, "WIN1257": charmap.Windows1257,
	"WIN1258": charmap.Windows1258, "WIN866": charmap.CodePage866, "WIN874": charmap.Windows874,
	"KOI8R": charmap.KOI8R, "KOI8U": charmap.KOI8U,
}

// KnownEncoding tells whether client_encoding can have a value.
func KnownEncoding(name string) bool { return name == "UTF8" || charsets[name] != nil }

// charset is a client's encoding; nil is UTF-8.
type charset struct {
	name string
	m    *charmap.Charmap
}

func newCharset(name string) *charset {
	if m := charsets[name]; m != nil {
		return &charset{name, m}
	}
	return nil
}

// decode makes UTF-8 of what the client sent.
func (s *charset) decode(b []byte) []byte {
	if s == nil || ascii(b) {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/8)
	for _, c := range b {
		out = utf8.AppendRune(out, s.m.DecodeByte(c))
	}
	return out
}

func (s *charset) decodeString(t string) string {
	if s == nil {
		return t
	}
	return string(s.decode([]byte(t)))
}

// encode appends UTF-8 text as the client wants it.
func (s *charset) encode(dst, text []byte) ([]byte, error) {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		c, ok := s.m.EncodeRune(r)
		if !ok {
			return dst, sqlerr.New("22P05", "character with byte sequence % #02x in encoding \"UTF8\" has no equivalent in encoding \"%s\"", text[:n], s.name)
		}
		dst, text = append(dst, c), text[n:]
	}
	return dst, nil
}

// text is a message's text as the client reads it, with ? for what its
// encoding does not have.
func (s *charset) text(t string) string {
	if s == nil || ascii([]byte(t)) {
		return t
	}
	out := make([]byte, 0, len(t))
	for _, r := range t {
		c, ok := s.m.EncodeRune(r)
		if !ok {
			c = '?'
		}
		out = append(out, c)
	}
	return string(out)
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isText tells which types carry text in their binary form too.
func isText(oid uint32) bool {
	switch oid {
	case 18, 19, 25, 114, 142, 705, 1042, 1043:
		return true
	}
	return false
}

// recode encodes the fields of the DataRow that begins at start.
func (s *charset) recode(b []byte, start int, cols []Column) ([]byte, error) {
	if ascii(b[start+7:]) {
		return b, nil
	}
	row := append([]byte(nil), b[start+7:]...)
	b = b[:start+7]
	var err error
	for i := 0; len(row) >= 4; i++ {
		n := int(int32(binary.BigEndian.Uint32(row)))
		row = row[4:]
		if n < 0 {
			b = AppendNull(b)
			continue
		}
		at := len(b)
		b = append(b, 0, 0, 0, 0)
		if i < len(cols) && (cols[i].Format == Text || isText(cols[i].Type)) {
			if b, err = s.encode(b, row[:n]); err != nil {
				return b[:start], err
			}
		} else {
			b = append(b, row[:n]...)
		}
		EndValue(b, at)
		row = row[n:]
	}
	return b, nil
}

// decodeArgs makes UTF-8 of the parameters that are text.
func (s *charset) decodeArgs(args *Args, oids []uint32) {
	if s == nil {
		return
	}
	for i, v := range args.Values {
		if v != nil && (args.ParamFormats[i] == Text || i < len(oids) && isText(oids[i])) {
			args.Values[i] = s.decode(v)
		}
	}
}
