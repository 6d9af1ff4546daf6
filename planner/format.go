package planner

import (
	"fmt"
	"strconv"
	"strings"

	"weir/parser/ast"
)

// Format prints a plan as an indented tree: a node a line with its own
// expressions, then its inputs. Columns are written name#id.
func Format(p *Plan) string {
	var sb strings.Builder
	if len(p.Params) > 0 {
		words := make([]string, len(p.Params))
		for i, t := range p.Params {
			words[i] = "$" + strconv.Itoa(i+1) + " " + t.String()
		}
		sb.WriteString("params: " + strings.Join(words, ", ") + "\n")
	}
	FormatNode(&sb, p.Root, 0)
	if p.Cols != nil {
		words := make([]string, len(p.Cols))
		for i, c := range p.Cols {
			words[i] = fmt.Sprintf("%s#%d %s", c.Name, c.ID, c.Type)
		}
		sb.WriteString("columns: " + strings.Join(words, ", ") + "\n")
	}
	return sb.String()
}

// FormatNode prints a node and its inputs.
func FormatNode(sb *strings.Builder, n Node, depth int) {
	pad := strings.Repeat("  ", depth)
	head, more := nodeLines(n)
	sb.WriteString(pad + withoutMarks(head) + "\n")
	for _, m := range more {
		sb.WriteString(pad + "  | " + withoutMarks(m) + "\n")
	}
	eachExpr(n, func(e *Expr) {
		walkOwn(*e, func(s *Subquery) {
			fmt.Fprintf(sb, "%s  %s:\n", pad, subqueryName(s))
			FormatNode(sb, s.Plan, depth+2)
		})
	})
	if w, ok := n.(*With); ok {
		for i := range w.CTEs {
			formatCTE(sb, &w.CTEs[i], depth)
		}
		FormatNode(sb, w.Body, depth+1)
		return
	}
	for _, in := range Inputs(n) {
		FormatNode(sb, *in, depth+1)
	}
}

func formatCTE(sb *strings.Builder, c *CTE, depth int) {
	pad := strings.Repeat("  ", depth+1)
	fmt.Fprintf(sb, "%scte %d %s:\n", pad, c.ID, c.Name)
	FormatNode(sb, c.Plan, depth+2)
	if r := c.Recursive; r != nil {
		word := "union"
		if r.All {
			word = "union all"
		}
		fmt.Fprintf(sb, "%s%s term:\n", pad, word)
		FormatNode(sb, r.Term, depth+2)
	}
}

// walkOwn visits the subqueries of an expression, not those inside of them.
func walkOwn(e Expr, f func(*Subquery)) {
	if e == nil {
		return
	}
	for _, p := range parts(e) {
		walkOwn(p, f)
	}
	if s, ok := e.(*Subquery); ok {
		f(s)
	}
}

func subqueryName(s *Subquery) string {
	return "subquery@" + strconv.Itoa(subqueryID(s))
}

// subqueryID tells subqueries of one plan apart: by the first column made.
func subqueryID(s *Subquery) int {
	if c := s.Plan.Cols(); len(c) > 0 {
		return int(c[0].ID)
	}
	return 0
}

var (
	joinWords = [...]string{"Join", "LeftJoin", "FullJoin", "SemiJoin", "AntiJoin", "AntiNullJoin"}
	setWords  = [...]string{"Union", "Intersect", "Except"}
)

