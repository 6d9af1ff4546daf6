package catalog

import (
	"context"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
)

// validate tests the rows by a constraint that was added NOT VALID.
func (a *alteration) validate(name ast.Ident) error {
	for _, c := range a.tb.o.Checks {
		if c.Name == name.Name {
			a.keepsCheck(c.Name, c.SQL)
			return nil
		}
	}
	for i := range a.tb.o.ForeignKeys {
		if a.tb.o.ForeignKeys[i].Name == name.Name {
			a.validates = append(a.validates, i)
			return nil
		}
	}
	return sqlerr.New(sqlerr.UndefinedObject, "constraint %q of relation %q does not exist", name.Text, a.table.Name)
}

// testForeign tests the rows by the foreign keys that are added, and by those
// that are to be VALID.
func (a *alteration) testForeign(ctx context.Context) error {
	for _, b := range a.tb.bound {
		k := &a.tb.o.ForeignKeys[b.at]
		if b.notValid {
			k.Valid = false
			continue
		}
		if err := a.testKey(ctx, k, b.target); err != nil {
			return err
		}
	}
	for _, i := range a.validates {
		k := &a.tb.o.ForeignKeys[i]
		if k.Valid {
			continue
		}
		to := a.relationWith(ctx, uint32(k.Ref))
		if to == nil {
			continue
		}
		if err := a.testKey(ctx, k, to); err != nil {
			return err
		}
		k.Valid = a.store.Capabilities().Transactions
		a.tb.bound = append(a.tb.bound, boundKey{i, to, false}) // keys of older catalogs are not known there
	}
	return nil
}

// testKey looks for a row whose key is not there.
func (a *alteration) testKey(ctx context.Context, k *objectForeignKey, to *Table) error {
	col := func(alias, name string) string { return alias + "." + ast.QuoteIdent(name) }
	var set, unset, same, shown []string
	for i, name := range k.Columns {
		c := col("f", name)
		set, unset = append(set, c+" IS NOT NULL"), append(unset, c+" IS NULL")
		same = append(same, col("p", k.RefColumns[i])+" = "+c)
		shown = append(shown, c+"::text")
	}
	from := "(SELECT * FROM " + a.withAdded() + ") AS f"
	names := strings.Join(k.Columns, ", ")
	fail := func(format string, args ...any) error {
		err := sqlerr.New(sqlerr.ForeignKeyViolation, "insert or update on table %q violates foreign key constraint %q", a.table.Name, k.Name).WithDetail(format, args...)
		err.Schema, err.Table, err.Constraint = a.table.Schema, a.table.Name, k.Name
		return err
	}
	if k.Match == "f" && len(set) > 1 {
		_, found, err := a.planner.Text(ctx, "SELECT 1 FROM "+from+" WHERE ("+strings.Join(set, " OR ")+") AND ("+strings.Join(unset, " OR ")+") LIMIT 1")
		if err != nil {
			return err
		}
		if found {
			return fail("MATCH FULL does not allow mixing of null and nonnull key values.")
		}
	}
	text, found, err := a.planner.Text(ctx, "SELECT concat_ws(', ', "+strings.Join(shown, ", ")+") FROM "+from+" WHERE "+strings.Join(set, " AND ")+
		" AND NOT EXISTS (SELECT 1 FROM "+ast.QuoteIdent(to.Schema)+"."+ast.QuoteIdent(to.Name)+" AS p WHERE "+strings.Join(same, " AND ")+") LIMIT 1")
	if err != nil {
		return err
	}
	if found {
		return fail("Key (%s)=(%s) is not present in table %q.", names, text, to.Name)
	}
	return nil
}
