package gateway

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/store"
)

// guarded is a store as one user may use it.
type guarded struct {
	store.Store
	rights rights
}

func (g *guarded) check(what right, db string) error {
	if g.rights.may(what, db) || strings.HasPrefix(db, catalog.TempPrefix) {
		return nil
	}
	return refused(db, map[right]string{reads: "read", writes: "write"}[what])
}

// checkWrite lets everybody write the documents by which foreign keys are kept:
// they belong to tables that the user may write.
func (g *guarded) checkWrite(ns store.Namespace) error {
	if ns == catalog.KeyLocks {
		return nil
	}
	return g.check(writes, ns.DB)
}

// checkPipeline looks at what a pipeline reads and writes.
func (g *guarded) checkPipeline(ns store.Namespace, pipeline []bson.Raw) error {
	if ns.Coll != "" || len(pipeline) == 0 || firstStage(pipeline[0]) != "$documents" {
		if err := g.check(reads, ns.DB); err != nil {
			return err
		}
	}
	for _, s := range pipeline {
		switch name := firstStage(s); name {
		case "$out", "$merge":
			if err := g.check(writes, targetDatabase(value.Lookup(s, name), ns.DB)); err != nil {
				return err
			}
		}
	}
	return nil
}

func firstStage(s bson.Raw) string {
	if it := value.Walk(s); it.Next() {
		return it.Key()
	}
	return ""
}

// targetDatabase is where $out or $merge writes: "coll", {db, coll}, {into: …}.
func targetDatabase(v value.Value, db string) string {
	if !v.IsDocument() {
		return db
	}
	if into := value.Lookup(v.Doc(), "into"); !into.IsMissing() {
		return targetDatabase(into, db)
	}
	if d := value.Lookup(v.Doc(), "db"); d.IsString() {
		return d.Str()
	}
	return db
}

// Aggregate implements store.Store.
func (g *guarded) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	if err := g.checkPipeline(ns, pipeline); err != nil {
		return nil, err
	}
	return g.Store.Aggregate(ctx, ns, pipeline, o)
}

// Write implements store.Store.
func (g *guarded) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if err := g.checkWrite(ns); err != nil {
		return store.WriteResult{}, err
	}
	return g.Store.Write(ctx, ns, ops, o)
}

// Watch implements store.Store.
func (g *guarded) Watch(ctx context.Context, scope store.Namespace, pipeline []bson.Raw, o store.WatchOptions) (store.ChangeStream, error) {
	db := scope.DB
	if o.Cluster {
		db = ""
	}
	if err := g.check(reads, db); err != nil {
		return nil, err
	}
	return g.Store.Watch(ctx, scope, pipeline, o)
}

// Command implements store.Store. Sessions ask for statistics only.
func (g *guarded) Command(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	what := writes
	switch firstStage(cmd) {
	case "createUser", "updateUser", "dropUser", "grantRolesToUser", "revokeRolesFromUser", "usersInfo":
		if !g.rights.may(manages, "") {
			return nil, refused(db, "manage users")
		}
		return g.Store.Command(ctx, db, cmd)
	case "collStats", "dbStats", "count", "ping", "hello", "buildInfo":
		what = reads
	}
	if err := g.check(what, db); err != nil {
		return nil, err
	}
	return g.Store.Command(ctx, db, cmd)
}

// Begin implements store.Store.
func (g *guarded) Begin(ctx context.Context) (store.Tx, error) {
	tx, err := g.Store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &guardedTx{Tx: tx, g: g}, nil
}

// guardedTx is a transaction of a guarded store.
type guardedTx struct {
	store.Tx
	g *guarded
}

// Aggregate implements store.Tx.
func (t *guardedTx) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	if err := t.g.checkPipeline(ns, pipeline); err != nil {
		return nil, err
	}
	return t.Tx.Aggregate(ctx, ns, pipeline, o)
}

// Write implements store.Tx.
func (t *guardedTx) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if err := t.g.checkWrite(ns); err != nil {
		return store.WriteResult{}, err
	}
	return t.Tx.Write(ctx, ns, ops, o)
}