// nodeLines is a node's first line and the ones of its expressions.
func nodeLines(n Node) (string, []string) {
	switch x := n.(type) {
	case *Scan:
		return scanLine(x), nil
	case *Values:
		return valuesLine(x), nil
	case *FuncScan:
		return funcScanLine(x), nil
	case *Filter:
		return "Filter " + exprText(x.Cond), nil
	case *Project:
		head := "Project"
		if x.SetReturning {
			head = "ProjectSet"
		}
		return head, namedLines(x.Exprs)
	case *Join:
		head := joinWords[x.Kind]
		if x.Lateral {
			head += " lateral"
		}
		if x.On != nil {
			head += " on " + exprText(x.On)
		}
		return head, nil
	case *Aggregate:
		return aggregateLines(x)
	case *Window:
		var lines []string
		for i := range x.Calls {
			lines = append(lines, colText(x.Calls[i].Col)+" := "+windowText(&x.Calls[i]))
		}
		return "Window", lines
	case *Sort:
		return "Sort " + keysText(x.Keys), nil
	case *Limit:
		return limitLine(x), nil
	case *Distinct:
		if x.On != nil {
			return "Distinct on (" + listText(x.On) + ")", nil
		}
		return "Distinct", nil
	case *SetOp:
		head := setWords[x.Kind]
		if x.All {
			head += " all"
		}
		return head + " " + colsText(x.Out), nil
	case *With:
		return "With", nil
	case *CTEScan:
		return fmt.Sprintf("CTEScan %d %s %s", x.ID, x.Name, colsText(x.Out)), nil
	case *Insert:
		return insertLines(x)
	case *Update:
		return "Update " + x.Table.Schema + "." + x.Table.Name + " key #" + strconv.Itoa(int(x.Key)),
			append(append(fieldLines("set ", x.Set), checkLines(x.Checks)...), returningLines(x.Returning)...)
	case *Delete:
		return "Delete " + x.Table.Schema + "." + x.Table.Name + " key #" + strconv.Itoa(int(x.Key)), returningLines(x.Returning)
	case *Merge:
		return mergeLines(x)
	}
	return "?", nil
}

func scanLine(x *Scan) string {
	s := "Scan " + x.Table.Schema + "." + x.Table.Name
	if x.Alias != x.Table.Name && x.Alias != "" {
		s += " as " + x.Alias
	}
	if x.Args != nil {
		words := make([]string, len(x.Args))
		for i, a := range x.Args {
			if words[i] = "default"; a != nil {
				words[i] = exprText(a)
			}
		}
		s += "(" + strings.Join(words, ", ") + ")"
	}
	words := make([]string, len(x.Out))
	for i, c := range x.Out {
		words[i] = colText(c)
		if p := strings.Join(x.Fields[i].Path, "."); p != c.Name {
			words[i] += "=" + p
		}
	}
	return s + " [" + strings.Join(words, " ") + "]"
}

func valuesLine(x *Values) string {
	rows := make([]string, len(x.Rows))
	for i, r := range x.Rows {
		rows[i] = "(" + listText(r) + ")"
	}
	return "Values " + colsText(x.Out) + " " + strings.Join(rows, ", ")
}

func funcScanLine(x *FuncScan) string {
	calls := make([]string, len(x.Calls))
	for i, c := range x.Calls {
		calls[i] = c.Func.Name + "(" + listText(c.Args) + ")"
	}
	s := "FuncScan " + strings.Join(calls, ", ")
	if x.Ordinality {
		s += " with ordinality"
	}
	return s + " " + colsText(x.Out)
}

func aggregateLines(x *Aggregate) (string, []string) {
	lines := namedLines(x.Groups)
	for i := range x.Aggs {
		lines = append(lines, colText(x.Aggs[i].Col)+" := "+aggText(&x.Aggs[i]))
	}
	for _, g := range x.Grouping {
		lines = append(lines, fmt.Sprintf("%s := grouping%v", colText(g.Col), g.Args))
	}
	head := "Aggregate"
	if x.Sets != nil {
		head += fmt.Sprintf(" sets %v", x.Sets)
	}
	return head, lines
}

func limitLine(x *Limit) string {
	s := "Limit"
	if x.Count != nil {
		s += " " + exprText(x.Count)
	}
	if x.Offset != nil {
		s += " offset " + exprText(x.Offset)
	}
	if x.WithTies != nil {
		s += " with ties by " + keysText(x.WithTies)
	}
	return s
}

func insertLines(x *Insert) (string, []string) {
	words := make([]string, len(x.Targets))
	for i, f := range x.Targets {
		words[i] = strings.Join(f.Path, ".") + " " + f.Type.String()
	}
	head := "Insert " + x.Table.Schema + "." + x.Table.Name + " (" + strings.Join(words, ", ") + ")"
	if x.Document {
		head = "Insert " + x.Table.Schema + "." + x.Table.Name + " document"
	}
	lines := fieldLines("default ", x.Defaults)
	if c := x.Conflict; c != nil {
		var paths []string
		for _, f := range c.Target {
			paths = append(paths, strings.Join(f.Path, "."))
		}
		lines = append(lines, "on conflict ("+strings.Join(paths, ", ")+") excluded "+colsText(c.Excluded))
		lines = append(lines, fieldLines("set ", c.Set)...)
		if c.Where != nil {
			lines = append(lines, "where "+exprText(c.Where))
		}
	}
	lines = append(lines, checkLines(x.Checks)...)
	return head, append(lines, returningLines(x.Returning)...)
}

