package agg

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// outStage is $out.
type outStage struct{ to store.Namespace }

func compileOut(c *compiler, spec bson.RawValue) ([]stage, error) {
	v := value.FromRaw(spec)
	s := &outStage{to: store.Namespace{DB: c.env.NS.DB}}
	switch {
	case v.IsString():
		s.to.Coll = v.Str()
	case v.IsDocument():
		db, coll := value.Lookup(v.Doc(), "db"), value.Lookup(v.Doc(), "coll")
		if !db.IsString() || !coll.IsString() || value.Len(v.Doc()) != 2 {
			return nil, mongoerr.New(16994, "If an object is passed to $out it must have exactly 2 fields: 'db' and 'coll'")
		}
		s.to = store.Namespace{DB: db.Str(), Coll: coll.Str()}
	default:
		return nil, mongoerr.New(16990, "$out only supports a string or object argument, but found %s", value.TypeName(v.Kind()))
	}
	if err := checkOutTarget(s.to); err != nil {
		return nil, err
	}
	if c.env.Writer == nil {
		return nil, writesRefused("$out")
	}
	return []stage{s}, nil
}

func writesRefused(stage string) error {
	return mongoerr.New(mongoerr.IllegalOperation, "%s cannot be used here: the pipeline may only read", stage)
}

func checkOutTarget(ns store.Namespace) error {
	if err := checkNamespace(ns, "$out"); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(ns.Coll, "system."):
		return mongoerr.New(17385, "Can't $out to special collection: %s", ns.Coll)
	case ns.DB == "admin" || ns.DB == "config" || ns.DB == "local":
		return mongoerr.New(31321, "Can't $out to internal database: %s", ns.DB)
	}
	return nil
}

func checkNamespace(ns store.Namespace, stage string) error {
	switch {
	case ns.DB == "" || ns.Coll == "":
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid %s target namespace: '%s'", stage, ns)
	case strings.ContainsAny(ns.DB, "./\\ \"$\x00"):
		return mongoerr.New(mongoerr.InvalidNamespace, "'%s' has an invalid character in the database name", ns.DB)
	case strings.HasPrefix(ns.Coll, "."):
		return mongoerr.New(mongoerr.InvalidNamespace, "Collection names cannot start with '.': %s", ns.Coll)
	case strings.Contains(ns.Coll, "$"):
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid collection name: %s", ns.Coll)
	}
	return nil
}

func (s *outStage) open(_ context.Context, r *run, in store.Cursor) (store.Cursor, error) {
	return &blocking{piped: piped{in}, fill: func(ctx context.Context, in store.Cursor) (store.Cursor, error) {
		return Documents(nil), r.env.Writer.Replace(ctx, s.to, in)
	}}, nil
}
