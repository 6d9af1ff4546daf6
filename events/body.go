package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// The images of an event that is large, or that several subscriptions log, are
// stored once in event_bodies. Its rows hold their ids instead: in the field
// bodies, with the bytes that they come to in body_bytes. What is handed over in
// memory is whole; rows are made whole again where an image of theirs is asked for.
//
// An image is written before the rows that name it, once for a position: the same
// stretch read again names what is there. bodysweep.go takes away what no row names.

const (
	// bodyAlone is from how many bytes on the images of a single row are stored apart.
	bodyAlone = 64 << 10
	// bodyShared is the same for an event with several rows.
	bodyShared = 1 << 10
	// bodyLarge is from how many bytes of an event on no subscription has a whole row
	// of its own in memory before it is to be delivered.
	bodyLarge = 1 << 20
	// heavyRow is from how many bytes of images on a row waits without them: they are
	// read when it is delivered, in its turn among all that are heavy.
	heavyRow = 256 << 10
	// imageInline is up to how many bytes an image stays in its rows all the same.
	imageInline = 256
	// maxImage bounds an image: a document of MongoDB holds 16 MiB.
	maxImage = 16<<20 - 1<<10
)

// The fields of a row that name its images.
const (
	fieldBodies    = "bodies"
	fieldBodyBytes = "body_bytes"
)

// images are the fields of a row that may be stored apart, with their mark in ids.
var images = []struct{ field, mark string }{{"full_document", "f"}, {"full_document_before_change", "b"}, {"update_description", "u"}}

// imageMark gives the mark of a field, "": it is no image.
func imageMark(field string) string {
	for _, i := range images {
		if i.field == field {
			return i.mark
		}
	}
	return ""
}

// sharing takes the images out of the rows of one event.
type sharing struct {
	position, db string
	run          string // of a backfill, which may read its stretch anew with other documents; "": the stream's
	at           time.Time
	made         map[string]bool // marks of the images that are in bodies
	bodies       []bson.Raw
}

// share takes the images out of the last rows of a batch, which are of one event,
// and out of its dead letters where they are too large for a document. It leaves a
// single row of ordinary size as it is.
func (o *routed) share(first, dead int, s sharing) {
	rows := o.docs[first:]
	if len(rows) == 0 || len(rows) == 1 && len(rows[0]) <= bodyAlone {
		return
	}
	size := 0
	for _, row := range rows {
		size = max(size, imageBytes(row))
	}
	if size <= bodyShared || len(rows) == 1 && size <= bodyAlone {
		return
	}
	s.made = map[string]bool{}
	for i, row := range rows {
		rows[i] = s.lean(row)
	}
	for i, letter := range o.dead[dead:] {
		if len(letter) > maxRow {
			o.dead[dead+i] = s.lean(letter)
		}
	}
	o.bodies = append(o.bodies, s.bodies...)
}

// imageBytes is what the images of a row come to.
func imageBytes(row bson.Raw) (n int) {
	for it := value.Walk(row); it.Next(); {
		if imageMark(it.Key()) != "" {
			n += len(it.Element())
		}
	}
	return n
}

// tooLarge tells of a row with an image, or with other parts, that no document holds.
func tooLarge(row bson.Raw) bool {
	rest := len(row)
	for it := value.Walk(row); it.Next(); {
		if imageMark(it.Key()) == "" {
			continue
		}
		if rest -= len(it.Element()); len(it.Element()) > maxImage {
			return true
		}
	}
	return rest > maxRow
}

// lean gives a row without its images, which it names.
func (s *sharing) lean(row bson.Raw) bson.Raw {
	var b value.Builder
	var ids []value.Value
	size := 0
	for it := value.Walk(row); it.Next(); {
		mark := imageMark(it.Key())
		if mark == "" || len(it.Element()) <= imageInline {
			b.AddElement(it.Element())
			continue
		}
		id := s.position + ":" + mark + ":" + s.db + s.run
		ids = append(ids, value.String(id))
		size += len(it.Element())
		if !s.made[mark] {
			s.made[mark] = true
			s.bodies = append(s.bodies, s.body(id, it.Element()))
		}
	}
	if len(ids) > 0 {
		b.Add(fieldBodies, value.ArrayFrom(ids))
		b.Add(fieldBodyBytes, value.Int32(int32(size)))
	}
	return b.Doc()
}

// body is the document of an image.
func (s *sharing) body(id string, image []byte) bson.Raw {
	var b value.Builder
	b.Reset(make([]byte, 0, len(image)+128))
	b.Add("_id", value.String(id))
	b.Add("written_at", value.Date(s.at.UnixMilli()))
	b.AddElement(image)
	return b.Doc()
}

// bodyTries is how often an image is written that is taken away meanwhile.
const bodyTries = 5

