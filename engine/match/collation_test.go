package match_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/engine/value/valuetest"
)

// collationFloor is the least number of recorded finds with a collation that
// must be equal.
const collationFloor = 159

// TestRecordedCollations replays the finds with a collation, with their order.
func TestRecordedCollations(t *testing.T) {
	dir := valuetest.Recorded(t)
	var docs []bson.Raw
	valuetest.Lines(t, filepath.Join(dir, "datasets.jsonl"), func(line bson.Raw) {
		if value.Lookup(line, "dataset").Str() == "cl" {
			docs = documents(value.Lookup(value.Lookup(line, "colls").Doc(), "cl"))
		}
	})
	show := os.Getenv("WEIR_TEST_DIFFS")
	equal, total := 0, 0
	valuetest.Lines(t, filepath.Join(dir, "crud.jsonl"), func(line bson.Raw) {
		id, cmd := value.Lookup(line, "id").Str(), value.Lookup(line, "cmd").Doc()
		if !strings.HasPrefix(id, "crud.collation.") || value.Lookup(cmd, "find").IsMissing() || value.Lookup(line, "setup").Kind() != bson.TypeString {
			return
		}
		if k := value.Lookup(cmd, "collation").Kind(); k != bson.TypeEmbeddedDocument {
			return // without one, or not even a document, which the command refuses
		}
		got, want := answer(cmd, sorted(t, cmd, docs)), recorded(line)
		if total++; got == want {
			equal++
		} else if show != "" && strings.HasPrefix(id, show) {
			t.Logf("%s\n   recorded %.300s\n   ours     %.300s", id, want, got)
		}
	})
	t.Logf("equal: %d of %d", equal, total)
	require.GreaterOrEqual(t, equal, collationFloor)
}

func sorted(t *testing.T, cmd bson.Raw, docs []bson.Raw) []bson.Raw {
	spec := value.Lookup(cmd, "collation")
	if !spec.IsDocument() {
		return docs
	}
	col, err := value.ParseCollation(spec.Doc())
	if err != nil {
		return docs
	}
	docs = slices.Clone(docs)
	slices.SortStableFunc(docs, func(a, b bson.Raw) int {
		for it := value.Walk(value.Lookup(cmd, "sort").Doc()); it.Next(); {
			sign, path := int(it.Value().AsInt64()), strings.Split(it.Key(), ".")
			x := expr.SortKeyAt(value.Document(a), path, sign, col)
			if d := value.CompareCollated(x, expr.SortKeyAt(value.Document(b), path, sign, col), col); d != 0 {
				return d * sign
			}
		}
		return 0
	})
	return docs
}
