package planner

import (
	"weir/catalog"
	"weir/parser/ast"
	"weir/store"
)

// RowLock is FOR UPDATE and the like of one table: behind the columns of the
// result there is one, for each RowLock in order, with the _id of its row.
type RowLock struct {
	NS       store.Namespace
	Table    string // as messages name it
	Strength ast.LockStrength
	Wait     ast.LockWait
	Command  string // as messages name the statement
}

// rowKey is how the _id of a table's row is named, whatever its columns.
const rowKey = "\x00key"

// lockedRows adds the keys of the rows that a query locks to its result.
func (b *builder) lockedRows(q *ast.Query) (*ast.Query, error) {
	if len(q.Locks) == 0 {
		return q, nil
	}
	sel, ok := q.Body.(*ast.Select)
	if !ok || !b.env.LockRows {
		return q, nil
	}
	body, out := *sel, *q
	body.Items = append([]*ast.SelectItem(nil), sel.Items...)
	for _, ref := range tableRefs(nil, sel.From) {
		name := ref.Name.Last()
		if ref.Alias != nil {
			name = ref.Alias.Name
		}
		l := lockOf(q.Locks, name)
		t := b.lockedTable(q, ref)
		if l == nil || t == nil {
			continue
		}
		key := &ast.ColumnRef{Parts: []ast.Ident{name, {Name: rowKey, Text: rowKey}}}
		body.Items = append(body.Items, &ast.SelectItem{Expr: key})
		b.rowLocks = append(b.rowLocks, RowLock{NS: t.NS, Table: t.Name, Strength: l.Strength, Wait: l.Wait, Command: "SELECT FOR " + lockWords[l.Strength]})
	}
	out.Body = &body
	return &out, nil
}

// lockOf is the clause that is for a table.
func lockOf(locks []*ast.Lock, name ast.Ident) *ast.Lock {
	for _, l := range locks {
		if len(l.Of) == 0 {
			return l
		}
		for _, n := range l.Of {
			if n.Last().Name == name.Name {
				return l
			}
		}
	}
	return nil
}

// lockedTable is the collection that a name of FROM means; nil for others.
func (b *builder) lockedTable(q *ast.Query, ref *ast.TableRef) *catalog.Table {
	if q.With != nil && len(ref.Name.Parts) == 1 {
		for _, c := range q.With.CTEs {
			if c.Name.Name == ref.Name.Last().Name {
				return nil
			}
		}
	}
	t, err := b.lookupTable(ref.Name)
	if err != nil || t.Kind != catalog.Collection || len(t.Children) > 0 {
		return nil
	}
	return t
}

// tableRefs lists the tables of FROM, those of joins too.
func tableRefs(list []*ast.TableRef, from []ast.TableExpr) []*ast.TableRef {
	for _, f := range from {
		switch x := f.(type) {
		case *ast.TableRef:
			list = append(list, x)
		case *ast.Join:
			if x.Alias == nil {
				list = tableRefs(list, []ast.TableExpr{x.Left, x.Right})
			}
		}
	}
	return list
}

// keyColumn is the _id of a row by the name rowKey; nil for other names.
func (b *builder) keyColumn(sc *scope, e *ast.ColumnRef) (Expr, error) {
	if len(e.Parts) != 2 || e.Parts[1].Name != rowKey || sc.ns == nil {
		return nil, nil
	}
	src, err := sc.ns.source(ast.Ident{}, e.Parts[0])
	if err != nil || src == nil || src.scan == nil {
		return nil, err
	}
	id := columnAt(src.table, []string{"_id"})
	if id == nil {
		id = &catalog.Column{Name: "_id", Path: []string{"_id"}, Kinds: catalog.KindObjectID, Type: textType}
	}
	col := b.scanColumn(src.scan, id)
	b.scanDefs[col.ID] = scanDef{src.scan, id}
	return colRef(col, e.Pos()), nil
}
