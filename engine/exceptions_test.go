package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/engine/value/valuetest"
)

// maxExceptions is how many recorded answers may be answered otherwise: 2 %.
const maxExceptions = 524

// TestExceptionsAreOfTheCorpus keeps the list of documented differences short
// and true: every line names a recorded case and says why.
func TestExceptionsAreOfTheCorpus(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "exceptions.txt"))
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		id, reason, _ := strings.Cut(line, " ")
		require.NotEmpty(t, reason, "%s has no reason", id)
		require.False(t, seen[id], "%s is listed twice", id)
		seen[id] = true
	}
	require.LessOrEqual(t, len(seen), maxExceptions)
	known := recordedIDs(t)
	for id := range seen {
		id, _, _ = strings.Cut(id, "#")
		require.True(t, known[id], "%s is not recorded", id)
	}
}

func recordedIDs(t *testing.T) map[string]bool {
	dir := filepath.Join("..", "..", "shared", "tools", "mqlcorpus", "recorded")
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("the recorded answers of a MongoDB server are not here: " + dir)
	}
	known := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, line := range strings.Split(string(text), "\n") {
			if rest, ok := strings.CutPrefix(line, `{"id":"`); ok {
				id, _, _ := strings.Cut(rest, `"`)
				known[id] = true
			}
		}
	}
	return known
}

// TestCheckerReport holds a report of the checker, written with --diffs by a
// run against this engine, against the list.
func TestCheckerReport(t *testing.T) {
	report := os.Getenv("WEIR_TEST_CORPUS_DIFFS")
	if report == "" {
		t.Skip("WEIR_TEST_CORPUS_DIFFS names no report of the checker")
	}
	listed := valuetest.Exceptions(t, filepath.Join("testdata", "exceptions.txt"))
	valuetest.Lines(t, report, func(line bson.Raw) {
		id := value.Lookup(line, "id").Str()
		if listed[id] == "" {
			at := value.Lookup(line, "at")
			id += "#" + strings.Trim(at.String(), `"`)
		}
		if listed[id] == "" {
			t.Errorf("%s is answered otherwise than recorded and is not listed: %s", id, line)
		}
	})
}
