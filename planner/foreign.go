package planner

import (
	"cmp"
	"slices"

	"weir/catalog"
)

// ForeignKey is a foreign key that a write may break. Incoming: the written
// table is the referenced one.
type ForeignKey struct {
	catalog.Reference
	Incoming bool
}

type writeKind uint8

const (
	writeInsert writeKind = iota
	writeUpdate
	writeDelete
)

// foreignKeys are those that a write of a table concerns, in the order in which
// they were made. An update concerns those of whose columns it sets one.
func (b *builder) foreignKeys(t *catalog.Table, kind writeKind, set []FieldExpr) ([]ForeignKey, error) {
	for v := b.viewTargets[t]; v != nil; v = b.viewTargets[t] {
		t = v.base
	}
	if len(t.ForeignKeys) == 0 && len(t.ReferencedFrom) == 0 {
		return nil, nil
	}
	out, in, err := b.resolver.foreign(t)
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for _, x := range set {
		if len(x.Field.Path) > 0 {
			changed[x.Field.Path[0]] = true
		}
	}
	var keys []ForeignKey
	if kind != writeDelete {
		for _, r := range out {
			if kind == writeInsert || changesOne(t, r.Key.Columns, changed) {
				keys = append(keys, ForeignKey{Reference: r})
				b.depend(r.To)
			}
		}
	}
	if kind != writeInsert {
		for _, r := range in {
			if kind == writeDelete || changesOne(t, r.Key.RefColumns, changed) {
				keys = append(keys, ForeignKey{Reference: r, Incoming: true})
				b.depend(r.From)
			}
		}
	}
	slices.SortStableFunc(keys, func(a, b ForeignKey) int { return cmp.Compare(a.Key.Made, b.Key.Made) })
	return keys, nil
}

func changesOne(t *catalog.Table, columns []string, changed map[string]bool) bool {
	return slices.ContainsFunc(t.Columns, func(c catalog.Column) bool {
		return slices.Contains(columns, c.Name) && changed[c.Path[0]]
	})
}

// insertForeign finds the foreign keys of the rows and of those that ON CONFLICT changes.
func (b *builder) insertForeign(n *Insert) error {
	var err error
	if n.Foreign, err = b.foreignKeys(n.Table, writeInsert, nil); err != nil || n.Conflict == nil {
		return err
	}
	n.Conflict.Foreign, err = b.foreignKeys(n.Table, writeUpdate, n.Conflict.Set)
	return err
}
