package opmsg_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/engine"
	"weir/engine/opmsg"
)

// patience only bounds a failure: a machine may be busy.
const patience = 2 * time.Minute

// serve starts an engine in memory behind a listener and gives its address.
func serve(t *testing.T) string {
	t.Helper()
	e, err := engine.Open("", engine.Options{TTLInterval: -1, TestCommands: true})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- opmsg.NewServer(e, opmsg.Options{}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Error("the server does not stop")
		}
		require.NoError(t, e.Close())
	})
	return l.Addr().String()
}

func connect(t *testing.T, addr, query string) *mongo.Client {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + addr + "/?replicaSet=weir" + query))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return c
}

func TestDriver(t *testing.T) {
	addr := serve(t)
	for _, compressors := range []string{"", "&compressors=snappy", "&compressors=zlib", "&compressors=zstd"} {
		t.Run("compressors"+compressors, func(t *testing.T) {
			ctx := t.Context()
			c := connect(t, addr, compressors)
			coll := c.Database("d" + compressors[max(0, len(compressors)-4):]).Collection("c")
			var docs []any
			for i := range 300 {
				docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "n", Value: i % 10}})
			}
			_, err := coll.InsertMany(ctx, docs)
			require.NoError(t, err)
			_, err = coll.InsertOne(ctx, docs[0])
			require.True(t, mongo.IsDuplicateKeyError(err), "%v", err)
			cur, err := coll.Find(ctx, bson.D{{Key: "n", Value: 3}}, options.Find().SetBatchSize(4).SetSort(bson.D{{Key: "_id", Value: -1}}).SetProjection(bson.D{{Key: "n", Value: 0}}))
			require.NoError(t, err)
			var got []bson.D
			require.NoError(t, cur.All(ctx, &got))
			require.Len(t, got, 30)
			require.Equal(t, bson.D{{Key: "_id", Value: int32(293)}}, got[0])
			n, err := coll.CountDocuments(ctx, bson.D{})
			require.NoError(t, err)
			require.EqualValues(t, 300, n)
			r, err := coll.UpdateMany(ctx, bson.D{{Key: "n", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: 1}}}})
			require.NoError(t, err)
			require.EqualValues(t, 30, r.ModifiedCount)
		})
	}
}

func TestDriverTransaction(t *testing.T) {
	c := connect(t, serve(t), "")
	coll := c.Database("d").Collection("c")
	ctx := t.Context()
	_, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: 0}})
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			s, err := c.StartSession()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.EndSession(ctx)
			_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
				return coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	var d struct{ N int }
	require.NoError(t, coll.FindOne(ctx, bson.D{}).Decode(&d))
	require.Equal(t, 8, d.N)
}

func TestDriverChangeStream(t *testing.T) {
	c := connect(t, serve(t), "")
	coll := c.Database("d").Collection("c")
	ctx := t.Context()
	cs, err := coll.Watch(ctx, mongo.Pipeline{})
	require.NoError(t, err)
	defer cs.Close(ctx)
	for i := range 5 {
		_, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: i}})
		require.NoError(t, err)
		require.True(t, cs.Next(ctx), "%v", cs.Err())
		require.EqualValues(t, i, cs.Current.Lookup("documentKey", "_id").AsInt64())
	}
}

func TestRetryableWriteOverLostReply(t *testing.T) {
	c := connect(t, serve(t), "&retryWrites=true")
	coll := c.Database("d").Collection("c")
	ctx := t.Context()
	require.NoError(t, c.Database("admin").RunCommand(ctx, bson.D{{Key: "configureFailPoint", Value: "failCommand"},
		{Key: "mode", Value: bson.D{{Key: "times", Value: 1}}},
		{Key: "data", Value: bson.D{{Key: "failCommands", Value: bson.A{"insert"}}, {Key: "closeConnection", Value: true}}}}).Err())
	_, err := coll.InsertOne(ctx, bson.D{{Key: "_id", Value: 1}})
	require.NoError(t, err)
}

// frame makes a message of raw bytes.
func frame(op int32, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.LittleEndian.AppendUint32(b, 7)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(op))
	return append(b, body...)
}

func msg(t *testing.T, d any) []byte {
	t.Helper()
	raw, err := bson.Marshal(d)
	require.NoError(t, err)
	return frame(2013, append([]byte{0, 0, 0, 0, 0}, raw...))
}

