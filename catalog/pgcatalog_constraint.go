package catalog

import (
	"context"
	"slices"
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

	foreign  *ForeignKey
	ref      *Table  // of a foreign key
	refs     []int16 // the numbers of the columns there
	refIndex string  // the name of the constraint there
}

// constraints are a table's: of its indexes, then its checks and foreign keys.
func (s *Scoped) constraints(ctx context.Context, t *Table) []constraint {
	c := s.Catalog
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
	for i := range t.ForeignKeys {
		if k, ok := s.foreignConstraint(ctx, t, &t.ForeignKeys[i]); ok {
			out = append(out, k)
		}
	}
	return out
}

// foreignConstraint looks at the table that a foreign key refers to; not ok
// when it is gone.
func (s *Scoped) foreignConstraint(ctx context.Context, t *Table, f *ForeignKey) (constraint, bool) {
	ref := t
	if f.Ref != t.OID {
		if ref = s.relationWith(ctx, f.Ref); ref == nil {
			return constraint{}, false
		}
	}
	k := constraint{oid: f.OID, name: f.Name, kind: 'f', keys: t.attrsOf(f.Columns), foreign: f, ref: ref, refs: ref.attrsOf(f.RefColumns)}
	for _, x := range ref.shownIndexes() {
		nums := x.attnums(ref)
		if x.constraint(ref) != 0 && len(nums) == len(k.refs) && !slices.ContainsFunc(nums, func(n int16) bool { return !slices.Contains(k.refs, n) }) {
			k.index, k.refIndex = x.OID, x.name
			break
		}
	}
	return k, true
}

// relationWith finds a relation by its OID.
func (s *Scoped) relationWith(ctx context.Context, oid uint32) *Table {
	db, name, ok := s.nameOf(oid)
	if !ok {
		return nil
	}
	d, err := s.database(ctx, db, listAge)
	if err != nil || !d.has(name) {
		return nil
	}
	t, err := s.load(ctx, db, name, d)
	if err != nil {
		return nil
	}
	return s.show(t)
}

func constraints(ctx context.Context, r *reader) error {
	keep := func(*Table) bool { return true }
	if _, asked := r.hint["confrelid"]; asked || !r.hint.admitsText("contype", "p", "u", "c") {
		keep = func(t *Table) bool { o := r.y.c.objectOf(t); return o != nil && len(o.ForeignKeys) > 0 }
	}
	list, err := r.relationsIf(ctx, whole, keep, "conrelid")
	if err != nil {
		return err
	}
	for _, t := range list {
		for _, k := range r.s.constraints(ctx, t) {
			var keys any
			if k.keys != nil {
				keys = k.keys
			}
			if f := k.foreign; f != nil {
				ops := k.ref.equalities(f.RefColumns)
				r.add(k.oid, k.name, r.y.c.SchemaOID(t.Schema), k.kind, f.Deferrable, f.Deferred, f.Valid, t.OID, 0, k.index, 0,
					k.ref.OID, f.Update, f.Delete, f.Match, true, 0, true, keys, k.refs, ops, ops, ops, nil, nil, nil)
				continue
			}
			r.add(k.oid, k.name, r.y.c.SchemaOID(t.Schema), k.kind, false, false, true, t.OID, 0, k.index, 0,
				0, " ", " ", " ", true, 0, k.kind != 'c', keys, nil, nil, nil, nil, nil, nil, orNull(k.check))
		}
	}
	return r.domainConstraints(ctx)
}

