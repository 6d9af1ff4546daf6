// Package sink holds the places where events are delivered to: webhook,
// collection, notify. Each is an events.Sink; Factory opens the one that a
// subscription names.
//
// A sink sends and classifies answers; it keeps no state of delivery. Retries,
// order and dead letters are the dispatcher's.
package sink
