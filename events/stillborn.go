package events

import (
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// maxRow bounds a document of the log that holds images; a document of MongoDB
// holds 16 MiB. What is larger names them (body.go).
const maxRow = 15 << 20

// stillborn is an event that is a dead letter before any send: its filter fails,
// a required image is missing, or it is too large for a row.
type stillborn struct {
	reason string
	err    error
}

var errTooLarge = errors.New("the event is too large for the log; its images are left out")

var errTooLargeToRead = errors.New("the event is too large for the change stream; it was read without its images")

var errImageMissing = errors.New("the event has no image that the subscription requires")

// ReasonLarge is the reason of a dead letter that its target, or the log, has no room for.
const ReasonLarge = "too_large"

// The reasons of dead letters of events that were never sent.
const (
	reasonFilter    = "filter_error"
	reasonImage     = "image_missing"
	reasonTransform = "transform_error"
)

// required tells the image that a subscription cannot do without and the event lacks.
func (r *route) required(e *Event) bool {
	needsFull := r.spec.FullDocument == string(store.ImageRequired) && e.Op == "update" && e.Full.IsNullish()
	needsBefore := r.spec.FullDocumentBeforeChange == string(store.ImageRequired) && (e.Op == "update" || e.Op == "replace" || e.Op == "delete") && e.Before.IsNullish()
	return needsFull || needsBefore
}

// bury makes of a row that of a failed event, and its dead letter.
func (r *route) bury(row bson.Raw, s stillborn, now time.Time) (failed, dead bson.Raw) {
	var b value.Builder
	for it := value.Walk(row); it.Next(); {
		switch it.Key() {
		case "processing_status": // in its place: readFacts comes no further than the images
			b.Add("processing_status", value.String(StatusFailed))
			b.Add("last_error", value.String(s.err.Error()))
		case "expire_at":
		default:
			b.AddElement(it.Element())
		}
	}
	b.Add("dead_lettered", value.Bool(r.spec.DeadLetters))
	b.Add("expire_at", value.Date(now.Add(r.spec.Retention).UnixMilli()))
	failed = b.Doc()
	if !r.spec.DeadLetters {
		return failed, nil
	}
	letter := append(bson.D{{Key: "_id", Value: text(value.Lookup(row, "_id"))}}, deadCopy(row)...)
	letter = append(letter, bson.E{Key: "reason", Value: s.reason}, bson.E{Key: "attempts", Value: int32(0)}, bson.E{Key: "last_error", Value: s.err.Error()},
		bson.E{Key: "status", Value: "open"}, bson.E{Key: "redrive_count", Value: int32(0)}, bson.E{Key: "created_at", Value: now},
		bson.E{Key: "expire_at", Value: now.Add(deadRetention)})
	return failed, marshal(letter)
}
