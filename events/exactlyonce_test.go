package events_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/store"
)

// dyingTx is a store whose process dies at a commit: before it, or when it went
// through without being heard of.
type dyingTx struct {
	*mortal
	commits atomic.Int32
	at      int32 // the commit that is the last one
	through bool
}

func (s *dyingTx) Begin(ctx context.Context) (store.Tx, error) {
	if s.dead.Load() {
		return nil, errDead
	}
	tx, err := s.mortal.Begin(ctx)
	return &dyingCommit{tx, s}, err
}

type dyingCommit struct {
	store.Tx
	s *dyingTx
}

func (c *dyingCommit) Commit(ctx context.Context) error {
	dies := c.s.commits.Add(1) >= c.s.at
	if c.s.dead.Load() || dies && !c.s.through {
		c.s.dead.Store(true)
		_ = c.Abort(ctx)
		return errDead
	}
	err := c.Tx.Commit(ctx)
	if dies {
		c.s.dead.Store(true)
		return errDead
	}
	return err
}

// TestCollectionExactlyOnce has a gateway die at a commit of a collection sink:
// the one that takes over writes what is missing, every event is there, in the
// inbox and settled, and the target was written once for each, a REWIND
// notwithstanding.
func TestCollectionExactlyOnce(t *testing.T) {
	t.Parallel()
	for name, through := range map[string]bool{"before the commit": false, "after the commit": true} {
		for _, tracking := range []string{"events", "summary"} {
			t.Run(name+", "+tracking, func(t *testing.T) {
				t.Parallel()
				const n = 600 // a commit is of 500 events at most
				e := openEngine(t)
				dying := &dyingTx{mortal: &mortal{Store: e}, at: 3, through: through}
				a := startNode(t, dying, steady)
				t.Cleanup(func() { a.stop(); <-a.ended })
				conn := connect(t, a.Gateway, "once")
				exec(t, conn, `CREATE EVENT_SUBSCRIPTION copied ON docs DELIVER TO COLLECTION copies WITH (inbox = true, tracking = '%s')`, tracking)
				insertDocs(t, e, "once", 0, n)
				for i := n; !dying.dead.Load(); i += 50 {
					insertDocs(t, e, "once", i, 50)
				}
				b := startNode(t, e, steady)
				t.Cleanup(func() { b.stop(); <-b.ended })
				cb := connect(t, b.Gateway, "once")
				require.Eventually(t, func() bool {
					all := copied(t, cb, "docs")
					return copied(t, cb, "copies") == all && copied(t, cb, "copies_inbox") == all
				}, patience, 10*time.Millisecond)
				settled := func() {
					t.Helper()
					require.Eventually(t, func() bool {
						return scalar[int64](t, cb, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('copied') WHERE processing_status <> 'completed'`) == 0
					}, patience, 10*time.Millisecond)
					require.Eventually(t, func() bool { // documents can be read a moment before their events
						return scalar[bool](t, cb, `SELECT (SELECT count(*) FROM CHANGE_STREAM_EVENTS('copies', since => now() - interval '5 min') WHERE event_type IN ('insert', 'update', 'replace')) = (SELECT count(*) FROM copies)`)
					}, patience, 10*time.Millisecond)
				}
				settled()
				exec(t, cb, `REWIND EVENT_SUBSCRIPTION copied TO BEGINNING`)
				settled()
			})
		}
	}
}

// cutOff is a store whose process dies in a transaction of a session: what is open
// there stays open.
type cutOff struct {
	*mortal
	commits atomic.Int32
	at      int32 // the commit that is the last one
}

func (s *cutOff) sessions() store.Sessions { return s.mortal.Store.(store.Sessions) }

func (s *cutOff) Session() (store.Session, error) {
	in, err := s.sessions().Session()
	return &cutSession{in, s}, err
}

func (s *cutOff) KillSessions(ctx context.Context, ids [][]byte) error {
	return s.sessions().KillSessions(ctx, ids)
}

func (s *cutOff) EndSessions(context.Context, [][]byte) error { return errDead }

type cutSession struct {
	store.Session
	s *cutOff
}

func (c *cutSession) Begin(ctx context.Context) (store.Tx, error) {
	if c.s.dead.Load() {
		return nil, errDead
	}
	tx, err := c.Session.Begin(ctx)
	return &cutTx{tx, c.s}, err
}

type cutTx struct {
	store.Tx
	s *cutOff
}

func (c *cutTx) Commit(ctx context.Context) error {
	if c.s.commits.Add(1) >= c.s.at {
		c.s.dead.Store(true)
		return errDead
	}
	return c.Tx.Commit(ctx)
}

func (c *cutTx) Abort(ctx context.Context) error {
	if c.s.dead.Load() {
		return errDead
	}
	return c.Tx.Abort(ctx)
}

// TestOpenTransactionOfTheDead has a gateway die within transactions of a collection
// sink, which the server would keep open for a minute: the one that takes over ends
// them, and so does a statement that changes the same rows.
func TestOpenTransactionOfTheDead(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]bool{"takeover": false, "drop": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const lease, n = time.Second, 40
			e, uri := serveEngine(t)
			open := func() store.Store { return remoteStore(t, uri) }
			dying := &cutOff{mortal: &mortal{Store: open()}, at: 1}
			a := startNode(t, dying, lease)
			t.Cleanup(func() { a.stop(); <-a.ended })
			conn := connect(t, a.Gateway, "open")
			exec(t, conn, `CREATE EVENT_SUBSCRIPTION copied ON docs DELIVER TO COLLECTION copies`)
			insertDocs(t, e, "open", 0, n)
			require.Eventually(t, dying.dead.Load, patience, time.Millisecond)
			died := time.Now()
			b := startNode(t, open(), lease)
			t.Cleanup(func() { b.stop(); <-b.ended })
			cb := connect(t, b.Gateway, "open")
			if drop {
				exec(t, cb, `DROP EVENT_SUBSCRIPTION copied`)
			} else {
				require.Eventually(t, func() bool {
					return scalar[int64](t, cb, `SELECT count(*) FROM CHANGE_STREAM_EVENTS('copied') WHERE processing_status <> 'completed'`) == 0
				}, patience, 10*time.Millisecond)
				require.Equal(t, int64(n), scalar[int64](t, cb, `SELECT count(*) FROM copies`))
			}
			require.Less(t, time.Since(died), 20*time.Second)
		})
	}
}
