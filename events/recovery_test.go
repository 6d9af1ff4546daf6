package events_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"weir/gateway"
	"weir/internal/testkit"
	"weir/mongoerr"
	"weir/store"
)

// spoiled is a store whose change streams fail as those of a server do.
type spoiled struct {
	store.Store
	mu      sync.Mutex
	opening func(store.WatchOptions) error           // what opening one meets
	giving  func(store.WatchOptions, bson.Raw) error // what an event meets
	cluster string
	full    bool // the log takes no rows

	pipelines []string // of the streams that were opened
}

func (s *spoiled) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *spoiled) Watch(ctx context.Context, scope store.Namespace, p []bson.Raw, o store.WatchOptions) (store.ChangeStream, error) {
	s.mu.Lock()
	opening := s.opening
	s.mu.Unlock()
	if opening != nil {
		if err := opening(o); err != nil {
			return nil, err
		}
	}
	s.set(func() {
		var stages []string
		for _, stage := range p {
			stages = append(stages, stage.String())
		}
		s.pipelines = append(s.pipelines, strings.Join(stages, " "))
	})
	stream, err := s.Store.Watch(ctx, scope, p, o)
	return &spoiledStream{stream, s, o}, err
}

func (s *spoiled) Command(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	s.mu.Lock()
	cluster := s.cluster
	s.mu.Unlock()
	if _, err := cmd.LookupErr("replSetGetConfig"); err == nil && cluster != "" {
		return bson.Marshal(bson.D{{Key: "config", Value: bson.D{{Key: "settings", Value: bson.D{{Key: "replicaSetId", Value: cluster}}}}}})
	}
	return s.Store.Command(ctx, db, cmd)
}

type spoiledStream struct {
	store.ChangeStream
	s *spoiled
	o store.WatchOptions
}

func (s *spoiledStream) Next(ctx context.Context, wait time.Duration) (bson.Raw, error) {
	s.s.mu.Lock()
	giving := s.s.giving
	s.s.mu.Unlock()
	raw, err := s.ChangeStream.Next(ctx, wait)
	if err == nil && raw != nil && giving != nil {
		err = giving(s.o, raw)
	}
	return raw, err
}

// TestEventTooLargeForTheStream has a server that cannot give one event with its
// images, however often it is asked: it is logged without them, what needs them has a
// dead letter that says so, and the stream goes on with images.
func TestEventTooLargeForTheStream(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int32{"whole": mongoerr.BSONObjectTooLarge, "a field of it": mongoerr.ChangeEventNotSplit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireTooLarge(t, code)
		})
	}
}

func requireTooLarge(t *testing.T, code int32) {
	s := &spoiled{}
	g := testkit.StartBehind(t, func(st store.Store) store.Store { s.Store = st; return s })
	s.set(func() {
		s.giving = func(o store.WatchOptions, raw bson.Raw) error {
			if o.FullDocumentBeforeChange != "" && strings.Contains(raw.Lookup("fullDocumentBeforeChange", "state").String(), "poison") {
				return mongoerr.New(code, "BSONObj size is invalid")
			}
			return nil
		}
	})
	conn, ctx := g.Connect(t), t.Context()
	db := g.Mongo(t)
	for _, name := range []string{"docs", "others"} {
		require.NoError(t, db.RunCommand(ctx, bson.D{{Key: "create", Value: name}, {Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}}).Err())
	}
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION plain ON docs`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION images ON docs WITH (full_document_before_change = 'whenAvailable')`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION filtered ON docs WHERE full_document_before_change->>'state' = 'none' WITH (full_document_before_change = 'whenAvailable')`)
	for _, state := range []string{"a", "b", "poison", "c", "d"} {
		for _, name := range []string{"others", "docs"} {
			_, err := db.Collection(name).UpdateOne(ctx, bson.D{{Key: "_id", Value: 1}}, bson.D{{Key: "$set", Value: bson.D{{Key: "state", Value: state}}}}, options.UpdateOne().SetUpsert(true))
			require.NoError(t, err)
		}
	}
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS() WHERE updated_fields->>'state' = 'd'`) == 2
	}, patience, 10*time.Millisecond)
	const shown = `SELECT string_agg(coalesce(updated_fields->>'state', '-') || ' ' || coalesce(full_document_before_change->>'state', '-') || ' ' || processing_status, ', ' ORDER BY position) FROM CHANGE_STREAM_EVENTS('%s')`
	require.Equal(t, "- - completed, b - completed, poison - completed, c - completed, d - completed", scalar[string](t, conn, strings.ReplaceAll(shown, "%s", "plain")))
	require.Equal(t, "- - completed, b a completed, poison b completed, c - failed, d c completed", scalar[string](t, conn, strings.ReplaceAll(shown, "%s", "images")))
	require.Equal(t, "filtered too_large, images too_large", scalar[string](t, conn, `SELECT string_agg(subscription_id || ' ' || reason, ', ' ORDER BY subscription_id) FROM DEAD_LETTER_EVENTS()`))
	require.Equal(t, "- - a b - c", scalar[string](t, conn, `SELECT string_agg(coalesce(full_document_before_change->>'state', '-'), ' ' ORDER BY position)
		FROM CHANGE_STREAM_EVENTS('others', since => now() - interval '5 min')`), "an ad-hoc read meets it, too")
}

