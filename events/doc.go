// Package events is the subscription runtime: one reader per database follows
// its change stream, writes the events that subscriptions want to a durable log
// in MongoDB, and dispatchers deliver them from there, in order per key, with
// retries and dead letters.
//
//	reader → event_log → dispatcher with key lanes → sink
//
// It knows neither SQL expressions nor the wire: statements come as trees, and
// what must be planned (option values, WHERE) comes through Language. Start with
// Manager, then reader.go and dispatcher.go. Options are in options.go.
package events
