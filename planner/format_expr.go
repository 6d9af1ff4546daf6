package planner

import (
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqltype"
)

func listText(list []Expr) string {
	words := make([]string, len(list))
	for i, e := range list {
		words[i] = exprText(e)
	}
	return strings.Join(words, ", ")
}

// exprKey is equal for expressions that mean the same: what their Lets bind is
// numbered in the order of the text.
func exprKey(e Expr) string { return keyOf(exprText(e)) }

func keyOf(text string) string {
	if !strings.Contains(text, boundMark) {
		return text
	}
	parts := strings.Split(text, boundMark)
	names := map[string]string{}
	for i := 1; i < len(parts); i += 2 {
		if names[parts[i]] == "" {
			names[parts[i]] = strconv.Itoa(len(names))
		}
		parts[i] = names[parts[i]]
	}
	return strings.Join(parts, boundMark)
}

// boundMark stands around the number of what a Let binds; no name or literal
// that is printed holds it.
const boundMark = "\x00"

func withoutMarks(text string) string { return strings.ReplaceAll(text, boundMark, "") }

func letText(id ColID) string { return "x" + boundMark + strconv.Itoa(int(id)) + boundMark }

var testWords = [...]string{"is null", "is not null", "is true", "is not true", "is false", "is not false", "is unknown", "is not unknown"}

// exprText prints an expression; functions go by their own names.
func exprText(e Expr) string {
	switch x := e.(type) {
	case nil:
		return ""
	case *Const:
		return constLiteral(x)
	case *ColRef:
		if x.Bound {
			return letText(x.ID)
		}
		return x.Name + "#" + strconv.Itoa(int(x.ID))
	case *Param:
		return "$" + strconv.Itoa(x.N)
	case *Call:
		s := x.Func.Name + "("
		if x.Spread {
			s += "variadic "
		}
		return s + listText(x.Args) + ")"
	case *Cast:
		if x.Explicit {
			return "cast(" + exprText(x.X) + " as " + x.T.String() + ")"
		}
		return exprText(x.X) + "::" + x.T.String()
	case *Logic:
		return logicText(x)
	case *Test:
		return "(" + exprText(x.X) + " " + testWords[x.Is] + ")"
	case *DistinctFrom:
		word := " is distinct from "
		if x.Not {
			word = " is not distinct from "
		}
		return "(" + exprText(x.L) + word + exprText(x.R) + ")"
	case *Case:
		s := "case"
		for _, w := range x.Whens {
			s += " when " + exprText(w.Cond) + " then " + exprText(w.Then)
		}
		if x.Else != nil {
			s += " else " + exprText(x.Else)
		}
		return s + " end"
	case *Variadic:
		return [...]string{"coalesce", "greatest", "least", "nullif"}[x.Kind] + "(" + listText(x.Args) + ")"
	case *InList:
		word := " in ("
		if x.Not {
			word = " not in ("
		}
		return exprText(x.X) + word + listText(x.List) + ")"
	}
	return exprTextMore(e)
}

func exprTextMore(e Expr) string {
	switch x := e.(type) {
	case *AnyAll:
		word := " any("
		if x.All {
			word = " all("
		}
		return exprText(x.X) + " " + x.Op.Name + word + exprText(x.Array) + ")"
	case *Subquery:
		word := [...]string{"scalar", "exists", "not exists", "in", "not in", "any", "all", "array"}[x.Kind]
		s := word + " " + subqueryName(x)
		if len(x.X) > 0 {
			s = listText(x.X) + " " + s
		}
		if x.Kind == AnyOf || x.Kind == AllOf {
			s += " " + x.Op[0].Name
		}
		return "(" + s + ")"
	case *Array:
		return "array[" + listText(x.Elems) + "]::" + x.T.String()
	case *Row:
		return "row(" + listText(x.Fields) + ")"
	case *Checked:
		return "domain " + x.Rules[0].Domain + "(" + exprText(x.X) + ")"
	case *Let:
		return "let " + letText(x.Col.ID) + " = " + exprText(x.X) + " in " + exprText(x.In)
	case *Path:
		return exprText(x.X) + "." + strings.Join(x.Names, ".")
	case *Subscript:
		if x.Slice {
			return exprText(x.X) + "[" + exprText(x.Lo) + ":" + exprText(x.Hi) + "]"
		}
		return exprText(x.X) + "[" + exprText(x.Lo) + "]"
	}
	return "?"
}

func logicText(x *Logic) string {
	if x.Op == Not {
		return "not " + exprText(x.Args[0])
	}
	words := make([]string, len(x.Args))
	for i, a := range x.Args {
		words[i] = exprText(a)
	}
	return "(" + strings.Join(words, [...]string{" and ", " or "}[x.Op]) + ")"
}

// constLiteral prints a constant with its type unless the text tells it.
func constLiteral(c *Const) string {
	if c.Value.IsNullish() {
		if c.T.OID == sqltype.Unknown {
			return "null"
		}
		return "null::" + c.T.String()
	}
	switch {
	case c.T.OID == sqltype.Int4, c.T.OID == sqltype.Bool:
		return valueText(c.Value)
	case c.T.OID == sqltype.Numeric && strings.Contains(valueText(c.Value), "."):
		return valueText(c.Value)
	case c.T.OID == sqltype.Text:
		return valueText(c.Value)
	}
	return valueText(c.Value) + "::" + c.T.String()
}

// decimalText is a numeric as a literal.
func decimalText(v value.Value) string {
	if v.IsWide() {
		return string(sqltype.AppendNumeric(nil, v))
	}
	return v.AsDecimal128().String()
}

func valueText(v value.Value) string {
	switch v.Kind() {
	case bson.TypeString:
		return "'" + strings.ReplaceAll(v.Str(), "'", "''") + "'"
	case bson.TypeInt32, bson.TypeInt64:
		n, _ := v.RawValue().AsInt64OK()
		return strconv.FormatInt(n, 10)
	case bson.TypeDecimal128:
		return decimalText(v)
	case bson.TypeBoolean:
		return strconv.FormatBool(v.AsBool())
	case bson.TypeDouble:
		return strconv.FormatFloat(v.RawValue().Double(), 'g', -1, 64)
	case bson.TypeDateTime:
		at := time.UnixMilli(v.AsDate()).Add(time.Duration(v.Micros()) * time.Microsecond)
		return "'" + at.UTC().Format("2006-01-02T15:04:05.999999Z") + "'"
	}
	return v.RawValue().String()
}
