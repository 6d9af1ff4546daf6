package sink

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each client is closed once, whoever drops it and how often, and none is made
// after the end.
func TestRenewed(t *testing.T) {
	var made int
	closed := map[int]int{}
	r := &renewed[int]{make: func() (int, error) { made++; return made, nil }, close: func(c int) { closed[c]++ }}
	a, dropA, err := r.get()
	require.NoError(t, err)
	b, dropB, err := r.get()
	require.NoError(t, err)
	require.Equal(t, a, b)
	dropA()
	dropA()
	c, dropC, err := r.get()
	require.NoError(t, err)
	require.NotEqual(t, a, c)
	dropB() // of the first client: the second stays
	d, _, err := r.get()
	require.NoError(t, err)
	require.Equal(t, c, d)
	r.end()
	dropC()
	require.Equal(t, map[int]int{1: 1, 2: 1}, closed)
	_, _, err = r.get()
	require.ErrorIs(t, err, errEnded)
	require.Equal(t, 2, made)
}
