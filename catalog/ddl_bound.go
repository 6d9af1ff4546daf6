package catalog

import (
	"context"
	"fmt"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// bound reads FOR VALUES … for a new partition, and tests that no other one is
// for some of its rows.
func (d *ddl) bound(ctx context.Context, tree *partitionTree, above *object, parent *Table, x *ast.PartitionBound, name string) (*objectBound, error) {
	b := &objectBound{Default: x.Default}
	if x.Default {
		for _, k := range tree.kids[above.Name] {
			if k.Partition.Bound.Default {
				return nil, sqlerr.New(sqlerr.InvalidObjectDefinition, "partition %q conflicts with existing default partition %q", name, k.Name).At(x.Pos())
			}
		}
		return b, nil
	}
	types, err := d.keyTypes(ctx, parent)
	if err != nil {
		return nil, err
	}
	list := above.Partition.Method == "list"
	switch {
	case list && x.In == nil:
		return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "invalid bound specification for a list partition").At(x.Pos())
	case !list && x.From == nil:
		return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "invalid bound specification for a range partition").At(x.Pos())
	case !list && len(x.From) != len(types):
		return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "FROM must specify exactly one value per partitioning column").At(x.Pos())
	case !list && len(x.To) != len(types):
		return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "TO must specify exactly one value per partitioning column").At(x.Pos())
	}
	if list {
		for _, e := range x.In {
			v, err := d.boundValue(ctx, e, types[0], false)
			if err != nil {
				return nil, err
			}
			b.In = append(b.In, v)
		}
	} else {
		if b.From, err = d.boundValues(ctx, x.From, types); err != nil {
			return nil, err
		}
		if b.To, err = d.boundValues(ctx, x.To, types); err != nil {
			return nil, err
		}
	}
	return b, d.disjoint(ctx, tree, above, b, name, x.Pos())
}

// keyTypes are the types of a table's partition keys.
func (d *ddl) keyTypes(ctx context.Context, t *Table) ([]sqltype.Type, error) {
	q, err := parseQuery("SELECT " + strings.Join(t.Partition.Keys, ", ") + " FROM " + ast.QuoteIdent(t.Schema) + "." + ast.QuoteIdent(t.Name))
	if err != nil {
		return nil, err
	}
	cols, _, _, err := d.planner.Describe(ctx, q)
	var out []sqltype.Type
	for _, c := range cols {
		out = append(out, c.Type)
	}
	return out, err
}

func (d *ddl) boundValues(ctx context.Context, list []ast.Expr, types []sqltype.Type) ([]string, error) {
	var out []string
	for i, e := range list {
		v, err := d.boundValue(ctx, e, types[i], true)
		if err != nil {
			return nil, err
		}
		if i > 0 && boundRank(out[i-1]) != 0 && out[i-1] != v {
			word := strings.ToUpper(out[i-1])
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "every bound following %s must also be %s", word, word).At(e.Pos())
		}
		out = append(out, v)
	}
	return out, nil
}

// boundValue is a value in SQL that means the same in every session.
func (d *ddl) boundValue(ctx context.Context, e ast.Expr, t sqltype.Type, ranged bool) (string, error) {
	if c, ok := e.(*ast.ColumnRef); ok && ranged && len(c.Parts) == 1 && boundRank(c.Parts[0].Name) != 0 {
		return c.Parts[0].Name, nil
	}
	if _, ok := e.(*ast.NullLiteral); ok {
		if ranged {
			return "", sqlerr.New(sqlerr.InvalidTableDefinition, "cannot specify NULL in range bound").At(e.Pos())
		}
		return boundNull, nil
	}
	var bad error
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ColumnRef:
			bad = sqlerr.New(sqlerr.FeatureNotSupported, "cannot use column reference in partition bound expression").At(n.Pos())
		case *ast.FunctionCall:
			bad = unsupported(n.Pos(), "Write the value itself.", "functions in partition bounds are not supported")
		case *ast.SubqueryExpr:
			bad = sqlerr.New(sqlerr.FeatureNotSupported, "cannot use subquery in partition bound").At(n.Pos())
		}
		return bad == nil
	})
	if bad != nil {
		return "", bad
	}
	if err := d.planner.CheckExpr(ctx, e, nil, t); err != nil {
		return "", err
	}
	sql := "CAST(" + ast.Print(e) + " AS " + t.String() + ")"
	format := ""
	switch t.OID {
	case sqltype.Date:
		format = "to_char(%s, 'YYYY-MM-DD')"
	case sqltype.Timestamp:
		format = "to_char(%s, 'YYYY-MM-DD HH24:MI:SS.US')"
	case sqltype.Timestamptz:
		format = "to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'"
	default:
		return sql, nil
	}
	text, found, err := d.planner.Text(ctx, "SELECT "+fmt.Sprintf(format, sql))
	if err != nil || !found {
		return sql, err
	}
	return "CAST(" + ast.QuoteString(text) + " AS " + t.String() + ")", nil
}

// disjoint tests that a bound is not empty and overlaps no other.
func (d *ddl) disjoint(ctx context.Context, tree *partitionTree, above *object, b *objectBound, name string, pos int) error {
	if b.From != nil {
		_, some, err := d.planner.Text(ctx, "SELECT 1 WHERE NOT "+lessSQL(b.From, b.To))
		if err != nil {
			return err
		}
		if some {
			return sqlerr.New(sqlerr.InvalidObjectDefinition, "empty range bound specified for partition %q", name).At(pos)
		}
	}
	sql := ""
	for _, k := range tree.kids[above.Name] {
		o := k.Partition.Bound
		if o.Default || k.Name == name {
			continue
		}
		sql += " WHEN " + overlapSQL(b, o) + " THEN " + ast.QuoteString(k.Name)
	}
	if sql == "" {
		return nil
	}
	text, _, err := d.planner.Text(ctx, "SELECT n FROM (SELECT CASE"+sql+" END) AS x(n) WHERE n IS NOT NULL")
	if err != nil {
		return err
	}
	if text != "" {
		return sqlerr.New(sqlerr.InvalidObjectDefinition, "partition %q would overlap partition %q", name, text).At(pos)
	}
	return nil
}

func overlapSQL(a, b *objectBound) string {
	if a.From != nil {
		return lessSQL(a.From, b.To) + " AND " + lessSQL(b.From, a.To)
	}
	parts := []string{"FALSE"}
	for _, v := range a.In {
		for _, w := range b.In {
			switch {
			case v == boundNull && w == boundNull:
				parts = append(parts, "TRUE")
			case v != boundNull && w != boundNull:
				parts = append(parts, v+" = "+w)
			}
		}
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// holds tests that all rows of a relation fulfil a condition.
func (d *ddl) holds(ctx context.Context, schema, name, cond string) (bool, error) {
	_, found, err := d.planner.Text(ctx, "SELECT 1 FROM "+ast.QuoteIdent(schema)+"."+ast.QuoteIdent(name)+" WHERE ("+cond+") IS NOT TRUE LIMIT 1")
	return !found, err
}
