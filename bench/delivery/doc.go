// Package delivery measures the event runtime end to end: a gateway on an embedded
// engine or on a MongoDB, writers, receivers, and beside each figure the plain
// thing that it is compared with, in the same run. It starts every side itself.
//
// Events runs the measures; events.go lists them. It decides nothing: a figure
// below its bar is printed as such and is no error.
package delivery
