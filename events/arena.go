package events

// arena is memory for rows that are let go of together. It grows with what is
// asked of it and shrinks to what was used last.
type arena struct {
	chunks [][]byte
	at     int // the chunk in use; those behind it are empty
}

// Bounds of an arena's chunks in bytes; a larger row has one of its own.
const (
	firstChunk = 4 << 10
	mostChunk  = 256 << 10
)

// reset lets go of all rows.
func (a *arena) reset() {
	clear(a.chunks[min(a.at+1, len(a.chunks)):])
	a.chunks = a.chunks[:min(a.at+1, len(a.chunks))]
	for i := range a.chunks {
		a.chunks[i] = a.chunks[i][:0]
	}
	a.at = 0
}

// room gives an empty slice with room for n bytes; keep takes it when it is filled.
func (a *arena) room(n int) []byte {
	for ; a.at < len(a.chunks); a.at++ {
		if c := a.chunks[a.at]; cap(c)-len(c) >= n {
			return c[len(c):len(c):cap(c)]
		}
	}
	size := firstChunk
	if len(a.chunks) > 0 {
		size = min(mostChunk, 2*cap(a.chunks[len(a.chunks)-1]))
	}
	a.chunks = append(a.chunks, make([]byte, 0, max(n, size)))
	a.at = len(a.chunks) - 1
	return a.chunks[a.at]
}

// keep keeps what the last room was filled with, unless it outgrew it.
func (a *arena) keep(b []byte) []byte {
	if c := a.chunks[a.at]; cap(c)-len(c) >= len(b) {
		a.chunks[a.at] = c[:len(c)+len(b)]
	}
	return b[:len(b):len(b)]
}
