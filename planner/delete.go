package planner

import "weir/parser/ast"

// delete plans DELETE.
func (b *builder) delete(s *ast.Delete, outer *cteScope) (Node, error) {
	ctes, with, err := b.with(s.With, nil, outer)
	if err != nil {
		return nil, err
	}
	g, err := b.targetRows(s.Table, s.Using, s.Where, "delete from", ctes)
	if err != nil {
		return nil, err
	}
	n := &Delete{Table: g.table, Input: g.input, Key: g.key}
	if n.Returning, err = b.returning(s.Returning, g.ns, ctes); err != nil {
		return nil, err
	}
	if n.Foreign, err = b.foreignKeys(g.table, writeDelete, nil); err != nil {
		return nil, err
	}
	n.Target = *g.scan
	return wrapWith(with, n), nil
}
