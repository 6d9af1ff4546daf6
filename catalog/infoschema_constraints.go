package catalog

import "context"

// eachConstraint calls write with the constraints of all tables.
func (r *reader) eachConstraint(ctx context.Context, write func(t *Table, k *constraint)) error {
	list, err := r.relations(ctx, whole)
	if err != nil {
		return err
	}
	for _, t := range list {
		found := r.y.c.constraints(t)
		for i := range found {
			write(t, &found[i])
		}
	}
	return nil
}

var constraintTypes = map[byte]string{'p': "PRIMARY KEY", 'u': "UNIQUE", 'c': "CHECK"}

func infoTableConstraints(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.eachConstraint(ctx, func(t *Table, k *constraint) {
		var distinct any
		if k.kind == 'u' {
			distinct = "YES"
		}
		r.add(db, t.Schema, k.name, db, t.Schema, t.Name, constraintTypes[k.kind], "NO", "NO", "YES", distinct)
	})
}

// keyColumns calls write with the columns of keys, numbered from one.
func (r *reader) keyColumns(ctx context.Context, write func(t *Table, k *constraint, column string, position int)) error {
	return r.eachConstraint(ctx, func(t *Table, k *constraint) {
		for i, n := range k.keys {
			for j := range t.Columns {
				if t.Columns[j].Attr == n {
					write(t, k, t.Columns[j].Name, i+1)
				}
			}
		}
	})
}

func infoKeyColumns(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.keyColumns(ctx, func(t *Table, k *constraint, column string, position int) {
		r.add(db, t.Schema, k.name, db, t.Schema, t.Name, column, position, nil)
	})
}

func infoConstraintColumns(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.keyColumns(ctx, func(t *Table, k *constraint, column string, _ int) {
		r.add(db, t.Schema, t.Name, column, db, t.Schema, k.name)
	})
}

func infoConstraintTables(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.eachConstraint(ctx, func(t *Table, k *constraint) {
		if k.kind != 'c' {
			r.add(db, t.Schema, t.Name, db, t.Schema, k.name)
		}
	})
}

func infoChecks(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.eachConstraint(ctx, func(t *Table, k *constraint) {
		if k.kind == 'c' {
			r.add(db, t.Schema, k.name, wrapped(k.check))
		}
	})
}
