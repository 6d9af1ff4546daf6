package events

import "weir/catalog"

// Views are the monitoring views of schema weir.
func (m *Manager) Views() []*catalog.Table {
	var out []*catalog.Table
	for _, v := range views {
		out = append(out, &catalog.Table{Name: v.name, Kind: catalog.View, Definition: v.sql})
	}
	return out
}

// views read counters and indexes, so that they can be polled.
var views = []struct{ name, sql string }{
	{"event_stream_metrics", `SELECT * FROM EVENT_STREAM_METRICS()`},
	{"subscription_health", `SELECT subscription_id, subscription_name, service_name, status, pending, retrying, dead_open, events_total, delivered_total, failed_total,
 CASE WHEN status IN ('paused', 'suspended', 'draining') THEN 'stopped' WHEN status = 'degraded' OR dead_open > 0 OR retrying > 0 THEN 'degraded'
 WHEN status = 'creating' THEN 'catching_up' ELSE 'healthy' END AS health, last_error, last_success_at
 FROM EVENT_SUBSCRIPTIONS()`},
	{"processing_lag", `SELECT subscription_id, subscription_name, pending, retrying, resume_token_lag_seconds, last_event_at, last_success_at FROM EVENT_SUBSCRIPTIONS()`},
	{"event_throughput", `SELECT bucket, subscription_id, received, delivered, failed, retried, bytes FROM EVENT_THROUGHPUT()`},
	{"error_summary", `SELECT subscription_id, reason, last_status, sum(dead_letters)::bigint AS errors, max(last_at) AS last_at FROM DEAD_LETTER_COUNTS() GROUP BY subscription_id, reason, last_status`},
	{"dead_letter_summary", `SELECT subscription_id, status, reason, sum(dead_letters)::bigint AS dead_letters, min(oldest) AS oldest, max(newest) AS newest
 FROM DEAD_LETTER_COUNTS() GROUP BY subscription_id, status, reason`},
	{"service_interactions", `SELECT * FROM SERVICE_INTERACTIONS()`},
	{"process_timeline", `SELECT correlation_id, business_process_id, event_timestamp, service_name, event_type, collection_name, processing_status
 FROM CHANGE_STREAM_EVENTS() WHERE correlation_id IS NOT NULL`},
	{"active_streams", `SELECT * FROM ACTIVE_CHANGE_STREAMS()`},
	{"gateway_status", `SELECT * FROM EVENT_GATEWAYS()`},
}
