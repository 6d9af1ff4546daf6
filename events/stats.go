package events

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// statsRetention is how long the buckets of event_stats are kept.
const statsRetention = 30 * Day

// hoursRetention is the same of event_hours.
const hoursRetention = 2 * Day

// The buckets of event_stats and event_hours: EVENT_STATS() tells of minutes, with
// digests; EVENT_STREAM_METRICS() of hours, which are few.

// minuteOp adds a tally to the bucket of a minute.
func minuteOp(s *Spec, t *tally, bucket time.Time) store.WriteOp {
	inc := bson.D{
		{Key: "received", Value: t.total}, {Key: "matched", Value: t.total}, {Key: "delivered", Value: t.delivered}, {Key: "failed", Value: t.failed},
		{Key: "retried", Value: t.retried}, {Key: "dead", Value: t.failed}, {Key: "bytes", Value: t.bytes},
	}
	inc = t.lag.increments(inc, "lag")
	inc = t.delivery.increments(inc, "delivery")
	return updateOp(bson.D{{Key: "_id", Value: s.ID + ":" + bucket.UTC().Format("20060102T1504")}}, bson.D{{Key: "$inc", Value: inc},
		{Key: "$setOnInsert", Value: bson.D{{Key: "bucket", Value: bucket}, {Key: "subscription_id", Value: s.ID}, {Key: "expire_at", Value: bucket.Add(statsRetention)}}}}, true)
}

// hourOp adds a tally to the bucket of the current hour. Operations and collections
// are counted in the maps ops and colls.
func (m *Manager) hourOp(s *Spec, t *tally) store.WriteOp {
	bucket := m.clock().Truncate(time.Hour)
	inc := bson.D{
		{Key: "received", Value: t.total}, {Key: "delivered", Value: t.delivered}, {Key: "failed", Value: t.failed}, {Key: "retried", Value: t.retried},
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
	update := bson.D{{Key: "$inc", Value: inc}, {Key: "$setOnInsert", Value: bson.D{{Key: "bucket", Value: bucket}, {Key: "subscription_id", Value: s.ID},
		{Key: "database_name", Value: s.Database}, {Key: "service_name", Value: s.ServiceName}, {Key: "expire_at", Value: bucket.Add(hoursRetention)}}}}
	if t.timed > 0 {
		update = append(update, bson.E{Key: "$max", Value: bson.D{{Key: "longest_us", Value: t.longest}}}, bson.E{Key: "$min", Value: bson.D{{Key: "shortest_us", Value: t.shortest}}})
	}
	return updateOp(bson.D{{Key: "_id", Value: s.ID + ":" + bucket.UTC().Format("20060102T15")}}, update, true)
}

// fieldName makes a name fit for a path of an update.
func fieldName(s string) string {
	if s == "" {
		return "_"
	}
	return strings.NewReplacer(".", "_", "$", "_", "\x00", "_").Replace(s)
}