// TestTokenThatIsNotTaken has a server refuse the token, first of a stream that is
// open: the reader goes on at the time of the token, with no gap and no repeat.
func TestTokenThatIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, code := range []int32{mongoerr.ChangeStreamFatalError, mongoerr.InvalidResumeToken, mongoerr.ChangeStreamHistoryLost} {
		t.Run(mongoerr.CodeName(code), func(t *testing.T) {
			t.Parallel()
			s := &spoiled{}
			g := testkit.StartBehind(t, func(st store.Store) store.Store { s.Store = st; return s })
			conn := g.Connect(t)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION pulled ON docs DELIVER TO PULL`)
			insertDocs(t, g.Store(), g.Database, 0, 5)
			events := func() int64 { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS()`) }
			require.Eventually(t, func() bool { return events() == 5 }, patience, 10*time.Millisecond)
			refused := 0
			s.set(func() {
				s.opening = func(o store.WatchOptions) error {
					if o.StartAfter == nil {
						return nil
					}
					refused++
					return mongoerr.New(code, "the token is not taken")
				}
				s.giving = func(store.WatchOptions, bson.Raw) error {
					if refused > 0 {
						return nil
					}
					return mongoerr.New(code, "the driver could not resume")
				}
			})
			insertDocs(t, g.Store(), g.Database, 5, 5)
			require.Eventually(t, func() bool { return events() == 10 }, patience, 10*time.Millisecond)
			s.set(func() { s.opening, s.giving = nil, nil })
			insertDocs(t, g.Store(), g.Database, 10, 5)
			require.Eventually(t, func() bool { return events() == 15 }, patience, 10*time.Millisecond)
			require.Equal(t, 1, refused)
			require.EqualValues(t, 15, scalar[int64](t, conn, `SELECT count(DISTINCT document_key->>'_id') FROM CHANGE_STREAM_EVENTS()`))
			require.EqualValues(t, 0, scalar[int64](t, conn, `SELECT count(*) FROM EVENT_GAPS()`))
			require.Equal(t, "active", scalar[string](t, conn, `SELECT status FROM EVENT_SUBSCRIPTIONS()`))
		})
	}
}

// TestTokenOfAnotherCluster has a gateway meet what another cluster stored, as after
// a restore: its token might be taken, but means nothing.
func TestTokenOfAnotherCluster(t *testing.T) {
	t.Parallel()
	s := &spoiled{Store: openEngine(t), cluster: "one"}
	a := startNode(t, s, steady)
	conn := connect(t, a.Gateway, "moved")
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION careful ON docs`)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION easy ON docs WITH (on_history_lost = 'skip')`)
	insertDocs(t, s.Store, "moved", 0, 1)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS()`) == 2 }, patience, 10*time.Millisecond)
	_ = conn.Close(context.Background())
	a.end(t)
	s.set(func() { s.cluster = "two" })
	b := startNodeBy(t, gateway.Options{Store: s, EventLease: steady, Now: func() time.Time { return time.Now().Add(-time.Hour) }})
	t.Cleanup(func() { b.stop(); <-b.ended })
	conn = connect(t, b.Gateway, "moved")
	require.Eventually(t, func() bool {
		return scalar[string](t, conn, `SELECT string_agg(subscription_id || ' ' || status || ' ' || coalesce(status_reason, ''), ', ' ORDER BY subscription_id) FROM EVENT_SUBSCRIPTIONS()`) == "careful suspended history_lost, easy active "
	}, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { // the one that goes on says so last
		return scalar[int64](t, conn, `SELECT count(*) FROM EVENT_GAPS() WHERE reason LIKE '%cluster one, this is two%'`) == 2
	}, patience, 10*time.Millisecond)
	require.WithinDuration(t, time.Now(), scalar[time.Time](t, conn, `SELECT min(to_timestamp) FROM EVENT_GAPS()`), time.Minute, "whatever the gateway's clock says")
	require.Eventually(t, func() bool {
		return scalar[int64](t, conn, `SELECT count(*) FROM ACTIVE_CHANGE_STREAMS() WHERE resume_token IS NOT NULL`) == 1
	}, patience, 10*time.Millisecond)
	insertDocs(t, s.Store, "moved", 1, 1)
	require.Eventually(t, func() bool { return scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('easy')`) == 2 }, patience, 10*time.Millisecond)
}

