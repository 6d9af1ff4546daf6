package planner

import (
	"fmt"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
)

// partitionRules are what the rows of a partitioned table must fulfil.
func (b *builder) partitionRules(t *catalog.Table, src *source) ([]CheckExpr, error) {
	var out []CheckExpr
	for _, r := range t.Partition.Rules {
		x, err := b.stored(r.SQL, src, "partition constraints")
		if err != nil {
			return nil, err
		}
		if x, err = b.boolean(x, "CHECK"); err != nil {
			return nil, err
		}
		out = append(out, CheckExpr{Name: r.Name, Column: r.Column, Relation: r.Relation, Partition: true, Expr: x})
	}
	return out, nil
}

// onlyPartitioned is ONLY with a partitioned table, which has no rows itself.
func (b *builder) onlyPartitioned(x *ast.TableRef, t *catalog.Table) (Node, *namespace, error) {
	all := *x
	all.Only = false
	n, ns, err := b.tableRef(&all, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	return &Filter{Input: n, Cond: boolConst(false, x.Pos())}, ns, nil
}

// systemColumn finds tableoid, which every relation has; nil for other names.
func (b *builder) systemColumn(sc *scope, e *ast.ColumnRef) (Expr, error) {
	p := e.Parts
	if p[len(p)-1].Name != "tableoid" || len(p) > 3 {
		return nil, nil
	}
	for s := sc; s != nil; s = s.parent {
		if s.ns == nil || len(s.ns.srcs) == 0 {
			continue
		}
		var hits []*source
		if len(p) > 1 {
			var schema ast.Ident
			if len(p) == 3 {
				schema = p[0]
			}
			src, err := s.ns.source(schema, p[len(p)-2])
			if err != nil {
				return nil, err
			}
			if src != nil {
				hits = []*source{src}
			}
		} else {
			for _, src := range s.ns.srcs {
				if src.table != nil && !src.hidden {
					hits = append(hits, src)
				}
			}
		}
		if len(hits) > 1 {
			return nil, sqlerr.New(sqlerr.AmbiguousColumn, "column reference %q is ambiguous", "tableoid").At(e.Pos())
		}
		if len(hits) == 1 && hits[0].table != nil {
			return b.tableOID(hits[0], len(s.ns.srcs) == 1, e.Pos())
		}
	}
	return nil, nil
}

// tableOID is the OID of the table that a row lies in, NULL where an outer join
// has no row.
func (b *builder) tableOID(src *source, alone bool, pos int) (Expr, error) {
	t := src.table
	var id *catalog.Column
	if src.scan != nil {
		id = columnAt(t, []string{"_id"})
	}
	if t.OID == 0 || id == nil && (!alone || !t.IsPartition()) {
		return nil, nil
	}
	sql := fmt.Sprintf("%d::oid", t.OID)
	if t.Partition != nil {
		sql = t.Partition.OID
	}
	x, err := b.stored(sql, src, "tableoid")
	if err != nil || id == nil {
		return x, err
	}
	col := b.scanColumn(src.scan, id)
	b.scanDefs[col.ID] = scanDef{src.scan, id}
	there := &Test{X: colRef(col, pos), Is: IsNotNull}
	return &Case{T: x.Type(), Whens: []When{{Cond: there, Then: x}}, P: pos}, nil
}
