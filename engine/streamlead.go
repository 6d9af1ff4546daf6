package engine

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// leadOf compiles those conditions of the $match stages directly behind
// $changeStream that read nothing of an event's images. The server asks for
// them before it looks up images: an event that they refuse needs none.
func (e *Engine) leadOf(stages []bson.Raw, collation *value.Collation, let bson.Raw) ([]filterSpec, error) {
	var lead []filterSpec
	for _, stage := range stages {
		if firstKey(stage) != "$match" {
			break
		}
		for _, c := range agg.Conjuncts(nil, value.Lookup(stage, "$match").Doc()) {
			if readsImages(c) {
				continue
			}
			f, err := e.compileFilter(c, collation, let)
			if err != nil {
				return nil, err
			}
			lead = append(lead, f)
		}
	}
	return lead, nil
}

func readsImages(filter bson.Raw) bool {
	fields := agg.FilterFields([]string{}, filter)
	return fields == nil || slices.Contains(fields, "fullDocument") || slices.Contains(fields, "fullDocumentBeforeChange")
}

// refused tells whether the stages behind the stream refuse an event whatever
// its images are.
func (s *changeStream) refused(event bson.Raw) (bool, error) {
	for i := range s.lead {
		if ok, err := s.lead[i].matches(event); !ok || err != nil {
			return err == nil, err
		}
	}
	return false, nil
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
