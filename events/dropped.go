package events

import (
	"context"
	"errors"
	"slices"

	"weir/engine/value"
)

// drops tells whether an event of the batch ends a collection.
func (r *reader) drops() bool {
	return slices.ContainsFunc(r.events, func(e Event) bool {
		op := text(value.Lookup(e.Raw, "operationType"))
		return op == "drop" || op == "rename" || op == "dropDatabase"
	})
}

// binds tells whether the subscription names a collection.
func (r *route) binds(coll string) bool { return r.names[coll] || r.matchesPattern(coll) }

// suspendDropped suspends the subscriptions that ask for it by on_collection_drop
// when a collection that they name is dropped, renamed away or replaced by one that
// is renamed, or their database is dropped. It runs before the token passes the drop, so that a crash repeats it.
func (r *reader) suspendDropped(ctx context.Context) error {
	for i := range r.events {
		e := &r.events[i]
		if e.Op != "drop" && e.Op != "rename" && e.Op != "dropDatabase" {
			continue
		}
		for _, rt := range r.router.routes {
			if rt.spec.OnCollectionDrop != "suspend" || e.Op != "dropDatabase" && !rt.binds(e.Coll) && !(e.To != "" && rt.binds(e.To)) {
				continue
			}
			if err := r.suspend(ctx, rt.spec.ID, "collection_dropped", e.Op+" of "+e.DB+"."+e.Coll); err != nil && !errors.Is(err, errSuspended) {
				return err
			}
		}
	}
	return nil
}

// suspendID is suspend by the id of a subscription.
func (m *Manager) suspendID(ctx context.Context, id, reason, detail string) error {
	m.mu.Lock()
	s := m.subs[id]
	m.mu.Unlock()
	if s == nil {
		return nil
	}
	if def := m.stored(s); def.Status != StateActive {
		return nil
	}
	return m.suspend(ctx, s, reason, detail)
}
