package executor

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"weir/parser/ast"
	"weir/sqltype"
	"weir/translator"
)

// cascade deletes the rows that refer to deleted ones, or gives them the new keys.
func (e *execution) cascade(ctx context.Context, t *keyTask) error {
	if err := e.lockKeys(ctx, t.ref, t.olds, true); err != nil {
		return err
	}
	if t.news[0] == nil {
		return e.referring(ctx, t, "DELETE FROM "+tableName(t.ref.From)+" AS x")
	}
	// Row by row, in their order: a key may be the new one of one row and the old
	// one of another.
	var set, where []string
	n := len(t.ref.Key.Columns)
	for i, c := range t.ref.Key.Columns {
		set = append(set, ast.QuoteIdent(c)+" = $"+strconv.Itoa(n+i+1))
		where = append(where, "x."+ast.QuoteIdent(c)+" = $"+strconv.Itoa(i+1))
	}
	sql := "UPDATE " + tableName(t.ref.From) + " AS x SET " + strings.Join(set, ", ") + " WHERE " + strings.Join(where, " AND ")
	types := oidsOf(t.ref)
	for i := range t.olds {
		if _, _, err := e.statement(ctx, e.q, sql, slices.Concat(types, types), append(slices.Clone(t.olds[i]), t.news[i]...)); err != nil {
			return err
		}
	}
	return nil
}

// setAside is SET NULL and SET DEFAULT.
func (e *execution) setAside(ctx context.Context, t *keyTask) error {
	if err := e.lockKeys(ctx, t.ref, t.olds, true); err != nil {
		return err
	}
	columns, to := t.ref.Key.Columns, " = NULL"
	if t.news[0] == nil && t.ref.Key.DeleteColumns != nil {
		columns = t.ref.Key.DeleteColumns
	}
	action := t.action()
	if action == 'd' {
		to = " = DEFAULT"
	}
	var set []string
	for _, c := range columns {
		set = append(set, ast.QuoteIdent(c)+to)
	}
	if err := e.referring(ctx, t, "UPDATE "+tableName(t.ref.From)+" AS x SET "+strings.Join(set, ", ")); err != nil {
		return err
	}
	if action == 'd' { // the default may be the key that went
		return e.checkUnreferenced(ctx, &KeyCheck{ref: t.ref, keys: t.olds})
	}
	return nil
}

func oidsOf(ref *translator.KeyRef) []sqltype.OID {
	out := make([]sqltype.OID, len(ref.Types))
	for i, t := range ref.Types {
		out[i] = t.OID
	}
	return out
}

// referring runs a statement for the rows that refer to the old keys.
func (e *execution) referring(ctx context.Context, t *keyTask, sql string) error {
	for keys := t.olds; len(keys) > 0; {
		n, cond, types, args := keyCondition(t.ref, t.ref.Key.Columns, keys)
		if _, _, err := e.statement(ctx, e.q, sql+" WHERE "+cond, types, args); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}
