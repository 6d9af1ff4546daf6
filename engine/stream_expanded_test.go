package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
)

// watched is an open stream that is asked for what has happened.
type watched struct {
	e    *engine.Engine
	id   int64
	coll string
	have []bson.Raw
}

func watch(t *testing.T, e *engine.Engine, of, options, more string) *watched {
	t.Helper()
	r := run(t, e, `{"aggregate": `+of+`, "pipeline": [{"$changeStream": `+options+`}`+more+`], "cursor": {}}`)
	_, coll, _ := strings.Cut(r.Lookup("cursor", "ns").StringValue(), ".")
	return &watched{e, r.Lookup("cursor", "id").AsInt64(), coll, documents(t, r.Lookup("cursor", "firstBatch"))}
}

func (w *watched) next(t *testing.T, n int) []bson.Raw {
	t.Helper()
	out := w.have
	w.have = nil
	for len(out) < n {
		r, err := w.e.Command(context.Background(), "d", raw(t, bson.D{{Key: "getMore", Value: w.id}, {Key: "collection", Value: w.coll}, {Key: "maxTimeMS", Value: 2000}}))
		require.NoError(t, err)
		batch := documents(t, r.Lookup("cursor", "nextBatch"))
		require.NotEmpty(t, batch, "only %d of %d events came", len(out), n)
		out = append(out, batch...)
	}
	require.Len(t, out, n)
	return out
}

func documents(t *testing.T, batch bson.RawValue) []bson.Raw {
	t.Helper()
	list, err := batch.Array().Values()
	require.NoError(t, err)
	var out []bson.Raw
	for _, v := range list {
		out = append(out, v.Document())
	}
	return out
}

func text(v bson.RawValue) string {
	if v.IsZero() {
		return ""
	}
	return v.String()
}

// The events of showExpandedEvents say what was asked for and what was before.
func TestExpandedEvents(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "other"}`)
	all, plain := watch(t, e, "1", `{"showExpandedEvents": true}`, ""), watch(t, e, "1", `{}`, "")
	for _, c := range []struct{ cmd, kind, description, before string }{
		{`{"create": "c", "capped": false, "collation": {"locale": "fr"}}`, "create", `"idIndex": {"v": {"$numberInt":"2"},"key": {"_id": {"$numberInt":"1"}},"name": "_id_","collation": {"locale": "fr"`, ""},
		{`{"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1", "expireAfterSeconds": 60, "collation": {"locale": "simple"}}]}`, "createIndexes", `"name": "a_1"`, ""},
		{`{"collMod": "c", "index": {"name": "a_1", "hidden": true}}`, "modify", `{"index": {"name": "a_1","hidden": true}}`, `"indexOptions": {"hidden": false}}`},
		{`{"collMod": "c", "index": {"keyPattern": {"a": 1}, "expireAfterSeconds": 90}}`, "modify", `{"index": {"name": "a_1","expireAfterSeconds": {"$numberInt":"90"}}}`, `"indexOptions": {"expireAfterSeconds": {"$numberLong":"60"}}}`},
		{`{"collMod": "c", "validator": {"a": 1}}`, "modify", `{"validator": {"a": {"$numberInt":"1"}}}`, `"collation"`},
		{`{"collMod": "c", "validationAction": "warn"}`, "modify", `{"validationAction": "warn"}`, `"validationLevel": "strict","validationAction": "error"`},
		{`{"create": "v", "viewOn": "c", "pipeline": []}`, "create", `{"viewOn": "c","pipeline": []}`, ""},
		{`{"collMod": "v", "viewOn": "other", "pipeline": []}`, "modify", `{"viewOn": "other","pipeline": []}`, ""},
		{`{"drop": "v"}`, "drop", "", ""},
		{`{"dropIndexes": "c", "index": "a_1"}`, "dropIndexes", `"name": "a_1"`, ""},
	} {
		run(t, e, c.cmd)
		ev := all.next(t, 1)[0]
		require.Equal(t, c.kind, ev.Lookup("operationType").StringValue(), c.cmd)
		require.Contains(t, text(ev.Lookup("operationDescription")), c.description, c.cmd)
		before := text(ev.Lookup("stateBeforeChange"))
		require.Contains(t, before, c.before, c.cmd)
		require.Equal(t, c.before == "", before == "", c.cmd)
	}
	run(t, e, `{"insert": "c", "documents": [{"_id": 1}]}`)
	require.Equal(t, "insert", plain.next(t, 1)[0].Lookup("operationType").StringValue(), "no event of a view or of an option")

	// An empty collection gets its indexes one by one.
	run(t, e, `{"createIndexes": "empty", "indexes": [{"key": {"a": 1}, "name": "a"}, {"key": {"b": 1}, "name": "b"}]}`)
	require.Len(t, all.next(t, 4), 4)
	run(t, e, `{"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}, {"key": {"b": 1}, "name": "b"}]}`)
	require.Equal(t, "createIndexes", all.next(t, 1)[0].Lookup("operationType").StringValue())
}

