package update_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/update"
	"weir/engine/value"
)

func odd() []value.Value {
	var b value.Builder
	b.Add("$each", value.Int32(1))
	return []value.Value{
		value.Int32(5), value.Int64(1 << 62), value.Double(-0.5), value.Bool(true), value.Null(), value.String(""),
		value.String("arr.$"), value.String("a.b"), value.Document(value.EmptyDocument), value.Array(value.EmptyDocument),
		value.Undefined(), value.ArrayFrom([]value.Value{value.Int32(1), value.String("b")}), b.DocumentOf(), value.Regex("a", ""),
	}
}

func mutate(r *rand.Rand, v value.Value, odds []value.Value) value.Value {
	if r.IntN(10) == 0 {
		return odds[r.IntN(len(odds))]
	}
	if !v.IsDocument() && !v.IsArray() {
		return v
	}
	var b value.Builder
	for it := value.Walk(v.Doc()); it.Next(); {
		x := mutate(r, it.Value(), odds)
		if v.IsArray() {
			b.Item(x)
		} else {
			b.Add(it.Key(), x)
		}
	}
	if v.IsArray() {
		return b.ArrayOf()
	}
	return b.DocumentOf()
}

// TestMutatedUpdates applies variations of the recorded updates: the answer is
// a well-formed document or an error, and its description describes it.
func TestMutatedUpdates(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	odds := odd()
	applied := 0
	for _, line := range corpusLines(t, "crud.jsonl") {
		var c recorded
		require.NoError(t, json.Unmarshal([]byte(line), &c))
		var colls map[string]json.RawMessage
		if c.Cmd == nil {
			continue
		}
		cmd := extJSON(t, string(c.Cmd))
		if strings.Contains(line, `"$gen"`) || json.Unmarshal(c.Setup, &colls) != nil || !value.Lookup(cmd, "update").IsString() {
			continue
		}
		ops, ok := operations(cmd)
		if !ok || len(ops) == 0 {
			continue
		}
		for _, docs := range colls {
			if docs[0] != '[' {
				continue
			}
			for _, d := range documents(t, docs) {
				for range 20 {
					if applyMutated(t, r, odds, d, ops[0]) {
						applied++
					}
				}
			}
		}
	}
	require.Greater(t, applied, 1000)
}

func applyMutated(t *testing.T, r *rand.Rand, odds []value.Value, doc bson.Raw, op operation) bool {
	m, err := match.Compile(op.q, nil)
	if err != nil {
		return false
	}
	u, err := update.Compile(mutate(r, op.u, odds).RawValue(), update.Options{ArrayFilters: op.filters})
	if err != nil {
		return false
	}
	old := mutate(r, value.Document(doc), odds)
	if !old.IsDocument() {
		return false
	}
	x := &expr.Context{}
	if _, err := u.Upsert(x, m); err != nil {
		return false
	}
	res, err := u.Apply(x, old.Doc(), m)
	if err != nil {
		return false
	}
	require.NoError(t, value.Validate(res.Doc))
	require.NoError(t, value.Validate(update.Diff(old.Doc(), res.Doc).Document()))
	if res.Description != nil {
		require.NoError(t, value.Validate(res.Description.Document()))
	}
	return true
}
