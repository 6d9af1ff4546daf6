package events

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/store"
)

// Database is where the runtime keeps its collections.
const Database = "weir"

// The runtime's collections.
const (
	collSubscriptions = "event_subscriptions"
	collReaders       = "event_readers"
	collLog           = "event_log"
	collCursors       = "event_cursors"
	collDead          = "dead_letter_events"
	collAttempts      = "event_attempts"
	collGaps          = "event_gaps"
	collRedrives      = "event_redrives"
	collBackfills     = "event_backfills"
	collGateways      = "event_gateways"
	collStats         = "event_stats"
	collConnections   = "event_connections"
	collBodies        = "event_bodies"
	collNotices       = "event_notifications"
	collHours         = "event_hours"
	collRollups       = "event_rollups"
	collInteractions  = "event_interactions"
)

func ns(coll string) store.Namespace { return store.Namespace{DB: Database, Coll: coll} }

// index is an index of a runtime collection; ttl expires rows at a date.
type index struct {
	coll, name string
	keys       bson.D
	ttl        bool
	partial    bson.D
	counted    bool // it says how many rows there are of a kind; the engine has such
}

// having is the condition of an index of the rows that have a field.
func having(field string) bson.D {
	return bson.D{{Key: field, Value: bson.D{{Key: "$exists", Value: true}}}}
}

func asc(fields ...string) bson.D {
	var d bson.D
	for _, f := range fields {
		d = append(d, bson.E{Key: f, Value: 1})
	}
	return d
}

// indexes serve the dispatchers (subscription and position) and the questions
// that dashboards ask again and again (status, time, process). Each index of the log
// costs every event; most rows are completed, so that it does not pay to have these in
// one by status: the statuses of the others are behind it.
var indexes = []index{
	{coll: collLog, name: "subscription_position", keys: asc("subscription_id", "position")},
	{coll: collLog, name: "position", keys: asc("position")},
	{coll: collLog, name: "open_time_database", keys: asc("processing_status", "event_timestamp", "database_name"), partial: bson.D{{Key: "processing_status", Value: bson.D{{Key: "$gt", Value: StatusCompleted}}}}},
	{coll: collLog, name: "time_database", keys: asc("event_timestamp", "database_name")},
	{coll: collLog, name: "subscription_time", keys: asc("subscription_id", "event_timestamp")},
	{coll: collLog, name: "counts", keys: asc("database_name", "subscription_id", "subscription_name", "processing_status"), counted: true},
	{coll: collLog, name: "correlation", keys: asc("correlation_id"), partial: having("correlation_id")},
	{coll: collLog, name: "causation", keys: asc("causation_id"), partial: having("causation_id")},
	{coll: collLog, name: "trace", keys: asc("trace_parent"), partial: having("trace_parent")},
	{coll: collLog, name: "process", keys: asc("business_process_id"), partial: having("business_process_id")},
	{coll: collLog, name: "settled_expiry", keys: asc("expire_at"), ttl: true, partial: having("expire_at")},
	{coll: collDead, name: "subscription_status_created", keys: asc("subscription_id", "status", "created_at")},
	{coll: collDead, name: "status_subscription", keys: asc("status", "subscription_id")},
	{coll: collDead, name: "subscription_created", keys: asc("subscription_id", "created_at")},
	{coll: collDead, name: "created", keys: asc("created_at")},
	{coll: collDead, name: "time", keys: asc("event_timestamp")},
	{coll: collDead, name: "counts", keys: asc("subscription_id", "status", "reason"), counted: true},
	{coll: collDead, name: "kinds", keys: asc("subscription_id", "status", "reason", "last_status", "created_at", "last_attempt_at")},
	{coll: collDead, name: "expiry", keys: asc("expire_at"), ttl: true},
	{coll: collDead, name: "bodies", keys: asc(fieldBodies), partial: having(fieldBodies)},
	{coll: collBodies, name: "written", keys: asc("written_at", "_id")},
	{coll: collAttempts, name: "event", keys: asc("event_id", "attempt")},
	{coll: collAttempts, name: "started", keys: asc("started_at")},
	{coll: collAttempts, name: "subscription_started", keys: asc("subscription_id", "started_at")},
	{coll: collAttempts, name: "expiry", keys: asc("expire_at"), ttl: true},
	{coll: collStats, name: "expiry", keys: asc("expire_at"), ttl: true},
	{coll: collHours, name: "expiry", keys: asc("expire_at"), ttl: true},
	{coll: collHours, name: "database_bucket", keys: asc("database_name", "bucket")},
	{coll: collHours, name: "bucket", keys: asc("bucket")},
	{coll: collStats, name: "bucket", keys: asc("bucket")},
	{coll: collHours, name: "subscription", keys: asc("subscription_id")},
	{coll: collInteractions, name: "expiry", keys: asc("expire_at"), ttl: true},
	{coll: collInteractions, name: "database_bucket", keys: asc("database_name", "bucket")},
	{coll: collStats, name: "subscription_bucket", keys: asc("subscription_id", "bucket")},
	{coll: collRollups, name: "expiry", keys: asc("expire_at"), ttl: true},
	{coll: collRollups, name: "width_bucket", keys: asc("width", "bucket")},
	{coll: collRollups, name: "subscription_width_bucket", keys: asc("subscription_id", "width", "bucket")},
	{coll: collBackfills, name: "subscription_status", keys: asc("subscription_id", "status")},
	{coll: collNotices, name: "expiry", keys: asc("expire_at"), ttl: true},
	{coll: collGateways, name: "expiry", keys: asc("expire_at"), ttl: true},
	{coll: collSubscriptions, name: "database_revision", keys: asc("spec.database_name", "_id", "rev")},
}

