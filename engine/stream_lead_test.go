package engine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/mongoerr"
)

// openWatch gives the error of opening a stream and asking it once.
func openWatch(t *testing.T, e *engine.Engine, of, options, more string) error {
	t.Helper()
	_, err := e.Command(context.Background(), "d", js(t, `{"aggregate": `+of+`, "pipeline": [{"$changeStream": `+options+`}`+more+`], "cursor": {}}`))
	return err
}

func kindsOf(events []bson.Raw) []string {
	var out []string
	for _, ev := range events {
		out = append(out, ev.Lookup("operationType").StringValue())
	}
	return out
}

// A token resumes a stream that its event is one of; a stream that comes behind it without having seen it ends.
func TestResumeNeedsTheEvent(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "c"}`)
	all := watch(t, e, "1", `{"showExpandedEvents": true}`, "")
	run(t, e, `{"insert": "c", "documents": [{"_id": 1, "n": 1}]}`)
	run(t, e, `{"insert": "other", "documents": [{"_id": 1, "n": 1}]}`)
	events := all.next(t, 3)
	first, created, other := text(events[0].Lookup("_id")), text(events[1].Lookup("_id")), text(events[2].Lookup("_id"))
	require.NoError(t, openWatch(t, e, `"c"`, `{"resumeAfter": `+other+`}`, ""), "nothing came behind it")
	run(t, e, `{"insert": "c", "documents": [{"_id": 2, "n": 2}]}`)
	for _, c := range []struct {
		of, options, more string
		code              int32
	}{
		{`"c"`, `{"resumeAfter": ` + other + `}`, "", mongoerr.ChangeStreamFatalError},
		{`"c"`, `{"startAfter": ` + other + `}`, "", mongoerr.ChangeStreamFatalError},
		{`1`, `{"resumeAfter": ` + other + `}`, "", 0},
		{`1`, `{"resumeAfter": ` + created + `}`, "", 0},
		{`"c"`, `{"resumeAfter": ` + first + `}`, `, {"$match": {"fullDocument.n": {"$gt": 1}}}`, 0}, // another pipeline
	} {
		err := openWatch(t, e, c.of, c.options, c.more)
		require.Equal(t, c.code, mongoerr.CodeOf(err), "%s %s %s: %v", c.of, c.options, c.more, err)
	}
	run(t, e, `{"dropDatabase": 1}`)
	w := watch(t, e, "1", `{"resumeAfter": `+other+`}`, "")
	dropped := text(w.next(t, 5)[3].Lookup("_id"))
	require.Equal(t, mongoerr.InvalidResumeToken, mongoerr.CodeOf(openWatch(t, e, `"c"`, `{"resumeAfter": `+dropped+`}`, "")),
		"the drop of a database is no event of a collection")
}

// A stream whose pipeline leaves out the invalidation ends with its token.
func TestFilteredInvalidationLeavesItsToken(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "c"}`)
	onlyInserts := `, {"$match": {"operationType": "insert"}}`
	w := watch(t, e, `"c"`, `{}`, onlyInserts)
	run(t, e, `{"insert": "c", "documents": [{"_id": 1}]}`)
	run(t, e, `{"drop": "c"}`)
	r, err := e.Command(context.Background(), "d", raw(t, bson.D{{Key: "getMore", Value: w.id}, {Key: "collection", Value: "c"}}))
	require.NoError(t, err)
	require.Len(t, documents(t, r.Lookup("cursor", "nextBatch")), 1)
	require.Zero(t, r.Lookup("cursor", "id").AsInt64())
	last := text(r.Lookup("cursor", "postBatchResumeToken"))
	require.Equal(t, mongoerr.InvalidResumeToken, mongoerr.CodeOf(openWatch(t, e, `"c"`, `{"resumeAfter": `+last+`}`, onlyInserts)))
	run(t, e, `{"insert": "c", "documents": [{"_id": 2}]}`)
	again := watch(t, e, `"c"`, `{"startAfter": `+last+`}`, onlyInserts).next(t, 1)
	require.Equal(t, int32(2), again[0].Lookup("documentKey", "_id").Int32())
}

// A missing image ends the stream where its event stands: what comes before is
// given, and an event that a $match refuses needs none.
func TestMissingImagesStandAtTheirEvent(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "with", "changeStreamPreAndPostImages": {"enabled": true}}`)
	run(t, e, `{"create": "without"}`)
	start := text(run(t, e, `{"aggregate": 1, "pipeline": [{"$changeStream": {}}], "cursor": {}}`).Lookup("cursor", "postBatchResumeToken"))
	for _, c := range []string{"without", "with"} {
		run(t, e, `{"insert": "`+c+`", "documents": [{"_id": 1}]}`)
		run(t, e, `{"update": "`+c+`", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": 1}}}]}`)
	}
	options := `{"resumeAfter": ` + start + `, "fullDocument": "required", "fullDocumentBeforeChange": "required"}`
	r := run(t, e, `{"aggregate": 1, "pipeline": [{"$changeStream": `+options+`}], "cursor": {"batchSize": 1}}`)
	require.Equal(t, []string{"insert"}, kindsOf(documents(t, r.Lookup("cursor", "firstBatch"))))
	_, err := e.Command(context.Background(), "d", raw(t, bson.D{{Key: "getMore", Value: r.Lookup("cursor", "id").AsInt64()}, {Key: "collection", Value: "$cmd.aggregate"}}))
	require.Equal(t, mongoerr.NoMatchingDocument, mongoerr.CodeOf(err), "%v", err)

	w := watch(t, e, "1", options, `, {"$match": {"ns.coll": "with", "fullDocument._id": 1}}`)
	require.Equal(t, []string{"insert", "update"}, kindsOf(w.next(t, 2)))
	err = openWatch(t, e, "1", options, `, {"$match": {"fullDocument.z": 1}}`)
	require.Equal(t, mongoerr.NoMatchingDocument, mongoerr.CodeOf(err), "the image decides: %v", err)
}

