package opmsg_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// endless is a pipeline over 500 documents that takes 500³ steps.
func endless() bson.A {
	inner := bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "$expr", Value: bson.D{{Key: "$ne", Value: bson.A{"$_id", "$$a"}}}}}}}}
	for range 2 {
		inner = bson.A{bson.D{{Key: "$lookup", Value: bson.D{{Key: "from", Value: "c"}, {Key: "let", Value: bson.D{{Key: "a", Value: "$_id"}}},
			{Key: "pipeline", Value: inner}, {Key: "as", Value: "x"}}}},
			bson.D{{Key: "$match", Value: bson.D{{Key: "$expr", Value: bson.D{{Key: "$ne", Value: bson.A{"$_id", "$$a"}}}}}}},
			bson.D{{Key: "$project", Value: bson.D{{Key: "x", Value: bson.D{{Key: "$size", Value: "$x"}}}}}}}
	}
	return inner
}

func many(t *testing.T, c *mongo.Client) *mongo.Collection {
	t.Helper()
	coll := c.Database("d").Collection("c")
	docs := make([]any, 500)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}}
	}
	_, err := coll.InsertMany(t.Context(), docs)
	require.NoError(t, err)
	return coll
}

func longRun(c *mongo.Client, ctx context.Context, more ...bson.E) error {
	cmd := bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: endless()}, {Key: "cursor", Value: bson.D{}}, {Key: "let", Value: bson.D{{Key: "a", Value: -1}}}}
	return c.Database("d").RunCommand(ctx, append(cmd, more...)).Err()
}

// running waits until the long aggregate shows in currentOp and gives its entry.
func running(t *testing.T, c *mongo.Client) bson.Raw {
	t.Helper()
	var op bson.Raw
	require.Eventually(t, func() bool {
		r, err := c.Database("admin").RunCommand(t.Context(), bson.D{{Key: "currentOp", Value: 1}, {Key: "command.aggregate", Value: "c"}, {Key: "active", Value: true}}).Raw()
		require.NoError(t, err)
		v, err := r.LookupErr("inprog", "0")
		if err == nil {
			op = v.Document()
		}
		return err == nil
	}, patience, time.Millisecond)
	return op
}

func TestKillOp(t *testing.T) {
	addr := serve(t)
	c := connect(t, addr, "&appName=long")
	many(t, c)
	ctx := t.Context()
	done := make(chan error, 1)
	go func() { done <- longRun(c, ctx) }()
	op := running(t, c)
	require.Equal(t, "d.c", op.Lookup("ns").StringValue(), op)
	require.Equal(t, "long", op.Lookup("appName").StringValue(), op)
	require.Error(t, c.Database("admin").RunCommand(ctx, bson.D{{Key: "killOp", Value: 1}, {Key: "op", Value: "x"}}).Err())
	require.NoError(t, c.Database("admin").RunCommand(ctx, bson.D{{Key: "killOp", Value: 1}, {Key: "op", Value: op.Lookup("opid")}}).Err())
	require.Equal(t, 11601, code(<-done))
	require.NoError(t, c.Ping(ctx, nil))

	start := time.Now()
	require.Equal(t, 50, code(longRun(c, ctx, bson.E{Key: "maxTimeMS", Value: 50})))
	require.Less(t, time.Since(start), 10*time.Second)

	go func() { done <- longRun(c, ctx) }()
	lsid := running(t, c).Lookup("lsid", "id")
	require.NoError(t, c.Database("admin").RunCommand(ctx, bson.D{{Key: "killSessions", Value: bson.A{bson.D{{Key: "id", Value: lsid}}}}}).Err())
	require.Equal(t, 11601, code(<-done))
}

// What is open, but does not run, shows as well.
func TestCurrentOpIdle(t *testing.T) {
	c := connect(t, serve(t), "")
	coll := many(t, c)
	ctx := t.Context()
	cur, err := coll.Find(ctx, bson.D{})
	require.NoError(t, err)
	s, err := c.StartSession()
	require.NoError(t, err)
	defer s.EndSession(ctx)
	require.NoError(t, s.StartTransaction())
	_, err = coll.InsertOne(mongo.NewSessionContext(ctx, s), bson.D{})
	require.NoError(t, err)
	ops, err := c.Database("admin").Aggregate(ctx, mongo.Pipeline{{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}, {Key: "idleCursors", Value: true}}}}})
	require.NoError(t, err)
	var all []bson.Raw
	require.NoError(t, ops.All(ctx, &all))
	types := map[string]int{}
	for _, op := range all {
		types[op.Lookup("type").StringValue()]++
	}
	require.Equal(t, map[string]int{"op": 1, "idleSession": 1, "idleCursor": 1}, types)
	require.NoError(t, cur.Close(ctx))
	_, err = c.Database("d").Aggregate(ctx, mongo.Pipeline{{{Key: "$currentOp", Value: bson.D{}}}})
	require.Equal(t, 73, code(err))
}

