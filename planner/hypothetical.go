package planner

import (
	"strings"

	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
)

// hypothetical are the aggregates that tell where a row would stand among the
// ordered ones, rank(3) WITHIN GROUP (ORDER BY x), by what they stand for: a
// count of the rows before it (@) or up to it (@=), and of all (#).
var hypothetical = map[string]string{
	"rank":         "@ + 1",
	"percent_rank": "coalesce(@::float8 / nullif(#, 0), 0)",
	"cume_dist":    "(@= + 1)::float8 / (# + 1)",
	"dense_rank":   "", // of different values
}

func (b *builder) hypothetical(sc *scope, x *ast.FunctionCall, name string) (Expr, error) {
	if len(x.Args) != len(x.WithinGroup) {
		return nil, sqlerr.New(sqlerr.UndefinedFunction, "function %s does not exist with these arguments", name).At(x.Pos()).
			WithHint("To use the hypothetical-set aggregate %s, the number of hypothetical direct arguments (here %d) must match the number of ordering columns (here %d).",
				name, len(x.Args), len(x.WithinGroup))
	}
	for i, a := range x.Args {
		if err := sameCollation(a, x.WithinGroup[i].Expr); err != nil {
			return nil, err
		}
	}
	count := func(what string, conds ...string) string {
		if x.Filter != nil {
			conds = append(conds, ast.Print(x.Filter))
		}
		if len(conds) == 0 {
			return "count(" + what + ")"
		}
		return "count(" + what + ") FILTER (WHERE (" + strings.Join(conds, ") AND (") + "))"
	}
	before, upTo := hypotheticalOrder(x)
	text := hypothetical[name]
	if name == "dense_rank" {
		if len(x.Args) > 1 {
			return nil, sqlerr.Unsupported(x.Pos(), "Order by one column.", "dense_rank WITHIN GROUP over several columns is not supported")
		}
		// NULLs are one value more, which count(DISTINCT) does not see.
		key := ast.Print(x.WithinGroup[0].Expr)
		text = count("DISTINCT "+key, before) + " + least(" + count("*", before, "("+key+") IS NULL") + ", 1) + 1"
	}
	// The arguments are of the group, not of its rows: beside the aggregates
	// their columns are checked. The fold drops this arm.
	arms := ""
	for _, a := range x.Args {
		if hasColumn(a) {
			arms += " WHEN false THEN length((" + ast.Print(a) + ")::text)"
		}
	}
	if arms != "" {
		text = "CASE" + arms + " ELSE " + text + " END"
	}
	text = strings.NewReplacer("@=", count("*", upTo), "@", count("*", before), "#", count("*")).Replace(text)
	e, err := parser.ParseExpr(text)
	if err != nil {
		return nil, sqlerr.New(sqlerr.InternalError, "%s does not parse: %s", name, text).Because(err)
	}
	out, err := b.expr(sc, e)
	if err != nil {
		cp := *sqlerr.As(err)
		cp.Position = 0
		return nil, cp.At(x.Pos())
	}
	return out, nil
}

func hasColumn(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		_, is := n.(*ast.ColumnRef)
		found = found || is
		return !found
	})
	return found
}

// hypotheticalOrder is the conditions that a row comes before the hypothetical
// one, and that it comes before it or equals it.
func hypotheticalOrder(x *ast.FunctionCall) (before, upTo string) {
	same := ""
	for i, o := range x.WithinGroup {
		key, arg := "("+ast.Print(o.Expr)+")", "("+ast.Print(x.Args[i])+")"
		desc := o.Direction == ast.Descending
		less, nulls := key+" < "+arg, key+" IS NOT NULL AND "+arg+" IS NULL"
		if desc {
			less = key + " > " + arg
		}
		if o.Nulls == ast.NullsFirst || o.Nulls == ast.NullsDefault && desc {
			nulls = key + " IS NULL AND " + arg + " IS NOT NULL"
		}
		part := same + "((" + less + ") IS TRUE OR " + nulls + ")"
		if before != "" {
			before += " OR "
		}
		before += part
		same += key + " IS NOT DISTINCT FROM " + arg + " AND "
	}
	return before, before + " OR (" + strings.TrimSuffix(same, " AND ") + ")"
}

func hypotheticalName(name string) bool {
	_, ok := hypothetical[name]
	return ok
}

// sameCollation refuses two collations that were both asked for.
func sameCollation(l, r ast.Expr) error {
	x, okL := l.(*ast.CollateExpr)
	y, okR := r.(*ast.CollateExpr)
	if !okL || !okR || x.Collation.Last().Text == y.Collation.Last().Text {
		return nil
	}
	return sqlerr.New("42P21", "collation mismatch between explicit collations \"%s\" and \"%s\"", x.Collation.Last().Text, y.Collation.Last().Text).At(y.Collation.Pos())
}