// System collections are shown, and streams on them opened, where that is asked for.
func TestStreamsOfSystemCollections(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "c"}`)
	plain, system := watch(t, e, "1", `{}`, ""), watch(t, e, "1", `{"showSystemEvents": true}`, "")
	one := watch(t, e, `"system.js"`, `{"allowToRunOnSystemNS": true}`, "")
	run(t, e, `{"insert": "system.js", "documents": [{"_id": "f", "value": 1}]}`)
	run(t, e, `{"insert": "c", "documents": [{"_id": 1}]}`)
	require.Equal(t, "c", plain.next(t, 1)[0].Lookup("ns", "coll").StringValue())
	require.Equal(t, "system.js", system.next(t, 2)[0].Lookup("ns", "coll").StringValue())
	require.Equal(t, "system.js", one.next(t, 1)[0].Lookup("ns", "coll").StringValue())
	require.Equal(t, mongoerr.InvalidNamespace, mongoerr.CodeOf(openWatch(t, e, `"system.js"`, `{}`, "")))
}

// Options that are null are as if they were not there.
func TestStreamOptions(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"insert": "c", "documents": [{"_id": 1, "a": 1, "o": {"x": 1, "y": 1}}]}`)
	require.NoError(t, openWatch(t, e, `"c"`, `{"resumeAfter": null, "startAfter": null, "startAtOperationTime": null, "fullDocumentBeforeChange": null, "showExpandedEvents": null, "allChangesForCluster": null}`, ""))
	require.Equal(t, int32(40415), mongoerr.CodeOf(openWatch(t, e, `"c"`, `{"nope": null}`, "")))

	w := watch(t, e, `"c"`, `{"showRawUpdateDescription": true}`, "")
	run(t, e, `{"update": "c", "updates": [{"q": {}, "u": {"$set": {"a": 2, "o.x": 3}, "$unset": {"o.y": 1}}}]}`)
	ev := w.next(t, 1)[0]
	require.True(t, ev.Lookup("updateDescription").IsZero())
	require.Equal(t, `{"$v": {"$numberInt":"2"},"diff": {"u": {"a": {"$numberInt":"2"}},"so": {"d": {"y": false},"u": {"x": {"$numberInt":"3"}}}}}`, text(ev.Lookup("rawUpdateDescription")))

	w = watch(t, e, `"c"`, `{}`, `, {"$_internalInhibitOptimization": {}}, {"$match": {"operationType": "delete"}}`)
	run(t, e, `{"delete": "c", "deletes": [{"q": {}, "limit": 1}]}`)
	require.Equal(t, []string{"delete"}, kindsOf(w.next(t, 1)))
	require.Equal(t, mongoerr.FailedToParse, mongoerr.CodeOf(openWatch(t, e, `"c"`, `{}`, `, {"$_internalInhibitOptimization": {"a": 1}}`)))
	r := run(t, e, `{"explain": {"aggregate": "c", "pipeline": [{"$changeStream": {}}], "cursor": {}}, "verbosity": "executionStats"}`)
	require.NotEmpty(t, documents(t, r.Lookup("stages")))
}

// A batch that ends with the last change of the log stands at its event; what
// others change moves it on.
func TestTokenBehindTheLastEvent(t *testing.T) {
	e := openEngine(t, "", engine.Options{})
	run(t, e, `{"create": "c"}`)
	w := watch(t, e, `"c"`, `{}`, "")
	more := func() (events []bson.Raw, token string) {
		r, err := e.Command(context.Background(), "d", raw(t, bson.D{{Key: "getMore", Value: w.id}, {Key: "collection", Value: "c"}, {Key: "maxTimeMS", Value: 1}}))
		require.NoError(t, err)
		return documents(t, r.Lookup("cursor", "nextBatch")), text(r.Lookup("cursor", "postBatchResumeToken"))
	}
	run(t, e, `{"insert": "c", "documents": [{"_id": 1}]}`)
	events, at := more()
	require.Equal(t, text(events[0].Lookup("_id")), at)
	events, again := more()
	require.Empty(t, events)
	require.Equal(t, at, again)
	run(t, e, `{"insert": "other", "documents": [{"_id": 1}]}`)
	events, behind := more()
	require.Empty(t, events)
	require.Greater(t, behind, at)
}

// runIn runs a command on a database.
func runIn(t *testing.T, e *engine.Engine, db, cmd string) bson.Raw {
	t.Helper()
	r, err := e.Command(context.Background(), db, js(t, cmd))
	require.NoError(t, err, cmd)
	return r
}
