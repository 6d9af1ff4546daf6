package engine

import "weir/store"

var _ store.Changes = (*Engine)(nil)

// SchemaVersion implements store.Changes.
func (e *Engine) SchemaVersion() uint64 { return e.catalog.version.Load() }

// DataVersion implements store.Changes: a collection's id, which is used once
// while the store is open, beside the number of changes.
func (e *Engine) DataVersion(ns store.Namespace) (version uint64, count int64) {
	c := e.catalog.get(ns)
	if c == nil {
		return 0, 0
	}
	return uint64(c.id)<<40 + c.changes.Load(), c.count.Load()
}
