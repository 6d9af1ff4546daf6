package catalog

import (
	"context"

	"strings"
	"time"

	"weir/sqltype"
)

func namespaces(ctx context.Context, r *reader) error {
	list, err := r.s.schemas(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Name == PublicSchema { // owner and privileges as PostgreSQL has them from the start
			r.add(s.OID, s.Name, databaseOwner, []string{"pg_database_owner=UC/pg_database_owner", "=U/pg_database_owner"})
			continue
		}
		r.add(s.OID, s.Name, owner, nil)
	}
	return nil
}

// The encoding of every database is UTF8.
const encodingUTF8 = 6

func databases(ctx context.Context, r *reader) error {
	list, err := r.databases(ctx)
	if err != nil {
		return err
	}
	for _, name := range list {
		r.add(r.y.c.DatabaseOID(name), name, owner, encodingUTF8, byte('c'), false, true, -1, 1, 1, 1663,
			"C", "C.UTF-8", nil, nil, nil)
	}
	return nil
}

func statDatabase(ctx context.Context, r *reader) error {
	list, err := r.databases(ctx)
	if err != nil {
		return err
	}
	for _, name := range list {
		r.add(r.y.c.DatabaseOID(name), name, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, nil, nil, 0, 0, 0, 0, 0, 0, 0, 0, 0, nil)
	}
	return nil
}

// predefinedRoles are the roles of PostgreSQL that privileges are granted by.
var predefinedRoles = map[uint32]string{
	6171: "pg_database_owner", 6181: "pg_read_all_data", 6182: "pg_write_all_data", 3373: "pg_monitor",
	3374: "pg_read_all_settings", 3375: "pg_read_all_stats", 3377: "pg_stat_scan_tables", 4569: "pg_read_server_files",
	4570: "pg_write_server_files", 4571: "pg_execute_server_program", 4200: "pg_signal_backend", 4544: "pg_checkpoint",
}

const databaseOwner = 6171

// PredefinedRole gives the name of a role that PostgreSQL has from the start.
func PredefinedRole(oid uint32) (string, bool) {
	name, ok := predefinedRoles[oid]
	return name, ok
}

// PredefinedRoleNamed gives its OID.
func PredefinedRoleNamed(name string) (uint32, bool) {
	for oid, role := range predefinedRoles {
		if role == name {
			return oid, true
		}
	}
	return 0, false
}

func authid(ctx context.Context, r *reader) error {
	r.add(owner, r.who.User(), true, true, true, true, true, false, true, -1, nil, nil)
	for _, u := range r.otherUsers(ctx) {
		r.add(u.OID, u.Name, u.Super(), true, u.Manages(), u.Super(), true, false, u.Super(), -1, nil, nil)
	}
	for oid, name := range predefinedRoles {
		r.add(oid, name, false, true, false, false, false, false, false, -1, nil, nil)
	}
	return nil
}

func roles(ctx context.Context, r *reader) error {
	r.add(r.who.User(), true, true, true, true, true, false, -1, "********", nil, true, nil, owner)
	for _, u := range r.otherUsers(ctx) {
		r.add(u.Name, u.Super(), true, u.Manages(), u.Super(), true, false, -1, "********", nil, u.Super(), nil, u.OID)
	}
	for oid, name := range predefinedRoles {
		r.add(name, false, true, false, false, false, false, -1, "********", nil, false, nil, oid)
	}
	return nil
}

func users(ctx context.Context, r *reader) error {
	r.add(r.who.User(), owner, true, true, false, true, "********", nil, nil)
	for _, u := range r.otherUsers(ctx) {
		r.add(u.Name, u.OID, u.Super(), u.Super(), false, u.Super(), "********", nil, nil)
	}
	return nil
}

func descriptions(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, whole, "objoid")
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.Comment != "" {
			r.add(t.OID, classPgClass, 0, t.Comment)
		}
		for i := range t.Columns {
			if c := &t.Columns[i]; c.Comment != "" && !c.Hidden {
				r.add(t.OID, classPgClass, c.Attr, c.Comment)
			}
		}
	}
	return nil
}

func pgTables(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, names)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.Kind == Collection {
			r.add(t.Schema, t.Name, r.who.User(), nil, t.hasIndexes(), false, false, false)
		}
	}
	for _, t := range r.y.standardRelations(false) {
		r.add(t.Schema, t.Name, r.who.User(), nil, false, false, false, false)
	}
	return nil
}

// standardRelations are PostgreSQL's own tables or views.
func (y *systemCatalog) standardRelations(views bool) []*Table {
	var out []*Table
	for _, schema := range []string{"pg_catalog", "information_schema"} {
		for _, t := range y.c.system[schema] {
			if t.SystemView == views {
				out = append(out, t)
			}
		}
	}
	return out
}

func pgViews(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, names)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.relkind() == 'v' {
			r.add(t.Schema, t.Name, r.who.User(), orNull(r.s.viewSQL(t)))
		}
	}
	for _, t := range r.y.standardRelations(true) {
		r.add(t.Schema, t.Name, r.who.User(), nil)
	}
	return nil
}

func pgMatviews(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, names)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.Kind == MaterializedView {
			r.add(t.Schema, t.Name, r.who.User(), nil, t.hasIndexes(), r.populated(t), orNull(r.s.viewSQL(t)))
		}
	}
	return nil
}

// statUserTables tells the estimates of rows; there are no other counts.
func statUserTables(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, names, "relid")
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.Kind == Collection || t.Kind == MaterializedView {
			n := t.Estimate
			if t.Columns == nil {
				if n, err = r.s.count(ctx, t.NS, false); err != nil {
					return err
				}
			}
			r.add(t.OID, t.Schema, t.Name, 0, 0, 0, 0, 0, 0, 0, 0, n, 0, 0, 0, nil, nil, nil, nil, 0, 0, 0, 0)
		}
	}
	return nil
}

func timezoneNames(ctx context.Context, r *reader) error {
	now := time.Now()
	for name := range strings.Lines(string(systemFile("timezones.txt"))) {
		name = strings.TrimSpace(name)
		zone, err := time.LoadLocation(name)
		if err != nil {
			continue
		}
		at := now.In(zone)
		abbrev, seconds := at.Zone()
		r.add(name, abbrev, sqltype.Span{Micros: int64(seconds) * 1_000_000}.Value(), at.IsDST())
	}
	return nil
}

// availableExtensions is the one that PostgreSQL always has.
func availableExtensions(ctx context.Context, r *reader) error {
	r.add("plpgsql", "1.0", "1.0", "PL/pgSQL procedural language")
	return nil
}

func availableVersions(ctx context.Context, r *reader) error {
	r.add("plpgsql", "1.0", true, false, true, false, "pg_catalog", nil, "PL/pgSQL procedural language")
	return nil
}
