package events

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// One walk of the documents finds what following every path finds.
func TestWellKnownFieldsAsByTheirPaths(t *testing.T) {
	for name, e := range map[string]bson.D{
		"none":   {{Key: "fullDocument", Value: bson.D{{Key: "a", Value: 1}}}},
		"ranked": {{Key: "fullDocument", Value: bson.D{{Key: "saga_id", Value: "s"}, {Key: "processId", Value: "p"}, {Key: "correlation_id", Value: nil}, {Key: "metadata", Value: bson.D{{Key: "correlationId", Value: "m"}, {Key: "saga_id", Value: "no"}}}}}},
		"both": {{Key: "fullDocumentBeforeChange", Value: bson.D{{Key: "correlationId", Value: 7}, {Key: "serviceName", Value: "old"}}},
			{Key: "fullDocument", Value: bson.D{{Key: "metadata", Value: bson.D{{Key: "source_service", Value: "new"}, {Key: "traceparent", Value: "00"}}}}}},
		"array": {{Key: "fullDocument", Value: bson.D{{Key: "causationId", Value: "c"}, {Key: "metadata", Value: bson.A{bson.D{{Key: "correlationId", Value: "in"}}}}}}},
		"null":  {{Key: "fullDocument", Value: nil}, {Key: "fullDocumentBeforeChange", Value: bson.D{{Key: "interactionType", Value: "call"}, {Key: "metadata", Value: "text"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			var ev Event
			ev.parse(marshal(e))
			for f := range wellKnownFields {
				require.Equal(t, label(first(makePaths(f.paths()), &ev)), labelSource{field: f}.in(&ev), f.paths()[0])
			}
		})
	}
}

func TestDigestCountsInOrder(t *testing.T) {
	var d digest
	for _, us := range []int64{1000, 10, 100_000, 10, 0, 1000, 1000} {
		d.add(us)
	}
	d.addStored(digestDocument(d))
	total := int64(0)
	for i, c := range d {
		require.True(t, i == 0 || d[i-1].class < c.class)
		total += c.n
	}
	require.EqualValues(t, 14, total)
	ms, ok := d.quantile(0.5)
	require.True(t, ok)
	require.InDelta(t, 1, ms, 0.05)
	ms, _ = d.quantile(1)
	require.InDelta(t, 100, ms, 5)
	_, ok = digest(nil).quantile(0.5)
	require.False(t, ok)
}

func digestDocument(d digest) (v value.Value) {
	doc := bson.D{}
	for _, e := range d.increments(nil, "x") {
		doc = append(doc, bson.E{Key: e.Key[2:], Value: e.Value})
	}
	return value.Document(marshal(doc))
}
