package sqltype

import (
	"encoding/binary"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

func appendArrayText(dst []byte, v value.Value, elem Type, e *Env) ([]byte, error) {
	if v.Kind() != bson.TypeArray {
		return dst, misfit(v, elem.OID.Array())
	}
	dst = append(dst, '{')
	first := true
	var err error
	for it := value.Walk(v.Doc()); it.Next(); first = false {
		if !first {
			dst = append(dst, Delim)
		}
		if dst, err = appendItemText(dst, it.Value(), elem, e); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func appendItemText(dst []byte, v value.Value, elem Type, e *Env) ([]byte, error) {
	switch {
	case v.Kind() == bson.TypeArray && elem.OID != JSONB && elem.OID != Record:
		return appendArrayText(dst, v, elem, e)
	case v.IsNullish():
		return append(dst, "NULL"...), nil
	}
	start := len(dst)
	dst, err := AppendText(dst, v, elem, e)
	if err != nil || !needsArrayQuotes(dst[start:]) {
		return dst, err
	}
	return quoteInPlace(dst, start), nil
}

func needsArrayQuotes(s []byte) bool {
	if len(s) == 0 || len(s) == 4 && equalFold(s, "null") {
		return true
	}
	for _, c := range s {
		switch c {
		case '"', '\\', '{', '}', ',', ' ', '\t', '\n', '\r', '\v', '\f':
			return true
		}
	}
	return false
}

func equalFold(b []byte, lower string) bool {
	for i := range b {
		if b[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// quoteInPlace puts the text from start in double quotes, with backslashes
// before quotes and backslashes.
func quoteInPlace(dst []byte, start int) []byte {
	extra := 2
	for _, c := range dst[start:] {
		if c == '"' || c == '\\' {
			extra++
		}
	}
	from := len(dst) - 1
	for range extra {
		dst = append(dst, 0)
	}
	to := len(dst) - 1
	dst[to] = '"'
	to--
	for ; from >= start; from-- {
		dst[to] = dst[from]
		to--
		if c := dst[from]; c == '"' || c == '\\' {
			dst[to] = '\\'
			to--
		}
	}
	dst[start] = '"'
	return dst
}

func appendVectorText(dst []byte, v value.Value, oid OID) ([]byte, error) {
	if v.Kind() != bson.TypeArray {
		return dst, misfit(v, oid)
	}
	first := true
	for it := value.Walk(v.Doc()); it.Next(); first = false {
		if !first {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendInt(dst, it.Value().AsInt64(), 10)
	}
	return dst, nil
}

func appendRecordText(dst []byte, v value.Value, e *Env) ([]byte, error) {
	if v.Kind() != bson.TypeArray && v.Kind() != bson.TypeEmbeddedDocument {
		return appendOtherText(dst, v, Record, e)
	}
	dst = append(dst, '(')
	first := true
	var err error
	for it := value.Walk(v.Doc()); it.Next(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		item, t := RecordField(it.Value())
		if item.IsNullish() {
			continue
		}
		start := len(dst)
		if dst, err = AppendText(dst, item, t, e); err != nil {
			return dst, err
		}
		if needsRecordQuotes(dst[start:]) {
			dst = quoteRecordInPlace(dst, start)
		}
	}
	return append(dst, ')'), nil
}

// The keys of a record's field that carries its type.
const (
	RecordTypeKey  = "\x01type"
	RecordValueKey = "\x01value"
)

// ShowsInRecord tells of types that the kind of a value says enough about.
func ShowsInRecord(t OID) bool {
	switch t {
	case Bool, Int4, Int8, Float8, Numeric, Text, Timestamptz, Bytea, UUID, Record, Unknown:
		return true
	}
	return false
}

// RecordField is a field of a record and its type, which it carries or which
// its kind shows.
func RecordField(v value.Value) (value.Value, Type) {
	if v.Kind() == bson.TypeEmbeddedDocument {
		if t := value.Lookup(v.Doc(), RecordTypeKey); t.IsNumber() {
			return value.Lookup(v.Doc(), RecordValueKey), Of(OID(t.AsInt64()))
		}
	}
	return v, kindInRecord(v)
}

func kindInRecord(v value.Value) Type {
	if v.Kind() == bson.TypeBinary {
		if sub, data := v.AsBinary(); sub == 4 && len(data) == 16 {
			return Of(UUID)
		}
	}
	return Of(OfKind(v.Kind()))
}

func needsRecordQuotes(s []byte) bool {
	if len(s) == 0 {
		return true
	}
	for _, c := range s {
		switch c {
		case '"', '\\', '(', ')', ',', ' ', '\t', '\n', '\r', '\v', '\f':
			return true
		}
	}
	return false
}

func quoteRecordInPlace(dst []byte, start int) []byte {
	text := append([]byte(nil), dst[start:]...)
	dst = append(dst[:start], '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			dst = append(dst, c)
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// appendArrayBinary is array_send. Vectors count from 0, arrays from 1.
func appendArrayBinary(dst []byte, v value.Value, elem Type, lower int32, e *Env) ([]byte, error) {
	if v.Kind() != bson.TypeArray {
		return dst, misfit(v, elem.OID.Array())
	}
	var dims [6]int32
	n, nulls, err := arrayDims(v, elem, dims[:0])
	if err != nil {
		return dst, err
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(n)))
	dst = binary.BigEndian.AppendUint32(dst, nulls)
	dst = binary.BigEndian.AppendUint32(dst, uint32(elem.OID))
	for _, d := range n {
		dst = binary.BigEndian.AppendUint32(dst, uint32(d))
		dst = binary.BigEndian.AppendUint32(dst, uint32(lower))
	}
	if len(n) == 0 {
		return dst, nil
	}
	return appendItemsBinary(dst, v, elem, len(n), e)
}

// arrayDims measures an array, which must be rectangular in binary format, and
// looks for NULLs in it.
func arrayDims(v value.Value, elem Type, dims []int32) ([]int32, uint32, error) {
	n, nulls := int32(0), uint32(0)
	var inner [6]int32
	var first []int32
	for it := value.Walk(v.Doc()); it.Next(); n++ {
		item := it.Value()
		if item.IsNullish() {
			nulls = 1
		}
		if item.Kind() != bson.TypeArray || elem.OID == JSONB {
			if n > 0 && first != nil {
				return nil, 0, raggedArray()
			}
			continue
		}
		sub, subNulls, err := arrayDims(item, elem, inner[:0])
		if err != nil {
			return nil, 0, err
		}
		nulls |= subNulls
		if n == 0 {
			first = append([]int32(nil), sub...)
		} else if !equalDims(first, sub) {
			return nil, 0, raggedArray()
		}
	}
	if n == 0 {
		return dims, nulls, nil
	}
	return append(append(dims, n), first...), nulls, nil
}

func equalDims(a, b []int32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func raggedArray() error {
	return sqlerr.New(sqlerr.ArraySubscriptError, "multidimensional arrays must have sub-arrays with matching dimensions")
}

func appendItemsBinary(dst []byte, v value.Value, elem Type, depth int, e *Env) ([]byte, error) {
	var err error
	for it := value.Walk(v.Doc()); it.Next(); {
		item := it.Value()
		if depth > 1 {
			if dst, err = appendItemsBinary(dst, item, elem, depth-1, e); err != nil {
				return dst, err
			}
			continue
		}
		if dst, err = appendField(dst, item, elem, BinaryFormat, e); err != nil {
			return dst, err
		}
	}
	return dst, nil
}
