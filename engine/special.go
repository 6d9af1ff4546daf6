package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

type specialStage = func(ctx context.Context, spec bson.RawValue) (store.Cursor, error)

// specialStages are the stages that report about the server.
func (e *Engine) specialStages(ns store.Namespace) map[string]specialStage {
	return map[string]specialStage{
		"$indexStats": func(context.Context, bson.RawValue) (store.Cursor, error) { return e.indexStats(ns), nil },
		"$collStats": func(_ context.Context, spec bson.RawValue) (store.Cursor, error) {
			return e.collStats(ns, spec)
		},
		"$currentOp": func(_ context.Context, spec bson.RawValue) (store.Cursor, error) {
			return e.currentOpStage(ns, spec)
		},
		"$listSessions": func(_ context.Context, spec bson.RawValue) (store.Cursor, error) {
			if !systemSessions(ns) {
				return nil, mongoerr.New(mongoerr.InvalidNamespace, "$listSessions may only be run against config.system.sessions")
			}
			return e.sessions.list(), checkListSessions("$listSessions", spec)
		},
		"$planCacheStats": func(context.Context, bson.RawValue) (store.Cursor, error) { return emptyCursor{}, nil },
		"$listLocalSessions": func(_ context.Context, spec bson.RawValue) (store.Cursor, error) {
			return e.sessions.list(), checkListSessions("$listLocalSessions", spec)
		},
	}
}

// checkListSessions checks {allUsers: true} or {users: [{user, db}, …]}.
func checkListSessions(stage string, spec bson.RawValue) error {
	doc, ok := spec.DocumentOK()
	if !ok {
		return mongoerr.New(mongoerr.TypeMismatch, "%s options must be specified in an object, but found: %s", stage, value.TypeName(spec.Type))
	}
	for it := value.Walk(doc); it.Next(); {
		if k := it.Key(); k != "allUsers" && k != "users" && k != "$_internalPredicate" {
			return mongoerr.New(40415, "BSON field '%s.%s' is an unknown field.", stage, k)
		}
	}
	users := value.Lookup(doc, "users")
	if value.Lookup(doc, "allUsers").Truthy() && users.IsArray() && value.Len(users.Doc()) > 0 {
		return mongoerr.New(mongoerr.UnsupportedFormat, "%s may not specify {allUsers:true} and {users:[...]} at the same time", stage)
	}
	return nil
}

func (e *Engine) indexStats(ns store.Namespace) store.Cursor {
	var docs []bson.Raw
	c := e.catalog.get(ns)
	if c == nil {
		return emptyCursor{}
	}
	for _, ix := range c.load().indexes {
		start, d := value.BeginDocument(nil)
		d = value.AppendElement(d, "name", value.String(ix.Name))
		d = value.AppendElement(d, "key", value.Document(ix.Key))
		d = value.AppendElement(d, "host", value.String(e.host()))
		d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "accesses")
		inner, d := value.BeginDocument(d)
		d = value.AppendElement(d, "ops", value.Int64(ix.uses.Load()))
		d = value.AppendElement(d, "since", value.Date(e.started.UnixMilli()))
		d = value.EndDocument(d, inner)
		d = value.AppendElement(d, "spec", value.Document(ix.Spec))
		docs = append(docs, value.EndDocument(d, start))
	}
	return &sliceCursor{docs: docs}
}

func (e *Engine) collStats(ns store.Namespace, spec bson.RawValue) (store.Cursor, error) {
	want, _ := spec.DocumentOK()
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "ns", value.String(ns.String()))
	d = value.AppendElement(d, "host", value.String(e.host()))
	d = value.AppendElement(d, "localTime", value.Date(e.opts.Now().UnixMilli()))
	if v := value.Lookup(want, "storageStats"); v.IsDocument() {
		scale := max(1, value.Lookup(v.Doc(), "scale").AsInt64())
		d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "storageStats")
		inner, dd := value.BeginDocument(d)
		dd, err := e.appendCollStats(dd, ns, scale)
		if err != nil {
			return nil, err
		}
		d = value.EndDocument(dd, inner)
	}
	if !value.Lookup(want, "count").IsMissing() {
		n := int64(0)
		if c := e.catalog.get(ns); c != nil {
			n = c.count.Load()
		}
		d = value.AppendElement(d, "count", value.IntOrLong(n))
	}
	return &sliceCursor{docs: []bson.Raw{value.EndDocument(d, start)}}, nil
}
