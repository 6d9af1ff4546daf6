package events

import (
	"encoding/hex"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Event is a change event with its parts found. All values share the bytes of Raw.
type Event struct {
	Raw       bson.Raw
	Token     bson.Raw
	Op        string
	DB, Coll  string
	To        string         // the new name of a collection that was renamed, else ""
	ToNS      value.Value    // likewise: database and name
	Time      bson.Timestamp // clusterTime
	WallMS    int64          // wallTime, or the second of clusterTime
	Key       value.Value    // documentKey
	Full      value.Value
	Before    value.Value
	Update    value.Value // updateDescription
	Updated   value.Value // updateDescription.updatedFields
	Removed   value.Value // updateDescription.removedFields
	TxnNumber value.Value
	Ordinal   uint32 // among the events of Time, counting every one of the stream

	bare   bson.Raw // as the stream gave it, where Full was looked up; else nil
	labels *labels  // nil: not looked for yet
}

// parse finds the parts of a raw change event.
func (e *Event) parse(raw bson.Raw) {
	*e = Event{Raw: raw}
	for it := value.Walk(raw); it.Next(); {
		e.take(it.Key(), it.Value())
	}
	if e.WallMS == 0 {
		e.WallMS = int64(e.Time.T) * 1000
	}
}

func (e *Event) take(key string, v value.Value) {
	switch key {
	case "_id":
		e.Token = v.Doc()
	case "operationType":
		e.Op = v.Str()
	case "clusterTime":
		e.Time.T, e.Time.I = v.AsTimestamp()
	case "wallTime":
		e.WallMS = v.AsDate()
	case "ns":
		e.DB, e.Coll = text(value.Lookup(v.Doc(), "db")), text(value.Lookup(v.Doc(), "coll"))
	case "to":
		e.ToNS, e.To = v, text(value.Lookup(v.Doc(), "coll"))
	case "documentKey":
		e.Key = v
	case "fullDocument":
		e.Full = v
	case "fullDocumentBeforeChange":
		e.Before = v
	case "updateDescription":
		e.Update = v
		e.Updated, e.Removed = value.Lookup(v.Doc(), "updatedFields"), value.Lookup(v.Doc(), "removedFields")
	case "txnNumber":
		e.TxnNumber = v
	}
}

// setFull replaces the document after the change by one that was looked up, for
// filters too.
func (e *Event) setFull(doc bson.Raw) {
	start, raw := value.BeginDocument(make([]byte, 0, len(e.Raw)+len(doc)+20))
	for it := value.Walk(e.Raw); it.Next(); {
		if it.Key() != "fullDocument" {
			raw = append(raw, it.Element()...)
		}
	}
	raw = value.AppendElement(raw, "fullDocument", value.Document(doc))
	e.bare, e.Raw = e.Raw, value.EndDocument(raw, start)
	e.Full = value.Document(doc)
}

// unlooked is an event as the stream gave it, made in into where its document was
// looked up.
func (e *Event) unlooked(into *Event) *Event {
	if e.bare == nil {
		return e
	}
	*into = *e
	into.Raw, into.bare, into.labels = e.bare, nil, nil
	into.Full = value.Lookup(e.bare, "fullDocument")
	return into
}

func text(v value.Value) string {
	if v.IsString() {
		return v.Str()
	}
	return ""
}

// positionLen is the length of a position: three 32-bit numbers in hex.
const positionLen = 24

// appendPosition appends the sortable position of an event.
func appendPosition(dst []byte, t bson.Timestamp, ordinal uint32) []byte {
	var b [12]byte
	for i, n := range [3]uint32{t.T, t.I, ordinal} {
		b[4*i], b[4*i+1], b[4*i+2], b[4*i+3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	}
	return hex.AppendEncode(dst, b[:])
}

func (e *Event) position() string { return string(appendPosition(nil, e.Time, e.Ordinal)) }

// ParsePosition reads a position back.
func ParsePosition(s string) (t bson.Timestamp, ordinal uint32, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(s) != positionLen {
		return t, 0, false
	}
	n := func(i int) uint32 {
		return uint32(b[i])<<24 | uint32(b[i+1])<<16 | uint32(b[i+2])<<8 | uint32(b[i+3])
	}
	return bson.Timestamp{T: n(0), I: n(4)}, n(8), true
}

// path is a dotted path into a change event, prepared for many look-ups.
type path struct {
	names []string
}

func makePaths(dotted []string) []path {
	out := make([]path, len(dotted))
	for i, d := range dotted {
		out[i] = path{names: strings.Split(d, ".")}
	}
	return out
}

// in finds the path's value in an event. The parts that parse found are where
// nearly every path begins.
func (p path) in(e *Event) value.Value {
	rest := p.names[1:]
	var from value.Value
	switch p.names[0] {
	case "fullDocument":
		from = e.Full
	case "fullDocumentBeforeChange":
		from = e.Before
	case "updateDescription":
		from = e.Update
	case "documentKey":
		from = e.Key
	default:
		return value.GetPath(e.Raw, p.names)
	}
	if len(rest) == 0 {
		return from
	}
	if !from.IsDocument() && !from.IsArray() {
		return value.Value{}
	}
	return value.GetPathIn(from, rest)
}

// first gives the first of paths that has a value other than null.
func first(paths []path, e *Event) value.Value {
	for _, p := range paths {
		if v := p.in(e); !v.IsNullish() {
			return v
		}
	}
	return value.Value{}
}

// label gives a value as text: strings as they are, numbers and ObjectIds printed.
func label(v value.Value) string {
	switch v.Kind() {
	case bson.TypeString:
		return v.Str()
	case bson.TypeObjectID:
		return v.AsObjectID().Hex()
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.FormatInt(v.AsInt64(), 10)
	case value.KindMissing, bson.TypeNull, bson.TypeUndefined:
		return ""
	case bson.TypeBinary:
		subtype, data := v.AsBinary()
		if subtype == bson.TypeBinaryUUID && len(data) == 16 {
			h := hex.EncodeToString(data)
			return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		}
	}
	return v.RawValue().String()
}
