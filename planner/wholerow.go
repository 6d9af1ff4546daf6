package planner

import (
	"strconv"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// A table's name used as a value is its row. On the side of an outer join that
// found nothing the row is NULL, not a row of NULLs.

// wholeRow is the row as a document. A function that gives single values has
// them for rows.
func (b *builder) wholeRow(src *source, pos int) Expr {
	if src.values {
		return b.ref(src, 0, pos)
	}
	r := &Row{P: pos}
	for i := range src.cols {
		if !src.cols[i].hidden {
			r.Fields = append(r.Fields, b.ref(src, i, pos))
			r.Names = append(r.Names, src.cols[i].name)
		}
	}
	return r
}

// presentRows is the condition that q.* is a row, nil where it always is.
func (b *builder) presentRows(sc *scope, star *ast.Star) (Expr, error) {
	q := star.Qualifier
	var schema ast.Ident
	if len(q) > 1 {
		schema = q[len(q)-2]
	}
	for s := sc; s != nil; s = s.parent {
		src, err := s.ns.source(schema, q[len(q)-1])
		if err != nil {
			return nil, err
		}
		if src != nil {
			if len(s.ns.srcs) == 1 {
				return nil, nil
			}
			return b.present(src, star.Pos()), nil
		}
	}
	return nil, sqlerr.New(sqlerr.UndefinedTable, "missing FROM-clause entry for table %q", q[len(q)-1].Text).At(star.Pos())
}

// present tells a source's row from none: every document has an _id; of other
// rows some column has to be there.
func (b *builder) present(src *source, pos int) Expr {
	there := func(x Expr) Expr { return &Test{X: x, Is: IsNotNull, P: pos} }
	if src.scan != nil && src.table != nil && src.table.Kind == catalog.Collection {
		col := b.scanColumn(src.scan, &catalog.Column{Name: "_id", Path: []string{"_id"}, Type: sqltype.Of(sqltype.Text)})
		return there(colRef(col, pos))
	}
	any := &Logic{Op: Or, P: pos}
	for i := range src.cols {
		any.Args = append(any.Args, there(b.ref(src, i, pos)))
	}
	if len(any.Args) == 1 {
		return any.Args[0]
	}
	return any
}

// rowField is a field of a row that is written out: (ROW(a, b)).f1.
func rowField(r *Row, name ast.Ident, pos int) (Expr, error) {
	for i, f := range r.Fields {
		field := "f" + strconv.Itoa(i+1)
		if r.Names != nil {
			field = r.Names[i]
		}
		if field == name.Name || field == name.Text {
			return f, nil
		}
	}
	return nil, sqlerr.New(sqlerr.UndefinedColumn, "could not identify column %q in record data type", name.Text).At(pos)
}
