package events

import (
	"slices"

	"weir/catalog"
	"weir/sqltype"
)

// column makes a column; without a path it is read from the field of its name.
func column(name string, t sqltype.OID, path ...string) catalog.Column {
	if len(path) == 0 {
		path = []string{name}
	}
	return catalog.Column{Name: name, Type: sqltype.Of(t), Path: path}
}

// The arrays of text and the other types that the columns have.
const (
	textArray = sqltype.OID(1009)
	text_     = sqltype.Text
	int4      = sqltype.Int4
	int8      = sqltype.Int8
	float8    = sqltype.Float8
	jsonb     = sqltype.JSONB
	tstz      = sqltype.Timestamptz
)

// columns makes columns of one type each from a list: name, type, name, type …
func columns(list ...any) []catalog.Column {
	var out []catalog.Column
	for i := 0; i < len(list); i += 2 {
		out = append(out, column(list[i].(string), list[i+1].(sqltype.OID)))
	}
	for i := range out {
		out[i].Attr = int16(i + 1)
	}
	return out
}

// present marks columns that every row has: an order by them is that of an index.
func present(cs []catalog.Column, names ...string) []catalog.Column {
	for i := range cs {
		cs[i].NotNull = cs[i].NotNull || slices.Contains(names, cs[i].Name)
	}
	return cs
}

// eventColumns are the columns of CHANGE_STREAM_EVENTS().
func eventColumns() []catalog.Column {
	cs := columns(
		"event_id", text_, "position", text_, "subscription_id", text_, "subscription_name", text_, "service_name", text_,
		"event_type", text_, "operation_type", text_, "database_name", text_, "collection_name", text_, "document_key", jsonb,
		"event_timestamp", tstz, "cluster_time", tstz, "resume_token", text_, "resume_token_timestamp", tstz,
		"processing_status", text_, "queued_at", tstz, "processing_started_at", tstz, "processing_completed_at", tstz,
		"processing_duration_ms", float8, "retry_count", int4, "next_attempt_at", tstz, "last_error", text_, "processed_by", text_,
		"correlation_id", text_, "causation_id", text_, "business_process_id", text_, "source_service", text_, "target_service", text_,
		"interaction_type", text_, "trace_parent", text_, "event_data", jsonb, "full_document", jsonb, "full_document_before_change", jsonb,
		"update_description", jsonb, "updated_fields", jsonb, "removed_fields", textArray, "size_bytes", int4, "txn_number", int8,
	)
	// Rows of the oplog have what a subscription gives an event not.
	present(cs, "event_id", "position", "event_type", "operation_type", "database_name", "event_timestamp", "resume_token_timestamp", "size_bytes")
	for i := range cs {
		switch cs[i].Name {
		case "event_id":
			cs[i].Path = []string{"_id"}
		case "operation_type":
			cs[i].Path = []string{"event_type"}
		case "updated_fields":
			cs[i].Path = []string{"update_description", "updatedFields"}
		case "removed_fields":
			cs[i].Path = []string{"update_description", "removedFields"}
		}
	}
	return cs
}

func subscriptionColumns() []catalog.Column {
	return columns(
		"subscription_id", text_, "subscription_name", text_, "service_name", text_, "database_name", text_, "collections", textArray,
		"event_types", textArray, "event_filter", jsonb, "sink", text_, "target", text_, "status", text_, "desired_status", text_,
		"status_reason", text_, "status_since", tstz, "resume_token", text_, "resume_token_timestamp", tstz, "resume_token_lag_seconds", float8,
		"position", text_, "pending", int8, "retrying", int8, "blocked_keys", int8, "dead_open", int8, "events_total", int8,
		"delivered_total", int8, "failed_total", int8, "last_error", text_, "last_event_at", tstz, "last_success_at", tstz, "gateway", text_,
		"options", jsonb, "description", text_, "tags", textArray, "version", int4, "created_by", text_, "created_at", tstz, "updated_at", tstz,
	)
}

