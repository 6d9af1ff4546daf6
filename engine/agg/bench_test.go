package agg_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
)

// benchDocs are documents of about 250 bytes.
func benchDocs(n int) memSource {
	docs := make(memSource, n)
	pad := strings.Repeat("x", 80)
	for i := range docs {
		var b value.Builder
		b.Add("_id", value.Int32(int32(i)))
		b.Add("customer", value.String(fmt.Sprintf("customer-%05d", i*7919%1000)))
		b.Add("region", value.String([]string{"north", "south", "east", "west"}[i%4]))
		b.Add("qty", value.Int32(int32(i%100)))
		b.Add("price", value.Double(float64(i%1000)/10))
		b.Add("note", value.String(pad))
		b.Add("created", value.Date(int64(i)*1000))
		b.Add("flags", value.ArrayFrom([]value.Value{value.Int32(1), value.Int32(2)}))
		docs[i] = b.Doc()
	}
	return docs
}

func stages(t testing.TB, texts ...string) (out []bson.Raw) {
	for _, s := range texts {
		out = append(out, extJSON(t, s))
	}
	return out
}

// BenchmarkFilterGroup is a filter and a group by a string key with a sum, an
// average and a count.
func BenchmarkFilterGroup(b *testing.B) {
	docs := benchDocs(20_000)
	p, err := agg.Compile(stages(b,
		`{"$match": {"qty": {"$gte": {"$numberInt": "20"}}}}`,
		`{"$group": {"_id": "$region", "sum": {"$sum": "$qty"}, "avg": {"$avg": "$price"}, "n": {"$sum": {"$numberInt": "1"}}}}`,
	), nil)
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		cur, err := p.Run(context.Background(), docs)
		require.NoError(b, err)
		for {
			if _, err := cur.Next(context.Background()); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(docs)), "ns/doc")
}

// BenchmarkHashJoin joins by a hash table and takes the matches apart.
func BenchmarkHashJoin(b *testing.B) {
	docs := benchDocs(20_000)
	customers := make(memSource, 1000)
	for i := range customers {
		var d value.Builder
		d.Add("_id", value.String(fmt.Sprintf("customer-%05d", i)))
		d.Add("name", value.String("somebody"))
		customers[i] = d.Doc()
	}
	db := memDB{"customers": customers}
	p, err := agg.Compile(stages(b,
		`{"$lookup": {"from": "customers", "localField": "customer", "foreignField": "_id", "as": "c"}}`,
		`{"$unwind": "$c"}`,
		`{"$project": {"_id": {"$numberInt": "0"}, "qty": {"$numberInt": "1"}, "name": "$c.name"}}`,
	), &agg.Env{Collections: db.collections})
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		cur, err := p.Run(context.Background(), docs)
		require.NoError(b, err)
		n := 0
		for {
			if _, err := cur.Next(context.Background()); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
			n++
		}
		require.Equal(b, len(docs), n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(docs)), "ns/doc")
}

// BenchmarkSort sorts all documents by a string and a number.
func BenchmarkSort(b *testing.B) {
	docs := benchDocs(20_000)
	p, err := agg.Compile(stages(b, `{"$sort": {"customer": {"$numberInt": "1"}, "price": {"$numberInt": "-1"}}}`), nil)
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		cur, err := p.Run(context.Background(), docs)
		require.NoError(b, err)
		_, err = cur.Next(context.Background())
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(docs)), "ns/doc")
}
