package remote

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/store"
)

// TestReadsBringTheTimeOfStreams reads at the time of an event that nothing but a
// change stream has told of: the server is given the cluster's word for it.
func TestReadsBringTheTimeOfStreams(t *testing.T) {
	t.Parallel()
	e, err := engine.Open("", engine.Options{})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- opmsg.NewServer(e, opmsg.Options{}).Serve(ctx, ln) }()
	defer func() { stop(); require.NoError(t, <-served); require.NoError(t, e.Close()) }()
	st, err := Open(t.Context(), "mongodb://"+ln.Addr().String()+"/?directConnection=true", Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	ns := store.Namespace{DB: "d", Coll: "c"}
	stream, err := st.Watch(t.Context(), ns, nil, store.WatchOptions{})
	require.NoError(t, err)
	defer func() { require.NoError(t, stream.Close()) }()
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: 1}})
	require.NoError(t, err)
	_, err = e.Write(t.Context(), ns, []store.WriteOp{{Kind: store.Insert, Document: doc}}, store.WriteOptions{})
	require.NoError(t, err)
	event, err := stream.Next(t.Context(), time.Minute)
	require.NoError(t, err)
	var at bson.Timestamp
	at.T, at.I = event.Lookup("clusterTime").Timestamp()
	sess, err := sessionAt(st.client, &st.clock, at)
	require.NoError(t, err)
	defer sess.EndSession(ctx)
	var known bson.Timestamp
	known.T, known.I = sess.ClusterTime().Lookup("$clusterTime", "clusterTime").Timestamp()
	require.False(t, known.Before(at), "%v is not known to be, only %v is", at, known)
	cur, err := st.Aggregate(t.Context(), ns, nil, store.AggregateOptions{After: at})
	require.NoError(t, err)
	got, err := cur.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, doc, []byte(got))
	require.NoError(t, cur.Close())
}