// sql is pg_get_constraintdef.
func (s *Scoped) constraintSQL(k *constraint, t *Table) string {
	switch k.kind {
	case 'c':
		return "CHECK (" + wrapped(k.check) + ")"
	case 'f':
		return k.foreign.sql(s.nameInPath(k.ref))
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
	for _, k := range s.constraints(ctx, t) {
		if k.oid == oid {
			return s.constraintSQL(&k, t), true
		}
	}
	return "", false
}

// tableWithCheck finds the table of a check constraint or a foreign key.
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
			if slices.ContainsFunc(o.Checks, func(k objectCheck) bool { return uint32(k.OID) == oid }) ||
				slices.ContainsFunc(o.ForeignKeys, func(k objectForeignKey) bool { return uint32(k.OID) == oid }) {
				t, _ := s.load(ctx, db, name, d)
				return t
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
		for _, k := range r.s.constraints(ctx, t) {
			for _, n := range k.keys {
				r.add(classPgConstraint, k.oid, 0, classPgClass, t.OID, n, byte('a'))
			}
			if k.foreign != nil {
				for _, n := range k.refs {
					r.add(classPgConstraint, k.oid, 0, classPgClass, k.ref.OID, n, byte('n'))
				}
				if k.index != 0 {
					r.add(classPgConstraint, k.oid, 0, classPgClass, k.index, 0, byte('n'))
				}
				continue
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
		r.viewDepends(t)
		r.defaultDepends(t, list)
		r.sequenceDepends(t, list)
	}
	return nil
}

// viewDepends ties a view to what it reads, by its rule.
func (r *reader) viewDepends(t *Table) {
	if t.Kind != View && t.Kind != MaterializedView || t.IsPartition() {
		return
	}
	rule := r.y.c.ruleOID(t)
	r.add(classPgRewrite, rule, 0, classPgClass, t.OID, 0, byte('i'))
	for _, oid := range t.Deps {
		r.add(classPgRewrite, rule, 0, classPgClass, oid, 0, byte('n'))
	}
}

func (c *Catalog) ruleOID(t *Table) uint32 { return c.oids.of("rule", t.NS.DB, t.Name+"\x00_RETURN") }

// rules are those that make relations views.
func rules(ctx context.Context, r *reader) error {
	list, err := r.relations(ctx, names, "ev_class")
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.Kind == View && !t.IsPartition() || t.Kind == MaterializedView {
			r.add(r.y.c.ruleOID(t), "_RETURN", t.OID, byte('1'), byte('O'), true, "<>", "<>")
		}
	}
	return nil
}

// defaultDepends ties defaults to their columns and to the sequences that they
// call.
func (r *reader) defaultDepends(t *Table, list []*Table) {
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Default == "" || c.Hidden || c.Identity != 0 {
			continue
		}
		oid := r.y.c.defaultOID(t, c)
		r.add(classPgAttrdef, oid, 0, classPgClass, t.OID, c.Attr, byte('a'))
		for _, seq := range list {
			if seq.Kind == Sequence && seq.Schema == t.Schema && c.calls(seq, r.s.DatabaseOf(seq.Schema)) {
				r.add(classPgAttrdef, oid, 0, classPgClass, seq.OID, 0, byte('n'))
			}
		}
	}
}

// calls tells whether a column's default is the next value of a sequence.
func (c *Column) calls(seq *Table, db string) bool {
	name, ok := strings.CutPrefix(c.Default, "nextval('")
	name, closed := strings.CutSuffix(strings.TrimSuffix(strings.TrimSuffix(name, ")"), "::regclass"), "'")
	own := ast.QuoteIdent(seq.Name)
	return ok && closed && (name == own || name == seq.Schema+"."+own || name == ast.QuoteIdent(db)+"."+own)
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
		r.add(t.OID, sqltype.OID(q.Type), q.Start, q.Increment, q.Max, q.Min, max(q.Cache, 1), q.Cycle)
	})
}

func pgSequences(ctx context.Context, r *reader) error {
	return r.sequences(ctx, "", func(t *Table, q *objectSequence) {
		var last any
		if q.Called {
			last = q.Last
		}
		r.add(t.Schema, t.Name, r.who.User(), sqltype.OID(q.Type), q.Start, q.Min, q.Max, q.Increment, q.Cycle, max(q.Cache, 1), last)
	})
}

func (r *reader) sequences(ctx context.Context, column string, write func(*Table, *objectSequence)) error {
	list, err := r.relations(ctx, names, column)
	if err != nil {
		return err
	}
	for _, t := range list {
		o := r.y.c.objectOf(t)
		if t.Kind != Sequence || o == nil {
			continue
		}
		if o, err = r.y.c.storedObject(ctx, o.ID); err != nil { // nextval changes only what is stored
			return err
		}
		if o != nil && o.Sequence != nil {
			write(t, o.Sequence)
		}
	}
	return nil
}
