package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeapGrowthKeepsTheFloor(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct{ live, floor, goal uint64 }{
		{0, 128 * mb, 128 * mb}, {25 * mb, 128 * mb, 128 * mb}, {64 * mb, 128 * mb, 128 * mb}, {100 * mb, 128 * mb, 200 * mb}, {1, 2 * mb, 8 * mb},
	} {
		live := max(c.live, 4*mb)
		require.InEpsilon(t, c.goal, live+live*uint64(heapGrowth(c.live, c.floor))/100, 0.01)
	}
}
