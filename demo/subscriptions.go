package demo

import "strings"

// Subscriptions gives the statements that make the demo's subscriptions, to be
// run in order. The user service's subscription (user_lifecycle_events) is left
// for the reader to create: it is the first thing that the demo suggests.
func Subscriptions(r *Receiver) []string {
	replace := strings.NewReplacer("{inventory}", r.URL("inventory"), "{notifications}", r.URL("notifications"), "{audit}", r.URL("audit"))
	var out []string
	for _, s := range subscriptions {
		out = append(out, replace.Replace(s))
	}
	return out
}

const paths = `source_service = '$fullDocument.metadata.source_service', target_service = '$fullDocument.metadata.target_service',
  interaction_type = '$fullDocument.metadata.interaction_type'`

var subscriptions = []string{
	`CREATE EVENT_SUBSCRIPTION IF NOT EXISTS inventory_management ON inventory, products FOR INSERT, UPDATE, DELETE
DELIVER TO '{inventory}' WITH (service_name = 'inventory_service', max_retry_attempts = 2, retry_delay_ms = 200, max_retry_delay_ms = 1000, ` + paths + `)`,
	`CREATE EVENT_SUBSCRIPTION IF NOT EXISTS realtime_analytics ON orders, payments, shipments
WITH (service_name = 'analytics_service', ` + paths + `)`,
	`CREATE EVENT_SUBSCRIPTION IF NOT EXISTS notification_service ON orders, shipments FOR INSERT, UPDATE
DELIVER TO '{notifications}' WITH (service_name = 'notification_service', max_retry_attempts = 1, retry_delay_ms = 100, max_retry_delay_ms = 500, ` + paths + `)`,
	`CREATE EVENT_SUBSCRIPTION IF NOT EXISTS audit_logging ON DATABASE
DELIVER TO NOTIFY audit WITH (service_name = 'audit_service', ` + paths + `)`,
}

// UserEvents is the statement that the demo suggests first.
const UserEvents = `CREATE EVENT_SUBSCRIPTION user_service_events AS (
  subscription_id = 'user_lifecycle_events', service_name = 'user_service',
  watch_collections = JSON_ARRAY('users', 'user_profiles', 'user_preferences'),
  event_types = JSON_ARRAY('insert', 'update', 'delete'));`
