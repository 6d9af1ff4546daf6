package planner

import (
	"weir/catalog"
	"weir/parser/ast"
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
