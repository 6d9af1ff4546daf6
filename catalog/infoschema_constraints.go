package catalog

import "context"

// eachConstraint calls write with the constraints of all tables.
func (r *reader) eachConstraint(ctx context.Context, write func(t *Table, k *constraint)) error {
	list, err := r.relations(ctx, whole)
	if err != nil {
		return err
	}
	for _, t := range list {
		found := r.s.constraints(ctx, t)
		for i := range found {
			write(t, &found[i])
		}
	}
	return nil
}

var constraintTypes = map[byte]string{'p': "PRIMARY KEY", 'u': "UNIQUE", 'c': "CHECK", 'f': "FOREIGN KEY"}

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
		var there any
		if k.kind == 'f' {
			there = position
		}
		r.add(db, t.Schema, k.name, db, t.Schema, t.Name, column, position, there)
	})
}

func infoConstraintColumns(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.keyColumns(ctx, func(t *Table, k *constraint, column string, position int) {
		of := t
		if k.kind == 'f' {
			of, column = k.ref, k.foreign.RefColumns[position-1]
		}
		r.add(db, of.Schema, of.Name, column, db, t.Schema, k.name)
	})
}

func infoConstraintTables(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.eachConstraint(ctx, func(t *Table, k *constraint) {
		of := t
		if k.kind == 'f' {
			of = k.ref
		}
		if k.kind != 'c' {
			r.add(db, of.Schema, of.Name, db, t.Schema, k.name)
		}
	})
}

var actionRules = map[byte]string{'a': "NO ACTION", 'r': "RESTRICT", 'c': "CASCADE", 'n': "SET NULL", 'd': "SET DEFAULT"}

func infoReferential(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.eachConstraint(ctx, func(t *Table, k *constraint) {
		if k.kind != 'f' {
			return
		}
		match := "NONE"
		if k.foreign.Match == 'f' {
			match = "FULL"
		}
		r.add(db, t.Schema, k.name, db, k.ref.Schema, orNull(k.refIndex), match, actionRules[k.foreign.Update], actionRules[k.foreign.Delete])
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
