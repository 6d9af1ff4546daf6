package events

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
)

// A change stream of a sharded cluster gives an event only when every shard has passed
// its time: one that nobody writes to delays all by up to periodicNoopIntervalSecs, ten
// seconds by default. So while a database is read here, each shard gets a note in its
// oplog now and then.

// noteShards writes it. It also brings the clocks of all shards up to this gateway's:
// what is written on any of them afterwards is later than operationTime was before.
func (m *Manager) noteShards(ctx context.Context) error {
	if !m.data.Capabilities().Sharded || m.noNotes.Load() {
		return nil
	}
	_, err := m.data.Command(ctx, "admin", marshal(bson.D{{Key: "appendOplogNote", Value: 1}, {Key: "data", Value: bson.D{{Key: "weir", Value: m.gateway}}}}))
	switch mongoerr.CodeOf(err) {
	case mongoerr.Unauthorized, mongoerr.CommandNotFound, mongoerr.CommandNotSupported:
		m.noNotes.Store(true)
		m.log.Warn("events may be delayed by shards that nobody writes to; with the role clusterManager the gateway would have them keep up", "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("write to the oplog of every shard: %w", err)
	}
	return nil
}

// keepShardsUp is noteShards while a database is read here.
func (m *Manager) keepShardsUp(ctx context.Context) error {
	m.mu.Lock()
	reads := false
	for _, r := range m.scope {
		reads = reads || r.alive()
	}
	m.mu.Unlock()
	if !reads {
		return nil
	}
	return m.noteShards(ctx)
}
