package events

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

var noValue value.Value

// fragment reads the splitEvent field of an event that
// $changeStreamSplitLargeEvent cut.
func fragment(raw bson.Raw) (n, of int64, ok bool) {
	v := value.Lookup(raw, "splitEvent")
	if !v.IsDocument() {
		return 0, 0, false
	}
	return value.Lookup(v.Doc(), "fragment").AsInt64(), value.Lookup(v.Doc(), "of").AsInt64(), true
}

// joinFragments puts the fragments of an event together again. The token of the
// joined event is that of its last fragment.
func joinFragments(events []Event) []Event {
	out := events[:0]
	for i := 0; i < len(events); i++ {
		n, of, ok := fragment(events[i].Raw)
		if !ok || n != 1 || i+int(of) > len(events) {
			out = append(out, events[i])
			continue
		}
		var b value.Builder
		b.Add("_id", value.Lookup(events[i+int(of)-1].Raw, "_id"))
		for _, part := range events[i : i+int(of)] {
			for it := value.Walk(part.Raw); it.Next(); {
				if it.Key() != "_id" && it.Key() != "splitEvent" {
					b.AddElement(it.Element())
				}
			}
		}
		out = append(out, Event{Raw: b.Doc()})
		i += int(of) - 1
	}
	return out
}
