package sqltype

import (
	"strconv"
	"strings"

	"weir/engine/value"
)

// A tid is the place of a row: (block,offset). Documents have none that SQL
// could see, so the place of a document is made from its _id: whole numbers
// that are not too large have places of their own, in the lower half of the
// blocks, and what else an _id may be shares the upper half by its hash. A
// tid that was read from a document is itself a document that holds its _id,
// so that two of them are equal exactly when their rows are one; others, as
// constants, are texts.

// RowTid marks, as a type modifier, tids that were all read from documents.
const RowTid = 1

// The fields of a tid that was read from a document.
const (
	tidPlace = "t" // block<<16 | offset
	tidID    = "i"
)

const (
	rowsOfBlock = 128       // of whole numbers
	hashBlock   = 1 << 31   // the first of the upper half
	hashBlocks  = 1<<31 - 1 // none has the highest number, which clients take for the end
	maxOffset   = 1<<16 - 1
)

// TidOf is the tid of the document with an _id.
func TidOf(id value.Value) value.Value {
	var b value.Builder
	b.Add(tidPlace, value.Int64(placeOf(id)))
	b.Add(tidID, id)
	return value.Document(b.Doc())
}

func placeOf(id value.Value) int64 {
	if id.IsNumber() {
		if n := id.AsInt64(); n >= 0 && n < hashBlock*rowsOfBlock && value.Equal(id, value.Int64(n)) {
			return n/rowsOfBlock<<16 | (n%rowsOfBlock + 1)
		}
	}
	h := value.Hash(0, id) % (hashBlocks * maxOffset)
	return int64(hashBlock+h/maxOffset)<<16 | int64(h%maxOffset+1)
}

// TidPlace is block<<16 | offset; row tells that the tid was read from a document.
func TidPlace(v value.Value) (place int64, row, ok bool) {
	if v.IsDocument() {
		t := value.Lookup(v.Doc(), tidPlace)
		return t.AsInt64(), true, t.IsNumber()
	}
	if !v.IsString() {
		return 0, false, false
	}
	block, offset, ok := parseTid(v.Str())
	return int64(block)<<16 | int64(offset), false, ok
}

// parseTid reads (block,offset).
func parseTid(s string) (block uint32, offset uint16, ok bool) {
	s = strings.TrimSpace(s)
	if len(s) < 5 || s[0] != '(' || s[len(s)-1] != ')' {
		return 0, 0, false
	}
	a, b, found := strings.Cut(s[1:len(s)-1], ",")
	x, err1 := strconv.ParseUint(strings.TrimLeft(a, " "), 10, 32)
	y, err2 := strconv.ParseUint(strings.TrimLeft(b, " "), 10, 16)
	return uint32(x), uint16(y), found && err1 == nil && err2 == nil
}

func appendTidText(dst []byte, v value.Value) ([]byte, error) {
	place, _, ok := TidPlace(v)
	if !ok {
		return dst, misfit(v, Tid)
	}
	dst = strconv.AppendInt(append(dst, '('), place>>16, 10)
	dst = strconv.AppendInt(append(dst, ','), place&maxOffset, 10)
	return append(dst, ')'), nil
}
