package sqltype

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// ResultColumn says where a result column is in a row's document.
type ResultColumn struct {
	Path   []string
	Type   Type
	Format int16
}

// RowEncoder turns documents into DataRow messages. It is made once for a
// result and used by one goroutine at a time. Rows whose fields stand in the
// columns' order are encoded in one walk.
type RowEncoder struct {
	cols   []ResultColumn
	first  []string // Path[0] of each column
	deep   bool     // some path has several names or is another's too
	env    *Env
	values []value.Value

	// of are the columns that a field begins, in the order of the fields of the
	// last row: the next one is alike.
	of     []fieldColumns
	byName map[string][]int
	json   encodedJSON
	second printedSecond
}

// fieldColumns are the columns whose paths begin with a field.
type fieldColumns struct {
	name string
	cols []int
}

// NewRowEncoder makes an encoder; env may be nil.
func NewRowEncoder(cols []ResultColumn, env *Env) *RowEncoder {
	enc := &RowEncoder{cols: cols, env: env, values: make([]value.Value, len(cols))}
	enc.byName = map[string][]int{}
	for i, c := range cols {
		name := ""
		if len(c.Path) > 0 {
			name = c.Path[0]
			enc.byName[name] = append(enc.byName[name], i)
		}
		enc.first = append(enc.first, name)
		enc.deep = enc.deep || len(c.Path) != 1 || slices.Contains(enc.first[:len(enc.first)-1], name)
	}
	return enc
}

// AppendDataRow appends the whole message for a row: 'D', length, columns. On
// an error dst comes back as it was.
func (enc *RowEncoder) AppendDataRow(dst []byte, row bson.Raw) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 'D', 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(enc.cols)))
	out, err := enc.appendColumns(dst, row)
	if err != nil {
		return dst[:start], err
	}
	binary.BigEndian.PutUint32(out[start+1:], uint32(len(out)-start-1))
	return out, nil
}

// AppendColumns appends only the columns: length and bytes of each.
func (enc *RowEncoder) AppendColumns(dst []byte, row bson.Raw) ([]byte, error) {
	return enc.appendColumns(dst, row)
}

func (enc *RowEncoder) appendColumns(dst []byte, row bson.Raw) ([]byte, error) {
	var err error
	enc.json = encodedJSON{}
	i := 0
	if !enc.deep {
		// The predicted order: each field is the next column.
		for it := value.Walk(row); i < len(enc.cols) && it.Next(); i++ {
			if it.Key() != enc.first[i] {
				break
			}
			c := &enc.cols[i]
			if dst, err = enc.appendField(dst, it.Value(), c); err != nil {
				return dst, err
			}
		}
	}
	if i == len(enc.cols) {
		return dst, nil
	}
	vals := enc.Values(row)
	for ; i < len(enc.cols); i++ {
		c := &enc.cols[i]
		if dst, err = enc.appendField(dst, vals[i], c); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Values finds the columns' values in a row; missing ones are the zero Value.
// The slice is used again by the next call.
func (enc *RowEncoder) Values(row bson.Raw) []value.Value {
	clear(enc.values)
	next := 0
	for it := value.Walk(row); it.Next(); next++ {
		for _, j := range enc.columnsOf(next, it.Key()) {
			switch path := enc.cols[j].Path; {
			case !enc.values[j].IsMissing():
			case len(path) == 1:
				enc.values[j] = it.Value()
			default:
				enc.values[j] = descend(it.Value(), path[1:])
			}
		}
	}
	for j := range enc.cols {
		if len(enc.cols[j].Path) == 0 {
			enc.values[j] = value.Document(row)
		}
	}
	return enc.values
}

// columnsOf finds the columns that the nth field of a row begins.
func (enc *RowEncoder) columnsOf(n int, name string) []int {
	if n < len(enc.of) && enc.of[n].name == name {
		return enc.of[n].cols
	}
	cols := enc.byName[name]
	if len(cols) == 0 || n >= maxPredicted {
		return cols
	}
	for len(enc.of) <= n {
		enc.of = append(enc.of, fieldColumns{})
	}
	enc.of[n] = fieldColumns{enc.first[cols[0]], cols}
	return cols
}

// maxPredicted bounds how many fields of a row are remembered.
const maxPredicted = 200

func descend(v value.Value, path []string) value.Value {
	for _, name := range path {
		if v.Kind() != bson.TypeEmbeddedDocument {
			return value.Value{}
		}
		v = value.Lookup(v.Doc(), name)
	}
	return v
}

// encodedJSON is where the last document of a row was written as jsonb.
type encodedJSON struct {
	doc      bson.Raw
	format   int16
	from, to int
}

// appendField appends a column. A document that stood in the one before, as an
// event's does, is not written anew.
func (enc *RowEncoder) appendField(dst []byte, v value.Value, c *ResultColumn) ([]byte, error) {
	if c.Type.OID == Timestamptz && c.Format == TextFormat && (v.Kind() == bson.TypeDateTime || v.Kind() == bson.TypeTimestamp) {
		return enc.second.appendField(dst, v, enc.env)
	}
	if c.Type.OID != JSONB || !v.IsDocument() {
		return appendField(dst, v, c.Type, c.Format, enc.env)
	}
	doc, j := v.Doc(), &enc.json
	if j.doc != nil && j.format == c.Format && bytes.Equal(j.doc, doc) {
		return append(dst, dst[j.from:j.to]...), nil
	}
	from := len(dst)
	dst, err := appendField(dst, v, c.Type, c.Format, enc.env)
	*j = encodedJSON{doc, c.Format, from, len(dst)}
	return dst, err
}

// printedSecond is how the second was printed that the last timestamp fell into:
// times of rows that follow each other are mostly of one.
type printedSecond struct {
	known bool
	of    int64
	zone  *time.Location
	text  []byte
}

// isoSecond is how long a second is before its fraction, as YYYY-MM-DD HH:MM:SS.
const isoSecond = 19

func (p *printedSecond) appendField(dst []byte, v value.Value, e *Env) ([]byte, error) {
	m, err := instantOf(v, Timestamptz)
	if err != nil {
		return dst, err
	}
	style, _ := e.dates()
	if of := FloorDiv(m.Ms, 1000); !p.known || of != p.of || p.zone != e.zone() || style != ISO {
		p.known = false
		if style == ISO && !m.Infinite() && InTimestampRange(m.Ms) {
			text, err := AppendTimestamptz(p.text[:0], Moment{Ms: of * 1000}, e)
			p.text, p.of, p.zone = text, of, e.zone()
			p.known = err == nil && len(text) > isoSecond && text[4] == '-' && text[10] == ' '
		}
	}
	if !p.known {
		return appendField(dst, v, Of(Timestamptz), TextFormat, e)
	}
	start := len(dst)
	dst = append(append(dst, 0, 0, 0, 0), p.text[:isoSecond]...)
	dst = appendFraction(dst, int(m.Ms-p.of*1000)*1000+m.Us)
	dst = append(dst, p.text[isoSecond:]...)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, nil
}

// appendField appends the length and the bytes of a value, -1 for NULL.
func appendField(dst []byte, v value.Value, t Type, format int16, e *Env) ([]byte, error) {
	if v.IsNullish() {
		return append(dst, 0xff, 0xff, 0xff, 0xff), nil
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	var err error
	if format == BinaryFormat {
		dst, err = AppendBinary(dst, v, t, e)
	} else {
		dst, err = AppendText(dst, v, t, e)
	}
	if err != nil {
		return dst, err
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, nil
}