// A getMore with exhaustAllowed is answered with all batches.
func TestExhaust(t *testing.T) {
	addr := serve(t)
	many(t, connect(t, addr, ""))
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	receive := func() (flags uint32, doc bson.Raw) {
		var head [16]byte
		_, err := io.ReadFull(conn, head[:])
		require.NoError(t, err)
		body := make([]byte, binary.LittleEndian.Uint32(head[:])-16)
		_, err = io.ReadFull(conn, body)
		require.NoError(t, err)
		return binary.LittleEndian.Uint32(body), body[5:]
	}
	_, err = conn.Write(msg(t, bson.D{{Key: "find", Value: "c"}, {Key: "batchSize", Value: 100}, {Key: "$db", Value: "d"}}))
	require.NoError(t, err)
	_, first := receive()
	more := msg(t, bson.D{{Key: "getMore", Value: first.Lookup("cursor", "id").Int64()}, {Key: "collection", Value: "c"}, {Key: "batchSize", Value: 100}, {Key: "$db", Value: "d"}})
	more[18] = 1 // exhaustAllowed
	_, err = conn.Write(more)
	require.NoError(t, err)
	n := 100
	for range 5 {
		flags, doc := receive()
		batch, err := doc.Lookup("cursor", "nextBatch").Array().Values()
		require.NoError(t, err, doc)
		n += len(batch)
		if flags&2 == 0 {
			require.Zero(t, doc.Lookup("cursor", "id").Int64())
			break
		}
	}
	require.Equal(t, 500, n)
	_, err = conn.Write(msg(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "d"}}))
	require.NoError(t, err)
	_, doc := receive()
	require.EqualValues(t, 1, doc.Lookup("ok").AsInt64())
}

// The time limit of a find counts for its getMores, too.
func TestTimeLimitOfCursor(t *testing.T) {
	c := connect(t, serve(t), "")
	many(t, c)
	ctx := t.Context()
	first, err := c.Database("d").RunCommand(ctx, bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: endless()}, {Key: "let", Value: bson.D{{Key: "a", Value: -1}}},
		{Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 0}}}, {Key: "maxTimeMS", Value: 200}}).Raw()
	require.NoError(t, err)
	err = c.Database("d").RunCommand(ctx, bson.D{{Key: "getMore", Value: first.Lookup("cursor", "id").Int64()}, {Key: "collection", Value: "c"}}).Err()
	require.Equal(t, 50, code(err), "%v", err)
}

// Killing a cursor stops the getMore that runs.
func TestKillRunningCursor(t *testing.T) {
	c := connect(t, serve(t), "")
	many(t, c)
	ctx := t.Context()
	s, err := c.StartSession()
	require.NoError(t, err)
	defer s.EndSession(ctx)
	in := mongo.NewSessionContext(ctx, s)
	first, err := c.Database("d").RunCommand(in, bson.D{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: endless()}, {Key: "let", Value: bson.D{{Key: "a", Value: -1}}},
		{Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 0}}}}).Raw()
	require.NoError(t, err)
	id := first.Lookup("cursor", "id").Int64()
	done := make(chan error, 1)
	go func() {
		done <- c.Database("d").RunCommand(in, bson.D{{Key: "getMore", Value: id}, {Key: "collection", Value: "c"}}).Err()
	}()
	require.Eventually(t, func() bool {
		r, err := c.Database("admin").RunCommand(ctx, bson.D{{Key: "currentOp", Value: 1}, {Key: "op", Value: "getmore"}}).Raw()
		require.NoError(t, err)
		_, err = r.LookupErr("inprog", "0")
		return err == nil
	}, patience, time.Millisecond)
	require.NoError(t, c.Database("d").RunCommand(ctx, bson.D{{Key: "killCursors", Value: "c"}, {Key: "cursors", Value: bson.A{id}}}).Err())
	require.Equal(t, 237, code(<-done))
}

// OP_QUERY on a collection fails as a query, not as a document.
func TestLegacyQuery(t *testing.T) {
	addr := serve(t)
	body := append([]byte{0, 0, 0, 0}, "d.c\x00"...)
	body = append(body, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write(frame(2004, body))
	require.NoError(t, err)
	var head [36]byte
	_, err = io.ReadFull(conn, head[:])
	require.NoError(t, err)
	require.EqualValues(t, 2, head[16]&2, "QueryFailure")
}

// killSessions ends open transactions, of given sessions or of all: what they locked is
// free, they are not to be committed, and the sessions can be used again.
func TestKillSessionsEndsTransactions(t *testing.T) {
	c := connect(t, serve(t), "")
	ctx := t.Context()
	coll := c.Database("d").Collection("c")
	_, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}})
	require.NoError(t, err)
	s, err := c.StartSession()
	require.NoError(t, err)
	defer s.EndSession(ctx)
	other, err := c.StartSession()
	require.NoError(t, err)
	defer other.EndSession(ctx)
	inc := bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}
	for n, list := range []bson.A{{s.ID()}, {}} {
		require.NoError(t, s.StartTransaction())
		_, err = coll.UpdateByID(mongo.NewSessionContext(ctx, s), 1, inc)
		require.NoError(t, err)
		require.NoError(t, other.StartTransaction())
		_, err = coll.InsertOne(mongo.NewSessionContext(ctx, other), bson.D{})
		require.NoError(t, err)
		require.NoError(t, c.Database("admin").RunCommand(ctx, bson.D{{Key: "killSessions", Value: list}}).Err())
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, err = coll.UpdateByID(short, 1, inc)
		cancel()
		require.NoError(t, err)
		require.Equal(t, 251, code(s.CommitTransaction(ctx)))
		if n == 0 {
			require.NoError(t, other.CommitTransaction(ctx))
		} else {
			require.Equal(t, 251, code(other.CommitTransaction(ctx)))
		}
	}
	n, err := coll.CountDocuments(ctx, bson.D{})
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
}
