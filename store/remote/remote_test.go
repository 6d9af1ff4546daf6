package remote_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"weir/engine"
	"weir/engine/opmsg"
	"weir/store"
	"weir/store/remote"
	"weir/store/storetest"
)

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

func startEngine(t *testing.T) string {
	t.Helper()
	e, err := engine.Open("", engine.Options{})
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

func TestOpenSaysWhatIsWrong(t *testing.T) {
	_, err := remote.Open(context.Background(), "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200", remote.Options{ConnectTimeout: 200e6})
	require.ErrorContains(t, err, "connect to MongoDB")
	_, err = remote.Open(context.Background(), "nonsense", remote.Options{})
	require.ErrorContains(t, err, "MongoDB URI")
}
