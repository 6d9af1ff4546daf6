package events

import (
	"context"
	"time"
)

// strayEvery is how often definitions are looked for that are not as the gateways
// know them.
const strayEvery = 5 * time.Second

// announceStray announces definitions that were changed by a gateway which died
// before it told of that: the others would go by what was in force before.
func (m *Manager) announceStray(ctx context.Context) error {
	if m.clock().Sub(m.strayed) < strayEvery {
		return nil
	}
	m.strayed = m.clock()
	for db := range m.inOrder().of {
		stray, err := m.stray(ctx, db)
		if err != nil {
			return err
		}
		if stray {
			m.log.Info("definitions were changed that nobody announced", "database", db)
			if _, err := m.bump(ctx, db); err != nil {
				return err
			}
		}
	}
	return nil
}

// stray tells whether definitions of a database are not as they are known here.
func (m *Manager) stray(ctx context.Context, db string) (bool, error) {
	known := m.revisions(db)
	changed := false
	err := eachRevision(ctx, m.st, db, func(id string, revision int64) {
		old, ok := known[id]
		delete(known, id)
		changed = changed || !ok || old != revision
	})
	return changed || len(known) > 0, err
}
