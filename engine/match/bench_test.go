package match_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value/valuetest"
)

// order is a document of about 250 bytes.
const order = `{"_id": {"$oid": "507f1f77bcf86cd799439011"}, "customer": {"name": "Ada Lovelace", "city": "London", "vip": true},
 "status": "shipped", "quantity": 12, "price": 19.75, "placed": {"$date": "2024-05-01T10:00:00Z"}, "tags": ["a", "b", "c"],
 "note": "leave it at the door if nobody answers the bell", "items": [{"sku": "x1", "n": 2}, {"sku": "y2", "n": 3}]}`

func BenchmarkMatch(b *testing.B) {
	for name, filter := range map[string]string{
		"equal":   `{"status": "shipped"}`,
		"range":   `{"quantity": {"$gte": 10, "$lt": 20}}`,
		"nested":  `{"customer.city": "London"}`,
		"in":      `{"status": {"$in": ["new", "paid", "shipped"]}}`,
		"array":   `{"tags": "c"}`,
		"subdoc":  `{"items.sku": "y2"}`,
		"elem":    `{"items": {"$elemMatch": {"sku": "y2", "n": {"$gt": 2}}}}`,
		"or":      `{"$or": [{"status": "new"}, {"price": {"$gt": 10}}]}`,
		"regex":   `{"note": {"$regex": "^leave"}}`,
		"expr":    `{"$expr": {"$gt": [{"$multiply": ["$quantity", "$price"]}, 100]}}`,
		"missing": `{"absent": {"$exists": true}}`,
	} {
		b.Run(name, func(b *testing.B) {
			doc := valuetest.Doc(b, order)
			m, err := match.Compile(valuetest.Doc(b, filter), nil)
			if err != nil {
				b.Fatal(err)
			}
			c := &expr.Context{}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Match(c, doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestNoAllocation holds simple filters to no allocation at all per document.
func TestNoAllocation(t *testing.T) {
	doc := valuetest.Doc(t, order)
	for _, filter := range []string{
		`{"status": "shipped"}`, `{"quantity": {"$gte": 10, "$lt": 20}}`, `{"customer.city": "London"}`, `{"tags": "c"}`,
		`{"items.sku": "y2"}`, `{"status": {"$in": ["new", "shipped"]}}`, `{"items": {"$elemMatch": {"sku": "y2"}}}`,
		`{"$expr": {"$gt": [{"$multiply": ["$quantity", "$price"]}, 100]}}`, `{"$expr": {"$eq": ["$customer.city", "London"]}}`,
	} {
		m, err := match.Compile(valuetest.Doc(t, filter), nil)
		if err != nil {
			t.Fatal(err)
		}
		c := &expr.Context{}
		n := testing.AllocsPerRun(100, func() { _, _ = m.Match(c, bson.Raw(doc)) })
		if n != 0 {
			t.Errorf("%s: %v allocations per document", filter, n)
		}
	}
}
