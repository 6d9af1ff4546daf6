package agg

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// trimmer cuts documents down to some of their fields. It remembers what the
// last document looked like: the fields of a collection's documents mostly
// stand in the same places, and one comparison tells so.
type trimmer struct {
	keep []string
	seen []trimField
}

type trimField struct {
	name string
	kept bool
}

// append appends a document with the kept fields only.
func (t *trimmer) append(dst []byte, doc bson.Raw) []byte {
	start, dst := value.BeginDocument(dst)
	left, i := len(t.keep), 0
	for it := value.Walk(doc); left > 0 && it.Next(); i++ {
		if t.wanted(i, it.Key()) {
			dst = append(dst, it.Element()...)
			left--
		}
	}
	return value.EndDocument(dst, start)
}

func (t *trimmer) wanted(i int, name string) bool {
	if i < len(t.seen) && t.seen[i].name == name {
		return t.seen[i].kept
	}
	f := trimField{kept: slices.Contains(t.keep, name)}
	if i <= len(t.seen) && i < maxTrimFields {
		f.name = string([]byte(name)) // the document is soon another
		t.seen = append(t.seen[:i], append([]trimField{f}, t.seen[min(i+1, len(t.seen)):]...)...)
	}
	return f.kept
}

// maxTrimFields bounds what a trimmer remembers.
const maxTrimFields = 256

// trimCursor cuts documents down to the fields that the pipeline reads, where
// stages are going to copy them.
type trimCursor struct {
	piped
	trimmer
	buf []byte
}

func (c *trimCursor) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := c.in.Next(ctx)
	if err != nil {
		return nil, err
	}
	c.buf = c.append(c.buf[:0], doc)
	return c.buf, nil
}
