package agg

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// setPath appends doc to dst with the value at a path set; a missing value
// removes the field. Whatever is no document on the way is replaced by one.
func setPath(dst []byte, doc bson.Raw, path []string, v value.Value) []byte {
	start, dst := value.BeginDocument(dst)
	if !bytes.Contains(doc, []byte(path[0])) { // nowhere, so no field is called that
		dst = append(dst, doc[4:len(doc)-1]...)
		if !v.IsMissing() {
			dst = setField(dst, value.Value{}, path, v)
		}
		return value.EndDocument(dst, start)
	}
	done := false
	for it := value.Walk(doc); it.Next(); {
		if done || it.Key() != path[0] {
			dst = append(dst, it.Element()...)
			continue
		}
		done = true
		dst = setField(dst, it.Value(), path, v)
	}
	if !done && !v.IsMissing() {
		dst = setField(dst, value.Value{}, path, v)
	}
	return value.EndDocument(dst, start)
}

func setField(dst []byte, old value.Value, path []string, v value.Value) []byte {
	if len(path) == 1 {
		return value.AppendElement(dst, path[0], v)
	}
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, path[0])
	inner := bson.Raw(value.EmptyDocument)
	if old.IsDocument() {
		inner = old.Doc()
	}
	return setPath(dst, inner, path[1:], v)
}

// getPlain follows a path through documents only; arrays end it.
func getPlain(doc bson.Raw, path []string) value.Value {
	v := value.Lookup(doc, path[0])
	for _, name := range path[1:] {
		if !v.IsDocument() {
			return value.Value{}
		}
		v = value.Lookup(v.Doc(), name)
	}
	return v
}
