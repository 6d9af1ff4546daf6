package events_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/internal/testkit"
	"weir/store"
)

// What is sent is what a MongoDB takes, and what one sends is understood.

// sent keeps what was sent.
type sent struct {
	store.Store
	mu       sync.Mutex
	commands []bson.Raw
	longest  int // filter of a write
}

func (s *sent) Command(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	s.mu.Lock()
	s.commands = append(s.commands, cmd)
	s.mu.Unlock()
	return s.Store.Command(ctx, db, cmd)
}

func (s *sent) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	s.mu.Lock()
	for _, op := range ops {
		s.longest = max(s.longest, len(op.Filter))
	}
	s.mu.Unlock()
	return s.Store.Write(ctx, ns, ops, o)
}

// TestIndexesAreMadeByAMajority has indexes made without a member that is away: by
// itself a server waits for all that vote.
func TestIndexesAreMadeByAMajority(t *testing.T) {
	t.Parallel()
	s := &sent{Store: openEngine(t)}
	n := startNode(t, s, 0)
	exec(t, connect(t, n.Gateway, "any"), `SELECT * FROM EVENT_SUBSCRIPTIONS()`)
	n.end(t)
	made := 0
	for _, cmd := range s.commands {
		if _, err := cmd.LookupErr("createIndexes"); err == nil {
			made++
			require.Equal(t, "majority", cmd.Lookup("commitQuorum").StringValue())
		}
	}
	require.NotZero(t, made)
}

// TestTruncatedArraysAreChanges shortens arrays: a server tells of that apart from what
// was set and removed.
func TestTruncatedArraysAreChanges(t *testing.T) {
	t.Parallel()
	g := testkit.Start(t, testkit.Embedded, nil)
	conn, docs := g.Connect(t), g.Mongo(t).Collection("docs")
	_, err := docs.InsertOne(t.Context(), bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: bson.D{{Key: "tags", Value: bson.A{"x", "y", "z", "a long one that need not be written again"}}}}, {Key: "b", Value: bson.A{1, 2, 3, 4, 5, 6}}})
	require.NoError(t, err)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION tags ON docs FOR UPDATE OF a.tags; CREATE EVENT_SUBSCRIPTION all_of ON docs FOR UPDATE OF a; CREATE EVENT_SUBSCRIPTION other ON docs FOR UPDATE OF c; CREATE EVENT_SUBSCRIPTION every ON docs FOR UPDATE`)
	shorten := func(path string, n int) {
		_, err := docs.UpdateOne(t.Context(), bson.D{}, bson.A{bson.D{{Key: "$set", Value: bson.D{{Key: path, Value: bson.D{{Key: "$slice", Value: bson.A{"$" + path, n}}}}}}}})
		require.NoError(t, err)
	}
	shorten("b", 5)
	shorten("a.tags", 3)
	shorten("a.tags", 2)
	const count = `SELECT count(*) FROM CHANGE_STREAM_EVENTS('%s')`
	require.Eventually(t, func() bool { return scalar[int64](t, conn, fmt.Sprintf(count, "every")) == 3 }, patience, 5*time.Millisecond)
	require.EqualValues(t, 3, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('every') WHERE update_description->'truncatedArrays'->0 IS NOT NULL`), "this is what is tested")
	for id, want := range map[string]int64{"tags": 2, "all_of": 2, "other": 0} {
		require.Equal(t, want, scalar[int64](t, conn, fmt.Sprintf(count, id)), id)
	}
}

// TestManyDeadLettersAtOnce redrives and discards very many: no command is longer than a
// document may be.
func TestManyDeadLettersAtOnce(t *testing.T) {
	t.Parallel()
	const n, id = 25_000, "a subscription of a name that is neither short nor as long as it may be"
	s := &sent{Store: openEngine(t)}
	node := startNode(t, s, 0)
	defer node.end(t)
	conn := connect(t, node.Gateway, "many")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION dies ON docs DELIVER TO NOTIFY ch`)
	var ops []store.WriteOp
	for i := range n {
		ops = append(ops, store.WriteOp{Kind: store.Insert, Document: stageOf(t, bson.D{{Key: "_id", Value: fmt.Sprintf("%s:%024x", id, i)}, {Key: "position", Value: fmt.Sprintf("%024x", i)},
			{Key: "subscription_id", Value: "dies"}, {Key: "status", Value: "open"}})})
	}
	_, err := s.Write(t.Context(), store.Namespace{DB: "weir", Coll: "dead_letter_events"}, ops, store.WriteOptions{})
	require.NoError(t, err)
	exec(t, conn, `DISCARD DEAD LETTERS FOR dies`)
	require.EqualValues(t, n, scalar[int64](t, conn, `SELECT count(*) FROM DEAD_LETTER_EVENTS() WHERE status = 'discarded'`))
	require.Less(t, s.longest, 2<<20)
}
