package catalog

import (
	"cmp"
	"context"
	"slices"

	"weir/store"
)

// Reference is a foreign key with the tables at its ends.
type Reference struct {
	Key      *ForeignKey
	From, To *Table
}

// KeyLocks is where statements that a foreign key concerns write so that they
// meet: who refers to a row and who takes it away.
var KeyLocks = store.Namespace{DB: systemDB, Coll: "key_locks"}

// References implements Resolver.
func (s *Scoped) References(ctx context.Context, t *Table) (out, in []Reference, err error) {
	for i := range t.ForeignKeys {
		k := &t.ForeignKeys[i]
		to := t
		if k.Ref != t.OID {
			to = s.relationWith(ctx, k.Ref)
		}
		if to != nil {
			out = append(out, Reference{k, t, to})
		}
	}
	for _, db := range t.ReferencedFrom {
		found, err := s.referencesFrom(ctx, db, t)
		if err != nil {
			return nil, nil, err
		}
		in = append(in, found...)
	}
	for _, list := range [][]Reference{out, in} {
		slices.SortFunc(list, func(a, b Reference) int { return cmp.Compare(a.Key.Made, b.Key.Made) })
	}
	return out, in, nil
}

// referencesFrom are the foreign keys of a database's tables that refer to a table.
func (s *Scoped) referencesFrom(ctx context.Context, db string, t *Table) ([]Reference, error) {
	d, err := s.database(ctx, db, listAge)
	if err != nil {
		return nil, err
	}
	var in []Reference
	for name, o := range d.objects {
		if !slices.ContainsFunc(o.ForeignKeys, func(k objectForeignKey) bool { return uint32(k.Ref) == t.OID }) {
			continue
		}
		from := t
		if uint32(o.OID) != t.OID {
			if from, err = s.load(ctx, db, name, d); err != nil {
				return nil, err
			}
		}
		for i := range from.ForeignKeys {
			if from.ForeignKeys[i].Ref == t.OID {
				in = append(in, Reference{&from.ForeignKeys[i], from, t})
			}
		}
	}
	return in, nil
}
