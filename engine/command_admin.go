package engine

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"hash"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// Commands that tools send and that have little to do here.

// cmdTop: {top: 1}: time spent by collection, which is not measured: all collections with zeros.
func cmdTop(_ context.Context, r *request, dst []byte) ([]byte, error) {
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "totals")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "note", value.String("all times in microseconds"))
	for _, db := range r.e.catalog.databases() {
		for _, c := range r.e.catalog.list(db) {
			dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, c.load().ns.String())
			at, d := value.BeginDocument(dst)
			for _, k := range [...]string{"total", "readLock", "writeLock", "queries", "getmore", "insert", "update", "remove", "commands"} {
				d = appendCounts(d, k, "time", int64(0), "count", int64(0))
			}
			dst = value.EndDocument(d, at)
		}
	}
	return value.EndDocument(dst, start), nil
}

// cmdDBHash: {dbHash: 1, collections: […]}: an MD5 of each collection's
// documents in the order of _id, and one of those.
func cmdDBHash(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	var only map[string]bool
	err := r.fields(func(key string, v value.Value) (bool, error) {
		if key != "collections" {
			return false, nil
		}
		if !v.IsArray() {
			return true, r.wrongType(key, v, "array")
		}
		for it := value.Walk(v.Doc()); it.Next(); {
			if !it.Value().IsString() {
				return true, mongoerr.New(mongoerr.BadValue, "collections entries have to be strings")
			}
			if only == nil {
				only = map[string]bool{}
			}
			only[it.Value().Str()] = true
		}
		return true, nil
	})
	if err != nil {
		return dst, err
	}
	all := md5.New()
	dst = value.AppendElement(dst, "host", value.String(r.e.host()))
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "collections")
	start, dst := value.BeginDocument(dst)
	for _, c := range r.e.catalog.list(r.db) {
		m := c.load()
		if m.view != nil || only != nil && !only[m.ns.Coll] {
			continue
		}
		sum := md5.New()
		if err := r.e.hashDocuments(ctx, m.ns, sum); err != nil {
			return dst, err
		}
		text := hex.EncodeToString(sum.Sum(nil))
		all.Write([]byte(m.ns.Coll + text))
		dst = value.AppendElement(dst, m.ns.Coll, value.String(text))
	}
	dst = value.EndDocument(dst, start)
	return value.AppendElement(dst, "md5", value.String(hex.EncodeToString(all.Sum(nil)))), nil
}

func (e *Engine) hashDocuments(ctx context.Context, ns store.Namespace, sum hash.Hash) error {
	op, err := e.aggregate(ctx, ns, []bson.Raw{stageDoc("$sort", value.Document(stageDoc("_id", value.Int32(1))))}, pipelineOptions{allowDiskUse: true})
	if err != nil {
		return err
	}
	defer func() { _ = op.cur.Close() }()
	for {
		d, err := op.cur.Next(ctx)
		if isEOF(err) {
			return nil
		}
		if err != nil {
			return err
		}
		sum.Write(d)
	}
}

// cmdFeatures is what old shells ask.
func cmdFeatures(_ context.Context, _ *request, dst []byte) ([]byte, error) {
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "js")
	start, dst := value.BeginDocument(dst)
	dst = value.EndDocument(dst, start)
	return value.AppendElement(dst, "oidMachine", value.Int32(0)), nil
}

// cmdLogRotate: the log goes to standard error, so there is nothing to rotate.
func cmdLogRotate(_ context.Context, _ *request, dst []byte) ([]byte, error) { return dst, nil }

// cmdConnPoolStats: there are no connections to other members.
func cmdConnPoolStats(_ context.Context, _ *request, dst []byte) ([]byte, error) {
	for _, k := range [...]string{"numClientConnections", "numAScopedConnections", "totalInUse", "totalAvailable", "totalLeased", "totalCreated", "totalRefreshing"} {
		dst = value.AppendElement(dst, k, value.Int32(0))
	}
	for _, k := range [...]string{"pools", "hosts", "replicaSets"} {
		dst = value.AppendElement(dst, k, value.Document(emptyDoc))
	}
	return dst, nil
}

