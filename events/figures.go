package events

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// figure is what is counted of a subscription's rows.
type figure struct{ pending, retrying, dead, blocked int64 }

// countedAtOnce is how many rows a question about figures counts by itself. Where
// there are more it goes by the totals, and by a count that is taken beside it now
// and then: what a dashboard asks must not cost more the more events wait.
const countedAtOnce = 250

// census is a count of all rows that wait, with what the totals said meanwhile.
type census struct {
	rows   map[string]figure
	totals map[string]totals // before it
	ended  map[string]totals // after it
}

// backlog is what the totals say is not settled. It is off by what was skipped, redriven or
// rewound, and by what a crash did not save.
func (t totals) backlog() int64 { return t.Total - t.Delivered - t.Failed }

// drift is how far the totals of a subscription are off.
func (c *census) drift(id string) int64 {
	before, known := c.totals[id]
	if !known {
		return 0
	}
	f := c.rows[id]
	return f.pending + f.retrying - (before.backlog()+c.ended[id].backlog())/2
}

// figures gives what waits and what is dead of each subscription; counted are
// their totals.
func (m *Manager) figures(ctx context.Context, counted map[string]totals) (map[string]figure, error) {
	last, _ := m.census.last()
	few := map[string]figure{}
	waiting, dead, err := m.countFew(ctx, few, last.much(counted))
	if err != nil {
		return nil, err
	}
	if !waiting || !dead {
		last, _ = m.census.get(ctx, m, m.takeCensus)
	}
	out := map[string]figure{}
	for id, now := range counted {
		f := few[id]
		if !waiting {
			f.pending, f.retrying = last.waiting(id, now, f.pending)
		}
		if !dead {
			f.dead = max(f.dead, last.dead(id, now))
		}
		out[id] = f
	}
	return out, m.addBlocked(ctx, out)
}

// countFew counts what waits and what is dead, unless that is known to be much where
// no index says how many there are; waiting and dead tell that the counts are whole.
func (m *Manager) countFew(ctx context.Context, out map[string]figure, much bool) (waiting, dead bool, err error) {
	most := int64(countedAtOnce)
	switch {
	case m.st.Capabilities().Embedded: // it has counted indexes
		most = 0
	case much:
		return false, false, nil
	}
	if waiting, err = m.countWaiting(ctx, out, most); err == nil {
		dead, err = m.countDead(ctx, out, most)
	}
	return waiting, dead, err
}

// much tells that more waits and is dead than is worth counting at once.
func (c *census) much(counted map[string]totals) bool {
	waiting, dead := int64(0), int64(0)
	for id, now := range counted {
		pending, retrying := c.waiting(id, now, 0)
		waiting += pending + retrying
		dead += c.dead(id, now)
	}
	return c.rows != nil && waiting > countedAtOnce && dead > countedAtOnce
}

// waiting is what waits by the census and what the totals say happened since; at
// least so much is known to.
func (c *census) waiting(id string, now totals, known int64) (pending, retrying int64) {
	retrying = c.rows[id].retrying
	return max(known, now.backlog()+c.drift(id)-retrying), retrying
}

func (c *census) dead(id string, now totals) int64 {
	return c.rows[id].dead + max(0, now.Failed-c.ended[id].Failed)
}

// takeCensus counts everything.
func (m *Manager) takeCensus(ctx context.Context) (c census, err error) {
	c.rows = map[string]figure{}
	if c.totals, err = m.countedAll(ctx); err != nil {
		return c, err
	}
	if _, err := m.countWaiting(ctx, c.rows, 0); err != nil {
		return c, err
	}
	if c.ended, err = m.countedAll(ctx); err != nil {
		return c, err
	}
	_, err = m.countDead(ctx, c.rows, 0)
	return c, err
}

// countedAll gives the totals of the subscriptions of all databases.
func (m *Manager) countedAll(ctx context.Context) (map[string]totals, error) {
	out := map[string]totals{}
	for _, s := range m.list() {
		if _, done := out[s.ID]; done {
			continue
		}
		of, err := m.counted(ctx, s.Database)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, of)
	}
	return out, nil
}

