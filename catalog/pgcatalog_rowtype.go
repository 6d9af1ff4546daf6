package catalog

import (
	"context"
	"strconv"
	"strings"

	"weir/sqltype"
)

// rowType is the OID of the type of a relation's rows; 0: it has none.
func (c *Catalog) rowType(t *Table) uint32 {
	if isStandard(t.Schema) {
		return 0
	}
	switch t.relkind() {
	case 'r', 'p', 'v', 'm':
		return c.oids.of("rowtype", "", strconv.FormatUint(uint64(t.OID), 10))
	}
	return 0
}

// RowTypeRelation is the OID of the relation whose rows have a type.
func (c *Catalog) RowTypeRelation(oid uint32) (uint32, bool) {
	c.oids.mu.Lock()
	defer c.oids.mu.Unlock()
	of, ok := strings.CutPrefix(c.oids.names[oid], "rowtype\x00\x00")
	rel, err := strconv.ParseUint(of, 10, 32)
	return uint32(rel), ok && err == nil
}

// rowTypes are the rows of pg_type for the rows of relations.
func (r *reader) rowTypes(ctx context.Context) error {
	builtIn := len(r.hint["oid"]) > 0 && !r.hint.anyOf("oid", func(oid uint32) bool { return oid >= FirstOID })
	if builtIn || !r.hint.admitsText("typtype", "c") {
		return nil
	}
	list, err := r.relations(ctx, names, "typrelid")
	if err != nil {
		return err
	}
	proc := func(name string) uint32 { return r.y.procs[name] }
	for _, t := range list {
		oid := r.y.c.rowType(t)
		if oid == 0 || !r.hint.admits("oid", oid) {
			continue
		}
		r.add(oid, t.Name, r.y.c.SchemaOID(t.Schema), rootRoleOID, -1, false, byte('c'), byte('C'), false, true, ",",
			t.OID, 0, 0, 0, proc("record_in"), proc("record_out"), proc("record_recv"), proc("record_send"), 0, 0, 0, byte('d'), byte('x'),
			false, 0, -1, 0, 0, nil, nil, nil)
	}
	return nil
}

// relation is the OID by which pg_class has a composite type; 0 of others.
func (t *madeType) relation(c *Catalog) uint32 {
	if t.Type.Kind != "composite" {
		return 0
	}
	return c.oids.of("typerelation", "", strconv.FormatInt(t.OID, 10))
}

// typeClasses are the rows of pg_class for composite types.
func (r *reader) typeClasses(ctx context.Context) error {
	if !r.hint.admitsText("relkind", "c") {
		return nil
	}
	return r.eachType(ctx, func(t madeType) {
		oid := t.relation(r.y.c)
		if oid == 0 || !r.hint.admits("oid", oid) {
			return
		}
		r.add(oid, t.Name, t.schema.OID, t.OID, 0, owner, 0, 0, 0,
			0, 0, 0, 0, false, false, byte('p'), byte('c'),
			len(t.Type.Attributes), 0, false, false, false,
			false, false, true, byte('n'), false, 0, 0, 0, nil, nil, nil)
	})
}

// typeAttributes are the rows of pg_attribute for composite types.
func (r *reader) typeAttributes(ctx context.Context) error {
	return r.eachType(ctx, func(t madeType) {
		oid := t.relation(r.y.c)
		if oid == 0 || !r.hint.admits("attrelid", oid) {
			return
		}
		for i, a := range t.Type.Attributes {
			c := Column{Name: a.Name, Type: sqltype.Type{OID: sqltype.OID(a.Type), Mod: a.Mod}, Domain: sqltype.OID(a.Domain)}
			r.attribute(oid, a.Name, int16(i+1), &c, false)
		}
	})
}
