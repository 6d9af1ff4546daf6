// Package storetest is the contract of store.Store as a test suite. The engine
// runs it in process, store/remote through a socket, and both against a real
// MongoDB replica set when there is one; so it uses nothing but what a MongoDB
// 7.0 replica set does.
//
// Start at Run. Every case works in a database of its own.
package storetest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/store"
)

// patience bounds every wait for an event: a machine may be busy.
const patience = 2 * time.Minute

// Run runs the contract. open is called once and the store is used by all cases.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	s := open(t)
	for _, group := range []struct {
		name  string
		cases []testCase
	}{
		{"catalog", catalogCases},
		{"read", readCases},
		{"write", writeCases},
		{"transaction", transactionCases},
		{"watch", watchCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) { c.run(newEnv(t, s)) })
			}
		})
	}
}

type testCase struct {
	name string
	run  func(x *env)
}

// env is one case's database.
type env struct {
	*testing.T
	ctx context.Context
	s   store.Store
	db  string
}

func newEnv(t *testing.T, s store.Store) *env {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	x := &env{T: t, ctx: ctx, s: s, db: "storetest_" + bson.NewObjectID().Hex()}
	t.Cleanup(func() {
		_, _ = s.Command(context.Background(), x.db, doc(bson.D{{Key: "dropDatabase", Value: 1}}))
	})
	return x
}

func (x *env) ns(coll string) store.Namespace { return store.Namespace{DB: x.db, Coll: coll} }

func doc(d any) bson.Raw {
	raw, err := bson.Marshal(d)
	if err != nil {
		panic(err)
	}
	return raw
}

// js reads a document from relaxed Extended JSON.
func js(s string) bson.Raw {
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(s), false, &d); err != nil {
		panic(err)
	}
	return doc(d)
}

// stages reads a pipeline from Extended JSON documents.
func stages(ss ...string) []bson.Raw {
	out := []bson.Raw{}
	for _, s := range ss {
		out = append(out, js(s))
	}
	return out
}

// text is a document as relaxed Extended JSON without spaces.
func text(d bson.Raw) string {
	b, err := bson.MarshalExtJSON(d, false, false)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (x *env) command(cmd string) bson.Raw {
	x.Helper()
	r, err := x.s.Command(x.ctx, x.db, js(cmd))
	require.NoError(x, err, cmd)
	return r
}

func (x *env) insert(coll string, docs ...string) {
	x.Helper()
	r, err := x.s.Write(x.ctx, x.ns(coll), inserts(docs...), store.WriteOptions{})
	require.NoError(x, err)
	require.NoError(x, r.Err())
	require.EqualValues(x, len(docs), r.Inserted)
}

func inserts(docs ...string) []store.WriteOp {
	var ops []store.WriteOp
	for _, d := range docs {
		ops = append(ops, store.WriteOp{Kind: store.Insert, Document: js(d)})
	}
	return ops
}

func updateOp(filter, update string) store.WriteOp {
	return store.WriteOp{Kind: store.Update, Filter: js(filter), Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: js(update)}}
}

func deleteOp(filter string) store.WriteOp {
	return store.WriteOp{Kind: store.Delete, Filter: js(filter)}
}

func (x *env) write(coll string, ops ...store.WriteOp) store.WriteResult {
	x.Helper()
	r, err := x.s.Write(x.ctx, x.ns(coll), ops, store.WriteOptions{})
	require.NoError(x, err)
	return r
}

// all runs a pipeline and gives its documents as text.
func (x *env) all(q store.Queryer, coll string, pipeline ...string) []string {
	x.Helper()
	cur, err := q.Aggregate(x.ctx, x.ns(coll), stages(pipeline...), store.AggregateOptions{})
	require.NoError(x, err)
	return x.drain(cur)
}

func (x *env) drain(cur store.Cursor) []string {
	x.Helper()
	defer cur.Close()
	out := []string{}
	for {
		d, err := cur.Next(x.ctx)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(x, err)
		out = append(out, text(d))
	}
}

func (x *env) wantCode(err error, code int32) *mongoerr.Error {
	x.Helper()
	var m *mongoerr.Error
	require.ErrorAs(x, err, &m)
	require.Equal(x, code, m.Code, m.Message)
	return m
}

func lines(s ...string) string { return strings.Join(s, "\n") }
