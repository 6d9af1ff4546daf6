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
	"weir/engine/value/valuetest"
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

// TestMutatedUpdates applies variations of the recorded updates: the answer is
// a well-formed document or an error, and its description describes it.
func TestMutatedUpdates(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	m := &valuetest.Mutation{Odds: odd(), Rate: 10}
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
					if applyMutated(t, r, m, d, ops[0]) {
						applied++
					}
				}
			}
		}
	}
	require.Greater(t, applied, 1000)
}

// mutated varies an update: a document, or a pipeline.
func mutated(r *rand.Rand, m *valuetest.Mutation, u value.Value) value.Value {
	var b value.Builder
	b.Add("u", u)
	return value.Lookup(m.Mutate(r, b.Doc()), "u")
}

func applyMutated(t *testing.T, r *rand.Rand, mutation *valuetest.Mutation, doc bson.Raw, op operation) bool {
	m, err := match.Compile(op.q, nil)
	if err != nil {
		return false
	}
	u, err := update.Compile(mutated(r, mutation, op.u).RawValue(), update.Options{ArrayFilters: op.filters})
	if err != nil {
		return false
	}
	old := mutation.Mutate(r, doc)
	x := &expr.Context{}
	if _, err := u.Upsert(x, m); err != nil {
		return false
	}
	res, err := u.Apply(x, old, m)
	if err != nil {
		return false
	}
	require.NoError(t, value.Validate(res.Doc))
	if d := update.Diff(old, res.Doc); d != nil {
		require.NoError(t, value.Validate(d.Document()))
	}
	if res.Description != nil {
		require.NoError(t, value.Validate(res.Description.Document()))
	}
	return true
}
