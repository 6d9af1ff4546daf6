package sqltype

import (
	"encoding/binary"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

// parseDefined is the input function of enums, composites and domains; what
// domains ask for beyond their base type is checked elsewhere.
func parseDefined(s string, d *Defined, e *Env) (value.Value, error) {
	switch d.Kind {
	case EnumKind:
		if d.Position(s) < 0 {
			return value.Value{}, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input value for enum %s: \"%s\"", quotedName(d.Name), s)
		}
		return value.String(s), nil
	case DomainKind:
		return ParseText(s, d.Base, e)
	}
	return parseComposite(s, d, e)
}

// parseComposite reads (a,"b c",).
func parseComposite(s string, d *Defined, e *Env) (value.Value, error) {
	fields, err := splitRecord(s)
	if err != nil {
		return value.Value{}, err
	}
	n := len(d.Attributes)
	if n == 0 && len(fields) == 1 && fields[0] == nil {
		fields = nil
	}
	switch {
	case len(fields) < n:
		return value.Value{}, malformedRecord(s, "Too few columns.")
	case len(fields) > n:
		return value.Value{}, malformedRecord(s, "Too many columns.")
	}
	var b value.Builder
	for i, a := range d.Attributes {
		v := value.Null()
		if fields[i] != nil {
			if v, err = ParseText(*fields[i], a.Type, e); err != nil {
				return v, err
			}
		}
		b.Add(a.Name, v)
	}
	return value.Document(b.Doc()), nil
}

func malformedRecord(s, detail string) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "malformed record literal: \"%s\"", s).WithDetail("%s", detail)
}

// splitRecord parts a record's text into its fields; nil ones are NULL.
func splitRecord(all string) ([]*string, error) {
	s := strings.Trim(all, space)
	if !strings.HasPrefix(s, "(") {
		return nil, malformedRecord(all, "Missing left parenthesis.")
	}
	var out []*string
	for i := 1; ; i++ {
		var field []byte
		any, quoted := false, false
		for ; ; i++ {
			if i >= len(s) {
				return nil, malformedRecord(all, "Unexpected end of input.")
			}
			c := s[i]
			if !quoted && (c == ',' || c == ')') {
				break
			}
			any = true
			switch {
			case c == '\\':
				if i++; i >= len(s) {
					return nil, malformedRecord(all, "Unexpected end of input.")
				}
				field = append(field, s[i])
			case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
				i++
				field = append(field, c)
			case c == '"':
				quoted = !quoted
			default:
				field = append(field, c)
			}
		}
		if any {
			text := string(field)
			out = append(out, &text)
		} else {
			out = append(out, nil)
		}
		if s[i] == ')' {
			if i != len(s)-1 {
				return nil, malformedRecord(all, "Junk after right parenthesis.")
			}
			return out, nil
		}
	}
}

// appendCompositeText prints the fields of a document in the order of the type.
func appendCompositeText(dst []byte, v value.Value, d *Defined, e *Env) ([]byte, error) {
	if v.Kind() != bson.TypeEmbeddedDocument {
		return dst, misfit(v, d.OID)
	}
	dst = append(dst, '(')
	var err error
	for i, a := range d.Attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		item := value.Lookup(v.Doc(), a.Name)
		if item.IsNullish() {
			continue
		}
		start := len(dst)
		if dst, err = AppendText(dst, item, a.Type, e); err != nil {
			return dst, err
		}
		if needsRecordQuotes(dst[start:]) {
			dst = quoteRecordInPlace(dst, start)
		}
	}
	return append(dst, ')'), nil
}

func appendCompositeBinary(dst []byte, v value.Value, d *Defined, e *Env) ([]byte, error) {
	if v.Kind() != bson.TypeEmbeddedDocument {
		return dst, misfit(v, d.OID)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(d.Attributes)))
	var err error
	for _, a := range d.Attributes {
		dst = binary.BigEndian.AppendUint32(dst, uint32(a.Type.OID))
		if dst, err = appendField(dst, value.Lookup(v.Doc(), a.Name), a.Type, BinaryFormat, e); err != nil {
			return dst, err
		}
	}
	return dst, nil
}
