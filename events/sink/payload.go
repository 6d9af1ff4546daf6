package sink

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/events"
)

// payload makes the bodies of a subscription's deliveries.
type payload struct {
	format string
}

// Content types.
const (
	typeCloudEvent      = "application/cloudevents+json"
	typeCloudEventBatch = "application/cloudevents-batch+json"
	typeJSON            = "application/json"
)

// head is what a change is of.
type head struct {
	op, db, coll string
	key          value.Value
}

// field takes a field of a row; false: it is not of the head.
func (h *head) field(name string, v value.Value) bool {
	switch name {
	case "event_type":
		h.op = v.Str()
	case "database_name":
		h.db = v.Str()
	case "collection_name":
		h.coll = v.Str()
	case "document_key":
		h.key = v
	default:
		return false
	}
	return true
}

// headOf reads a row as far as the key, which is the last of the head.
func headOf(row bson.Raw) (h head) {
	for it := value.Walk(row); it.Next() && h.key.IsMissing(); {
		h.field(it.Key(), it.Value())
	}
	return h
}

// change is a change event as a receiver sees it, in relaxed Extended JSON.
type change struct {
	head
	eventMS     int64
	full        value.Value
	before      value.Value
	update      value.Value
	to          value.Value // the new name, of a rename
	correlation string
	causation   string
	trace       string
}

func changeOf(row bson.Raw) change {
	var c change
	for it := value.Walk(row); it.Next(); {
		name, v := it.Key(), it.Value()
		if c.field(name, v) {
			continue
		}
		switch name {
		case "event_timestamp":
			c.eventMS = v.AsDate()
		case "full_document":
			c.full = v
		case "full_document_before_change":
			c.before = v
		case "update_description":
			c.update = v
		case "to":
			c.to = v
		case "correlation_id":
			c.correlation = str(v)
		case "causation_id":
			c.causation = str(v)
		case "trace_parent":
			c.trace = str(v)
		}
	}
	return c
}

func str(v value.Value) string {
	if v.IsString() {
		return v.Str()
	}
	return ""
}

// parts are the documents of a change, those that it has.
func (c *change) parts(each func(name string, v value.Value)) {
	for _, f := range [...]struct {
		name string
		v    value.Value
	}{{"to", c.to}, {"documentKey", c.key}, {"fullDocument", c.full}, {"fullDocumentBeforeChange", c.before}, {"updateDescription", c.update}} {
		if !f.v.IsMissing() {
			each(f.name, f.v)
		}
	}
}

// document is the change in BSON: operationType, ns, documentKey, …
func (c *change) document() bson.Raw {
	var b value.Builder
	b.Add("operationType", value.String(c.op))
	b.Open(bson.TypeEmbeddedDocument, "ns")
	b.Add("db", value.String(c.db))
	b.Add("coll", value.String(c.coll))
	b.Close()
	c.parts(b.Add)
	return b.Doc()
}

// appendJSON appends the same as relaxed Extended JSON.
func (c *change) appendJSON(dst []byte) (_ []byte, err error) {
	dst = append(appendText(append(dst, `{"operationType":`...), c.op), `,"ns":{"db":`...)
	dst = append(appendText(append(appendText(dst, c.db), `,"coll":`...), c.coll), '}')
	c.parts(func(name string, v value.Value) {
		if err == nil {
			dst = append(appendText(append(dst, ','), name), ':')
			dst, err = appendJSON(dst, v)
		}
	})
	return append(dst, '}'), err
}

// eventTypes gives the CloudEvents type of an operation.
var eventTypes = map[string]string{
	"insert": "document.inserted", "update": "document.updated", "replace": "document.replaced", "delete": "document.deleted", "read": "document.read",
	"create": "collection.created", "drop": "collection.dropped", "rename": "collection.renamed", "modify": "collection.modified",
	"createIndexes": "collection.indexes_created", "dropIndexes": "collection.indexes_dropped", "dropDatabase": "database.dropped",
	"shardCollection": "collection.sharded", "reshardCollection": "collection.resharded", "refineCollectionShardKey": "collection.shard_key_refined",
	"invalidate": "stream.invalidated",
}

func cloudEventType(op string) string {
	if t, ok := eventTypes[op]; ok {
		return "com.mongodb." + t
	}
	return "com.mongodb." + strings.ToLower(op)
}

// attribute is an attribute of CloudEvents 1.0.
type attribute struct{ name, value string }

// attributes are those of an event, in the order of the specification; those
// without a value are left out.
func (c *change) attributes(d *events.Delivery) [10]attribute {
	return [10]attribute{
		{"specversion", "1.0"}, {"id", d.ID}, {"type", cloudEventType(c.op)}, {"source", "weir://" + c.db + "/" + c.coll}, {"subject", keyText(c.key)},
		{"time", time.UnixMilli(c.eventMS).UTC().Format("2006-01-02T15:04:05.000Z")}, {"sequence", d.Position},
		{"correlationid", c.correlation}, {"causationid", c.causation}, {"traceparent", c.trace},
	}
}

