package engine

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// streamLead is what the $match stages directly behind $changeStream ask for.
// The server moves them in front of what a change stream does with its events:
// an event that they refuse needs no image and is no place to resume at.
type streamLead struct {
	all []filterSpec
	// early are those that read nothing of an event's images.
	early []filterSpec
}

// leadOf compiles the $match stages at the begin of what follows $changeStream.
func (e *Engine) leadOf(stages []bson.Raw, collation *value.Collation, let bson.Raw) (streamLead, error) {
	var lead streamLead
	for _, stage := range stages {
		if firstKey(stage) != "$match" {
			break
		}
		for _, c := range conjuncts(nil, value.Lookup(stage, "$match").Doc()) {
			f, err := e.compileFilter(c, collation, let)
			if err != nil {
				return lead, err
			}
			lead.all = append(lead.all, f)
			if !readsImages(c) {
				lead.early = append(lead.early, f)
			}
		}
	}
	return lead, nil
}

// conjuncts appends the conditions of a filter that all have to hold.
func conjuncts(dst []bson.Raw, filter bson.Raw) []bson.Raw {
	for it := value.Walk(filter); it.Next(); {
		if it.Key() == "$and" && it.Value().IsArray() {
			for sub := value.Walk(it.Value().Doc()); sub.Next(); {
				dst = conjuncts(dst, sub.Value().Doc())
			}
			continue
		}
		dst = append(dst, stageDoc(it.Key(), it.Value()))
	}
	return dst
}

func readsImages(filter bson.Raw) bool {
	fields := agg.FilterFields([]string{}, filter)
	return fields == nil || slices.Contains(fields, "fullDocument") || slices.Contains(fields, "fullDocumentBeforeChange")
}

func pass(filters []filterSpec, event bson.Raw) (bool, error) {
	for i := range filters {
		if ok, err := filters[i].matches(event); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// refused tells whether the stages behind the stream refuse an event whatever
// its images are.
func (s *changeStream) refused(event bson.Raw) (bool, error) {
	if len(s.lead.early) == 0 {
		return false, nil
	}
	ok, err := pass(s.lead.early, event)
	return !ok, err
}

// passed tells whether the stream has come behind its place to resume at,
// which it has not seen.
func (s *changeStream) passed(event bson.Raw) error {
	if !s.absent {
		return nil
	}
	ok, err := pass(s.lead.all, event)
	if !ok || err != nil {
		return err
	}
	return notFound(value.Lookup(event, "_id"))
}

func notFound(token value.Value) error {
	return mongoerr.New(mongoerr.ChangeStreamFatalError, "cannot resume stream; the resume token was not found. %s", token).
		WithLabels("NonResumableChangeStreamError")
}

// withoutImages is the stream's way to write an event whose images do not matter.
func (s *changeStream) withoutImages(f func() error) error {
	spec := s.spec
	defer func() { s.spec = spec }()
	s.spec.fullDocument, s.spec.before = store.ImageDefault, store.ImageDefault
	return f()
}