// writeBodies writes images before the rows that name them. Those that are there
// stay as they are, and are marked as just written: nobody takes them away before
// the rows are there.
func writeBodies(ctx context.Context, st store.Store, docs []bson.Raw) error {
	ordered := st.Capabilities().OrderedJournal
	o := store.WriteOptions{Durable: !ordered, Ahead: ordered, Unordered: true}
	for try := 0; len(docs) > 0; try++ {
		res, err := st.Write(ctx, ns(collBodies), insertOps(docs), o)
		if err != nil {
			return err
		}
		var there []bson.Raw
		for _, e := range res.Errors {
			if !duplicate(e.Err) {
				return e.Err
			}
			there = append(there, docs[e.Index])
		}
		if len(there) == 0 {
			return nil
		}
		touched, err := st.Write(ctx, ns(collBodies), touchOps(there), o)
		if err == nil {
			err = touched.Err()
		}
		if err != nil || touched.Matched == int64(len(there)) {
			return err
		}
		if docs = there; try == bodyTries {
			return errors.New("images of events are taken away as they are written")
		}
	}
	return nil
}

func insertOps(docs []bson.Raw) []store.WriteOp {
	ops := make([]store.WriteOp, len(docs))
	for i, d := range docs {
		ops[i] = store.WriteOp{Kind: store.Insert, Document: d}
	}
	return ops
}

func touchOps(docs []bson.Raw) []store.WriteOp {
	ops := make([]store.WriteOp, len(docs))
	for i, d := range docs {
		ops[i] = updateOp(bson.D{{Key: "_id", Value: value.Lookup(d, "_id").RawValue()}},
			bson.D{{Key: "$max", Value: bson.D{{Key: "written_at", Value: value.Lookup(d, "written_at").RawValue()}}}}, false)
	}
	return ops
}

// errBodyGone tells of a row whose image is not there.
var errBodyGone = errors.New("an image of the event is not in event_bodies any more")

// makeWhole gives rows the images that they name, with one query for all of them,
// in place. A row whose images have more than most bytes stays as it is, and so does
// one whose image is gone; lost counts these.
func makeWhole(ctx context.Context, q store.Queryer, rows []bson.Raw, most int) (lost int, err error) {
	var ids []string
	for _, row := range rows {
		if apart(row) <= most {
			ids = append(ids, bodiesOf(row)...)
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	slices.Sort(ids)
	found := map[string]bson.Raw{}
	err = query(ctx, q, collBodies, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: slices.Compact(ids)}}}}}}}, func(doc bson.Raw) error {
		found[strings.Clone(text(value.Lookup(doc, "_id")))] = slices.Clone(doc)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read the images of events: %w", err)
	}
	for i, row := range rows {
		of := bodiesOf(row)
		if len(of) == 0 || apart(row) > most {
			continue
		}
		if full := whole(row, of, found); full != nil {
			rows[i] = full
		} else {
			lost++
		}
	}
	return lost, nil
}

// bodiesOf gives the ids that a row names.
func bodiesOf(row bson.Raw) (ids []string) {
	v := value.Lookup(row, fieldBodies)
	if !v.IsArray() {
		return nil
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		ids = append(ids, text(it.Value()))
	}
	return ids
}

// whole puts the images of a row where they would stand in it, nil: one is gone.
func whole(row bson.Raw, ids []string, found map[string]bson.Raw) bson.Raw {
	size := len(row)
	for _, id := range ids {
		if found[id] == nil {
			return nil
		}
		size += len(found[id])
	}
	start, dst := value.BeginDocument(make([]byte, 0, size))
	for it := value.Walk(row); it.Next(); {
		switch it.Key() {
		case fieldBodies, fieldBodyBytes:
			continue
		case "size_bytes", "event_data": // behind the images
			dst = appendImages(dst, ids, found)
			ids = nil
		}
		dst = append(dst, it.Element()...)
	}
	return value.EndDocument(appendImages(dst, ids, found), start)
}

func appendImages(dst []byte, ids []string, found map[string]bson.Raw) []byte {
	for _, id := range ids {
		for it := value.Walk(found[id]); it.Next(); {
			if imageMark(it.Key()) != "" {
				dst = append(dst, it.Element()...)
			}
		}
	}
	return dst
}

// nameless gives a row without the ids of images that are gone.
func nameless(row bson.Raw) bson.Raw {
	var b value.Builder
	for it := value.Walk(row); it.Next(); {
		if it.Key() != fieldBodies && it.Key() != fieldBodyBytes {
			b.AddElement(it.Element())
		}
	}
	return b.Doc()
}

// headOfBodyBytes is how that field begins in a row: type and name. A search for it is
// fast as the first byte is rare.
var headOfBodyBytes = append([]byte{byte(bson.TypeInt32)}, fieldBodyBytes+"\x00"...)

// apart tells how many bytes of a row are in event_bodies.
func apart(row bson.Raw) int {
	if !bytes.Contains(row, headOfBodyBytes) {
		return 0 // as most rows, which need not be walked for that
	}
	if v := value.Lookup(row, fieldBodyBytes); !v.IsMissing() {
		return int(v.AsInt64())
	}
	return 0
}