// binary calls each with the attributes of an event that are sent beside its
// body, in the binary form of CloudEvents; traceparent has a header of its own.
func (p payload) binary(d *events.Delivery, each func(name, v string)) {
	if p.format != "cloudevents_binary" {
		return
	}
	c := changeOf(d.Row)
	for _, a := range c.attributes(d) {
		if a.value != "" && a.name != "traceparent" {
			each(a.name, a.value)
		}
	}
}

// headerValue encodes an attribute as the HTTP binding of CloudEvents asks for:
// what is not printable ASCII, and space, quote and percent, by their bytes.
func headerValue(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c > ' ' && c < 0x7f && c != '"' && c != '%':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// appendCloudEvent appends the structured form.
func appendCloudEvent(dst []byte, d *events.Delivery) ([]byte, error) {
	c := changeOf(d.Row)
	dst = append(dst, '{')
	for _, a := range c.attributes(d) {
		if a.value != "" {
			dst = append(appendText(append(appendText(dst, a.name), ':'), a.value), ',')
		}
	}
	dst, err := appendData(append(dst, `"datacontenttype":"application/json","data":`...), d, &c)
	return append(dst, '}'), err
}

// appendData appends the event's own part: what a transform made, or the change.
func appendData(dst []byte, d *events.Delivery, c *change) ([]byte, error) {
	if d.Body != nil {
		return appendJSON(dst, value.Document(d.Body))
	}
	return c.appendJSON(dst)
}

// appendOne appends the body of a single event that is sent alone.
func (p payload) appendOne(dst []byte, d *events.Delivery) ([]byte, error) {
	switch p.format {
	case "cloudevents":
		return appendCloudEvent(dst, d)
	case "debezium":
		body, err := p.debezium(d)
		return append(dst, body...), err
	}
	c := changeOf(d.Row)
	return appendData(dst, d, &c)
}

// bodyOverhead is about what a body has beside the event's fields.
const bodyOverhead = 512

// one makes the body of a single event.
func (p payload) one(d *events.Delivery) ([]byte, error) {
	size := len(d.Row)
	if d.Body != nil {
		size = len(d.Body)
	}
	return p.appendOne(make([]byte, 0, 2*size+bodyOverhead), d)
}

// many makes the body of a batch: always an array.
func (p payload) many(ds []events.Delivery) (_ []byte, err error) {
	dst := []byte{'['}
	for i := range ds {
		if i > 0 {
			dst = append(dst, ',')
		}
		wrapped := p.format != "cloudevents"
		if wrapped {
			dst = append(appendText(append(dst, `{"id":`...), ds[i].ID), `,"event":`...)
		}
		if dst, err = p.appendOne(dst, &ds[i]); err != nil {
			return nil, err
		}
		if wrapped {
			dst = append(dst, '}')
		}
	}
	return append(dst, ']'), nil
}

// debeziumOps are the letters of operations on documents; others go by their names.
var debeziumOps = map[string]string{"insert": "c", "update": "u", "replace": "u", "delete": "d", "read": "r"}

// debezium is the envelope of Debezium's MongoDB connector: before, after,
// source, op, ts_ms, with documents as text. The key, which that connector has
// beside it, is in it: a delete without an image has nothing else to tell.
func (p payload) debezium(d *events.Delivery) ([]byte, error) {
	c := changeOf(d.Row)
	if d.Body != nil { // what a transform made
		c.full = value.Document(d.Body)
	}
	op := debeziumOps[c.op]
	if op == "" {
		op = c.op
	}
	source := map[string]any{"connector": "mongodb", "name": "weir", "db": c.db, "collection": c.coll, "ts_ms": c.eventMS, "event_id": d.ID, "sequence": d.Position}
	body := map[string]any{"op": op, "ts_ms": c.eventMS, "source": source}
	for name, v := range map[string]value.Value{"before": c.before, "after": c.full, "updateDescription": c.update, "documentKey": c.key} {
		body[name] = nil
		if v.IsDocument() {
			text, err := appendJSON(nil, v)
			if err != nil {
				return nil, err
			}
			body[name] = string(text)
		}
	}
	if c.to.IsDocument() {
		to, err := appendJSON(nil, c.to)
		if err != nil {
			return nil, err
		}
		body["to"] = json.RawMessage(to)
	}
	return json.Marshal(body)
}

func rowText(row bson.Raw, field string) string {
	if v := value.Lookup(row, field); v.IsString() {
		return v.Str()
	}
	return ""
}

// keyText prints a document key: the bare _id where it is all there is.
func keyText(key value.Value) string {
	if !key.IsDocument() {
		return ""
	}
	id := value.Lookup(key.Doc(), "_id")
	if value.Len(key.Doc()) == 1 {
		switch id.Kind() {
		case bson.TypeString:
			return id.Str()
		case bson.TypeObjectID:
			return id.AsObjectID().Hex()
		}
	}
	text, err := appendJSON(nil, id)
	if value.Len(key.Doc()) > 1 || id.IsMissing() {
		text, err = appendJSON(nil, key)
	}
	if err != nil {
		return ""
	}
	return string(text)
}

// describe names a batch in messages.
func describe(ds []events.Delivery) string {
	if len(ds) == 1 {
		return ds[0].ID
	}
	return fmt.Sprintf("%d events from %s", len(ds), ds[0].ID)
}
