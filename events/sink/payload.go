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

// change is a change event as a receiver sees it, in relaxed Extended JSON.
type change struct {
	op, db, coll string
	eventMS      int64
	data         bson.D // operationType, ns, documentKey, …
	key          value.Value
}

func changeOf(row bson.Raw) change {
	var c change
	var key, full, before, update value.Value
	for it := value.Walk(row); it.Next(); {
		switch v := it.Value(); it.Key() {
		case "event_type":
			c.op = v.Str()
		case "database_name":
			c.db = v.Str()
		case "collection_name":
			c.coll = v.Str()
		case "event_timestamp":
			c.eventMS = v.AsDate()
		case "document_key":
			key = v
		case "full_document":
			full = v
		case "full_document_before_change":
			before = v
		case "update_description":
			update = v
		}
	}
	c.key = key
	c.data = bson.D{{Key: "operationType", Value: c.op}, {Key: "ns", Value: bson.D{{Key: "db", Value: c.db}, {Key: "coll", Value: c.coll}}}}
	for _, f := range []struct {
		name string
		v    value.Value
	}{{"documentKey", key}, {"fullDocument", full}, {"fullDocumentBeforeChange", before}, {"updateDescription", update}} {
		if !f.v.IsMissing() {
			c.data = append(c.data, bson.E{Key: f.name, Value: f.v.RawValue()})
		}
	}
	return c
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

// cloudEvent is the structured form; the order of fields is that of the specification.
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Type            string          `json:"type"`
	Source          string          `json:"source"`
	Subject         string          `json:"subject,omitempty"`
	Time            string          `json:"time"`
	Sequence        string          `json:"sequence"`
	DataContentType string          `json:"datacontenttype"`
	CorrelationID   string          `json:"correlationid,omitempty"`
	CausationID     string          `json:"causationid,omitempty"`
	TraceParent     string          `json:"traceparent,omitempty"`
	Data            json.RawMessage `json:"data"`
}

func (p payload) cloudEvent(d *events.Delivery) (cloudEvent, error) {
	c := changeOf(d.Row)
	data, err := p.data(d, c)
	return cloudEvent{
		SpecVersion: "1.0", ID: d.ID, Type: cloudEventType(c.op), Source: "weir://" + c.db + "/" + c.coll, Subject: keyText(c.key),
		Time: time.UnixMilli(c.eventMS).UTC().Format("2006-01-02T15:04:05.000Z"), Sequence: d.Position, DataContentType: typeJSON,
		CorrelationID: rowText(d.Row, "correlation_id"), CausationID: rowText(d.Row, "causation_id"), TraceParent: rowText(d.Row, "trace_parent"), Data: data,
	}, err
}

// data is the event's own part: what a transform made, or the change.
func (p payload) data(d *events.Delivery, c change) (json.RawMessage, error) {
	if d.Body != nil {
		return bson.MarshalExtJSON(d.Body, false, false)
	}
	return bson.MarshalExtJSON(c.data, false, false)
}

// one makes the body of a single event that is sent alone.
func (p payload) one(d *events.Delivery) ([]byte, error) {
	switch p.format {
	case "cloudevents":
		ce, err := p.cloudEvent(d)
		if err != nil {
			return nil, err
		}
		return json.Marshal(ce)
	case "debezium":
		return p.debezium(d)
	}
	return p.data(d, changeOf(d.Row))
}

// many makes the body of a batch: always an array.
func (p payload) many(ds []events.Delivery) ([]byte, error) {
	out := make([]json.RawMessage, len(ds))
	for i := range ds {
		body, err := p.one(&ds[i])
		if err != nil {
			return nil, err
		}
		if p.format != "cloudevents" {
			if body, err = json.Marshal(struct {
				ID    string          `json:"id"`
				Event json.RawMessage `json:"event"`
			}{ds[i].ID, body}); err != nil {
				return nil, err
			}
		}
		out[i] = body
	}
	return json.Marshal(out)
}

// debezium is the envelope of Debezium's MongoDB connector: before, after,
// source, op, ts_ms, with documents as text.
func (p payload) debezium(d *events.Delivery) ([]byte, error) {
	c := changeOf(d.Row)
	docText := func(name string) *string {
		for _, e := range c.data {
			if e.Key != name {
				continue
			}
			rv := e.Value.(bson.RawValue)
			if doc, ok := rv.DocumentOK(); ok {
				if text, err := bson.MarshalExtJSON(doc, false, false); err == nil {
					s := string(text)
					return &s
				}
			}
		}
		return nil
	}
	ops := map[string]string{"insert": "c", "update": "u", "replace": "u", "delete": "d", "read": "r"}
	return json.Marshal(map[string]any{
		"before": docText("fullDocumentBeforeChange"), "after": docText("fullDocument"), "updateDescription": docText("updateDescription"),
		"op": ops[c.op], "ts_ms": c.eventMS,
		"source": map[string]any{"connector": "mongodb", "name": "weir", "db": c.db, "collection": c.coll, "ts_ms": c.eventMS, "event_id": d.ID, "sequence": d.Position},
	})
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
	text, err := bson.MarshalExtJSON(key.Doc(), false, false)
	if err != nil {
		return ""
	}
	if inner, ok := strings.CutPrefix(string(text), `{"_id":`); ok && value.Len(key.Doc()) == 1 {
		return strings.TrimSuffix(inner, "}")
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
