package opmsg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/engine/value"
	"weir/engine/value/valuetest"
	"weir/mongoerr"
)

// seeds are messages of the kinds that clients send.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	var all [][]byte
	for _, text := range []string{
		`{"hello": 1, "client": {"driver": {"name": "x", "version": "1"}}, "compression": ["zstd"], "$db": "admin"}`,
		`{"insert": "c", "documents": [{"_id": 1, "a": [1, {"b": 2}]}], "ordered": false, "$db": "d"}`,
		`{"find": "c", "filter": {"a": {"$gt": 1, "$in": [1, 2]}, "$or": [{"b": null}]}, "sort": {"a": -1}, "limit": 3, "min": {"a": 1}, "hint": {"a": 1}, "$db": "d"}`,
		`{"update": "c", "updates": [{"q": {"a": 1}, "u": {"$set": {"b.$[x].c": 1}, "$push": {"z": {"$each": [1], "$slice": 2}}}, "arrayFilters": [{"x.y": 1}], "upsert": true, "multi": true}], "$db": "d"}`,
		`{"aggregate": "c", "pipeline": [{"$match": {}}, {"$group": {"_id": "$a", "n": {"$sum": 1}}}, {"$lookup": {"from": "c", "as": "r", "let": {"x": 1}, "pipeline": []}}], "cursor": {"batchSize": 0}, "$db": "d"}`,
		`{"aggregate": 1, "pipeline": [{"$changeStream": {"resumeAfter": {"_data": "82"}}}], "cursor": {}, "$db": "d"}`,
		`{"findAndModify": "c", "query": {}, "remove": true, "lsid": {"id": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04"}}}, "txnNumber": {"$numberLong": "1"}, "autocommit": false, "startTransaction": true, "$db": "d"}`,
		`{"createIndexes": "c", "indexes": [{"key": {"a": 1, "b": "hashed"}, "name": "x", "partialFilterExpression": {"a": 1}}], "$db": "d"}`,
		`{"create": "v", "viewOn": "c", "pipeline": [{"$project": {"a": {"$add": [1, "$b"]}}}], "collation": {"locale": "en", "strength": 2}, "$db": "d"}`,
		`{"saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": {"$binary": {"base64": "biwsbj11LHI9eA==", "subType": "00"}}, "$db": "admin"}`,
		`{"createUser": "u", "pwd": "p", "roles": [{"role": "read", "db": "d"}], "$db": "d"}`,
		`{"explain": {"find": "c", "filter": {"a": 1}}, "verbosity": "executionStats", "$db": "d"}`,
		`{"getMore": {"$numberLong": "5"}, "collection": "c", "$db": "d"}`,
	} {
		var d bson.D
		require.NoError(f, bson.UnmarshalExtJSON([]byte(text), false, &d))
		raw, err := bson.Marshal(d)
		require.NoError(f, err)
		all = append(all, frameOf(append([]byte{0, 0, 0, 0, 0}, raw...)))
		body := append([]byte{0, 0, 0, 0, 1}, binary.LittleEndian.AppendUint32(nil, uint32(4+5+len(raw)))...)
		all = append(all, frameOf(append(append(append(body, "docs\x00"...), raw...), append([]byte{0}, raw...)...)))
	}
	return all
}

func frameOf(body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(headerLen+len(body)))
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return append(binary.LittleEndian.AppendUint32(b, opMsg), body...)
}

// FuzzMessage runs whatever arrives: neither reading a frame nor running the
// command in it may panic, and all documents that are taken are well-formed.
func FuzzMessage(f *testing.F) {
	for _, s := range seeds(f) {
		for n := range uint64(2) {
			f.Add(s, n)
		}
	}
	mutation := valuetest.Mutation{Odds: odds(f), Rate: 12}
	e, err := engine.Open("", engine.Options{TTLInterval: -1})
	require.NoError(f, err)
	f.Cleanup(func() { _ = e.Close() })
	sess := e.NewSession()
	f.Fuzz(func(t *testing.T, b []byte, n uint64) {
		m, err := read(bytes.NewReader(b))
		if err != nil || m.bad != nil {
			return
		}
		require.NoError(t, value.Validate(m.body))
		runMessage(t, e, sess, m.body, m.seqs)
		runMessage(t, e, sess, mutation.Mutate(rand.New(rand.NewPCG(n, 9)), m.body), m.seqs)
	})
}

func odds(f *testing.F) []value.Value {
	f.Helper()
	var all []value.Value
	for _, text := range []string{`5`, `-1`, `{"$numberLong": "9223372036854775807"}`, `0.5`, `{"$numberDouble": "NaN"}`, `true`, `null`, `""`, `"c"`, `"$a"`, `"a.b"`, `"system.x"`,
		`{}`, `[]`, `[1, "b"]`, `[{}]`, `{"a": 1}`, `{"a": -1, "b.c": 1}`, `{"$set": {"a": 1}}`, `[{"$match": {}}]`, `{"locale": "en", "strength": 2}`, `{"level": "majority"}`} {
		all = append(all, valuetest.Val(f, text))
	}
	return all
}

// runMessage runs a command; whatever it is, the answer is a well-formed document.
func runMessage(t *testing.T, e *engine.Engine, sess *engine.Session, body bson.Raw, seqs []engine.Sequence) {
	db := "d"
	if v := value.Lookup(body, "$db"); v.IsString() {
		db = v.Str()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	reply, err := e.RunCommand(ctx, sess, db, body, seqs)
	if err == nil {
		require.NoError(t, value.Validate(reply))
		return
	}
	var answer *mongoerr.Error
	require.True(t, errors.As(err, &answer), "%v", err)
	require.NotEqual(t, 1, answer.Code, "%v", err)
	require.NoError(t, value.Validate(errorReply(e, answer)))
}