// exchange sends bytes on a new connection and reads one reply document; nil
// when the server closes the connection instead.
func exchange(t *testing.T, addr string, b []byte) bson.Raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = c.Write(b)
	require.NoError(t, err)
	var head [16]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		var timeout net.Error
		require.False(t, errorsAs(err, &timeout), "the server keeps the connection open")
		return nil
	}
	body := make([]byte, binary.LittleEndian.Uint32(head[:])-16)
	_, err = io.ReadFull(c, body)
	require.NoError(t, err)
	if binary.LittleEndian.Uint32(head[12:]) == 1 {
		return body[20:]
	}
	return body[5:]
}

func errorsAs(err error, target *net.Error) bool {
	e, ok := err.(net.Error)
	*target = e
	return ok && e.Timeout()
}

func TestGarbageHarmsOnlyItsConnection(t *testing.T) {
	addr := serve(t)
	for name, b := range map[string][]byte{
		"no message":       []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"short length":     binary.LittleEndian.AppendUint32(nil, 3),
		"huge length":      append(binary.LittleEndian.AppendUint32(nil, 1<<31-1), make([]byte, 12)...),
		"unknown op":       frame(4711, []byte("x")),
		"no section":       frame(2013, []byte{0, 0, 0, 0}),
		"bad section":      frame(2013, []byte{0, 0, 0, 0, 9}),
		"unknown flag":     frame(2013, []byte{4, 0, 0, 0, 0, 5, 0, 0, 0, 0}),
		"bad checksum":     frame(2013, []byte{1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4}),
		"long document":    frame(2013, []byte{0, 0, 0, 0, 0, 200, 0, 0, 0, 0}),
		"bad compressor":   frame(2012, []byte{0xdd, 7, 0, 0, 5, 0, 0, 0, 9, 1}),
		"compression bomb": frame(2012, []byte{0xdd, 7, 0, 0, 5, 0, 0, 0, 2, 0x78, 0x9c, 1}),
	} {
		t.Run(name, func(t *testing.T) {
			if name == "short length" {
				b = append(b, make([]byte, 12)...)
			}
			require.Nil(t, exchange(t, addr, b))
		})
	}
	require.EqualValues(t, 1, exchange(t, addr, msg(t, bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}})).Lookup("ok").AsInt64())
}

func TestBadDocumentsAreAnswered(t *testing.T) {
	addr := serve(t)
	deep := bson.D{{Key: "a", Value: 1}}
	for range 250 {
		deep = bson.D{{Key: "a", Value: deep}}
	}
	r := exchange(t, addr, msg(t, bson.D{{Key: "ping", Value: deep}, {Key: "$db", Value: "admin"}}))
	require.EqualValues(t, 0, r.Lookup("ok").AsInt64(), r)
	bad := frame(2013, []byte{0, 0, 0, 0, 0, 12, 0, 0, 0, 0x63, 'a', 0, 1, 0, 0, 0, 0})
	r = exchange(t, addr, bad)
	require.EqualValues(t, 22, r.Lookup("code").AsInt64(), r)
	r = exchange(t, addr, msg(t, bson.D{{Key: "ping", Value: 1}}))
	require.EqualValues(t, 40571, r.Lookup("code").AsInt64(), r)
}

func TestLegacyHello(t *testing.T) {
	addr := serve(t)
	raw, err := bson.Marshal(bson.D{{Key: "isMaster", Value: 1}, {Key: "helloOk", Value: true}})
	require.NoError(t, err)
	body := append([]byte{0, 0, 0, 0}, "admin.$cmd\x00"...)
	body = append(body, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)
	r := exchange(t, addr, frame(2004, append(body, raw...)))
	require.True(t, r.Lookup("ismaster").Boolean())
	require.Equal(t, addr, r.Lookup("me").StringValue())
	require.EqualValues(t, 21, r.Lookup("maxWireVersion").AsInt64())
}

func TestConnectionEndStopsItsCommand(t *testing.T) {
	addr := serve(t)
	c := connect(t, addr, "")
	ctx := t.Context()
	cs, err := c.Database("d").Collection("c").Watch(ctx, mongo.Pipeline{}, options.ChangeStream().SetMaxAwaitTime(time.Minute))
	require.NoError(t, err)
	waiting, cancel := context.WithCancel(ctx)
	done := make(chan bool, 1)
	go func() { done <- cs.Next(waiting) }()
	cancel()
	require.False(t, <-done)
}
