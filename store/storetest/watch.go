package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/store"
)

func (x *env) watch(scope store.Namespace, o store.WatchOptions, pipeline ...string) store.ChangeStream {
	x.Helper()
	cs, err := x.s.Watch(x.ctx, scope, stages(pipeline...), o)
	require.NoError(x, err)
	x.Cleanup(func() { _ = cs.Close() })
	return cs
}

// event waits for the next event.
func (x *env) event(cs store.ChangeStream) bson.Raw {
	x.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		ev, err := cs.Next(x.ctx, time.Second)
		require.NoError(x, err)
		if ev != nil {
			return append(bson.Raw(nil), ev...)
		}
	}
	require.FailNow(x, "no event came")
	return nil
}

// kinds waits for n events and gives their operation types.
func (x *env) kinds(cs store.ChangeStream, n int) []string {
	x.Helper()
	var out []string
	for range n {
		out = append(out, x.event(cs).Lookup("operationType").StringValue())
	}
	return out
}

// part is a field of an event as text.
func part(ev bson.Raw, key ...string) string {
	v, err := ev.LookupErr(key...)
	if err != nil {
		return "missing"
	}
	if d, ok := v.DocumentOK(); ok {
		return text(d)
	}
	return v.String()
}

func keys(d bson.Raw) []string {
	es, err := d.Elements()
	if err != nil {
		panic(err)
	}
	var out []string
	for _, e := range es {
		out = append(out, e.Key())
	}
	return out
}

