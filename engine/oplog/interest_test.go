package oplog

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInterest(t *testing.T) {
	i := interest{last: map[Scope]uint64{}, gates: map[Scope]*gate{}}
	a, b, db := Scope{"d", "a"}, Scope{"d", "b"}, Scope{DB: "d"}
	for ts := uint64(1); ts <= 3; ts++ {
		i.note(ts, &Entry{Kind: Insert, DB: "d", Coll: "a"})
	}
	require.False(t, i.news(a, 0), "not durable yet")
	i.publish(2)
	require.True(t, i.news(a, 1), "the second entry must be read, though the third is to come")
	require.False(t, i.news(a, 2))
	i.publish(3)
	require.True(t, i.news(a, 2))
	require.True(t, i.news(db, 2))
	require.True(t, i.news(Scope{}, 2))
	require.False(t, i.news(b, 0))
	i.note(4, &Entry{Kind: Rename, DB: "d", Coll: "a"})
	i.publish(4)
	require.True(t, i.news(b, 3))
	require.False(t, i.news(b, 4))
}

func TestInterestWakesWhomItConcerns(t *testing.T) {
	i := interest{last: map[Scope]uint64{}, gates: map[Scope]*gate{}}
	a, b := &gate{open: make(chan struct{})}, &gate{open: make(chan struct{})}
	i.gates[Scope{"d", "a"}], i.gates[Scope{"d", "b"}] = a, b
	i.note(1, &Entry{Kind: Update, DB: "d", Coll: "a"})
	i.publish(1)
	require.Empty(t, i.gates[Scope{"d", "a"}])
	require.NotNil(t, i.gates[Scope{"d", "b"}])
	<-a.open
	select {
	case <-b.open:
		require.Fail(t, "woken for nothing")
	default:
	}
}
