package events_test

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// standing has the writes of what the runtime keeps stand still, or of some of it.
type standing struct {
	store.Store
	only string                        // collection; "": all
	till atomic.Pointer[chan struct{}] // closed when they go on; nil: they do
}

func (s *standing) wait(ctx context.Context) error {
	till := s.till.Load()
	if till == nil {
		return nil
	}
	select {
	case <-*till:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *standing) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if ns.DB == "weir" && (s.only == "" || s.only == ns.Coll) {
		if err := s.wait(ctx); err != nil {
			return store.WriteResult{}, err
		}
	}
	return s.Store.Write(ctx, ns, ops, o)
}

func (s *standing) Command(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	if db == "weir" && s.only == "" && cmd.Index(0).Key() == "findAndModify" {
		if err := s.wait(ctx); err != nil {
			return nil, err
		}
	}
	return s.Store.Command(ctx, db, cmd)
}

// TestMonitoringWhileTheLogStands asks for everything that can be seen while no write
// of the runtime ends, or none of its log, with statements and events under way.
func TestMonitoringWhileTheLogStands(t *testing.T) {
	t.Parallel()
	for _, only := range []string{"", "event_log"} {
		t.Run(cmp.Or(only, "all"), func(t *testing.T) {
			t.Parallel()
			monitoringWhileItStands(t, &standing{Store: openEngine(t), only: only})
		})
	}
}

func monitoringWhileItStands(t *testing.T, st *standing) {
	n := startNode(t, st, 0)
	defer n.end(t)
	conn := connect(t, n.Gateway, "stands")
	for _, to := range []string{"PULL", "NOTIFY news", "COLLECTION copies", "'http://127.0.0.1:1/'"} {
		exec(t, conn, `CREATE EVENT_SUBSCRIPTION "%s" ON docs DELIVER TO %s WITH (subscription_id = 's%d')`, to, to, len(to))
	}
	insertDocs(t, st, "stands", 0, 50)
	views := strings.Fields(scalar[string](t, conn, `SELECT string_agg('weir.' || table_name, ' ') FROM information_schema.tables WHERE table_schema = 'weir' AND table_type = 'VIEW'`))
	require.NotEmpty(t, views)
	till := make(chan struct{})
	st.till.Store(&till)
	var under sync.WaitGroup
	defer under.Wait()
	defer close(till)
	statements := []string{`CREATE EVENT_SUBSCRIPTION late ON docs DELIVER TO PULL`, `PAUSE EVENT_SUBSCRIPTION "PULL"`, `REWIND EVENT_SUBSCRIPTION "COLLECTION copies" TO BEGINNING`, `BACKFILL EVENT_SUBSCRIPTION "NOTIFY news"`}
	ends := make(chan error, len(statements))
	for i, sql := range statements {
		c := connect(t, n.Gateway, "stands")
		exec(t, c, `SET statement_timeout = '1s'`)
		under.Go(func() { _, err := c.Exec(context.Background(), sql); ends <- err })
		insertDocs(t, st, "stands", 50*(i+1), 50)
	}
	time.Sleep(200 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, from := range append(views, "EVENT_SUBSCRIPTIONS()", "ACTIVE_CHANGE_STREAMS()", "DEAD_LETTER_EVENTS()", "EVENT_ATTEMPTS()", "EVENT_GAPS()", "EVENT_BACKFILLS()",
		"EVENT_REDRIVES()", "EVENT_GATEWAYS()", "EVENT_STATS()", "EVENT_CONNECTIONS()", "CHANGE_STREAM_EVENTS()", "CHANGE_STREAM_EVENTS('PULL')") {
		_, err := conn.Exec(ctx, `SELECT * FROM `+from)
		require.NoError(t, err, from)
	}
	for _, sql := range []string{`SHOW EVENT_SUBSCRIPTIONS`, `SHOW CREATE EVENT_SUBSCRIPTION "PULL"`, `EXPLAIN EVENT_SUBSCRIPTION "PULL"`, `TEST EVENT_SUBSCRIPTION "NOTIFY news" ON LAST 5 EVENTS`} {
		_, err := conn.Exec(ctx, sql)
		require.NoError(t, err, sql)
	}
	for range statements {
		select {
		case err := <-ends:
			if err != nil || st.only == "" { // which write nothing to the log may be through
				require.ErrorContains(t, err, "57014")
			}
		case <-ctx.Done():
			require.Fail(t, "a statement cannot be cancelled")
		}
	}
}
