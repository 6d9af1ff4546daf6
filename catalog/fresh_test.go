package catalog_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/store"
)

// silent is a store that does not tell what changed.
type silent struct{ store.Store }

func (w *world) silent() { w.cat = catalog.New(silent{w.store}, catalog.Options{}) }

// write inserts without telling the catalog, as a driver does.
func (w *world) write(coll string, doc bson.D) {
	w.t.Helper()
	raw, err := bson.Marshal(doc)
	require.NoError(w.t, err)
	res, err := w.store.Write(w.t.Context(), store.Namespace{DB: "app", Coll: coll}, []store.WriteOp{{Kind: store.Insert, Document: raw}}, store.WriteOptions{})
	require.NoError(w.t, err)
	require.NoError(w.t, res.Err())
}

func (w *world) drop(coll string) {
	w.t.Helper()
	cmd, err := bson.Marshal(bson.D{{Key: "drop", Value: coll}})
	require.NoError(w.t, err)
	_, err = w.store.Command(w.t.Context(), "app", cmd)
	require.NoError(w.t, err)
}

func TestEngineChangesAreSeenAtOnce(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.write("c", bson.D{{Key: "_id", Value: int32(1)}, {Key: fmt.Sprintf("a%d", i), Value: "x"}})
		require.Equal(t, fmt.Sprintf("_id integer not null, a%d text", i), w.columns("c"))
		w.write("c", bson.D{{Key: "_id", Value: int32(2)}, {Key: "later", Value: true}})
		require.Equal(t, fmt.Sprintf("_id integer not null, a%d text, later boolean", i), w.columns("c"))
		w.drop("c")
		_, found, err := w.scoped().Table(t.Context(), "", "c", false)
		require.NoError(t, err)
		require.False(t, found)
	}
}

func TestLargeCollectionMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.cat = catalog.New(w.store, catalog.Options{SampleSize: 10})
	for i := range 40 {
		w.write("c", bson.D{{Key: "_id", Value: int32(i)}, {Key: "a", Value: "x"}})
	}
	require.Equal(t, "_id integer not null, a text", w.columns("c"))
	v := w.version("c")
	w.write("c", bson.D{{Key: "_id", Value: "s"}, {Key: "b", Value: "x"}})
	require.Equal(t, v, w.version("c"), "one more document of many changes nothing")
	w.drop("c")
	for i := range 40 {
		w.write("c", bson.D{{Key: "_id", Value: int32(i)}, {Key: "b", Value: "x"}})
	}
	require.Equal(t, "_id integer not null, b text", w.columns("c"))
	require.NotEqual(t, v, w.version("c"))
}

func (w *world) version(name string) uint64 {
	w.t.Helper()
	found, ok, err := w.scoped().Table(w.t.Context(), "", name, false)
	require.NoError(w.t, err)
	require.True(w.t, ok)
	return found.Version
}

// A new session sees what was written before it began, whatever the store tells.
func TestNewSessionLooksAgain(t *testing.T) {
	w := newWorld(t)
	w.silent()
	session := func() *catalog.Scoped { return w.cat.In(catalog.Scope{Database: "app", Since: time.Now()}) }
	columns := func(s *catalog.Scoped) string {
		found, ok, err := s.Table(t.Context(), "", "c", false)
		require.NoError(t, err)
		require.True(t, ok)
		return columnText(found.Columns)
	}
	w.write("c", bson.D{{Key: "_id", Value: int32(1)}, {Key: "a", Value: "x"}})
	first := session()
	require.Equal(t, "_id integer not null, a text", columns(first))
	w.write("c", bson.D{{Key: "_id", Value: int32(2)}, {Key: "b", Value: "x"}})
	require.Equal(t, "_id integer not null, a text, b text", columns(session()))
	w.drop("c")
	w.write("c", bson.D{{Key: "_id", Value: "s"}})
	require.Equal(t, "_id text not null", columns(session()))
}

// What planning failed on is looked at again.
func TestStaleTablesAreLookedAtAgain(t *testing.T) {
	w := newWorld(t)
	w.silent()
	w.write("c", bson.D{{Key: "_id", Value: int32(1)}, {Key: "a", Value: "x"}})
	_ = w.columns("c")
	r := &catalog.Stale{Resolver: w.scoped()}
	_, _, err := r.Table(t.Context(), "", "c", false)
	require.NoError(t, err)
	w.write("c", bson.D{{Key: "_id", Value: int32(2)}, {Key: "n", Value: int32(5)}})
	require.Eventually(t, func() bool {
		_, _, err := r.Table(t.Context(), "", "c", false)
		return err == nil && r.Changed(t.Context()) || w.columns("c") == "_id integer not null, a text, n integer"
	}, patience, 5*time.Millisecond)
}
