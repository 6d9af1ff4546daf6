package events_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"weir/store"
)

// TestHealth asks for the health of a subscription while it does what it is told: a
// backfill and the past do not stop it, PAUSE does.
func TestHealth(t *testing.T) {
	t.Parallel()
	st := &tampered{Store: openEngine(t)}
	n := startNode(t, st, 0)
	defer n.end(t)
	conn := connect(t, n.Gateway, "health")
	becomes := func(status, health string) {
		t.Helper()
		require.Eventually(t, func() bool {
			return scalar[string](t, conn, `SELECT status || ' ' || health FROM weir.subscription_health`) == status+" "+health
		}, patience, 5*time.Millisecond, status)
	}
	insertDocs(t, st, "health", 0, 5)
	exec(t, conn, `CREATE EVENT_SUBSCRIPTION s ON docs DELIVER TO PULL`)
	becomes("active", "healthy")
	for _, of := range []struct{ statement, status, health string }{
		{`BACKFILL EVENT_SUBSCRIPTION s`, "backfilling", "healthy"},
		{`REWIND EVENT_SUBSCRIPTION s TO BEGINNING`, "creating", "catching_up"},
	} {
		begun, seen := make(chan struct{}), make(chan struct{})
		goOn := sync.OnceFunc(func() { close(seen) })
		defer goOn() // else the node does not end
		st.once(func(ops []store.WriteOp) bool { return ops[0].Kind == store.Insert }, func(write logWrite, ops []store.WriteOp) (store.WriteResult, error) {
			close(begun)
			<-seen
			return write(ops)
		})
		exec(t, conn, "%s", of.statement)
		<-begun
		becomes(of.status, of.health)
		goOn()
		becomes("active", "healthy")
	}
	exec(t, conn, `PAUSE EVENT_SUBSCRIPTION s`)
	becomes("paused", "stopped")
}