// cmdLockInfo: the engine's one writer lock is held for a document's change only.
func cmdLockInfo(_ context.Context, _ *request, dst []byte) ([]byte, error) {
	return value.AppendElement(dst, "lockInfo", value.Array(emptyDoc)), nil
}

// cmdGetDiagnosticData: {getDiagnosticData: 1}: serverStatus and the set's status, as monitoring agents read them.
func cmdGetDiagnosticData(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	now := value.Date(r.e.opts.Now().UnixMilli())
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "data")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "start", now)
	for _, part := range [...]struct {
		name string
		run  handler
	}{{"serverStatus", cmdServerStatus}, {"replSetGetStatus", cmdReplSetGetStatus}} {
		dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, part.name)
		at, d := value.BeginDocument(dst)
		d = value.AppendElement(d, "start", now)
		d, err := part.run(ctx, r, d)
		if err != nil {
			return dst, err
		}
		dst = value.EndDocument(value.AppendElement(d, "end", now), at)
	}
	dst = value.AppendElement(dst, "end", now)
	return value.EndDocument(dst, start), nil
}

// cmdGetClusterParameter: {getClusterParameter: name | […] | "*"}. There are none.
func cmdGetClusterParameter(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if r.arg.IsString() && r.arg.Str() == "*" {
		return value.AppendElement(dst, "clusterParameters", value.Array(emptyDoc)), nil
	}
	name := r.arg
	if name.IsArray() {
		if name = value.Index(name.Doc(), 0); name.IsMissing() {
			return dst, mongoerr.New(mongoerr.BadValue, "Must supply at least one cluster server parameter name to getClusterParameter")
		}
	}
	if !name.IsString() {
		return dst, r.wrongType(r.name, name, "string")
	}
	return dst, mongoerr.New(mongoerr.NoSuchKey, "Unknown server parameter: %s", name.Str())
}

// cmdSetFCV: {setFeatureCompatibilityVersion: "7.0", confirm: true}: only what it is.
func cmdSetFCV(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if !r.arg.IsString() {
		return dst, r.wrongType(r.name, r.arg, "string")
	}
	if r.arg.Str() != "7.0" {
		return dst, mongoerr.New(4926900, "Invalid feature compatibility version value '%s'; expected '7.0'", r.arg.Str())
	}
	if c := value.Lookup(r.cmd, "confirm"); c.IsMissing() || !c.Truthy() {
		return dst, mongoerr.New(7369100, "Once you have upgraded to 7.0, you will not be able to downgrade FCV and binary version without support assistance. Please re-run this command with 'confirm: true' to acknowledge this and continue with the FCV upgrade.")
	}
	return dst, nil
}

// cmdReIndex: replica sets refuse it, and this is one.
func cmdReIndex(_ context.Context, _ *request, dst []byte) ([]byte, error) {
	return dst, mongoerr.New(20, "reIndex is only allowed on a standalone mongod instance.")
}

// cmdCompact: the store compacts by itself.
func cmdCompact(_ context.Context, r *request, dst []byte) ([]byte, error) {
	c, err := r.existing()
	if err != nil {
		return dst, err
	}
	if c.load().view != nil {
		return dst, mongoerr.New(mongoerr.CommandNotSupportedOnView, "can't compact a view")
	}
	return value.AppendElement(dst, "bytesFreed", value.Int64(0)), nil
}

// cmdPlanCacheClear: plans are made for every query anew.
func cmdPlanCacheClear(_ context.Context, r *request, dst []byte) ([]byte, error) {
	_, err := r.namespace()
	return dst, err
}

// cmdFsyncUnlock: fsync never locks.
func cmdFsyncUnlock(_ context.Context, _ *request, dst []byte) ([]byte, error) {
	return dst, mongoerr.New(20, "fsyncUnlock called when not locked")
}
