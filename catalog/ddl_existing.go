package catalog

import (
	"context"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// existing is a rule that ALTER TABLE adds, which the rows already there have
// to keep: cond is true of each of them.
type existing struct {
	cond string
	err  *sqlerr.Error
}

func (a *alteration) noNulls(column string) {
	a.existing = append(a.existing, existing{
		cond: ast.QuoteIdent(column) + " IS NOT NULL",
		err:  sqlerr.New(sqlerr.NotNullViolation, "column %q of relation %q contains null values", column, a.table.Name),
	})
}

// noRows is for a column that is added NOT NULL without a default.
func (a *alteration) noRows(column string) {
	a.existing = append(a.existing, existing{
		cond: "FALSE",
		err:  sqlerr.New(sqlerr.NotNullViolation, "column %q of relation %q contains null values", column, a.table.Name),
	})
}

func (a *alteration) keepsCheck(name, sql string) {
	a.existing = append(a.existing, existing{
		cond: "(" + sql + ") IS NOT FALSE",
		err:  sqlerr.New(sqlerr.CheckViolation, "check constraint %q of relation %q is violated by some row", name, a.table.Name),
	})
}

// testExisting tests the rows before anything is changed.
func (a *alteration) testExisting(ctx context.Context) error {
	for _, k := range a.tb.checks {
		if !k.NotValid {
			a.keepsCheck(k.Name.Name, ast.Print(k.Expr))
		}
	}
	if len(a.existing) == 0 {
		return nil
	}
	from := a.withAdded()
	for _, x := range a.existing {
		_, found, err := a.planner.Text(ctx, "SELECT 1 FROM "+from+" WHERE ("+x.cond+") IS NOT TRUE LIMIT 1")
		if err != nil {
			return err
		}
		if found {
			return x.err
		}
	}
	return nil
}

// withAdded is the table with the columns that are added, which hold their
// defaults. Defaults that count up are not asked for.
func (a *alteration) withAdded() string {
	name := ast.QuoteIdent(a.table.Name)
	table := ast.QuoteIdent(a.table.Schema) + "." + name
	added := ""
	for _, c := range a.tb.o.Columns {
		if foldColumn(a.table.Columns, ast.MakeIdent(c.Name)) != nil || strings.Contains(c.Default, "nextval") {
			continue
		}
		def := c.Default
		if def == "" {
			def = "NULL"
		}
		added += ", CAST(" + def + " AS " + sqltype.Type{OID: sqltype.OID(c.Type), Mod: c.Mod}.String() + ") AS " + ast.QuoteIdent(c.Name)
	}
	if added == "" {
		return table
	}
	return "(SELECT *" + added + " FROM " + table + ") AS " + name
}
