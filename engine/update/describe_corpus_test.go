package update_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/update"
	"weir/engine/value"
)

// eventOf digs the updateDescriptions out of a recorded drain.
func descriptions(raw json.RawMessage) (out []json.RawMessage) {
	var results []struct {
		Events []struct {
			UpdateDescription json.RawMessage `json:"updateDescription"`
		} `json:"events"`
	}
	if json.Unmarshal(raw, &results) != nil {
		return nil
	}
	for _, r := range results {
		for _, e := range r.Events {
			if e.UpdateDescription != nil {
				out = append(out, e.UpdateDescription)
			}
		}
	}
	return out
}

func TestRecordedDescriptions(t *testing.T) {
	ran, passed := 0, 0
	var failures bytes.Buffer
	for _, line := range corpusLines(t, "changestreams.jsonl") {
		var c struct {
			ID    string
			Setup map[string]json.RawMessage
			Steps []struct{ Cmd json.RawMessage }
			Res   json.RawMessage
		}
		if json.Unmarshal([]byte(line), &c) != nil || !strings.HasPrefix(c.ID, "changestreams.update.") || len(c.Steps) != 3 {
			continue
		}
		cmd := extJSON(t, string(c.Steps[1].Cmd))
		name := value.Lookup(cmd, "update")
		ops, ok := operations(cmd)
		want := descriptions(c.Res)
		if !ok || !name.IsString() || len(ops) != 1 || len(want) != 1 || strings.Contains(string(want[0]), "$ph") {
			continue
		}
		ran++
		got, err := describe(documents(t, c.Setup[name.Str()]), &ops[0])
		require.NoError(t, err, c.ID)
		if g, w := text(got), text(extJSON(t, string(want[0]))); g != w {
			fmt.Fprintf(&failures, "%s %s\n\t got  %s\n\t want %s\n", c.ID, short(string(c.Steps[1].Cmd)), short(g), short(w))
			continue
		}
		passed++
	}
	t.Logf("%d of %d\n%s", passed, ran, failures.String())
	require.Equal(t, ran, passed)
	require.GreaterOrEqual(t, ran, 34)
}

func describe(docs []bson.Raw, op *operation) (bson.Raw, error) {
	m, err := match.Compile(op.q, nil)
	if err != nil {
		return nil, err
	}
	u, err := update.Compile(op.u.RawValue(), update.Options{ArrayFilters: op.filters})
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		x := &expr.Context{}
		if ok, err := m.Match(x, d); !ok || err != nil {
			continue
		}
		res, err := u.Apply(x, d, m)
		if err != nil {
			return nil, err
		}
		if res.Description != nil {
			return slices.Clone(res.Description.Document()), nil
		}
	}
	return value.EmptyDocument, nil
}