// Paths whose parts cannot be told from their text are told beside them.
func TestDisambiguatedPaths(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"insert": "c", "documents": [{"_id": 1, "n": {"0": {"1": "x"}}, "a": [[{"0": 1, "long": "0123456789012345678901234567890123456789"}]], "d.t": {"v": 1, "long": "0123456789012345678901234567890123456789"}}]}`)
	all, plain := watch(t, e, `"c"`, `{"showExpandedEvents": true}`, ""), watch(t, e, `"c"`, `{}`, "")
	for _, c := range []struct{ update, paths string }{
		{`{"$set": {"n.0.1": "y"}}`, `{"n.0.1": ["n","0","1"]}`},
		{`{"$set": {"a.0.0.0": 2}}`, `{"a.0.0.0": ["a",{"$numberInt":"0"},{"$numberInt":"0"},"0"]}`},
		{`{"$set": {"a.0.0.long": "s"}}`, `{}`},
		{`[{"$replaceWith": {"$setField": {"field": "d.t", "input": "$$ROOT", "value": {"v": 2, "long": "0123456789012345678901234567890123456789"}}}}]`, `{"d.t.v": ["d.t","v"]}`},
		{`[{"$replaceWith": {"$unsetField": {"field": "d.t", "input": "$$ROOT"}}}]`, `{"d.t": ["d.t"]}`},
	} {
		run(t, e, `{"update": "c", "updates": [{"q": {"_id": 1}, "u": `+c.update+`}]}`)
		require.Equal(t, c.paths, text(all.next(t, 1)[0].Lookup("updateDescription", "disambiguatedPaths")), c.update)
		require.True(t, plain.next(t, 1)[0].Lookup("updateDescription", "disambiguatedPaths").IsZero())
	}
}

// A large event comes in parts, the small fields first; a stream resumes behind a part.
func TestSplitEventTokens(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "c", "changeStreamPreAndPostImages": {"enabled": true}}`)
	large := strings.Repeat("x", 9<<20)
	put := func(doc bson.D, cmd string, key string) {
		_, err := e.Command(context.Background(), "d", raw(t, bson.D{{Key: cmd, Value: "c"}, {Key: key, Value: bson.A{doc}}}))
		require.NoError(t, err)
	}
	put(bson.D{{Key: "_id", Value: 1}, {Key: "s", Value: large}}, "insert", "documents")
	options := `"fullDocument": "required", "fullDocumentBeforeChange": "required"`
	start := text(run(t, e, `{"aggregate": "c", "pipeline": [{"$changeStream": {}}], "cursor": {}}`).Lookup("cursor", "postBatchResumeToken"))
	w := watch(t, e, `"c"`, `{`+options+`}`, `, {"$changeStreamSplitLargeEvent": {}}`)
	put(bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "s", Value: large + "y"}}}}}}, "update", "updates")
	var parts []bson.Raw
	for range 3 {
		parts = append(parts, w.next(t, 1)...)
	}
	require.False(t, parts[0].Lookup("operationType").IsZero())
	require.Equal(t, `{"fragment": {"$numberInt":"3"},"of": {"$numberInt":"3"}}`, text(parts[2].Lookup("splitEvent")))
	second := text(parts[1].Lookup("_id"))
	require.NotEqual(t, text(parts[0].Lookup("_id")), second)

	w = watch(t, e, `"c"`, `{"resumeAfter": `+second+`, `+options+`}`, `, {"$changeStreamSplitLargeEvent": {}}`)
	require.Equal(t, text(parts[2].Lookup("_id")), text(w.next(t, 1)[0].Lookup("_id")))
	// After the last part comes the next event.
	put(bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "s", Value: "small"}}}}}}, "update", "updates")
	w = watch(t, e, `"c"`, `{"resumeAfter": `+text(parts[2].Lookup("_id"))+`, `+options+`}`, `, {"$changeStreamSplitLargeEvent": {}}`)
	require.Equal(t, "small", w.next(t, 1)[0].Lookup("updateDescription", "updatedFields", "s").StringValue())
	for _, c := range []struct {
		code     int32
		pipeline string
	}{
		{mongoerr.ChangeStreamFatalError, `[{"$changeStream": {"resumeAfter": ` + second + `}}]`},
		{mongoerr.BSONObjectTooLarge, `[{"$changeStream": {"startAfter": ` + start + `, ` + options + `}}]`},
		{7182803, `[{"$changeStream": {}}, {"$_internalInhibitOptimization": {}}, {"$changeStreamSplitLargeEvent": {}}]`},
		{7182802, `[{"$changeStream": {}}, {"$changeStreamSplitLargeEvent": {}}, {"$project": {"fullDocument": 0}}]`},
	} {
		_, err := e.Command(context.Background(), "d", js(t, `{"aggregate": "c", "cursor": {}, "pipeline": `+c.pipeline+`}`))
		require.Equal(t, c.code, mongoerr.CodeOf(err), "%v", err)
	}
}

