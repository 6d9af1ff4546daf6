package value

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func benchmarkWalk(b *testing.B, keys ...string) {
	var d bson.D
	for i, k := range keys {
		d = append(d, bson.E{Key: k, Value: int32(i)})
	}
	doc, err := bson.Marshal(d)
	if err != nil {
		b.Fatal(err)
	}
	last := keys[len(keys)-1]
	b.Run("walk", func(b *testing.B) {
		n := 0
		for b.Loop() {
			for it := Walk(doc); it.Next(); {
				n += len(it.Key())
			}
		}
		if n == 0 {
			b.Fatal()
		}
	})
	b.Run("lookup", func(b *testing.B) {
		for b.Loop() {
			if Lookup(doc, last).IsMissing() {
				b.Fatal()
			}
		}
	})
}

func BenchmarkWalkShortNames(b *testing.B) {
	benchmarkWalk(b, "0", "1", "2", "a", "b", "_id", "n", "x")
}

func BenchmarkWalkLongNames(b *testing.B) {
	benchmarkWalk(b, "subscription_id", "subscription_name", "event_type", "resume_token_timestamp", "processing_status", "queued_at", "correlation_id", "full_document")
}