// replaced are indexes that earlier versions made.
var replaced = []index{{coll: collLog, name: "expiry"}, {coll: collLog, name: "status_time"}, {coll: collLog, name: "open_time"}, {coll: collLog, name: "time"},
	{coll: collDead, name: "subscription_status"}}

// prepare makes the indexes; it may run on every start and on several gateways.
func prepare(ctx context.Context, st store.Store) error {
	for _, ix := range replaced {
		_, err := command(ctx, st, bson.D{{Key: "dropIndexes", Value: ix.coll}, {Key: "index", Value: ix.name}})
		if code := mongoerr.CodeOf(err); err != nil && code != mongoerr.IndexNotFound && code != mongoerr.NamespaceNotFound {
			return fmt.Errorf("drop the index %s of %s: %w", ix.name, ix.coll, err)
		}
	}
	var colls []string
	specs := map[string]bson.A{} // made together, a collection is read once
	for _, ix := range indexes {
		if ix.counted && !st.Capabilities().Embedded {
			continue
		}
		spec := bson.D{{Key: "key", Value: ix.keys}, {Key: "name", Value: ix.name}}
		if ix.ttl {
			spec = append(spec, bson.E{Key: "expireAfterSeconds", Value: 0})
		}
		if ix.partial != nil {
			spec = append(spec, bson.E{Key: "partialFilterExpression", Value: ix.partial})
		}
		if ix.counted {
			spec = append(spec, bson.E{Key: "weirCounted", Value: true})
		}
		if specs[ix.coll] == nil {
			colls = append(colls, ix.coll)
		}
		specs[ix.coll] = append(specs[ix.coll], spec)
	}
	for _, coll := range colls {
		cmd := bson.D{{Key: "createIndexes", Value: coll}, {Key: "indexes", Value: specs[coll]}}
		if st.Capabilities().Transactions { // a set of members, of which one may be away for long
			cmd = append(cmd, bson.E{Key: "commitQuorum", Value: "majority"})
		}
		if _, err := command(ctx, st, cmd); err != nil {
			return fmt.Errorf("indexes of %s: %w", coll, err)
		}
	}
	return nil
}

// command runs a command on the runtime's database.
func command(ctx context.Context, st store.Store, cmd bson.D) (bson.Raw, error) {
	raw, err := bson.Marshal(cmd)
	if err != nil {
		return nil, err
	}
	return st.Command(ctx, Database, raw)
}

// durably has a command wait until a majority has written what it changed: else a server's
// own default holds for it.
var durably = bson.E{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}, {Key: "j", Value: true}}}

// marshal encodes what cannot fail to encode: documents built here.
func marshal(d any) bson.Raw {
	raw, err := bson.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("events: encode %T: %v", d, err))
	}
	return raw
}

func documentValue(d bson.Raw) bson.RawValue {
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: d}
}

// updateOne updates the first document that a filter finds and tells whether there was one.
func updateOne(ctx context.Context, q store.Queryer, coll string, filter, update any, upsert bool) (bool, error) {
	res, err := q.Write(ctx, ns(coll), []store.WriteOp{{
		Kind: store.Update, Filter: marshal(filter), Update: documentValue(marshal(update)), Upsert: upsert,
	}}, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	return res.Matched > 0 || len(res.Upserted) > 0, err
}

// insertAll inserts documents that may be there already from an earlier try.
func insertAll(ctx context.Context, q store.Queryer, coll string, docs []bson.Raw) error {
	return insertAs(ctx, q, coll, docs, store.WriteOptions{Durable: true, Unordered: true})
}

// insertAhead is insertAll of documents that a durable write follows which must
// not be there without them.
func insertAhead(ctx context.Context, st store.Store, coll string, docs []bson.Raw) error {
	ordered := st.Capabilities().OrderedJournal
	return insertAs(ctx, st, coll, docs, store.WriteOptions{Durable: !ordered, Ahead: ordered, Unordered: true})
}

func insertAs(ctx context.Context, q store.Queryer, coll string, docs []bson.Raw, o store.WriteOptions) error {
	if len(docs) == 0 {
		return nil
	}
	return butDuplicates(q.Write(ctx, ns(coll), insertOps(docs), o))
}

// butDuplicates is the error of a write of documents that may be there already.
func butDuplicates(res store.WriteResult, err error) error {
	if err != nil {
		return err
	}
	for _, e := range res.Errors {
		if !duplicate(e.Err) {
			return e.Err
		}
	}
	return nil
}

// query runs a pipeline and calls each with every document, which is valid
// during the call only.
func query(ctx context.Context, q store.Queryer, coll string, pipeline []bson.D, each func(bson.Raw) error) error {
	stages := make([]bson.Raw, len(pipeline))
	for i, s := range pipeline {
		stages[i] = marshal(s)
	}
	return drain(ctx, q, ns(coll), stages, each)
}

func drain(ctx context.Context, q store.Queryer, at store.Namespace, stages []bson.Raw, each func(bson.Raw) error) error {
	return drainBy(ctx, q, at, stages, store.AggregateOptions{}, each)
}

func drainBy(ctx context.Context, q store.Queryer, at store.Namespace, stages []bson.Raw, o store.AggregateOptions, each func(bson.Raw) error) error {
	o.Primary = o.After.IsZero()
	cur, err := q.Aggregate(ctx, at, stages, o)
	if err != nil {
		return err
	}
	defer func() { _ = cur.Close() }()
	for {
		doc, err := cur.Next(ctx)
		if err != nil {
			return ignoreEOF(err)
		}
		if err := each(doc); err != nil {
			return err
		}
	}
}