func (s *spoiled) Write(ctx context.Context, at store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	s.mu.Lock()
	full := s.full
	s.mu.Unlock()
	if full && at.Coll == "event_log" && len(ops) > 0 && ops[0].Kind == store.Insert {
		return store.WriteResult{}, mongoerr.New(mongoerr.OutOfDiskSpace, "no space left on device")
	}
	return s.Store.Write(ctx, at, ops, o)
}

// TestStoreWithoutRoom has the log take no rows for a while: the subscriptions say so,
// and get what they missed when there is room again, but for one that was paused.
func TestStoreWithoutRoom(t *testing.T) {
	t.Parallel()
	s := &spoiled{}
	g := testkit.StartBehind(t, func(st store.Store) store.Store { s.Store = st; return s })
	conn := g.Connect(t)
	become := func(what string) {
		t.Helper()
		require.Eventually(t, func() bool {
			return scalar[string](t, conn, `SELECT string_agg(concat_ws(' ', subscription_id, status, status_reason, pending), ', ' ORDER BY subscription_id) FROM EVENT_SUBSCRIPTIONS()`) == what
		}, patience, 10*time.Millisecond, what)
	}
	for _, name := range []string{"copied", "kept", "paused"} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION %s ON docs DELIVER TO COLLECTION %[1]s_docs`, name)
	}
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION paused`)
	s.set(func() { s.full = true })
	insertDocs(t, g.Store(), g.Database, 0, 3)
	become("copied suspended store_full 0, kept suspended store_full 0, paused paused 0")
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION kept`)
	exec(t, conn, `RESUME EVENT_SUBSCRIPTION copied`)
	become("copied suspended store_full 0, kept paused 0, paused paused 0")
	s.set(func() { s.full = false })
	become("copied active 0, kept paused 3, paused paused 3")
	require.EqualValues(t, 3, scalar[int64](t, conn, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('copied') WHERE processing_status = 'completed'`))
}

// TestDroppedDatabaseGoesOn drops the database and writes to it again: each drop comes
// once, the stream goes on behind its invalidation, and so does a read of the past.
func TestDroppedDatabaseGoesOn(t *testing.T) {
	t.Parallel()
	for _, mode := range testkit.Modes() {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := testkit.Start(t, mode, nil)
			conn, ctx := g.Connect(t), t.Context()
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION pulled ON DATABASE FOR INSERT, DDL DELIVER TO PULL`)
			for i := range 3 {
				insertDocs(t, g.Store(), g.Database, i, 1)
				require.NoError(t, g.Mongo(t).Drop(ctx))
			}
			insertDocs(t, g.Store(), g.Database, 3, 1)
			const shown = `SELECT coalesce(string_agg(event_type, ' ' ORDER BY position), '') FROM CHANGE_STREAM_EVENTS('%s') WHERE event_type IN ('insert', 'drop', 'dropDatabase')`
			const want = "insert drop dropDatabase insert drop dropDatabase insert drop dropDatabase insert"
			require.Eventually(t, func() bool { return scalar[string](t, conn, fmt.Sprintf(shown, "pulled")) == want }, patience, 10*time.Millisecond)
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION later ON DATABASE FOR INSERT, DDL DELIVER TO PULL START AT BEGINNING`)
			require.Eventually(t, func() bool {
				return scalar[string](t, conn, `SELECT status FROM EVENT_SUBSCRIPTIONS() WHERE subscription_id = 'later'`) == "active"
			}, patience, 10*time.Millisecond)
			require.Equal(t, want, scalar[string](t, conn, fmt.Sprintf(shown, "later")))
		})
	}
}
