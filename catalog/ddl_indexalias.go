package catalog

import (
	"bytes"
	"context"
	"slices"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/store"
)

// PostgreSQL lets two indexes be the same but for their names, and clients make
// such (one more of the same column with text_pattern_ops). MongoDB refuses the
// second, so it is another name of the first.

// IndexAlias is one more name of an index.
type IndexAlias struct {
	OID      uint32
	Name, Of string
	Plain    bool // shown as not unique, though the index is
}

type objectIndexAlias struct {
	Name  string `bson:"name"`
	Of    string `bson:"of"`
	Plain bool   `bson:"plain,omitempty"`
}

func (c *Catalog) indexAliases(o *object) []IndexAlias {
	var out []IndexAlias
	for _, a := range o.IndexAliases {
		out = append(out, IndexAlias{OID: c.oids.of("index", o.DB, o.Name+"\x00"+a.Name), Name: a.Name, Of: a.Of, Plain: a.Plain})
	}
	return out
}

// sameAs finds the index that a new one would be another name of: a unique one
// serves as a plain one, too, where MongoDB takes them for the same.
func (ix *newIndex) sameAs(t *Table) *Index {
	for i := range t.Indexes {
		x := &t.Indexes[i]
		sameTTL := x.TTL == nil && ix.ttl == nil || x.TTL != nil && ix.ttl != nil && int64(*x.TTL) == *ix.ttl
		if slices.Equal(x.Keys, ix.keys) && (x.Unique || !ix.unique) && sameTTL && bytes.Equal(x.Partial, ix.partial) {
			return x
		}
	}
	return nil
}

// aliasIndex gives an index one more name.
func (d *ddl) aliasIndex(ctx context.Context, t *Table, ix *newIndex, of *Index) error {
	o, err := d.objectOf(ctx, t)
	if err != nil {
		return err
	}
	o = o.forChange()
	o.IndexAliases = append(slices.Clone(o.IndexAliases), objectIndexAlias{ix.name, of.Name, of.Unique && !ix.unique})
	if err := d.save(ctx, o); err != nil {
		return err
	}
	d.made(ast.KindIndex, t.Schema, ix.name)
	return d.Analyze(ctx, t.NS)
}

// aliased finds the object and the place of an index's other name.
func (d *ddl) aliased(ctx context.Context, n *ast.Name) (*object, int, error) {
	for _, db := range d.databasesFor(n) {
		known, err := d.database(ctx, db, listAge)
		if err != nil {
			return nil, 0, err
		}
		for _, o := range known.objects {
			for i, a := range o.IndexAliases {
				if a.Name == n.Last().Name || a.Name == n.Last().Text {
					return o, i, nil
				}
			}
		}
	}
	return nil, 0, nil
}

// dropAlias takes a name away; the index stays.
func (d *ddl) dropAlias(ctx context.Context, o *object, i int) error {
	o = o.forChange()
	o.IndexAliases = slices.Delete(slices.Clone(o.IndexAliases), i, i+1)
	if err := d.save(ctx, o); err != nil {
		return err
	}
	d.forget(o.DB)
	return nil
}

// dropIndex drops an index and keeps the change of its object, if there is one.
func (d *ddl) dropIndex(ctx context.Context, ns store.Namespace, ix *Index) error {
	known, err := d.database(ctx, ns.DB, 0)
	if err != nil {
		return err
	}
	o := known.objects[ns.Coll]
	if o == nil {
		return d.dropStored(ctx, ns, ix.Name)
	}
	o = o.forChange()
	names := len(o.IndexAliases)
	if err := d.dropIndexOf(ctx, o, ns, ix); err != nil || len(o.IndexAliases) == names {
		return err
	}
	return d.save(ctx, o)
}

func (d *ddl) dropStored(ctx context.Context, ns store.Namespace, name string) error {
	return d.run(ctx, ns.DB, func(b *value.Builder) {
		b.Add("dropIndexes", value.String(ns.Coll))
		b.Add("index", value.String(name))
	})
}

// dropIndexOf drops an index. If it has other names, it is made anew under one
// of them.
func (d *ddl) dropIndexOf(ctx context.Context, o *object, ns store.Namespace, ix *Index) error {
	if err := d.dropStored(ctx, ns, ix.Name); err != nil {
		return err
	}
	heir := slices.IndexFunc(o.IndexAliases, func(a objectIndexAlias) bool { return a.Of == ix.Name })
	if heir < 0 {
		return nil
	}
	name, plain := o.IndexAliases[heir].Name, o.IndexAliases[heir].Plain
	o.IndexAliases = slices.Delete(slices.Clone(o.IndexAliases), heir, heir+1)
	for i := range o.IndexAliases {
		if o.IndexAliases[i].Of == ix.Name {
			o.IndexAliases[i].Of = name
		}
	}
	anew := newIndex{name: name, keys: ix.Keys, unique: ix.Unique && !plain, partial: ix.Partial}
	if ix.TTL != nil {
		seconds := int64(*ix.TTL)
		anew.ttl = &seconds
	}
	return d.createIndexes(ctx, ns.DB, ns.Coll, []newIndex{anew})
}

// aliases makes names of those new indexes that are there already.
func (a *alteration) aliases() {
	a.tb.indexes = slices.DeleteFunc(a.tb.indexes, func(ix newIndex) bool {
		same := ix.sameAs(a.table)
		if same == nil || same.Name == "_id_" || slices.Contains(a.drops, same.Name) {
			return false
		}
		a.tb.o.IndexAliases = append(slices.Clone(a.tb.o.IndexAliases), objectIndexAlias{ix.name, same.Name, same.Unique && !ix.unique})
		return true
	})
}

// dropAliasNamed is DROP CONSTRAINT of a unique index's other name.
func (a *alteration) dropAliasNamed(name string) bool {
	o := a.tb.o
	for i, x := range o.IndexAliases {
		if x.Name == name && !x.Plain {
			o.IndexAliases = slices.Delete(slices.Clone(o.IndexAliases), i, i+1)
			return true
		}
	}
	return false
}
