// Package engine is a document database in one process that answers as MongoDB
// 7.0 does: collections, indexes, transactions, retryable writes and change
// streams over Pebble. An *Engine is a store.Store, used without serialisation;
// RunCommand is the same database by MongoDB commands, which engine/opmsg puts
// on a socket.
//
// It does not evaluate anything itself: filters are engine/match, pipelines
// engine/agg, updates engine/update; index keys are made by engine/index and
// kept by engine/storage, the log of changes by engine/oplog.
//
// Start at Open (engine.go). Reading: source.go, plan.go, scan.go. Writing:
// unit.go, then insert.go, update.go, delete.go. Commands: the table in
// command_table.go and one command_*.go file a family. Users: command_user.go,
// scram.go, authorize.go. Data on disk: check.go, backup.go.
package engine
