package catalog

import (
	"context"

	"strconv"

	"weir/sqltype"
)

// allRelations are PostgreSQL's own relations and the user's.
func (r *reader) allRelations(ctx context.Context, l level) ([]*Table, error) {
	list, err := r.relations(ctx, l)
	if err != nil {
		return nil, err
	}
	list = append(list, r.y.standardRelations(false)...)
	return append(list, r.y.standardRelations(true)...), nil
}

func infoCatalogName(ctx context.Context, r *reader) error {
	r.add(r.who.Database())
	return nil
}

func infoSchemata(ctx context.Context, r *reader) error {
	list, err := r.s.schemas(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		r.add(r.who.Database(), s.Name, r.who.User(), nil, nil, nil, nil)
	}
	return nil
}

func infoTables(ctx context.Context, r *reader) error {
	list, err := r.allRelations(ctx, names)
	if err != nil {
		return err
	}
	for _, t := range list {
		switch t.relkind() {
		case 'r':
			r.add(r.who.Database(), t.Schema, t.Name, "BASE TABLE", nil, nil, nil, nil, nil, yesNo(t.Kind == Collection), "NO", nil)
		case 'v':
			r.add(r.who.Database(), t.Schema, t.Name, "VIEW", nil, nil, nil, nil, nil, "NO", "NO", nil)
		}
	}
	return nil
}

func infoViews(ctx context.Context, r *reader) error {
	list, err := r.allRelations(ctx, names)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.relkind() == 'v' {
			r.add(r.who.Database(), t.Schema, t.Name, orNull(r.s.viewSQL(t)), "NONE", "NO", "NO", "NO", "NO", "NO")
		}
	}
	return nil
}

func infoSequences(ctx context.Context, r *reader) error {
	return r.sequences(ctx, "", func(t *Table, q *objectSequence) {
		n := describeType(sqltype.Of(sqltype.OID(q.Type)))
		r.add(r.who.Database(), t.Schema, t.Name, n.name, n.precision, n.radix, n.scale,
			formatInt(q.Start), formatInt(q.Min), formatInt(q.Max), formatInt(q.Increment), yesNo(q.Cycle))
	})
}

func infoCharacterSets(ctx context.Context, r *reader) error {
	r.add(nil, nil, "UTF8", "UCS", "UTF8", r.who.Database(), nil, nil)
	return nil
}

func infoCollations(ctx context.Context, r *reader) error {
	for _, name := range []string{"default", "C", "POSIX", "ucs_basic"} {
		r.add(r.who.Database(), "pg_catalog", name, "NO PAD")
	}
	return nil
}

func infoEnabledRoles(ctx context.Context, r *reader) error {
	r.add(r.who.User())
	return nil
}

func infoTablePrivileges(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, names)
	if err != nil {
		return err
	}
	user, db := r.who.User(), r.who.Database()
	for _, t := range list {
		if t.Kind == Sequence || t.Kind == MaterializedView {
			continue
		}
		for _, p := range []string{"INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"} {
			if p == "SELECT" || t.Kind == Collection {
				r.add(user, user, db, t.Schema, t.Name, p, "YES", yesNo(p == "SELECT"))
			}
		}
	}
	return nil
}

func infoColumnPrivileges(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, whole)
	if err != nil {
		return err
	}
	user, db := r.who.User(), r.who.Database()
	for _, t := range list {
		for i := range t.Columns {
			if c := &t.Columns[i]; t.Kind != Sequence && t.Kind != MaterializedView && !c.Hidden {
				for _, p := range []string{"SELECT", "INSERT", "UPDATE", "REFERENCES"} {
					if p == "SELECT" || t.Kind == Collection {
						r.add(user, user, db, t.Schema, t.Name, c.Name, p, "YES")
					}
				}
			}
		}
	}
	return nil
}

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }
