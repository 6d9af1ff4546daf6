package events

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/store"
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

// pairsOf bounds what is counted apart of all subscriptions of a database.
type pairsOf struct {
	minute int64
	seen   map[string]map[interaction]bool // by database
}

// maxPairs is how many a database may have in a minute.
const maxPairs = 2000

// add merges the tallies of a subscription into those of its database.
func (p *pairsOf) add(into map[string]interactions, database string, of interactions, now time.Time) {
	if minute := now.Unix() / 60; minute != p.minute || p.seen == nil {
		p.minute, p.seen = minute, map[string]map[interaction]bool{}
	}
	for i, t := range of {
		if p.seen[database] == nil {
			p.seen[database], into[database] = map[interaction]bool{}, interactions{}
		}
		if !p.seen[database][i] && len(p.seen[database]) >= maxPairs {
			continue
		}
		p.seen[database][i] = true
		if into[database] == nil {
			into[database] = interactions{}
		}
		sum := into[database][i]
		if sum == nil {
			sum = &interactionTally{}
			into[database][i] = sum
		}
		sum.n, sum.timed, sum.duration, sum.lastMS = sum.n+t.n, sum.timed+t.timed, sum.duration+t.duration, max(sum.lastMS, t.lastMS)
	}
}

// key names an interaction in a bucket of event_interactions.
func (i interaction) key() string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(i.source + "\x00" + i.target + "\x00" + i.kind))
	return fmt.Sprintf("pairs.%016x", h.Sum64())
}

// interactionsOp adds tallies to the bucket of a database and the current minute.
func (m *Manager) interactionsOp(database string, of interactions) store.WriteOp {
	bucket := m.clock().Truncate(time.Minute)
	var inc, set, highest bson.D
	for i, t := range of {
		k := i.key()
		inc = append(inc, bson.E{Key: k + ".n", Value: t.n}, bson.E{Key: k + ".timed", Value: t.timed}, bson.E{Key: k + ".us", Value: t.duration})
		set = append(set, bson.E{Key: k + ".s", Value: i.source}, bson.E{Key: k + ".t", Value: i.target}, bson.E{Key: k + ".k", Value: i.kind})
		if t.lastMS > 0 {
			highest = append(highest, bson.E{Key: k + ".last", Value: bson.DateTime(t.lastMS)})
		}
	}
	update := bson.D{{Key: "$inc", Value: inc}, {Key: "$set", Value: set}, {Key: "$setOnInsert", Value: bson.D{{Key: "bucket", Value: bucket},
		{Key: "database_name", Value: database}, {Key: "expire_at", Value: bucket.Add(hoursRetention)}}}}
	if len(highest) > 0 {
		update = append(update, bson.E{Key: "$max", Value: highest})
	}
	return updateOp(bson.D{{Key: "_id", Value: database + ":" + bucket.UTC().Format("20060102T1504")}}, update, true)
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
		{{Key: "$match", Value: bson.D{{Key: "database_name", Value: s.Database()}, {Key: "bucket", Value: bson.D{{Key: "$gte", Value: m.clock().Add(-time.Hour)}}}}}},
		{{Key: "$project", Value: bson.D{{Key: "p", Value: bson.D{{Key: "$objectToArray", Value: "$pairs"}}}}}},
		{{Key: "$unwind", Value: "$p"}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "s", Value: field("s")}, {Key: "t", Value: field("t")}, {Key: "k", Value: field("k")}}},
			{Key: "n", Value: sum("n")}, {Key: "timed", Value: sum("timed")}, {Key: "us", Value: sum("us")}, {Key: "last", Value: bson.D{{Key: "$max", Value: field("last")}}}}}},
		{{Key: "$project", Value: bson.D{{Key: "_id", Value: 0}, {Key: "source_service", Value: "$_id.s"}, {Key: "target_service", Value: "$_id.t"},
			{Key: "interaction_type", Value: "$_id.k"}, {Key: "interaction_count", Value: bson.D{{Key: "$toLong", Value: "$n"}}}, {Key: "last_at", Value: "$last"},
			{Key: "avg_time_ms", Value: bson.D{{Key: "$cond", Value: bson.A{bson.D{{Key: "$gt", Value: bson.A{"$timed", 0}}},
				bson.D{{Key: "$divide", Value: bson.A{"$us", bson.D{{Key: "$multiply", Value: bson.A{"$timed", 1000.0}}}}}}, nil}}}}}}},
	}
	out := catalog.FunctionRows{NS: ns(collInteractions)}
	for _, st := range stages {
		out.Pipeline = append(out.Pipeline, marshal(st))
	}
	return out, nil
}
