package events

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Computed gives a row of the log with the columns that are computed when read.
func Computed(row bson.Raw) bson.Raw {
	p := newShaper().parts(row)
	data := p.data()
	size := 0
	if data.IsDocument() {
		size = len(data.Doc())
	}
	start, dst := value.BeginDocument(make([]byte, 0, len(row)+size+32))
	return appendComputed(dst, start, row, data)
}

func appendComputed(dst []byte, start int, row bson.Raw, data value.Value) bson.Raw {
	dst = value.AppendElement(dst, "event_data", data)
	return value.EndDocument(append(dst, row[4:len(row)-1]...), start)
}

// shaper makes rows of SUBSCRIBE of rows of the log, which are alike.
type shaper struct{ pick *value.Picker }

// The fields of a row that a shaper looks for.
const (
	partPosition = iota
	partTime
	partKey
	partFull
	partBefore
	partUpdate
)

func newShaper() shaper {
	return shaper{value.NewPicker([]string{"position", "event_timestamp", "document_key", "full_document", "full_document_before_change", "update_description"})}
}

// fieldAt is the field of a shaped row that has the event's time, for the tail alone.
const fieldAt = "weir_at"

// append appends the shaped row. Behind the columns that SUBSCRIBE puts in front
// stands the event's time.
func (s shaper) append(dst []byte, row bson.Raw) bson.Raw {
	p := s.parts(row)
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "weir_position", p[partPosition])
	dst = value.AppendElement(dst, "weir_progressed", value.Bool(false))
	dst = value.AppendElement(dst, fieldAt, p[partTime])
	return appendComputed(dst, start, row, p.data())
}

// eventParts are what a shaper found.
type eventParts [partUpdate + 1]value.Value

func (s shaper) parts(row bson.Raw) (p eventParts) {
	s.pick.Pick(row, p[:])
	return p
}

// data is what the column event_data shows: the document, else what was updated,
// else the document before, else the key.
func (p *eventParts) data() value.Value {
	var updated value.Value
	if v := p[partUpdate]; v.IsDocument() {
		updated = value.Lookup(v.Doc(), "updatedFields")
	}
	for _, v := range [...]value.Value{p[partFull], updated, p[partBefore], p[partKey]} {
		if !v.IsNullish() {
			return v
		}
	}
	return value.Value{}
}

// shapedAt gives position and time of a shaped row, false: it is none yet.
func shapedAt(row bson.Raw) (position string, ms int64, ok bool) {
	it := value.Walk(row)
	if !it.NextIs("weir_position") {
		return "", 0, false
	}
	position = text(it.Value())
	if it.Next() && it.NextIs(fieldAt) {
		ms = it.Value().AsDate()
	}
	return position, ms, true
}
