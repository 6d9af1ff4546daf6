package events

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
)

func deadCountColumns() []catalog.Column {
	return columns("subscription_id", text_, "status", text_, "reason", text_, "last_status", int4, "dead_letters", int8,
		"oldest", tstz, "newest", tstz, "last_at", tstz)
}

// deadCounts makes the rows of DEAD_LETTER_COUNTS(): how many dead letters there
// are of a kind. Where there are many the count is one that was taken beside.
func (m *Manager) deadCounts(ctx context.Context, database string) ([]bson.Raw, error) {
	rows, few, err := m.countGraves(ctx, m.idsOf(database), countedAtOnce)
	if err != nil || few {
		return rows, err
	}
	all, err := m.graves.wait(ctx, m, func(ctx context.Context) ([]bson.Raw, error) {
		ids := bson.A{}
		for _, s := range m.list() {
			ids = append(ids, s.ID)
		}
		rows, _, err := m.countGraves(ctx, ids, 0)
		return rows, err
	})
	ids := m.idsOf(database)
	return slices.DeleteFunc(slices.Clone(all), func(r bson.Raw) bool {
		return !slices.Contains(ids, any(text(value.Lookup(r, "subscription_id"))))
	}), err
}

// countGraves groups the dead letters of subscriptions, at most so many, 0: all.
func (m *Manager) countGraves(ctx context.Context, ids bson.A, most int64) (rows []bson.Raw, few bool, err error) {
	stages := []bson.D{{{Key: "$match", Value: bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: ids}}}}}}}
	if most > 0 {
		stages = append(stages, bson.D{{Key: "$limit", Value: most + 1}})
	}
	fields := []string{"subscription_id", "status", "reason", "last_status"}
	key, group, project := bson.D{}, bson.D{}, bson.D{{Key: "_id", Value: 0}}
	for _, f := range fields {
		key = append(key, bson.E{Key: f, Value: "$" + f})
		project = append(project, bson.E{Key: f, Value: "$_id." + f})
	}
	group = append(group, bson.E{Key: "_id", Value: key}, bson.E{Key: "dead_letters", Value: bson.D{{Key: "$sum", Value: int64(1)}}},
		bson.E{Key: "oldest", Value: bson.D{{Key: "$min", Value: "$created_at"}}}, bson.E{Key: "newest", Value: bson.D{{Key: "$max", Value: "$created_at"}}},
		bson.E{Key: "last_at", Value: bson.D{{Key: "$max", Value: "$last_attempt_at"}}})
	for _, f := range []string{"dead_letters", "oldest", "newest", "last_at"} {
		project = append(project, bson.E{Key: f, Value: 1})
	}
	total := int64(0)
	err = query(ctx, m.st, collDead, append(stages, bson.D{{Key: "$group", Value: group}}, bson.D{{Key: "$project", Value: project}}), func(doc bson.Raw) error {
		total += value.Lookup(doc, "dead_letters").AsInt64()
		rows = append(rows, slices.Clone(doc))
		return nil
	})
	return rows, most == 0 || total <= most, err
}
