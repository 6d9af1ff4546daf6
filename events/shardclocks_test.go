package events

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/store"
)

// noting is a sharded cluster that may not take notes.
type noting struct {
	store.Store
	notes int
	err   error
}

func (s *noting) Capabilities() store.Capabilities { return store.Capabilities{Sharded: true} }

func (s *noting) Command(_ context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	if first, _ := cmd.IndexErr(0); db == "admin" && first.Key() == "appendOplogNote" && cmd.Lookup("data").Type == bson.TypeEmbeddedDocument {
		s.notes++
	}
	return nil, s.err
}

func TestShardsKeepUpWhileADatabaseIsRead(t *testing.T) {
	st := &noting{}
	m := New(Deps{Store: st}, Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, m.keepShardsUp(t.Context()))
	require.Zero(t, st.notes, "nothing is read here")
	m.scope["shop"] = &running[*reader]{done: make(chan struct{})}
	require.NoError(t, m.keepShardsUp(t.Context()))
	require.Equal(t, 1, st.notes)
	st.err = mongoerr.New(mongoerr.HostUnreachable, "no shard answers")
	require.Error(t, m.keepShardsUp(t.Context()))
	st.err = mongoerr.New(mongoerr.Unauthorized, "not authorized on admin")
	require.NoError(t, m.keepShardsUp(t.Context()))
	require.NoError(t, m.keepShardsUp(t.Context()))
	require.Equal(t, 3, st.notes, "it is not asked again")
}
