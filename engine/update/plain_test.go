package update

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// What a plain update makes of a document, and how it describes it, is what the
// operators make of it.
func TestPlainIsWhatOperatorsDo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	scalar := func() any {
		return []any{r.Int32N(3), int64(r.IntN(3)), float64(r.IntN(3)), "s" + fmt.Sprint(r.IntN(3)), true, nil, bson.DateTime(r.IntN(2))}[r.IntN(7)]
	}
	name := func() string { return []string{"a", "b", "bb", "z", "c", "longer", "B"}[r.IntN(7)] }
	for range 5000 {
		doc := bson.D{{Key: "_id", Value: 1}}
		for range r.IntN(6) {
			v := scalar()
			if r.IntN(5) == 0 {
				v = bson.D{{Key: "x", Value: bson.A{1, 2}}}
			}
			doc = append(doc, bson.E{Key: name(), Value: v}) // a name may come twice
		}
		set := bson.D{}
		for range 1 + r.IntN(4) {
			set = append(set, bson.E{Key: name(), Value: scalar()})
		}
		old, upd := marshalled(t, doc), marshalled(t, bson.D{{Key: "$set", Value: set}})
		fast, err := Compile(value.Document(upd).RawValue(), Options{})
		if err != nil {
			continue
		}
		require.True(t, fast.IsPlain())
		slow := &Update{}
		require.NoError(t, slow.compileOperators(upd))
		want, err := slow.Apply(&expr.Context{}, old, nil)
		require.NoError(t, err)
		got, err := fast.Apply(nil, old, nil)
		require.NoError(t, err)
		require.Equal(t, want.Changed, got.Changed, "%s %s", old, upd)
		require.Equal(t, want.Doc.String(), got.Doc.String(), "%s %s", old, upd)
		if want.Changed {
			require.Equal(t, want.Description.Document().String(), got.Description.Document().String(), "%s %s", old, upd)
		}
	}
}

func TestNotPlain(t *testing.T) {
	for _, u := range []bson.D{
		{{Key: "$set", Value: bson.D{{Key: "a.b", Value: 1}}}}, {{Key: "$set", Value: bson.D{{Key: "7", Value: 1}}}},
		{{Key: "$set", Value: bson.D{{Key: "a", Value: bson.D{}}}}}, {{Key: "$set", Value: bson.D{{Key: "_id", Value: 1}}}},
		{{Key: "$set", Value: bson.D{{Key: "a", Value: bson.A{}}}}}, {{Key: "$set", Value: bson.D{}}},
		{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}}}, {Key: "$inc", Value: bson.D{{Key: "b", Value: 1}}}},
		{{Key: "$set", Value: bson.D{{Key: "a", Value: 1}, {Key: "a", Value: 2}}}},
	} {
		require.False(t, new(plain).read(marshalled(t, u), nil), "%v", u)
	}
}

func marshalled(t *testing.T, d bson.D) bson.Raw {
	raw, err := bson.Marshal(d)
	require.NoError(t, err)
	return raw
}

func BenchmarkSet(b *testing.B) {
	doc := bson.D{{Key: "_id", Value: 1}}
	for i := range 30 {
		doc = append(doc, bson.E{Key: fmt.Sprintf("field_%d", i), Value: "a text of some length"})
	}
	old, err := bson.Marshal(doc)
	require.NoError(b, err)
	upd, err := bson.Marshal(bson.D{{Key: "$set", Value: bson.D{{Key: "field_7", Value: "x"}, {Key: "field_9", Value: int32(1)}, {Key: "new", Value: true}}}})
	require.NoError(b, err)
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			u, err := Compile(value.Document(upd).RawValue(), Options{})
			require.NoError(b, err)
			_, err = u.Apply(nil, old, nil)
			require.NoError(b, err)
		}
	})
	b.Run("operators", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			u := &Update{}
			require.NoError(b, u.compileOperators(upd))
			_, err = u.Apply(nil, old, nil)
			require.NoError(b, err)
		}
	})
}
