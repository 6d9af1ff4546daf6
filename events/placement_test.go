package events

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Databases spread over the gateways, and one that goes moves its own only.
func TestPlace(t *testing.T) {
	gateways := []string{"gw-1", "gw-2", "gw-3"}
	share := map[string]int{}
	for i := range 3000 {
		db := fmt.Sprintf("db%d", i)
		at := place(gateways, db)
		share[at]++
		if at != "gw-2" {
			require.Equal(t, at, place([]string{"gw-3", "gw-1"}, db))
		}
	}
	for _, g := range gateways {
		require.InDelta(t, 1000, share[g], 150, "%v", share)
	}
	require.Empty(t, place(nil, "db"))
}
