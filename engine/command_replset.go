package engine

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
)

func cmdReplSetGetStatus(_ context.Context, r *request, dst []byte) ([]byte, error) {
	ts := r.e.log.Durable()
	now := r.e.opts.Now()
	dst = value.AppendElement(dst, "set", value.String(setName))
	dst = value.AppendElement(dst, "date", value.Date(now.UnixMilli()))
	dst = value.AppendElement(dst, "myState", value.Int32(1))
	dst = value.AppendElement(dst, "term", value.Int64(1))
	dst = value.AppendElement(dst, "majorityVoteCount", value.Int32(1))
	dst = value.AppendElement(dst, "writeMajorityCount", value.Int32(1))
	dst = value.AppendElement(dst, "votingMembersCount", value.Int32(1))
	dst = value.AppendHeader(dst, bson.TypeArray, "members")
	arr, dst := value.BeginDocument(dst)
	start, m := value.BeginDocument(nil)
	m = value.AppendElement(m, "_id", value.Int32(0))
	m = value.AppendElement(m, "name", value.String(r.e.host()))
	m = value.AppendElement(m, "health", value.Double(1))
	m = value.AppendElement(m, "state", value.Int32(1))
	m = value.AppendElement(m, "stateStr", value.String("PRIMARY"))
	m = value.AppendElement(m, "uptime", value.Int32(int32(now.Sub(r.e.started).Seconds())))
	m = value.AppendElement(m, "optimeDate", value.Date(int64(ts>>32)*1000))
	m = value.AppendElement(m, "self", value.Bool(true))
	dst = value.AppendItem(dst, 0, value.Document(value.EndDocument(m, start)))
	return value.EndDocument(dst, arr), nil
}

func cmdReplSetGetConfig(_ context.Context, r *request, dst []byte) ([]byte, error) {
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "config")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "_id", value.String(setName))
	dst = value.AppendElement(dst, "version", value.Int32(1))
	dst = value.AppendElement(dst, "term", value.Int64(1))
	dst = value.AppendHeader(dst, bson.TypeArray, "members")
	arr, dst := value.BeginDocument(dst)
	s, m := value.BeginDocument(nil)
	m = value.AppendElement(m, "_id", value.Int32(0))
	m = value.AppendElement(m, "host", value.String(r.e.host()))
	dst = value.AppendItem(dst, 0, value.Document(value.EndDocument(m, s)))
	dst = value.EndDocument(dst, arr)
	dst = value.AppendElement(dst, "protocolVersion", value.Int64(1))
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "settings")
	at, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "chainingAllowed", value.Bool(true))
	dst = value.AppendElement(dst, "replicaSetId", value.ObjectID(r.e.setID))
	dst = value.EndDocument(dst, at)
	return value.EndDocument(dst, start), nil
}

// setIDKey holds what tells this data directory, and copies of it, from others.
var setIDKey = storage.MetaKey("replicaSetId")

// openSetID reads the id of the set, and makes it in a new store.
func (e *Engine) openSetID() error {
	v, ok, err := e.db.Get(setIDKey, nil)
	if err != nil {
		return fmt.Errorf("read the id of the replica set: %w", err)
	}
	if ok && len(v) == len(e.setID) {
		e.setID = bson.ObjectID(v)
		return nil
	}
	e.setID = bson.NewObjectID()
	b := e.db.NewBatch()
	if err := b.Set(setIDKey, e.setID[:]); err != nil {
		return errors.Join(err, b.Close())
	}
	wait, err := e.db.Apply(b, true)
	if err != nil {
		return fmt.Errorf("write the id of the replica set: %w", err)
	}
	return wait()
}

// cmdReplSetInitiate: the set is there from the beginning.
func cmdReplSetInitiate(_ context.Context, _ *request, dst []byte) ([]byte, error) {
	return dst, mongoerr.New(23, "already initialized")
}

func cmdFlushRouterConfig(_ context.Context, _ *request, dst []byte) ([]byte, error) {
	return dst, mongoerr.New(203, "Sharding is not enabled")
}

// cmdProfile: {profile: -1 … 2}. There is no profiler, so only "off" can be set.
func cmdProfile(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if !r.arg.IsNumber() {
		return dst, r.wrongType("profile", r.arg, "int")
	}
	if n := r.arg.AsInt64(); n > 0 {
		return dst, mongoerr.New(mongoerr.CommandNotSupported, "the profiler is not supported")
	}
	dst = value.AppendElement(dst, "was", value.Int32(0))
	dst = value.AppendElement(dst, "slowms", value.Int32(100))
	return value.AppendElement(dst, "sampleRate", value.Double(1)), nil
}
