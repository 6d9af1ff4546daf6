package planner

import (
	"strings"

	"weir/catalog"
	"weir/parser/ast"
)

func joinPath(p []string) string  { return strings.Join(p, ".") }
func splitPath(p string) []string { return strings.Split(p, ".") }

// target is the table of UPDATE or DELETE with what is joined to it.
type target struct {
	table *catalog.Table
	scan  *Scan
	key   ColID
	input Node
	ns    *namespace // the target and the joined relations
	other *namespace // the joined relations alone
	src   *source
}

// targetRows plans the rows that UPDATE or DELETE is about.
func (b *builder) targetRows(ref *ast.TableRef, with []ast.TableExpr, where ast.Expr, verb string, ctes *cteScope) (*target, error) {
	t, err := b.writable(ref.Name, verb)
	if err != nil {
		return nil, err
	}
	if err := onlyOne(t, ref, verb); err != nil {
		return nil, err
	}
	scan, src := b.scan(t)
	if err := rename(src, ref.Alias); err != nil {
		return nil, err
	}
	scan.Alias = src.text
	id := &catalog.Column{Name: "_id", Path: []string{"_id"}, Kinds: catalog.KindObjectID, Type: textType}
	if c := columnAt(t, id.Path); c != nil {
		id = c
	}
	key := b.scanColumn(scan, id)
	b.scanDefs[key.ID] = scanDef{scan, id}
	seen, err := b.viewFilter(t, scan)
	if err != nil {
		return nil, err
	}
	g := &target{table: t, scan: scan, key: key.ID, input: seen, src: src, ns: asNS(src), other: &namespace{}}
	if len(with) > 0 {
		n, ns, err := b.from(with, nil, ctes)
		if err != nil {
			return nil, err
		}
		if err := noDuplicates(g.ns, ns, ref.Pos()); err != nil {
			return nil, err
		}
		g.other, g.ns = ns, mergeNS(g.ns, ns)
		g.input = joinNodes(Inner, seen, n, nil)
	}
	if where != nil {
		sc := &scope{ns: g.ns, ctes: ctes, noAgg: "WHERE", noWindow: "WHERE", noSRF: "WHERE"}
		x, err := b.expr(sc, where)
		if err != nil {
			return nil, err
		}
		if x, err = b.whereCondition(x); err != nil {
			return nil, err
		}
		g.input = &Filter{Input: g.input, Cond: x}
	}
	return g, nil
}

// update plans UPDATE.
func (b *builder) update(s *ast.Update, outer *cteScope) (Node, error) {
	ctes, with, err := b.with(s.With, nil, outer)
	if err != nil {
		return nil, err
	}
	g, err := b.targetRows(s.Table, s.From, s.Where, "update", ctes)
	if err != nil {
		return nil, err
	}
	n := &Update{Table: g.table, Input: g.input, Key: g.key}
	sc := &scope{ns: g.ns, ctes: ctes, noAgg: "UPDATE", noWindow: "UPDATE", noSRF: "UPDATE"}
	var changed map[string]bool
	if n.Set, changed, err = b.setList(g.table, s.Set, sc); err != nil {
		return nil, err
	}
	if n.Set, err = b.updateGenerated(g.table, g.src, n.Set); err != nil {
		return nil, err
	}
	written, src := b.scan(g.table)
	src.name, src.text, src.schema = g.src.name, g.src.text, g.src.schema
	if n.Returning, err = b.returning(s.Returning, mergeNS(asNS(src), g.other), ctes); err != nil {
		return nil, err
	}
	if n.Checks, err = b.checks(g.table, src, changed); err != nil {
		return nil, err
	}
	if n.Foreign, err = b.foreignKeys(g.table, writeUpdate, n.Set); err != nil {
		return nil, err
	}
	n.Target = *written
	return wrapWith(with, n), nil
}
