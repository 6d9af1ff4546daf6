package update

import "slices"

// Memory is where updates and what they make are kept, to be used again: updates
// until Reset; the result of an Apply until the next one of any of them.
type Memory struct {
	updates []Update
	fields  []plainField
	doc     []byte
	desc    Description
}

// Bounds of what Memory keeps.
const (
	memoryUpdates = 64
	memoryDoc     = 256 << 10
)

// Reset lets go of all updates.
func (m *Memory) Reset() {
	clear(m.updates)
	clear(m.fields)
	m.updates, m.fields, m.desc = m.updates[:0], m.fields[:0], Description{}
	if cap(m.doc) > memoryDoc {
		m.doc = nil
	}
}

// update gives room for an update.
func (m *Memory) update() *Update {
	if m == nil || len(m.updates) == memoryUpdates {
		return &Update{}
	}
	if m.updates == nil {
		m.updates = make([]Update, 0, memoryUpdates) // it must not move
	}
	m.updates = m.updates[:len(m.updates)+1]
	return &m.updates[len(m.updates)-1]
}

// document gives room for a document of a size.
func (m *Memory) document(size int) []byte {
	if m == nil {
		return make([]byte, 0, size)
	}
	return slices.Grow(m.doc[:0], size)
}

// keep keeps the memory of fields, which are behind those that are kept, or in a
// larger place.
func (m *Memory) keep(fields []plainField) {
	if n := len(m.fields) + len(fields); n <= cap(m.fields) {
		m.fields = m.fields[:n]
		return
	}
	m.fields = make([]plainField, 0, max(2*cap(m.fields), memoryUpdates))
}
