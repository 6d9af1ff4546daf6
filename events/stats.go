package events

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/store"
)

// statsRetention is how long the buckets of event_stats are kept.
const statsRetention = 30 * Day

// bucketOp adds a tally to the bucket of the current minute. Operations and
// collections are counted in the maps ops and colls.
func (m *Manager) bucketOp(s *Spec, t *tally) store.WriteOp {
	bucket := m.clock().Truncate(time.Minute)
	inc := bson.D{
		{Key: "received", Value: t.total}, {Key: "matched", Value: t.total}, {Key: "delivered", Value: t.delivered}, {Key: "failed", Value: t.failed},
		{Key: "retried", Value: t.retried}, {Key: "dead", Value: t.failed}, {Key: "bytes", Value: t.bytes},
		{Key: "timed", Value: t.timed}, {Key: "duration_us", Value: t.duration},
	}
	sums := map[string]int64{}
	for k, n := range t.kinds {
		sums["ops."+fieldName(k.op)] += *n
		sums["colls."+fieldName(k.coll)] += *n
	}
	for name, n := range sums {
		inc = append(inc, bson.E{Key: name, Value: n})
	}
	inc = t.lag.increments(inc, "lag")
	inc = t.delivery.increments(inc, "delivery")
	var set, highest bson.D
	inc, set, highest = t.pairs.increments(inc, set, highest)
	update := bson.D{{Key: "$inc", Value: inc}, {Key: "$setOnInsert", Value: bson.D{{Key: "bucket", Value: bucket}, {Key: "subscription_id", Value: s.ID},
		{Key: "service_name", Value: s.ServiceName}, {Key: "expire_at", Value: bucket.Add(statsRetention)}}}}
	if len(set) > 0 {
		update = append(update, bson.E{Key: "$set", Value: set})
	}
	if t.timed > 0 {
		highest = append(highest, bson.E{Key: "longest_us", Value: t.longest})
	}
	if len(highest) > 0 {
		update = append(update, bson.E{Key: "$max", Value: highest})
	}
	if t.timed > 0 {
		update = append(update, bson.E{Key: "$min", Value: bson.D{{Key: "shortest_us", Value: t.shortest}}})
	}
	return updateOp(bson.D{{Key: "_id", Value: s.ID + ":" + bucket.UTC().Format("20060102T1504")}}, update, true)
}

// fieldName makes a name fit for a path of an update.
func fieldName(s string) string {
	if s == "" {
		return "_"
	}
	return strings.NewReplacer(".", "_", "$", "_", "\x00", "_").Replace(s)
}

// metricsRows is EVENT_STREAM_METRICS(): the counters of the last 24 hours by
// subscription and hour. It reads buckets, never the log.
func (m *Manager) metricsRows(_ context.Context, s catalog.Session, _ []bson.RawValue) (catalog.FunctionRows, error) {
	sum := func(field string) bson.D { return bson.D{{Key: "$sum", Value: "$" + field}} }
	group := bson.D{
		{Key: "_id", Value: bson.D{{Key: "s", Value: "$subscription_id"}, {Key: "n", Value: "$service_name"},
			{Key: "h", Value: bson.D{{Key: "$dateToString", Value: bson.D{{Key: "date", Value: "$bucket"}, {Key: "format", Value: "%Y-%m-%d %H:00:00"}}}}}}},
		{Key: "received", Value: sum("received")}, {Key: "delivered", Value: sum("delivered")}, {Key: "failed", Value: sum("failed")}, {Key: "retried", Value: sum("retried")},
		{Key: "timed", Value: sum("timed")}, {Key: "duration_us", Value: sum("duration_us")},
		{Key: "longest", Value: bson.D{{Key: "$max", Value: "$longest_us"}}}, {Key: "shortest", Value: bson.D{{Key: "$min", Value: "$shortest_us"}}},
		{Key: "inserts", Value: sum("ops.insert")}, {Key: "updates", Value: sum("ops.update")}, {Key: "deletes", Value: sum("ops.delete")},
		{Key: "users", Value: sum("colls.users")}, {Key: "profiles", Value: sum("colls.user_profiles")}, {Key: "preferences", Value: sum("colls.user_preferences")},
	}
	long := func(field string) bson.D { return bson.D{{Key: "$toLong", Value: "$" + field}} }
	over := func(a, b any) bson.D {
		return bson.D{{Key: "$cond", Value: bson.A{bson.D{{Key: "$gt", Value: bson.A{b, 0}}}, bson.D{{Key: "$divide", Value: bson.A{a, b}}}, nil}}}
	}
	ms := func(field string) bson.D { return bson.D{{Key: "$divide", Value: bson.A{"$" + field, 1000.0}}} }
	project := bson.D{
		{Key: "_id", Value: 0}, {Key: "subscription_id", Value: "$_id.s"}, {Key: "service_name", Value: "$_id.n"},
		{Key: "total_events_received", Value: long("received")}, {Key: "events_processed", Value: long("delivered")},
		{Key: "events_failed", Value: long("failed")}, {Key: "events_retrying", Value: long("retried")},
		{Key: "avg_processing_time_ms", Value: over(ms("duration_us"), "$timed")},
		{Key: "max_processing_time_ms", Value: ms("longest")}, {Key: "min_processing_time_ms", Value: ms("shortest")},
		{Key: "insert_events", Value: long("inserts")}, {Key: "update_events", Value: long("updates")}, {Key: "delete_events", Value: long("deletes")},
		{Key: "user_events", Value: long("users")}, {Key: "profile_events", Value: long("profiles")}, {Key: "preference_events", Value: long("preferences")},
		{Key: "hour_bucket", Value: "$_id.h"}, {Key: "hourly_event_count", Value: long("received")},
		{Key: "success_rate_percent", Value: bson.D{{Key: "$round", Value: bson.A{over(bson.D{{Key: "$multiply", Value: bson.A{"$delivered", 100.0}}}, "$received"), 2}}}},
	}
	match := bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: m.idsOf(s.Database())}}}, {Key: "bucket", Value: bson.D{{Key: "$gte", Value: m.clock().Add(-Day)}}}}
	return catalog.FunctionRows{NS: ns(collStats), Pipeline: []bson.Raw{
		marshal(bson.D{{Key: "$match", Value: match}}), marshal(bson.D{{Key: "$group", Value: group}}), marshal(bson.D{{Key: "$project", Value: project}}),
	}}, nil
}
