package events

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// dataPaths are where the column event_data of a row of the log comes from, the first
// that leads to something: the document, else what was updated, else the document
// before, else the key.
var dataPaths = [][]string{{"full_document"}, {"update_description", "updatedFields"}, {"full_document_before_change"}, {"document_key"}}

// Computed gives a row of the log with the columns that are computed when read.
func Computed(row bson.Raw) bson.Raw {
	var data value.Value
	for _, path := range dataPaths {
		if data = value.GetPath(row, path); !data.IsNullish() {
			break
		}
	}
	size := 0
	if data.IsDocument() {
		size = len(data.Doc())
	}
	start, dst := value.BeginDocument(make([]byte, 0, len(row)+size+32))
	dst = value.AppendElement(dst, "event_data", data)
	return value.EndDocument(append(dst, row[4:len(row)-1]...), start)
}

// fieldPosition is the first of the columns that SUBSCRIBE puts in front.
const fieldPosition = "weir_position"

// shapedRoom is what the columns in front add to a row, or less.
const shapedRoom = 128

// appendShaped appends a row of SUBSCRIBE made of a row of the log. Its columns find
// event_data in it by themselves.
func appendShaped(dst []byte, row bson.Raw) bson.Raw {
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, fieldPosition, value.Lookup(row, "position"))
	dst = value.AppendElement(dst, "weir_progressed", value.Bool(false))
	return value.EndDocument(append(dst, row[4:len(row)-1]...), start)
}

// shapedAt gives the position of a shaped row, false: it is none yet.
func shapedAt(row bson.Raw) (position string, ok bool) {
	it := value.Walk(row)
	if !it.NextIs(fieldPosition) {
		return "", false
	}
	return text(it.Value()), true
}
