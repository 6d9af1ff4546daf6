package catalog

import (
	"context"
	"strings"

	"weir/parser/ast"
	"weir/sqltype"
)

// constraint is a row of pg_constraint.
type constraint struct {
	oid   uint32
	name  string
	kind  byte // p, u, c
	index uint32
	keys  []int16
	check string
}

// constraints are a table's: of its indexes, then its checks.
func (c *Catalog) constraints(t *Table) []constraint {
	var out []constraint
	for _, x := range t.shownIndexes() {
		if kind := x.constraint(t); kind != 0 {
			out = append(out, constraint{
				oid: c.oids.of("constraint", t.NS.DB, t.NS.Coll+"\x00"+x.name), name: x.name,
				kind: kind, index: x.OID, keys: x.attnums(t),
			})
		}
	}
	for _, k := range t.Checks {
		out = append(out, constraint{oid: k.OID, name: k.Name, kind: 'c', check: k.SQL})
	}
	return out
}

func constraints(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, whole, "conrelid")
	if err != nil {
		return err
	}
	for _, t := range list {
		for _, k := range r.y.c.constraints(t) {
			var keys any
			if k.keys != nil {
				keys = k.keys
			}
			r.add(k.oid, k.name, r.y.c.SchemaOID(t.Schema), k.kind, false, false, true, t.OID, 0, k.index, 0,
				0, " ", " ", " ", true, 0, k.kind != 'c', keys, nil, nil, nil, nil, nil, nil, orNull(k.check))
		}
	}
	return r.domainConstraints(ctx)
}

// sql is pg_get_constraintdef.
func (k *constraint) sql(t *Table) string {
	if k.kind == 'c' {
		return "CHECK (" + wrapped(k.check) + ")"
	}
	names := make([]string, len(k.keys))
	for i, n := range k.keys {
		for j := range t.Columns {
			if t.Columns[j].Attr == n {
				names[i] = ast.QuoteIdent(t.Columns[j].Name)
			}
		}
	}
	word := "UNIQUE ("
	if k.kind == 'p' {
		word = "PRIMARY KEY ("
	}
	return word + strings.Join(names, ", ") + ")"
}

// wrapped puts parentheses around an expression that has none around it.
func wrapped(sql string) string {
	depth := 0
	for i := 0; i < len(sql); i++ {
		switch sql[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 && i < len(sql)-1 {
			return "(" + sql + ")"
		}
	}
	return sql
}

// ConstraintDefinition is pg_get_constraintdef.
func (s *Scoped) ConstraintDefinition(ctx context.Context, oid uint32) (string, bool) {
	t := s.ownerOf(ctx, oid)
	if t == nil {
		t = s.tableWithCheck(ctx, oid)
	}
	if t == nil {
		return "", false
	}
	for _, k := range s.constraints(t) {
		if k.oid == oid {
			return k.sql(t), true
		}
	}
	return "", false
}

// tableWithCheck finds the table of a check constraint.
func (s *Scoped) tableWithCheck(ctx context.Context, oid uint32) *Table {
	dbs, err := s.databaseNames(ctx)
	if err != nil {
		return nil
	}
	for _, db := range dbs {
		d, err := s.database(ctx, db, listAge)
		if err != nil {
			continue
		}
		for name, o := range d.objects {
			for _, k := range o.Checks {
				if uint32(k.OID) == oid {
					t, _ := s.load(ctx, db, name, d)
					return t
				}
			}
		}
	}
	return nil
}

// depends is pg_depend as far as clients read it: what indexes, constraints
// and owned sequences belong to.
func depends(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, whole)
	if err != nil {
		return err
	}
	for _, t := range list {
		keys := map[uint32]uint32{}
		for _, k := range r.y.c.constraints(t) {
			for _, n := range k.keys {
				r.add(classPgConstraint, k.oid, 0, classPgClass, t.OID, n, byte('a'))
			}
			if k.keys == nil {
				r.add(classPgConstraint, k.oid, 0, classPgClass, t.OID, 0, byte('a'))
			}
			keys[k.index] = k.oid
		}
		for _, x := range t.shownIndexes() {
			if k := keys[x.OID]; k != 0 {
				r.add(classPgClass, x.OID, 0, classPgConstraint, k, 0, byte('i'))
				continue
			}
			for _, n := range x.attnums(t) {
				r.add(classPgClass, x.OID, 0, classPgClass, t.OID, n, byte('a'))
			}
		}
		r.sequenceDepends(t, list)
	}
	return nil
}

// sequenceDepends ties a sequence to the column that owns it.
func (r *reader) sequenceDepends(seq *Table, list []*Table) {
	if seq.Kind != Sequence {
		return
	}
	if t, c := r.sequenceOwner(seq, list); c != nil {
		kind := byte('a')
		if c.Identity != 0 {
			kind = 'i'
		}
		r.add(classPgClass, seq.OID, 0, classPgClass, t.OID, c.Attr, kind)
	}
}

func (r *reader) sequenceOwner(seq *Table, list []*Table) (*Table, *Column) {
	o := r.y.c.objectOf(seq)
	if o == nil || o.Sequence == nil {
		return nil, nil
	}
	for _, t := range list {
		name, ok := strings.CutPrefix(o.Sequence.OwnedBy, t.Name+".")
		if !ok || t.Schema != seq.Schema || t.Kind == Sequence {
			continue
		}
		if c := findColumn(t.Columns, name); c != nil {
			return t, c
		}
	}
	return nil, nil
}

func pgSequence(ctx context.Context, r *reader) error {
	return r.sequences(ctx, "seqrelid", func(t *Table, q *objectSequence) {
		r.add(t.OID, sqltype.OID(q.Type), q.Start, q.Increment, q.Max, q.Min, 1, false)
	})
}

func pgSequences(ctx context.Context, r *reader) error {
	return r.sequences(ctx, "", func(t *Table, q *objectSequence) {
		var last any
		if q.Called {
			last = q.Last
		}
		r.add(t.Schema, t.Name, r.who.User(), sqltype.OID(q.Type), q.Start, q.Min, q.Max, q.Increment, false, 1, last)
	})
}

func (r *reader) sequences(ctx context.Context, column string, write func(*Table, *objectSequence)) error {
	list, err := r.relations(ctx, names, column)
	if err != nil {
		return err
	}
	for _, t := range list {
		if o := r.y.c.objectOf(t); t.Kind == Sequence && o != nil && o.Sequence != nil {
			write(t, o.Sequence)
		}
	}
	return nil
}
