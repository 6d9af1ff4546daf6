package expr_test

import (
	"testing"

	"weir/engine/expr"
	"weir/engine/value/valuetest"
)

func BenchmarkEval(b *testing.B) {
	const order = `{"_id": {"$oid": "507f1f77bcf86cd799439011"}, "customer": {"name": "Ada Lovelace", "city": "London", "vip": true},
 "status": "shipped", "quantity": 12, "price": 19.75, "total": {"$numberDecimal": "237.00"}, "placed": {"$date": "2024-05-01T10:00:00Z"},
 "tags": ["a", "b", "c"], "note": "leave it at the door if nobody answers the bell", "items": [{"sku": "x1", "n": 2}, {"sku": "y2", "n": 3}]}`
	for name, text := range map[string]string{
		"path":     `"$customer.city"`,
		"multiply": `{"$multiply": ["$quantity", "$price"]}`,
		"decimal":  `{"$multiply": ["$quantity", "$total"]}`,
		"cond":     `{"$cond": [{"$gte": ["$quantity", 10]}, "many", "few"]}`,
		"concat":   `{"$concat": ["$customer.name", " of ", "$customer.city"]}`,
		"month":    `{"$month": "$placed"}`,
		"trunc":    `{"$dateTrunc": {"date": "$placed", "unit": "day"}}`,
		"text":     `{"$dateToString": {"date": "$placed", "format": "%Y-%m"}}`,
		"items":    `{"$sum": {"$map": {"input": "$items", "in": "$$this.n"}}}`,
		"object":   `{"c": "$customer.city", "s": "$status"}`,
	} {
		b.Run(name, func(b *testing.B) {
			e, err := expr.CompileValue(valuetest.Val(b, text), nil)
			if err != nil {
				b.Fatal(err)
			}
			c := context()
			c.Root = valuetest.Doc(b, order)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
