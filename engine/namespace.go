package engine

import (
	"strings"

	"weir/mongoerr"
	"weir/store"
)

// checkDatabase refuses names that the server refuses.
func checkDatabase(db string) error {
	if db == "" || len(db) > 63 || strings.ContainsAny(db, "/\\. \"$\x00") {
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid database name: '%s'", db)
	}
	return nil
}

func checkNamespace(ns store.Namespace) error {
	if err := checkDatabase(ns.DB); err != nil {
		return err
	}
	if ns.Coll == "" || strings.HasPrefix(ns.Coll, ".") || strings.ContainsAny(ns.Coll, "\x00") {
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace specified '%s'", ns)
	}
	return nil
}

// checkCreatable also refuses what can be read but not created.
func checkCreatable(ns store.Namespace) error {
	if err := checkNamespace(ns); err != nil {
		return err
	}
	switch {
	case ns == oplogNamespace:
		return mongoerr.New(mongoerr.IllegalOperation, "cannot create %s: it is the log of this server", ns)
	case strings.Contains(ns.Coll, "$"):
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid collection name: %s", ns.Coll)
	case len(ns.String()) > 255:
		return mongoerr.New(mongoerr.InvalidNamespace, "Fully qualified namespace is too long. Namespace: %s Max: 255", ns)
	case strings.HasPrefix(ns.Coll, "system.") && !creatableSystem[ns.Coll]:
		return mongoerr.New(mongoerr.InvalidNamespace, "Invalid system namespace: %s", ns)
	}
	return nil
}

var creatableSystem = map[string]bool{"system.js": true, "system.users": true, "system.roles": true, "system.version": true}
