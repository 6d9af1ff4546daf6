package events

import "sync/atomic"

// budget bounds the bytes that all consumers of a gateway hold in memory together:
// rows that wait for them and events that are not settled. The log keeps the rest.
type budget struct {
	limit int64
	used  atomic.Int64
}

const (
	// budgetLimit is the limit of a gateway.
	budgetLimit = 64 << 20
	// budgetFloor is what a consumer may always hold, so that none waits for others.
	budgetFloor = 128 << 10
	// itemOverhead is about what an event in a lane holds beside its row.
	itemOverhead = 512
)

func (b *budget) take(n int) { b.used.Add(int64(n)) }
func (b *budget) give(n int) { b.used.Add(-int64(n)) }

// room tells whether a consumer that holds so many bytes may take more.
func (b *budget) room(held int) bool { return held < budgetFloor || b.used.Load() < b.limit }

// tight tells that consumers should take little at a time.
func (b *budget) tight() bool { return b.used.Load() > b.limit/4 }
