package events

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestServerClock goes by the server whatever the gateway's clock says, and does not
// step for what a question may have taken.
func TestServerClock(t *testing.T) {
	local, server := time.Unix(1000, 0), time.Unix(50_000, 0)
	c := &serverClock{local: func() time.Time { return local }}
	require.Equal(t, local, c.now(), "nobody was asked yet")
	c.observe(server, local, local.Add(10*time.Millisecond))
	local = local.Add(time.Minute)
	want := server.Add(time.Minute - 5*time.Millisecond)
	require.Equal(t, want, c.now())
	c.observe(want.Add(20*time.Millisecond), local, local)
	require.Equal(t, want, c.now())
	c.observe(want.Add(-time.Second), local, local)
	require.Equal(t, want.Add(-time.Second), c.now(), "the server's clock was set")
}
