package catalog

import (
	"context"
	"sort"

	"weir/engine/value"
	"weir/sqltype"
)

// madeType is a type that CREATE TYPE or CREATE DOMAIN made, in its schema.
type madeType struct {
	*object
	schema Schema
}

// types are those of all schemas, in the order of their names.
func (r *reader) types(ctx context.Context) ([]madeType, error) {
	schemas, err := r.s.schemas(ctx)
	if err != nil {
		return nil, err
	}
	var out []madeType
	for _, sch := range schemas {
		if sch.DB == "" {
			continue
		}
		d, err := r.s.database(ctx, sch.DB, listAge)
		if err != nil {
			return nil, err
		}
		for _, o := range d.objects {
			if o.isType() {
				out = append(out, madeType{o, sch})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

func (r *reader) eachType(ctx context.Context, write func(t madeType)) error {
	list, err := r.types(ctx)
	for _, t := range list {
		write(t)
	}
	return err
}

func pgTypes(ctx context.Context, r *reader) error {
	if err := r.rowTypes(ctx); err != nil {
		return err
	}
	return r.eachType(ctx, func(t madeType) {
		info := sqltype.Lookup(sqltype.OID(t.OID))
		if info == nil {
			return
		}
		in, out, recv, send := info.IO+"in", info.IO+"out", info.IO+"recv", info.IO+"send"
		base := int64(0)
		if t.Type.Kind == "domain" {
			if base = t.Type.Base; t.Type.Parent != 0 {
				base = t.Type.Parent
			}
			if b := sqltype.Lookup(sqltype.OID(t.Type.Base)); b != nil {
				out, send = b.IO+"out", b.IO+"send"
			}
		}
		r.pgType(t, info, 0, t.Type.Array, [4]string{in, out, recv, send}, base)
		if array := sqltype.Lookup(sqltype.OID(t.Type.Array)); array != nil {
			r.pgType(t, array, t.OID, 0, [4]string{"array_in", "array_out", "array_recv", "array_send"}, 0)
		}
	})
}

// pgType writes a row of pg_type: of a type, or of its arrays.
func (r *reader) pgType(t madeType, info *sqltype.Info, elem, array int64, io [4]string, base int64) {
	proc := func(name string) uint32 { return r.y.procs[name] }
	subscript, analyze, mod := uint32(0), uint32(0), int32(-1)
	if elem != 0 {
		subscript, analyze = proc("array_subscript_handler"), proc("array_typanalyze")
	}
	relation := uint32(0)
	if elem == 0 {
		relation = t.relation(r.y.c)
	}
	notNull, collation := false, uint32(0)
	var def any
	if base != 0 {
		notNull, mod, def = t.Type.NotNull, t.Type.Mod, orNull(t.Type.Default)
		collation = collationOf(sqltype.OID(t.Type.Base))
	}
	r.add(info.OID, info.Name, t.schema.OID, rootRoleOID, info.Len, info.ByVal, info.Kind, info.Category, info.Preferred, true, ",",
		relation, subscript, elem, array, proc(io[0]), proc(io[1]), proc(io[2]), proc(io[3]), 0, 0, analyze, info.Align, storageOf(info),
		notNull, base, mod, 0, collation, nil, def, nil)
}

// rootRoleOID is the owner of everything.
const rootRoleOID = 10

func pgEnum(ctx context.Context, r *reader) error {
	return r.eachType(ctx, func(t madeType) {
		for _, l := range t.Type.Labels {
			r.add(l.OID, t.OID, value.Double(l.Sort), l.Label)
		}
	})
}

// domainConstraints are the rows of pg_constraint for domains.
func (r *reader) domainConstraints(ctx context.Context) error {
	return r.eachType(ctx, func(t madeType) {
		for _, k := range t.Type.Checks {
			r.add(k.OID, k.Name, t.schema.OID, 'c', false, false, true, 0, t.OID, 0, 0,
				0, " ", " ", " ", true, 0, false, nil, nil, nil, nil, nil, nil, nil, k.SQL)
		}
	})
}

func infoDomains(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.eachType(ctx, func(t madeType) {
		if t.Type.Kind != "domain" {
			return
		}
		f := describeType(sqltype.Type{OID: sqltype.OID(t.Type.Base), Mod: t.Type.Mod})
		r.add(db, t.schema.Name, t.Name, f.name, f.length, f.octets, nil, nil, nil, nil, nil, nil,
			f.precision, f.radix, f.scale, f.datetime, nil, nil, orNull(t.Type.Default), db, f.schema, f.udt, nil, nil, nil, nil, "1")
	})
}

func infoDomainConstraints(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.eachType(ctx, func(t madeType) {
		for _, k := range t.Type.Checks {
			r.add(db, t.schema.Name, k.Name, db, t.schema.Name, t.Name, "NO", "NO")
		}
	})
}

func infoAttributes(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.eachType(ctx, func(t madeType) {
		for i, a := range t.Type.Attributes {
			f := describeType(sqltype.Type{OID: sqltype.OID(a.Type), Mod: a.Mod})
			r.add(db, t.schema.Name, t.Name, a.Name, i+1, nil, "YES", f.name, f.length, f.octets, nil, nil, nil, nil, nil, nil,
				f.precision, f.radix, f.scale, f.datetime, nil, nil, db, f.schema, f.udt, nil, nil, nil, nil, formatInt(int64(i+1)), "NO")
		}
	})
}

func infoUserTypes(ctx context.Context, r *reader) error {
	db := r.who.Database()
	return r.eachType(ctx, func(t madeType) {
		if t.Type.Kind != "composite" {
			return
		}
		values := make([]any, len(r.out.cols))
		values[0], values[1], values[2], values[3] = db, t.schema.Name, t.Name, "STRUCTURED"
		for i, c := range r.out.cols {
			switch c.Name {
			case "is_instantiable":
				values[i] = "YES"
			}
		}
		r.add(values...)
	})
}
