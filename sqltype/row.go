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
	Else   [][]string // where Path, which no other column begins as, leads to no value: the first that leads to one
}

// RowEncoder turns documents into DataRow messages. It is made once for a
// result and used by one goroutine at a time. Rows whose fields stand in the
// columns' order are encoded in one walk.
type RowEncoder struct {
	cols   []encodedColumn
	first  []string // Path[0] of each column
	deep   bool     // some path has several names, is another's too or has others beside it
	env    *Env
	values []value.Value // of the columns, and behind them of fields that others may need

	fields *value.Picker
	alike  []int // the next column that the same field begins, -1: none
	shared []int // first columns of a field that begins several, or that is not all of one's path
	whole  []int // columns that are the row itself
	others []otherPath

	json   encodedJSON
	second printedSecond
	raw    []byte // of AppendLine
}

// encodedColumn is a column with the form of the documents in it.
type encodedColumn struct {
	ResultColumn
	form  *objectForm // of jsonb as text, nil: of no use
	plain bool        // its text has neither backslashes nor control characters
	same  bool        // the text of a string is that string
}

// otherPath is where a column's value is if there is none in its place.
type otherPath struct {
	col, slot int // the path's field in values
	rest      []string
}

// NewRowEncoder makes an encoder; env may be nil.
func NewRowEncoder(cols []ResultColumn, env *Env) *RowEncoder {
	enc := &RowEncoder{cols: make([]encodedColumn, len(cols)), env: env, alike: make([]int, len(cols))}
	var names []string
	last, firstOf := map[string]int{}, map[string]int{} // columns that a field begins
	for i, c := range cols {
		name := ""
		enc.alike[i], enc.cols[i].ResultColumn = -1, c
		switch c.Type.OID {
		case JSONB:
			if c.Format == TextFormat {
				enc.cols[i].form = &objectForm{}
			}
		case Int2, Int4, Int8, Float8, Bool, Timestamptz, Timestamp, Date:
			enc.cols[i].plain = true
		case Text, Varchar, Name, JSON:
			enc.cols[i].same = c.Format == TextFormat
		}
		if len(c.Path) > 0 {
			name = c.Path[0]
			if before, ok := last[name]; ok {
				enc.alike[before], enc.deep = i, true
			} else {
				firstOf[name] = i
			}
			last[name] = i
			names = append(names, name)
		} else {
			enc.whole = append(enc.whole, i)
			names = append(names, "\x00") // which no field is called
		}
		enc.first = append(enc.first, name)
		enc.deep = enc.deep || len(c.Path) != 1
	}
	for i, c := range cols {
		if len(c.Path) > 0 && firstOf[c.Path[0]] == i && (enc.alike[i] >= 0 || len(c.Path) > 1) {
			enc.shared = append(enc.shared, i)
		}
	}
	for i, c := range cols {
		for _, path := range c.Else {
			slot := slices.Index(names, path[0])
			if slot < 0 {
				slot, names = len(names), append(names, path[0])
			}
			enc.others, enc.deep = append(enc.others, otherPath{i, slot, path[1:]}), true
		}
	}
	enc.fields, enc.values = value.NewPicker(names), make([]value.Value, len(names))
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
		for it := value.Walk(row); i < len(enc.cols) && it.NextIs(enc.first[i]); i++ {
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
	enc.fields.Pick(row, enc.values)
	for _, o := range enc.others {
		if enc.values[o.col].IsNullish() {
			enc.values[o.col] = descend(enc.values[o.slot], o.rest)
		}
	}
	for _, first := range enc.shared {
		of := enc.values[first]
		for j := first; j >= 0; j = enc.alike[j] {
			if enc.values[j] = of; len(enc.cols[j].Path) > 1 {
				enc.values[j] = descend(of, enc.cols[j].Path[1:])
			}
		}
	}
	for _, j := range enc.whole {
		enc.values[j] = value.Document(row)
	}
	return enc.values[:len(enc.cols)]
}

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

// repeats appends a document that stood in a column before, as an event's does,
// without writing it anew.
func (j *encodedJSON) repeats(dst []byte, v value.Value, c *encodedColumn) ([]byte, bool) {
	if j.doc == nil || c.Type.OID != JSONB || c.Format != j.format || !v.IsDocument() || !bytes.Equal(j.doc, v.Doc()) {
		return dst, false
	}
	return append(dst, dst[j.from:j.to]...), true
}

// wrote keeps where a column was written, if it is a document.
func (j *encodedJSON) wrote(v value.Value, c *encodedColumn, from, to int) {
	if c.Type.OID == JSONB && v.IsDocument() {
		*j = encodedJSON{v.Doc(), c.Format, from, to}
	}
}

// appendField appends the length and the bytes of a column, -1 for NULL.
func (enc *RowEncoder) appendField(dst []byte, v value.Value, c *encodedColumn) ([]byte, error) {
	if v.IsNullish() {
		return append(dst, 0xff, 0xff, 0xff, 0xff), nil
	}
	start := len(dst)
	dst, again := enc.json.repeats(append(dst, 0, 0, 0, 0), v, c)
	if !again {
		var err error
		if dst, err = enc.appendValue(dst, v, c); err != nil {
			return dst, err
		}
		enc.json.wrote(v, c, start+4, len(dst))
	}
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, nil
}

// appendValue appends the bytes of a column.
func (enc *RowEncoder) appendValue(dst []byte, v value.Value, c *encodedColumn) ([]byte, error) {
	switch {
	case c.Format == BinaryFormat:
		return AppendBinary(dst, v, c.Type, enc.env)
	case c.Type.OID == Timestamptz && (v.Kind() == bson.TypeDateTime || v.Kind() == bson.TypeTimestamp):
		return enc.second.appendText(dst, v, enc.env)
	case c.form != nil && v.Kind() == bson.TypeEmbeddedDocument:
		return c.form.append(dst, v.Doc()), nil
	}
	return AppendText(dst, v, c.Type, enc.env)
}

// printedSecond is how the second was printed that the last timestamp fell into:
// times of rows that follow each other are mostly of one.
type printedSecond struct {
	known bool
	of    int64
	zone  *time.Location
	text  []byte // without a fraction
	last  Moment // the last timestamp of that second
	all   []byte // its text, empty: none
}

// isoSecond is how long a second is before its fraction, as YYYY-MM-DD HH:MM:SS.
const isoSecond = 19

func (p *printedSecond) appendText(dst []byte, v value.Value, e *Env) ([]byte, error) {
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
			p.all = p.all[:0]
		}
	}
	switch {
	case !p.known:
		return AppendText(dst, v, Of(Timestamptz), e)
	case p.last != m || len(p.all) == 0:
		p.last = m
		p.all = append(p.all[:0], p.text[:isoSecond]...)
		p.all = appendFraction(p.all, int(m.Ms-p.of*1000)*1000+m.Us)
		p.all = append(p.all, p.text[isoSecond:]...)
	}
	return append(dst, p.all...), nil
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
