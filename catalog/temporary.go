package catalog

import (
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
)

// Temporary relations are ordinary ones in a database that belongs to one
// session. The session names it (Scope.Temp) and drops it at its end; it is no
// schema for others.

// TempPrefix begins the names of sessions' temporary databases.
const TempPrefix = "weir_temp_"

// TempDatabase names a session's temporary database after its gateway.
func TempDatabase(owner, session string) string { return TempPrefix + owner + "_" + session }

// TempOwner gives the gateway of a temporary database, "": not known.
func TempOwner(db string) string {
	rest, ok := strings.CutPrefix(db, TempPrefix)
	if !ok {
		return ""
	}
	owner, _, _ := strings.Cut(rest, "_")
	return owner
}

// IsTemporary tells whether a database holds a session's temporary relations.
func IsTemporary(db string) bool { return strings.HasPrefix(db, TempPrefix) }

// temporary takes over a relation's persistence. What ON COMMIT says is the
// session's to do.
func (d *ddl) temporary(p ast.Persistence, c ast.OnCommit, pos int) error {
	if p != ast.Temporary {
		if c != ast.OnCommitDefault {
			return sqlerr.New(sqlerr.InvalidTableDefinition, "ON COMMIT can only be used on temporary tables").At(pos)
		}
		return nil
	}
	d.temp = true
	return nil
}

func (d *ddl) temporaryPlace(p place) (place, error) {
	if p.schema != "" && p.schema != "pg_temp" && p.schema != d.scope.Temp {
		return p, sqlerr.New(sqlerr.InvalidTableDefinition, "cannot create temporary relation in non-temporary schema").At(p.pos)
	}
	if d.scope.Temp == "" {
		return p, sqlerr.New(sqlerr.FeatureNotSupported, "temporary relations are not supported here").At(p.pos)
	}
	p.schema, p.db = d.scope.Temp, d.scope.Temp
	return p, nil
}
