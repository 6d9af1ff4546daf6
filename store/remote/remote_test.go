package remote_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/internal/testkit"
	"weir/store"
	"weir/store/remote"
	"weir/store/storetest"
)

// patience only bounds a failure: a machine may be busy.
const patience = 2 * time.Minute

// TestContract runs the contract on the MongoDB of WEIR_TEST_MONGODB_URI, else on
// an engine behind its MongoDB port.
func TestContract(t *testing.T) {
	uri := os.Getenv("WEIR_TEST_MONGODB_URI")
	storetest.Run(t, func(t *testing.T) store.Store {
		at := uri
		if at == "" {
			at = startEngine(t)
		}
		st, err := remote.Open(context.Background(), at, remote.Options{})
		require.NoError(t, err)
		return st
	})
}

func startEngine(t *testing.T) string { return serve(t, engine.Options{}) }

// serve runs an engine behind a MongoDB port.
func serve(t *testing.T, o engine.Options) string {
	t.Helper()
	e, err := engine.Open("", o)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return opmsg.NewServer(e, opmsg.Options{}).Serve(ctx, ln) })
	t.Cleanup(func() {
		cancel()
		require.NoError(t, group.Wait())
		require.NoError(t, e.Close())
	})
	return fmt.Sprintf("mongodb://%s/?directConnection=true", ln.Addr())
}

// TestLostConnections loses all that is under way and tells nobody: who waits for an
// answer hears of it, though the network is well again.
func TestLostConnections(t *testing.T) {
	at := startEngine(t)
	u, err := url.Parse(at)
	require.NoError(t, err)
	proxy := testkit.StartProxy(t, u.Host)
	st, err := remote.Open(t.Context(), fmt.Sprintf("mongodb://%s/?directConnection=true&connectTimeoutMS=300&heartbeatFrequencyMS=500", proxy.Addr()), remote.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	ping := func() error {
		_, err := st.Command(t.Context(), "admin", bson.Raw("\x0f\x00\x00\x00\x10ping\x00\x01\x00\x00\x00\x00"))
		return err
	}
	require.NoError(t, ping())
	proxy.Set(testkit.Lost)
	ended := make(chan error, 1)
	go func() { ended <- ping() }()
	require.Never(t, func() bool { return len(ended) > 0 }, 50*time.Millisecond, 10*time.Millisecond)
	proxy.Set(testkit.Pass)
	select {
	case err := <-ended:
		require.Error(t, err)
	case <-time.After(patience):
		t.Fatal("nobody tells that there will be no answer")
	}
	require.Eventually(t, func() bool { return ping() == nil }, patience, 50*time.Millisecond)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	_, err := remote.Open(context.Background(), "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", remote.Options{ConnectTimeout: 200e6})
	require.ErrorContains(t, err, "connect to MongoDB")
	_, err = remote.Open(context.Background(), "nonsense", remote.Options{})
	require.ErrorContains(t, err, "MongoDB URI")
}