func fieldLines(word string, list []FieldExpr) []string {
	var out []string
	for _, f := range list {
		out = append(out, word+strings.Join(f.Field.Path, ".")+" = "+exprText(f.Expr))
	}
	return out
}

func checkLines(list []CheckExpr) []string {
	var out []string
	for _, c := range list {
		name := c.Name
		if name == "" {
			name = "not null " + c.Column
		}
		out = append(out, "check "+name+": "+exprText(c.Expr))
	}
	return out
}

func returningLines(list []NamedExpr) []string {
	if list == nil {
		return nil
	}
	return append([]string{"returning"}, namedLines(list)...)
}

func namedLines(list []NamedExpr) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = colText(e.Col) + " := " + exprText(e.Expr)
	}
	return out
}

func colText(c Col) string { return c.Name + "#" + strconv.Itoa(int(c.ID)) }

func colsText(cols []Col) string {
	words := make([]string, len(cols))
	for i, c := range cols {
		words[i] = colText(c)
	}
	return "[" + strings.Join(words, " ") + "]"
}

func keysText(keys []SortKey) string {
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = exprText(k.Expr)
		if k.Desc {
			words[i] += " desc"
		}
		if k.NullsFirst != k.Desc {
			words[i] += map[bool]string{true: " nulls first", false: " nulls last"}[k.NullsFirst]
		}
	}
	return strings.Join(words, ", ")
}

func aggText(a *AggCall) string {
	if a.AnyValue {
		return "any " + exprText(a.Args[0])
	}
	s := a.Func.Name + "("
	if a.Distinct {
		s += "distinct "
	}
	s += listText(a.Args)
	if len(a.OrderBy) > 0 {
		s += " order by " + keysText(a.OrderBy)
	}
	if a.Limit != nil {
		s += " limit " + exprText(a.Limit)
	}
	s += ")"
	if a.Filter != nil {
		s += " filter " + exprText(a.Filter)
	}
	return s
}

func aggKey(a *AggCall) string {
	return keyOf(fmt.Sprintf("%d %s", a.Func.OID, aggText(a)))
}

func windowText(w *WindowCall) string {
	s := w.Func.Name + "(" + listText(w.Args) + ")"
	if w.Filter != nil {
		s += " filter " + exprText(w.Filter)
	}
	s += " over ("
	if len(w.PartitionBy) > 0 {
		s += "partition by " + listText(w.PartitionBy) + " "
	}
	if len(w.OrderBy) > 0 {
		s += "order by " + keysText(w.OrderBy) + " "
	}
	return s + frameText(w.Frame) + ")"
}

func frameText(f Frame) string {
	mode := [...]string{"range", "rows", "groups"}[f.Mode]
	s := mode + " " + boundText(f.Start) + " to " + boundText(f.End)
	if f.Exclude != ast.ExcludeNoOthers {
		s += " exclude " + [...]string{"", "current row", "group", "ties"}[f.Exclude]
	}
	return s
}

func boundText(b Bound) string {
	switch b.Kind {
	case ast.UnboundedPreceding:
		return "start"
	case ast.OffsetPreceding:
		return exprText(b.Offset) + " before"
	case ast.CurrentRow:
		return "current"
	case ast.OffsetFollowing:
		return exprText(b.Offset) + " after"
	}
	return "end"
}

func windowKey(w *WindowCall) string { return keyOf(fmt.Sprintf("%d %s", w.Func.OID, windowText(w))) }

func mergeLines(x *Merge) (string, []string) {
	head := "Merge " + x.Table.Schema + "." + x.Table.Name + " key #" + strconv.Itoa(int(x.Key))
	lines := []string{colText(x.Action.Col) + " := " + exprText(x.Action.Expr)}
	for i, a := range x.Actions {
		word := [...]string{"nothing", "insert", "update", "delete"}[a.Kind]
		lines = append(lines, strconv.Itoa(i)+" "+word)
		lines = append(append(lines, fieldLines("  set ", a.Set)...), checkLines(a.Checks)...)
	}
	return head, lines
}
