package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// The ports that FreePort gives: below those that systems give to connections, so that
// nothing takes one while a server that was ended is started again.
const (
	firstPort = 15_000
	lastPort  = 32_000
)

// FreePort gives a port of loopback that nobody listens on.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := fmt.Sprint(firstPort + rand.IntN(lastPort-firstPort))
		ln, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err == nil {
			require.NoError(t, ln.Close())
			return port
		}
	}
	require.Fail(t, "no port is free")
	return ""
}