func streamColumns() []catalog.Column {
	return columns(
		"stream_id", text_, "kind", text_, "database_name", text_, "collections", textArray, "gateway", text_, "epoch", int8, "status", text_,
		"subscriptions", int4, "resume_token", text_, "resume_token_timestamp", tstz, "resume_token_lag_seconds", float8, "read_lag_ms", float8,
		"oplog_window_seconds", float8, "events_total", int8, "events_per_second", float8, "bytes_per_second", float8, "reopens", int8,
		"last_error", text_, "created_at", tstz,
	)
}

func deadLetterColumns() []catalog.Column {
	cs := columns(
		"dead_letter_id", text_, "event_id", text_, "position", text_, "subscription_id", text_, "subscription_name", text_, "service_name", text_,
		"event_type", text_, "database_name", text_, "collection_name", text_, "document_key", jsonb, "event_timestamp", tstz, "reason", text_,
		"attempts", int4, "first_attempt_at", tstz, "last_attempt_at", tstz, "last_status", int4, "last_error", text_, "response_excerpt", text_,
		"event_data", jsonb, "status", text_, "redrive_count", int4, "created_at", tstz,
	)
	cs[0].Path, cs[1].Path = []string{"_id"}, []string{"_id"}
	return present(cs, "dead_letter_id", "event_id", "position", "subscription_id", "event_timestamp", "created_at")
}

func attemptColumns() []catalog.Column {
	return present(columns("event_id", text_, "subscription_id", text_, "attempt", int4, "started_at", tstz, "duration_ms", float8, "outcome", text_,
		"status_code", int4, "error", text_, "response_excerpt", text_, "gateway", text_), "event_id", "subscription_id", "attempt", "started_at")
}

func gapColumns() []catalog.Column {
	return withID(columns("gap_id", text_, "subscription_id", text_, "stream_id", text_, "reason", text_, "from_timestamp", tstz, "to_timestamp", tstz,
		"action", text_, "acknowledged_at", tstz, "created_at", tstz))
}

func backfillColumns() []catalog.Column {
	return withID(columns("job_id", text_, "subscription_id", text_, "collection_name", text_, "status", text_, "total", int8, "done", int8, "failed", int8,
		"started_at", tstz, "finished_at", tstz, "last_error", text_))
}

func redriveColumns() []catalog.Column {
	return withID(columns("job_id", text_, "subscription_id", text_, "condition", text_, "status", text_, "total", int8, "done", int8, "failed", int8,
		"started_at", tstz, "finished_at", tstz, "last_error", text_))
}

func gatewayColumns() []catalog.Column {
	return withID(columns("gateway_id", text_, "host", text_, "version", text_, "started_at", tstz, "heartbeat_at", tstz, "status", text_,
		"streams", int4, "subscriptions", int4, "connections", int4))
}

func statsColumns() []catalog.Column {
	return present(columns("bucket", tstz, "subscription_id", text_, "received", int8, "matched", int8, "delivered", int8, "failed", int8, "retried", int8,
		"dead", int8, "bytes", int8, "lag_p50_ms", float8, "lag_p99_ms", float8, "delivery_p50_ms", float8, "delivery_p99_ms", float8), "bucket", "subscription_id")
}

func throughputColumns() []catalog.Column {
	return present(columns("bucket", tstz, "subscription_id", text_, "received", int8, "delivered", int8, "failed", int8, "retried", int8, "bytes", int8), "bucket", "subscription_id")
}

func connectionColumns() []catalog.Column {
	return columns("name", text_, "kind", text_, "options", jsonb, "used_by", textArray, "created_at", tstz)
}

// metricsColumns are those of event_stream_metrics.
func metricsColumns() []catalog.Column {
	return columns("subscription_id", text_, "service_name", text_, "total_events_received", int8, "events_processed", int8, "events_failed", int8,
		"events_retrying", int8, "avg_processing_time_ms", float8, "max_processing_time_ms", float8, "min_processing_time_ms", float8,
		"insert_events", int8, "update_events", int8, "delete_events", int8, "user_events", int8, "profile_events", int8, "preference_events", int8,
		"hour_bucket", text_, "hourly_event_count", int8, "success_rate_percent", float8)
}

// withID reads the first column from _id.
func withID(cs []catalog.Column) []catalog.Column {
	cs[0].Path = []string{"_id"}
	return cs
}