var watchCases = []testCase{
	{"insert update replace delete", func(x *env) {
		x.command(`{"create": "a"}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{})
		x.insert("a", `{"_id": 1, "n": 1, "t": [1, 2, 3]}`)
		x.write("a", updateOp(`{"_id": 1}`, `{"$set": {"n": 2, "o": {"p": 1}}, "$unset": {"t": 1}}`),
			updateOp(`{"_id": 1}`, `{"z": 1}`), deleteOp(`{"_id": 1}`))
		ev := x.event(cs)
		require.Equal(x, []string{"_id", "operationType", "clusterTime", "wallTime", "fullDocument", "ns", "documentKey"}, keys(ev))
		require.Equal(x, `{"_id":1,"n":1,"t":[1,2,3]}`, part(ev, "fullDocument"))
		require.Equal(x, `{"db":"`+x.db+`","coll":"a"}`, part(ev, "ns"))
		require.Equal(x, `{"_id":1}`, part(ev, "documentKey"))
		ev = x.event(cs)
		require.Equal(x, []string{"_id", "operationType", "clusterTime", "wallTime", "ns", "documentKey", "updateDescription"}, keys(ev))
		require.Equal(x, `{"updatedFields":{"n":2,"o":{"p":1}},"removedFields":["t"],"truncatedArrays":[]}`, part(ev, "updateDescription"))
		ev = x.event(cs)
		require.Equal(x, `"replace"`, part(ev, "operationType"))
		require.Equal(x, `{"_id":1,"z":1}`, part(ev, "fullDocument"))
		ev = x.event(cs)
		require.Equal(x, []string{"_id", "operationType", "clusterTime", "wallTime", "ns", "documentKey"}, keys(ev))
	}},
	{"a replacement by the same document is no change", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{})
		upsert := updateOp(`{"_id": 1}`, `{"_id": 1, "n": 1}`)
		upsert.Upsert = true
		r := x.write("a", updateOp(`{"_id": 1}`, `{"_id": 1, "n": 1}`), updateOp(`{"n": 1}`, `{"_id": 1, "n": 1}`), upsert)
		require.EqualValues(x, 3, r.Matched)
		require.Zero(x, r.Modified)
		// One is where the _id is left out or elsewhere, or a type is another.
		r = x.write("a", updateOp(`{"_id": 1}`, `{"n": 1}`), updateOp(`{"_id": 1}`, `{"n": 1, "_id": 1}`),
			updateOp(`{"n": 1}`, `{"_id": 1, "n": {"$numberLong": "1"}}`))
		require.EqualValues(x, 3, r.Modified)
		x.write("a", deleteOp(`{"_id": 1}`))
		require.Equal(x, []string{"replace", "replace", "replace", "delete"}, x.kinds(cs, 4))
	}},
	{"times and tokens rise", func(x *env) {
		x.command(`{"create": "a"}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{})
		last, token := cs.OperationTime(), part(cs.ResumeToken(), "_data")
		for i := range 20 {
			x.write("a", store.WriteOp{Kind: store.Insert, Document: doc(bson.D{{Key: "_id", Value: i}})})
			ev := x.event(cs)
			require.Less(x, token, part(ev, "_id", "_data"))
			token = part(ev, "_id", "_data")
			require.LessOrEqual(x, token, part(cs.ResumeToken(), "_data"))
			now := cs.OperationTime()
			require.False(x, now.Before(last))
			last = now
		}
	}},
	{"resume", func(x *env) {
		x.command(`{"create": "a"}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{})
		x.insert("a", `{"_id": 1}`, `{"_id": 2}`, `{"_id": 3}`)
		first := x.event(cs)
		token := first.Lookup("_id").Document()
		for _, o := range []store.WatchOptions{{ResumeAfter: token}, {StartAfter: token}} {
			cs := x.watch(x.ns("a"), o)
			require.Equal(x, `{"_id":2}`, part(x.event(cs), "documentKey"))
			require.Equal(x, `{"_id":3}`, part(x.event(cs), "documentKey"))
		}
		t, i := first.Lookup("clusterTime").Timestamp()
		cs = x.watch(x.ns("a"), store.WatchOptions{StartAtOperationTime: &bson.Timestamp{T: t, I: i}})
		require.Equal(x, `{"_id":1}`, part(x.event(cs), "documentKey"))
	}},
	{"post-batch token", func(x *env) {
		x.command(`{"create": "a"}`)
		x.command(`{"create": "b"}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{}, `{"$match": {"fullDocument.n": 1}}`)
		x.insert("a", `{"_id": 1, "n": 2}`)
		x.insert("b", `{"_id": 1}`)
		start := part(cs.ResumeToken(), "_data")
		for deadline := time.Now().Add(patience); part(cs.ResumeToken(), "_data") <= start; {
			require.True(x, time.Now().Before(deadline), "the token does not move over other events")
			ev, err := cs.Next(x.ctx, 50*time.Millisecond)
			require.NoError(x, err)
			require.Nil(x, ev)
		}
		token := append(bson.Raw(nil), cs.ResumeToken()...)
		x.insert("a", `{"_id": 2, "n": 1}`)
		cs = x.watch(x.ns("a"), store.WatchOptions{ResumeAfter: token})
		require.Equal(x, `{"_id":2}`, part(x.event(cs), "documentKey"))
	}},
	{"post-batch token behind a transaction", func(x *env) {
		x.command(`{"create": "a"}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{})
		tx := x.begin()
		x.txWrite(tx, "a", inserts(`{"_id": 1}`, `{"_id": 2}`, `{"_id": 3}`)...)
		require.NoError(x, tx.Commit(x.ctx))
		for range 3 {
			x.event(cs)
		}
		for range 2 {
			ev, err := cs.Next(x.ctx, 50*time.Millisecond)
			require.NoError(x, err)
			require.Nil(x, ev)
		}
		tokens := []bson.Raw{slices.Clone(cs.ResumeToken()), slices.Clone(x.watch(x.ns("a"), store.WatchOptions{}).ResumeToken())}
		x.insert("a", `{"_id": 9}`)
		for _, token := range tokens {
			for _, o := range []store.WatchOptions{{ResumeAfter: token}, {StartAfter: token}} {
				require.Equal(x, `{"_id":9}`, part(x.event(x.watch(x.ns("a"), o)), "documentKey"))
			}
		}
	}},
	{"scopes", func(x *env) {
		x.command(`{"create": "a"}`)
		db := x.watch(store.Namespace{DB: x.db}, store.WatchOptions{})
		all := x.watch(store.Namespace{}, store.WatchOptions{Cluster: true}, `{"$match": {"ns.db": "`+x.db+`"}}`)
		x.insert("a", `{"_id": 1}`)
		x.insert("b", `{"_id": 2}`)
		for _, cs := range []store.ChangeStream{db, all} {
			require.Equal(x, `"a"`, part(x.event(cs), "ns", "coll"))
			require.Equal(x, `"b"`, part(x.event(cs), "ns", "coll"))
		}
	}},
	{"update lookup", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{FullDocument: store.ImageUpdateLookup})
		x.write("a", updateOp(`{"_id": 1}`, `{"$inc": {"n": 1}}`))
		require.Equal(x, `{"_id":1,"n":2}`, part(x.event(cs), "fullDocument"))
	}},
	{"pre- and post-images", func(x *env) {
		x.command(`{"create": "a", "changeStreamPreAndPostImages": {"enabled": true}}`)
		x.insert("a", `{"_id": 1, "n": 1}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{FullDocument: store.ImageRequired, FullDocumentBeforeChange: store.ImageRequired})
		x.write("a", updateOp(`{"_id": 1}`, `{"$inc": {"n": 1}}`), updateOp(`{"_id": 1}`, `{"$inc": {"n": 1}}`), deleteOp(`{"_id": 1}`))
		ev := x.event(cs)
		require.Equal(x, `{"_id":1,"n":2}`, part(ev, "fullDocument"))
		require.Equal(x, `{"_id":1,"n":1}`, part(ev, "fullDocumentBeforeChange"))
		require.Equal(x, `{"_id":1,"n":3}`, part(x.event(cs), "fullDocument"))
		require.Equal(x, `{"_id":1,"n":3}`, part(x.event(cs), "fullDocumentBeforeChange"))
	}},
	{"image that does not exist", func(x *env) {
		x.insert("a", `{"_id": 1, "n": 1}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{FullDocumentBeforeChange: store.ImageWhenAvailable})
		x.write("a", updateOp(`{"_id": 1}`, `{"$inc": {"n": 1}}`))
		require.Equal(x, bson.TypeNull, x.event(cs).Lookup("fullDocumentBeforeChange").Type)
	}},
	{"drop invalidates", func(x *env) {
		x.insert("a", `{"_id": 1}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{})
		db := x.watch(store.Namespace{DB: x.db}, store.WatchOptions{})
		x.command(`{"drop": "a"}`)
		require.Equal(x, []string{"drop"}, x.kinds(cs, 1))
		inv := x.event(cs)
		require.Equal(x, `"invalidate"`, part(inv, "operationType"))
		_, err := cs.Next(x.ctx, time.Second)
		require.Error(x, err)
		token := inv.Lookup("_id").Document()
		_, err = x.s.Watch(x.ctx, x.ns("a"), nil, store.WatchOptions{ResumeAfter: token})
		x.wantCode(err, mongoerr.InvalidResumeToken)
		again := x.watch(x.ns("a"), store.WatchOptions{StartAfter: token})
		x.insert("a", `{"_id": 2}`)
		require.Equal(x, `{"_id":2}`, part(x.event(again), "documentKey"))
		require.Equal(x, []string{"drop", "insert"}, x.kinds(db, 2))
	}},
	{"expanded events", func(x *env) {
		cs := x.watch(store.Namespace{DB: x.db}, store.WatchOptions{ShowExpandedEvents: true})
		x.command(`{"create": "a"}`)
		x.command(`{"createIndexes": "a", "indexes": [{"key": {"n": 1}, "name": "n_1"}]}`)
		x.insert("a", `{"_id": 1}`)
		require.Equal(x, []string{"create", "createIndexes"}, x.kinds(cs, 2))
		require.NotEqual(x, "missing", part(x.event(cs), "collectionUUID"))
	}},
	{"transaction", func(x *env) {
		x.command(`{"create": "a"}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{})
		tx := x.begin()
		x.txWrite(tx, "a", inserts(`{"_id": 1}`, `{"_id": 2}`)...)
		x.insert("a", `{"_id": 0}`)
		require.NoError(x, tx.Commit(x.ctx))
		require.Equal(x, `{"_id":0}`, part(x.event(cs), "documentKey"))
		one, two := x.event(cs), x.event(cs)
		require.Equal(x, `{"_id":1}`, part(one, "documentKey"))
		require.Equal(x, part(one, "clusterTime"), part(two, "clusterTime"))
		require.NotEqual(x, "missing", part(one, "txnNumber"))
		require.NotEqual(x, "missing", part(one, "lsid"))
		again := x.watch(x.ns("a"), store.WatchOptions{ResumeAfter: one.Lookup("_id").Document()})
		require.Equal(x, `{"_id":2}`, part(x.event(again), "documentKey"))
	}},
	{"pipeline", func(x *env) {
		x.command(`{"create": "a"}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{}, `{"$match": {"operationType": "insert", "fullDocument.n": {"$gt": 1}}}`, `{"$project": {"k": "$documentKey._id"}}`)
		x.insert("a", `{"_id": 1, "n": 1}`, `{"_id": 2, "n": 2}`)
		require.EqualValues(x, 2, x.event(cs).Lookup("k").AsInt64())
		_, err := x.s.Watch(x.ctx, x.ns("a"), stages(`{"$group": {"_id": 1}}`), store.WatchOptions{})
		x.wantCode(err, mongoerr.IllegalOperation)
	}},
	{"waits no longer than asked", func(x *env) {
		x.command(`{"create": "a"}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{})
		began := time.Now()
		ev, err := cs.Next(x.ctx, 100*time.Millisecond)
		require.NoError(x, err)
		require.Nil(x, ev)
		require.Less(x, time.Since(began), 20*time.Second)
	}},
	{"cancel", func(x *env) {
		x.command(`{"create": "a"}`)
		cs := x.watch(x.ns("a"), store.WatchOptions{})
		ctx, cancel := context.WithCancel(x.ctx)
		done := make(chan error, 1)
		go func() {
			_, err := cs.Next(ctx, patience)
			done <- err
		}()
		cancel()
		select {
		case err := <-done:
			require.Error(x, err)
		case <-time.After(patience):
			require.FailNow(x, "a cancelled Next still waits")
		}
	}},
	{"bad token", func(x *env) {
		_, err := x.s.Watch(x.ctx, x.ns("a"), nil, store.WatchOptions{ResumeAfter: js(`{"_data": "zz"}`)})
		require.NotZero(x, mongoerr.CodeOf(err))
	}},
}
