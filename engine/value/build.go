package value

import (
	"encoding/binary"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// EmptyDocument is {}.
var EmptyDocument = bson.Raw{5, 0, 0, 0, 0}

// BeginDocument starts a document or array at the end of dst; EndDocument at
// the same start finishes it. Between them AppendElement and AppendItem add
// fields, and nested documents begin with AppendHeader.
func BeginDocument(dst []byte) (int, []byte) {
	return len(dst), append(dst, 0, 0, 0, 0)
}

// EndDocument closes the document that began at start.
func EndDocument(dst []byte, start int) []byte {
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst
}

// AppendHeader appends the type and key of a field whose payload follows.
func AppendHeader(dst []byte, t bson.Type, key string) []byte {
	dst = append(dst, byte(t))
	dst = append(dst, key...)
	return append(dst, 0)
}

// AppendElement appends a field; a missing value appends nothing.
func AppendElement(dst []byte, key string, v Value) []byte {
	if v.kind == KindMissing {
		return dst
	}
	return v.AppendPayload(AppendHeader(dst, v.wireType(), key))
}

// AppendItem appends the i-th item of an array; a missing value becomes null.
func AppendItem(dst []byte, i int, v Value) []byte {
	if v.kind == KindMissing {
		v.kind = bson.TypeNull
	}
	dst = append(dst, byte(v.wireType()))
	dst = append(strconv.AppendInt(dst, int64(i), 10), 0)
	return v.AppendPayload(dst)
}

// Builder writes a document, or an array with Item, into one buffer. The zero
// Builder is ready to use; its result is not copied, so take a new Builder
// (or Reset with another buffer) for the next document.
type Builder struct {
	buf  []byte
	open []int // starts of open documents
	n    []int // items so far of each
}

// Reset begins anew in the given buffer, which may be nil.
func (b *Builder) Reset(buf []byte) { b.buf, b.open, b.n = buf[:0], b.open[:0], b.n[:0] }

func (b *Builder) begin() {
	if len(b.open) == 0 {
		b.push()
	}
}

func (b *Builder) push() {
	var start int
	start, b.buf = BeginDocument(b.buf)
	b.open, b.n = append(b.open, start), append(b.n, 0)
}

// Size is how many bytes are built.
func (b *Builder) Size() int { return len(b.buf) }

// Add appends a field; a missing value appends nothing.
func (b *Builder) Add(key string, v Value) {
	b.begin()
	b.buf = AppendElement(b.buf, key, v)
}

// AddElement appends a field as Iter.Element gives it.
func (b *Builder) AddElement(elem []byte) {
	b.begin()
	b.buf = append(b.buf, elem...)
}

// Item appends the next item of an array; a missing value becomes null.
func (b *Builder) Item(v Value) {
	b.begin()
	top := len(b.n) - 1
	b.buf = AppendItem(b.buf, b.n[top], v)
	b.n[top]++
}

// Open begins a nested document or array (t) under a key; Close ends it.
func (b *Builder) Open(t bson.Type, key string) {
	b.begin()
	b.buf = AppendHeader(b.buf, t, key)
	b.push()
}

// OpenItem begins a nested document or array as the next item of an array.
func (b *Builder) OpenItem(t bson.Type) {
	b.begin()
	top := len(b.n) - 1
	b.Open(t, strconv.Itoa(b.n[top]))
	b.n[top]++
}

// Close ends the innermost open document.
func (b *Builder) Close() {
	top := len(b.open) - 1
	b.buf = EndDocument(b.buf, b.open[top])
	b.open, b.n = b.open[:top], b.n[:top]
}

// Doc closes everything and gives the document's bytes; nothing can be added
// afterwards.
func (b *Builder) Doc() bson.Raw {
	if len(b.buf) == 0 {
		b.begin()
	}
	for len(b.open) > 0 {
		b.Close()
	}
	return bson.Raw(b.buf)
}

// DocumentOf makes a document value of what was added.
func (b *Builder) DocumentOf() Value { return Document(b.Doc()) }

// ArrayOf makes an array value of what was added with Item.
func (b *Builder) ArrayOf() Value { return Array(b.Doc()) }

// ArrayFrom makes an array of values.
func ArrayFrom(items []Value) Value {
	start, buf := BeginDocument(make([]byte, 0, 16+16*len(items)))
	for i, v := range items {
		buf = AppendItem(buf, i, v)
	}
	return Array(EndDocument(buf, start))
}