// countWaiting counts rows that are not settled, at most so many, 0: all. few
// tells that these were all.
func (m *Manager) countWaiting(ctx context.Context, out map[string]figure, most int64) (few bool, err error) {
	match := bson.D{{Key: "processing_status", Value: bson.D{{Key: "$in", Value: bson.A{StatusQueued, StatusProcessing, StatusRetrying}}}}}
	return m.countBy(ctx, collLog, match, "processing_status", most, func(id, status string, n int64) {
		f := out[id]
		if status == StatusRetrying {
			f.retrying += n
		} else {
			f.pending += n
		}
		out[id] = f
	})
}

// countDead counts the dead letters that are open.
func (m *Manager) countDead(ctx context.Context, out map[string]figure, most int64) (few bool, err error) {
	match := bson.D{{Key: "status", Value: bson.D{{Key: "$in", Value: bson.A{"open", "redriving"}}}}}
	return m.countBy(ctx, collDead, match, "status", most, func(id, _ string, n int64) {
		f := out[id]
		f.dead += n
		out[id] = f
	})
}

// countBy counts rows by subscription and a status.
func (m *Manager) countBy(ctx context.Context, coll string, match bson.D, status string, most int64, add func(id, status string, n int64)) (few bool, err error) {
	stages := []bson.D{{{Key: "$match", Value: match}}}
	if most > 0 {
		stages = append(stages, bson.D{{Key: "$limit", Value: most + 1}})
	}
	stages = append(stages, bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "s", Value: "$subscription_id"}, {Key: "t", Value: "$" + status}}},
		{Key: "n", Value: bson.D{{Key: "$sum", Value: int64(1)}}}}}})
	total := int64(0)
	err = query(ctx, m.st, coll, stages, func(doc bson.Raw) error {
		of, n := value.Lookup(doc, "_id").Doc(), value.Lookup(doc, "n").AsInt64()
		total += n
		add(strings.Clone(text(value.Lookup(of, "s"))), text(value.Lookup(of, "t")), n)
		return nil
	})
	return most == 0 || total <= most, err
}

// addBlocked adds the keys that are blocked, as the dispatchers of all gateways
// stored them.
func (m *Manager) addBlocked(ctx context.Context, out map[string]figure) error {
	cursors, of := bson.A{}, map[string]string{}
	for _, s := range m.list() {
		def := m.stored(s)
		if _, asked := out[s.ID]; !asked || def.Spec.OnDeadLetter != "block_key" {
			continue
		}
		for i := range def.Spec.DeliveryShards {
			id := cursorID(s.ID, i)
			of[id] = s.ID
			cursors = append(cursors, id)
		}
	}
	if len(cursors) == 0 {
		return nil
	}
	return query(ctx, m.st, collCursors, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: cursors}}}, {Key: "blocked", Value: bson.D{{Key: "$gt", Value: 0}}}}}}}, func(doc bson.Raw) error {
		id := of[text(value.Lookup(doc, "_id"))]
		f := out[id]
		f.blocked += value.Lookup(doc, "blocked").AsInt64()
		out[id] = f
		return nil
	})
}

// counted gives the totals of a database's subscriptions: those of this gateway
// when it delivers them, else what the gateways stored.
func (m *Manager) counted(ctx context.Context, database string) (map[string]totals, error) {
	out := map[string]totals{}
	m.mu.Lock()
	here := m.scope[database].alive()
	m.mu.Unlock()
	elsewhere := !here
	for _, s := range m.of(database) {
		def := m.stored(s)
		elsewhere = elsewhere || def.sharded()
		out[s.ID] = s.count.read()
	}
	if !elsewhere {
		return out, nil
	}
	err := query(ctx, m.st, collSubscriptions, []bson.D{{{Key: "$match", Value: ofDatabase(database)}}, {{Key: "$project", Value: bson.D{{Key: "counters", Value: 1}, {Key: "spec.delivery_shards", Value: 1}}}}}, func(raw bson.Raw) error {
		var d struct {
			ID   string `bson:"_id"`
			Spec struct {
				Shards int `bson:"delivery_shards"`
			} `bson:"spec"`
			Counters totals `bson:"counters"`
		}
		if err := bson.Unmarshal(slices.Clone(raw), &d); err != nil {
			return fmt.Errorf("counters of a subscription: %w", err)
		}
		if !here || d.Spec.Shards > 1 {
			out[d.ID] = d.Counters
		}
		return nil
	})
	return out, err
}