// A collection that moves to another database comes there under its new name,
// from a name that it had for a moment, and is dropped where it was.
func TestRenameToAnotherDatabase(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "c"}`)
	one, all := watch(t, e, `"c"`, `{}`, ""), watch(t, e, "1", `{}`, "")
	cluster := runIn(t, e, "admin", `{"aggregate": 1, "pipeline": [{"$changeStream": {"allChangesForCluster": true}}], "cursor": {}}`)
	there := runIn(t, e, "other", `{"aggregate": "x", "pipeline": [{"$changeStream": {"showExpandedEvents": true}}], "cursor": {}}`)
	runIn(t, e, "admin", `{"renameCollection": "d.c", "to": "other.x"}`)
	require.Equal(t, []string{"drop", "invalidate"}, kindsOf(one.next(t, 2)))
	require.Equal(t, []string{"drop"}, kindsOf(all.next(t, 1)))
	more := func(opened bson.Raw, db, coll string) []bson.Raw {
		r, err := e.Command(context.Background(), db, raw(t, bson.D{{Key: "getMore", Value: opened.Lookup("cursor", "id").AsInt64()}, {Key: "collection", Value: coll}}))
		require.NoError(t, err)
		return documents(t, r.Lookup("cursor", "nextBatch"))
	}
	require.Equal(t, []string{"rename", "drop"}, kindsOf(more(cluster, "admin", "$cmd.aggregate")))
	events := more(there, "other", "x")
	require.Equal(t, []string{"rename", "invalidate"}, kindsOf(events))
	require.Equal(t, "other", events[0].Lookup("ns", "db").StringValue())
	require.Regexp(t, `^tmp[a-zA-Z0-9]{5}\.renameCollection$`, events[0].Lookup("ns", "coll").StringValue())
	require.Equal(t, `{"to": {"db": "other","coll": "x"}}`, text(events[0].Lookup("operationDescription")))
}
