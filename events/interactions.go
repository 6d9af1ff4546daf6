package events

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
)

// interaction is who told whom, and how: counted apart for service_interactions.
type interaction struct{ source, target, kind string }

// interactions are counts of a minute.
type interactions map[interaction]*interactionTally

type interactionTally struct{ n, timed, duration, lastMS int64 }

// maxInteractions bounds what is counted apart in a minute: labels may be taken
// from documents, so that there can be any number of them.
const maxInteractions = 500

// of gives the tally of an interaction, nil: there are too many.
func (m *interactions) of(i interaction, seen map[interaction]bool) *interactionTally {
	t := (*m)[i]
	if t != nil {
		return t
	}
	if !seen[i] && len(seen) >= maxInteractions {
		return nil
	}
	i = interaction{strings.Clone(i.source), strings.Clone(i.target), strings.Clone(i.kind)}
	if *m == nil {
		*m = interactions{}
	}
	seen[i] = true
	t = &interactionTally{}
	(*m)[i] = t
	return t
}

// key names an interaction in a bucket of event_stats.
func (i interaction) key() string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(i.source + "\x00" + i.target + "\x00" + i.kind))
	return fmt.Sprintf("pairs.%016x", h.Sum64())
}

// increments adds the counts to an update of a bucket.
func (m interactions) increments(inc, set, highest bson.D) (_, _, _ bson.D) {
	for i, t := range m {
		k := i.key()
		inc = append(inc, bson.E{Key: k + ".n", Value: t.n}, bson.E{Key: k + ".timed", Value: t.timed}, bson.E{Key: k + ".us", Value: t.duration})
		set = append(set, bson.E{Key: k + ".s", Value: i.source}, bson.E{Key: k + ".t", Value: i.target}, bson.E{Key: k + ".k", Value: i.kind})
		if t.lastMS > 0 {
			highest = append(highest, bson.E{Key: k + ".last", Value: bson.DateTime(t.lastMS)})
		}
	}
	return inc, set, highest
}

func interactionColumns() []catalog.Column {
	return columns("source_service", text_, "target_service", text_, "interaction_type", text_, "interaction_count", int8, "avg_time_ms", float8, "last_at", tstz)
}

// interactionRows is SERVICE_INTERACTIONS(): who told whom in the last hour. It
// reads buckets, never the log.
func (m *Manager) interactionRows(_ context.Context, s catalog.Session, _ []bson.RawValue) (catalog.FunctionRows, error) {
	field := func(name string) string { return "$p.v." + name }
	sum := func(name string) bson.D { return bson.D{{Key: "$sum", Value: field(name)}} }
	stages := []bson.D{
		{{Key: "$match", Value: bson.D{{Key: "subscription_id", Value: bson.D{{Key: "$in", Value: m.idsOf(s.Database())}}},
			{Key: "bucket", Value: bson.D{{Key: "$gte", Value: m.clock().Add(-time.Hour)}}}}}},
		{{Key: "$project", Value: bson.D{{Key: "p", Value: bson.D{{Key: "$objectToArray", Value: "$pairs"}}}}}},
		{{Key: "$unwind", Value: "$p"}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "s", Value: field("s")}, {Key: "t", Value: field("t")}, {Key: "k", Value: field("k")}}},
			{Key: "n", Value: sum("n")}, {Key: "timed", Value: sum("timed")}, {Key: "us", Value: sum("us")}, {Key: "last", Value: bson.D{{Key: "$max", Value: field("last")}}}}}},
		{{Key: "$project", Value: bson.D{{Key: "_id", Value: 0}, {Key: "source_service", Value: "$_id.s"}, {Key: "target_service", Value: "$_id.t"},
			{Key: "interaction_type", Value: "$_id.k"}, {Key: "interaction_count", Value: bson.D{{Key: "$toLong", Value: "$n"}}}, {Key: "last_at", Value: "$last"},
			{Key: "avg_time_ms", Value: bson.D{{Key: "$cond", Value: bson.A{bson.D{{Key: "$gt", Value: bson.A{"$timed", 0}}},
				bson.D{{Key: "$divide", Value: bson.A{"$us", bson.D{{Key: "$multiply", Value: bson.A{"$timed", 1000.0}}}}}}, nil}}}}}}},
	}
	out := catalog.FunctionRows{NS: ns(collStats)}
	for _, st := range stages {
		out.Pipeline = append(out.Pipeline, marshal(st))
	}
	return out, nil
}
