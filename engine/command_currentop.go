package engine

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// currentOpArgs are the options of $currentOp.
type currentOpArgs struct{ allUsers, idleSessions, idleCursors bool }

// currentOps lists what runs and, as asked, open transactions and cursors that
// wait for their client.
func (e *Engine) currentOps(a currentOpArgs) []bson.Raw {
	now := e.opts.Now()
	docs := e.operations.list(now)
	if a.idleSessions {
		docs = append(docs, e.sessions.describeIdle(e, now)...)
	}
	if a.idleCursors {
		docs = append(docs, e.cursors.describeIdle(e, now)...)
	}
	return docs
}

// cmdCurrentOp: {currentOp: 1, $all, $ownOps, …}; the other fields filter.
func cmdCurrentOp(_ context.Context, r *request, dst []byte) ([]byte, error) {
	a := currentOpArgs{allUsers: true, idleSessions: true}
	start, filter := value.BeginDocument(nil)
	err := r.fields(func(key string, v value.Value) (bool, error) {
		switch key {
		case "$all":
			a.idleCursors = v.Truthy()
		case "$ownOps", "$truncateOps":
		default:
			filter = value.AppendElement(filter, key, v)
		}
		return true, nil
	})
	if err != nil {
		return dst, err
	}
	f, err := r.e.compileFilter(value.EndDocument(filter, start), nil, nil)
	if err != nil {
		return dst, err
	}
	dst = value.AppendHeader(dst, bson.TypeArray, "inprog")
	arr, dst := value.BeginDocument(dst)
	n := 0
	for _, d := range r.e.currentOps(a) {
		ok, err := f.matches(d)
		if err != nil {
			return dst, err
		}
		if ok {
			dst, n = value.AppendItem(dst, n, value.Document(d)), n+1
		}
	}
	return value.EndDocument(dst, arr), nil
}

// currentOpStage is $currentOp: {allUsers, idleConnections, idleCursors, idleSessions, localOps, truncateOps}.
func (e *Engine) currentOpStage(ns store.Namespace, spec bson.RawValue) (store.Cursor, error) {
	if ns.DB != "admin" || ns.Coll != "" {
		return nil, mongoerr.New(mongoerr.InvalidNamespace, "$currentOp must be run against the 'admin' database with {aggregate: 1}")
	}
	doc, ok := spec.DocumentOK()
	if !ok {
		return nil, mongoerr.New(mongoerr.FailedToParse, "$currentOp options must be specified in an object, but found: %s", value.TypeName(spec.Type))
	}
	a := currentOpArgs{idleSessions: true}
	for it := value.Walk(doc); it.Next(); {
		if it.Kind() != bson.TypeBoolean {
			return nil, mongoerr.New(mongoerr.FailedToParse, "The '%s' parameter of the $currentOp stage must be a boolean value, but found: %s", it.Key(), value.TypeName(it.Kind()))
		}
		switch on := it.Value().AsBool(); it.Key() {
		case "allUsers":
			a.allUsers = on
		case "idleSessions":
			a.idleSessions = on
		case "idleCursors":
			a.idleCursors = on
		case "idleConnections", "localOps", "truncateOps", "backtrace", "targetAllNodes":
		default:
			return nil, mongoerr.New(mongoerr.FailedToParse, "Unrecognized option '%s' in $currentOp stage.", it.Key())
		}
	}
	return &sliceCursor{docs: e.currentOps(a)}, nil
}

// cmdKillOp: {killOp: 1, op: id}.
func cmdKillOp(_ context.Context, r *request, dst []byte) ([]byte, error) {
	v := value.Lookup(r.cmd, "op")
	switch {
	case v.IsMissing():
		return dst, mongoerr.New(mongoerr.NoSuchKey, "Missing expected field \"op\"")
	case !v.IsNumber():
		return dst, mongoerr.New(mongoerr.TypeMismatch, "Expected field \"op\" to have numeric type, but found %s", value.TypeName(v.Kind()))
	}
	id, ok := v.Integral()
	if !ok {
		return dst, mongoerr.New(mongoerr.BadValue, "Expected field \"op\" to have a value exactly representable as a 64-bit integer, but found %s", v)
	}
	r.e.operations.kill(func(op *operation) bool { return op.id == id && op.r != r })
	return value.AppendElement(dst, "info", value.String("attempting to kill op")), nil
}

// describeIdle lists the open transactions.
func (t *sessionTable) describeIdle(e *Engine, now time.Time) []bson.Raw {
	t.mu.Lock()
	defer t.mu.Unlock()
	var docs []bson.Raw
	for _, s := range t.byID {
		if !s.mu.TryLock() {
			continue // it runs
		}
		if s.tx != nil {
			docs = append(docs, s.describe(e, now))
		}
		s.mu.Unlock()
	}
	return docs
}

// describe is an open transaction between its statements; the caller holds mu.
func (s *logicalSession) describe(e *Engine, now time.Time) bson.Raw {
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "type", value.String("idleSession"))
	d = value.AppendElement(d, "host", value.String(e.host()))
	d = value.AppendElement(d, "desc", value.String("inactive transaction"))
	d = value.AppendElement(d, "active", value.Bool(false))
	d = value.AppendElement(d, "lsid", value.Document(lsidDocument(s.id)))
	d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "transaction")
	tx, d := value.BeginDocument(d)
	d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "parameters")
	p, d := value.BeginDocument(d)
	d = value.AppendElement(d, "txnNumber", value.Int64(s.number))
	d = value.AppendElement(d, "autocommit", value.Bool(false))
	d = value.EndDocument(d, p)
	opened := s.tx.opened
	d = value.AppendElement(d, "startWallClockTime", value.String(opened.UTC().Format("2006-01-02T15:04:05.000Z07:00")))
	d = value.AppendElement(d, "timeOpenMicros", value.Int64(now.Sub(opened).Microseconds()))
	if !s.tx.expires.IsZero() {
		d = value.AppendElement(d, "expiryTime", value.String(s.tx.expires.UTC().Format("2006-01-02T15:04:05.000Z07:00")))
	}
	d = value.EndDocument(d, tx)
	return value.EndDocument(d, start)
}

// describeIdle lists the cursors that wait for a getMore.
func (t *cursorTable) describeIdle(e *Engine, now time.Time) []bson.Raw {
	t.mu.Lock()
	defer t.mu.Unlock()
	var docs []bson.Raw
	for _, c := range t.open {
		if c.inUse {
			continue
		}
		start, d := value.BeginDocument(nil)
		d = value.AppendElement(d, "type", value.String("idleCursor"))
		d = value.AppendElement(d, "host", value.String(e.host()))
		d = value.AppendElement(d, "ns", value.String(c.ns.String()))
		if c.session != "" {
			d = value.AppendElement(d, "lsid", value.Document(lsidDocument([]byte(c.session))))
		}
		d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "cursor")
		in, d := value.BeginDocument(d)
		d = value.AppendElement(d, "cursorId", value.Int64(c.id))
		d = value.AppendElement(d, "lastAccessDate", value.Date(c.used.UnixMilli()))
		d = value.AppendElement(d, "noCursorTimeout", value.Bool(c.keep))
		d = value.AppendElement(d, "tailable", value.Bool(c.tail != nil || c.stream != nil))
		d = value.EndDocument(d, in)
		docs = append(docs, value.EndDocument(d, start))
	}
	return docs
}

// systemSessions tells whether a namespace is where $listSessions reads.
func systemSessions(ns store.Namespace) bool {
	return ns.DB == "config" && strings.EqualFold(ns.Coll, "system.sessions")
}
