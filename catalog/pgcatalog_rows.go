package catalog

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqltype"
	"weir/store"
)

// documents is a store.Cursor over documents that are all here.
type documents struct{ docs []bson.Raw }

var _ store.Cursor = (*documents)(nil)

// Next implements store.Cursor.
func (c *documents) Next(context.Context) (bson.Raw, error) {
	if len(c.docs) == 0 {
		return nil, io.EOF
	}
	d := c.docs[0]
	c.docs = c.docs[1:]
	return d, nil
}

// Close implements store.Cursor.
func (c *documents) Close() error { return nil }

// rows writes rows as documents, in blocks.
type rows struct {
	cols     []Column // without the hidden ones
	tableOID uint32   // 0: rows of a view have no system columns
	docs     []bson.Raw
	block    []byte
}

const rowBlock = 64 << 10

func newRows(t *Table) *rows {
	w := &rows{}
	for _, c := range t.Columns {
		if !c.Hidden {
			w.cols = append(w.cols, c)
		}
	}
	if len(w.cols) < len(t.Columns) {
		w.tableOID = t.OID
	}
	return w
}

// add writes a row of values in the order of the columns; nil is NULL.
func (w *rows) add(values ...any) {
	if len(values) != len(w.cols) {
		panic(fmt.Sprintf("catalog: %d values for %d columns that begin with %s", len(values), len(w.cols), w.cols[0].Name))
	}
	if cap(w.block)-len(w.block) < 1024 {
		w.block = make([]byte, 0, rowBlock)
	}
	start, b := value.BeginDocument(w.block)
	for i, v := range values {
		b = appendField(b, &w.cols[i], v)
	}
	if w.tableOID != 0 {
		b = value.AppendElement(b, "tableoid", value.Int64(int64(w.tableOID)))
		b = value.AppendElement(b, "xmin", value.Int64(1))
	}
	b = value.EndDocument(b, start)
	w.docs = append(w.docs, bson.Raw(b[start:len(b):len(b)]))
	w.block = b
}

// appendField writes a Go value in the form of the column's type.
func appendField(b []byte, c *Column, v any) []byte {
	if v == nil {
		return b
	}
	return value.AppendElement(b, c.Name, formOf(v, c.Type.OID))
}

func formOf(v any, t sqltype.OID) value.Value {
	switch v := v.(type) {
	case value.Value:
		return v
	case string:
		return value.String(v)
	case byte:
		return value.String(string(rune(v)))
	case bool:
		return value.Bool(v)
	case int:
		return number(int64(v), t)
	case int16:
		return number(int64(v), t)
	case int32:
		return number(int64(v), t)
	case int64:
		return number(v, t)
	case uint32:
		return number(int64(v), t)
	case sqltype.OID:
		return number(int64(v), t)
	case []string:
		return arrayForm(v, t)
	case []int16:
		return arrayForm(v, t)
	case []uint32:
		return arrayForm(v, t)
	case []sqltype.OID:
		return arrayForm(v, t)
	}
	panic(fmt.Sprintf("catalog: no form for a %T", v))
}

func arrayForm[T any](list []T, t sqltype.OID) value.Value {
	elem := t.Subscript()
	items := make([]value.Value, len(list))
	for i, x := range list {
		items[i] = formOf(x, elem)
	}
	return value.ArrayFrom(items)
}

// number is an integer in the form of a type. information_schema has numbers
// in columns of text.
func number(n int64, t sqltype.OID) value.Value {
	switch t {
	case sqltype.Int2, sqltype.Int4:
		return value.Int32(int32(n))
	case sqltype.Float4, sqltype.Float8:
		return value.Double(float64(n))
	case sqltype.Varchar, sqltype.Text, sqltype.Name:
		return value.String(strconv.FormatInt(n, 10))
	}
	return value.Int64(n)
}

// orNull is NULL for an empty text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}
