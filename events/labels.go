package events

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// wellKnownField is what documents say about where an event belongs, under names
// that are looked for unless a subscription names paths of its own.
type wellKnownField uint8

const (
	fieldCorrelation wellKnownField = iota
	fieldCausation
	fieldProcess
	fieldSource
	fieldTarget
	fieldInteraction
	fieldTrace
	wellKnownFields
)

// fieldNames are the names of each, the first that is there counts.
var fieldNames = [wellKnownFields][]string{
	fieldCorrelation: {"correlationId", "correlation_id"},
	fieldCausation:   {"causationId", "causation_id"},
	fieldProcess:     {"businessProcessId", "business_process_id", "processId", "process_id", "sagaId", "saga_id"},
	fieldSource:      {"source_service", "sourceService", "service_name", "serviceName"},
	fieldTarget:      {"target_service", "targetService"},
	fieldInteraction: {"interaction_type", "interactionType"},
	fieldTrace:       {"traceparent", "traceParent", "trace_parent"},
}

// rankedField is what a name stands for, and how many other names go before it.
type rankedField struct {
	field wellKnownField
	rank  uint8
}

var fieldsByName = rankFields()

func rankFields() map[string]rankedField {
	out := map[string]rankedField{}
	for f, names := range fieldNames {
		for rank, name := range names {
			out[name] = rankedField{wellKnownField(f), uint8(rank)}
		}
	}
	return out
}

// paths lists where a field is looked for in an event: first in the document after
// the change, then in the one before, in each at the top and under metadata.
func (f wellKnownField) paths() []string {
	var out []string
	for _, doc := range []string{"fullDocument", "fullDocumentBeforeChange"} {
		for _, within := range []string{"", "metadata."} {
			for _, n := range fieldNames[f] {
				out = append(out, doc+"."+within+n)
			}
		}
	}
	return out
}

// labelSource is where a label of an event comes from: paths, or a well-known
// field, which costs one walk of the event's documents for all fields and all
// subscriptions.
type labelSource struct {
	field wellKnownField
	paths []path // nil: the field
}

// makeLabelSource prepares an option's paths.
func makeLabelSource(f wellKnownField, dotted []string) labelSource {
	if slices.Equal(dotted, f.paths()) {
		return labelSource{field: f}
	}
	return labelSource{paths: makePaths(dotted)}
}

// in gives the label as text, "": there is none.
func (s labelSource) in(e *Event) string {
	if s.paths != nil {
		return label(first(s.paths, e))
	}
	return label(e.wellKnown(s.field))
}

// labels are the well-known fields of an event.
type labels struct {
	read   bool
	apart  bool // metadata is an array, which has values of its own rules
	at     [wellKnownFields]value.Value
	ranks  [wellKnownFields]uint8
	found  uint8 // fields, by bit
	within uint8 // fields that a document before had
}

// wellKnown gives a well-known field.
func (e *Event) wellKnown(f wellKnownField) value.Value {
	if e.labels == nil {
		e.labels = &labels{}
	}
	l := e.labels
	if !l.read {
		l.find(e)
	}
	if l.apart {
		return first(makePaths(f.paths()), e)
	}
	if l.found&(1<<f) == 0 {
		return value.Value{}
	}
	return l.at[f]
}

// find reads the fields of an event.
func (l *labels) find(e *Event) {
	l.read, l.apart, l.found = true, false, 0
	for _, doc := range [...]value.Value{e.Full, e.Before} {
		if !doc.IsDocument() {
			continue
		}
		meta := l.walk(doc.Doc())
		switch meta.Kind() {
		case bson.TypeEmbeddedDocument:
			l.walk(meta.Doc())
		case bson.TypeArray:
			l.apart = true
		}
	}
}

// walk takes the fields of a document that those before did not have, and gives
// its metadata.
func (l *labels) walk(doc bson.Raw) (meta value.Value) {
	l.within = l.found
	for it := value.Walk(doc); it.Next(); {
		name := it.Key()
		if name == "metadata" {
			meta = it.Value()
			continue
		}
		k, ok := fieldsByName[name]
		if !ok || l.within&(1<<k.field) != 0 || l.found&(1<<k.field) != 0 && l.ranks[k.field] <= k.rank {
			continue
		}
		if v := it.Value(); !v.IsNullish() {
			l.at[k.field], l.ranks[k.field] = v, k.rank
			l.found |= 1 << k.field
		}
	}
	return meta
}
