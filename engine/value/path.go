package value

import "go.mongodb.org/mongo-driver/v2/bson"

// GetPath follows field names as an aggregation path does: an array on the way
// gives the array of what its documents hold, its other items are left out.
// Numbers in the path are field names, never positions.
func GetPath(doc bson.Raw, path []string) Value {
	v := Lookup(doc, path[0])
	return GetPathIn(v, path[1:])
}

// GetPathIn is GetPath beginning at a value.
func GetPathIn(v Value, path []string) Value {
	for len(path) > 0 {
		switch v.kind {
		case bson.TypeEmbeddedDocument:
			v = Lookup(v.Doc(), path[0])
			path = path[1:]
		case bson.TypeArray:
			return getPathItems(v, path)
		default:
			return Value{}
		}
	}
	return v
}

func getPathItems(arr Value, path []string) Value {
	start, buf := BeginDocument(make([]byte, 0, len(arr.Doc())))
	n := 0
	for it := Walk(arr.Doc()); it.Next(); {
		if it.Kind() != bson.TypeEmbeddedDocument {
			continue
		}
		if v := GetPathIn(it.Value(), path); !v.IsMissing() {
			buf = AppendItem(buf, n, v)
			n++
		}
	}
	return Array(EndDocument(buf, start))
}
