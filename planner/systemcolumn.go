package planner

import (
	"fmt"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
)

// systemColumns are those that the rows of every table have.
var systemColumns = map[string]bool{"tableoid": true, "ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true}

// systemColumn finds a column that every table has; nil for other names.
func (b *builder) systemColumn(sc *scope, e *ast.ColumnRef) (Expr, error) {
	p := e.Parts
	name := p[len(p)-1].Name
	if !systemColumns[name] || len(p) > 3 {
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
			return nil, sqlerr.New(sqlerr.AmbiguousColumn, "column reference %q is ambiguous", name).At(e.Pos())
		}
		if len(hits) == 1 && hits[0].table != nil {
			return b.systemColumnOf(hits[0], name, len(s.ns.srcs) == 1, e.Pos())
		}
	}
	return nil, nil
}

func (b *builder) systemColumnOf(src *source, name string, alone bool, pos int) (Expr, error) {
	switch {
	case name == "tableoid":
		return b.tableOID(src, alone, pos)
	case src.scan == nil || src.table.OID == 0:
		return nil, nil
	case name != "ctid" || src.table.Kind != catalog.Collection && src.table.Kind != catalog.MaterializedView:
		return nil, sqlerr.Unsupported(pos, "Documents tell nothing of the transactions that wrote them: compare the columns that were read, or keep a column for the version.",
			"the system column %q is not supported", name)
	}
	return b.rowTid(src.scan, pos), nil
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
