package index

import (
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

const codeAmbiguousField = 16746

// CheckAmbiguous refuses a document in which a number of an indexed path is both
// a place in an array and a field of the array's items. Only documents that are
// written are checked: one that is stored already can still be deleted.
func (d *Definition) CheckAmbiguous(doc bson.Raw) error {
	for i := range d.Fields {
		if !d.Fields[i].Positional {
			continue
		}
		if err := ambiguous(value.Document(doc), d.Fields[i].Path); err != nil {
			return err
		}
	}
	return nil
}

func ambiguous(v value.Value, path []string) error {
	for ; len(path) > 0 && v.IsDocument(); path = path[1:] {
		v = value.Lookup(v.Doc(), path[0])
	}
	if len(path) == 0 || !v.IsArray() {
		return nil
	}
	items := value.Items(nil, v.Doc())
	if n, err := strconv.Atoi(path[0]); err == nil && n >= 0 && n < len(items) {
		if slices.ContainsFunc(items, func(item value.Value) bool {
			return item.IsDocument() && !value.Lookup(item.Doc(), path[0]).IsMissing()
		}) {
			return mongoerr.New(codeAmbiguousField, "Ambiguous field name found in array (do not use numeric field names in embedded elements in an array), field: '%s' for array: %s", path[0], Text(v))
		}
		if err := ambiguous(items[n], path[1:]); err != nil {
			return err
		}
	}
	for _, item := range items {
		if !item.IsDocument() {
			continue
		}
		if err := ambiguous(item, path); err != nil {
			return err
		}
	}
	return nil
}
