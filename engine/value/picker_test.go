package value

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestPickIsLookup: whatever came before, a picker finds in documents of changing
// forms what looking for each name finds, both field by field and at once.
func TestPickIsLookup(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "position", "a_longer_name", "", "z", "full_document"}
	values := []any{int32(7), "text", "", true, nil, bson.DateTime(5), 2.5, bson.D{{Key: "a", Value: 1}}, bson.A{1}, bson.NewObjectID(), bson.Binary{Data: []byte{1}}, bson.Regex{Pattern: "x"}}
	asked := []string{"position", "a", "none", "", "full_document", "a"}
	atOnce, oneByOne := NewPicker(asked), NewPicker(asked)
	forms := [][]int{{0, 1, 2, 3, 4, 5, 6}, {0, 2, 6}, {6, 2, 0}, {0, 0, 2, 2}}
	for i := range 5000 {
		form := forms[i/50%len(forms)]
		if random.IntN(5) == 0 {
			form = random.Perm(len(names))[:random.IntN(len(names))]
		}
		d := bson.D{}
		for _, k := range form {
			d = append(d, bson.E{Key: names[k], Value: values[random.IntN(len(values))]})
		}
		doc, err := bson.Marshal(d)
		require.NoError(t, err)
		if random.IntN(20) == 0 && len(doc) > 5 {
			doc = slices.Clone(doc)
			doc[4+random.IntN(len(doc)-5)] = byte(random.IntN(256)) // it may end early then
		}
		picked := make([]Value, len(asked))
		atOnce.Pick(doc, picked)
		walked := make([]Value, len(asked))
		for oneByOne.Begin(doc); oneByOne.Next(); {
			if s := oneByOne.Slot(); s != NoSlot && walked[s].IsMissing() {
				walked[s] = oneByOne.Value()
			}
		}
		for slot, name := range asked {
			want := Lookup(doc, name)
			if slot == len(asked)-1 {
				want = Value{} // its name has an earlier slot
			}
			require.True(t, same(want, picked[slot]), "%d: %s of %x", i, name, doc)
			require.True(t, same(want, walked[slot]), "%d: %s of %x", i, name, doc)
		}
	}
}

func same(a, b Value) bool {
	return a.kind == b.kind && string(a.AppendPayload(nil)) == string(b.AppendPayload(nil))
}
