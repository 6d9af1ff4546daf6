package planner

import (
	"strconv"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// typeName resolves a type as it was written.
func (b *builder) typeName(t *ast.TypeName) (sqltype.Type, error) { return TypeName(t) }

// TypeName resolves a type as it was written; 42704 if there is none.
func TypeName(t *ast.TypeName) (sqltype.Type, error) {
	if t.Like != nil {
		return sqltype.Type{}, sqlerr.Unsupported(t.Pos(), "Write the type itself.", "%%TYPE is not supported here")
	}
	name := t.Name.Name
	oid, ok := sqltype.ByName(strings.ToLower(name))
	if info := sqltype.Named(name); t.Builtin || t.Name.Quoted || t.Schema.Name == "pg_catalog" {
		if ok = info != nil || ok; info != nil {
			oid = info.OID
		}
	}
	if !ok {
		shown := name
		if !t.Schema.IsZero() {
			shown = t.Schema.Name + "." + name
		}
		return sqltype.Type{}, sqlerr.New(sqlerr.UndefinedObject, "type %q does not exist", shown).At(t.Pos())
	}
	mod, err := modifier(oid, t)
	if err != nil {
		return sqltype.Type{}, sqlerr.As(err).At(t.Pos())
	}
	if len(t.Dims) > 0 {
		arr := oid.Array()
		if arr == sqltype.Invalid {
			return sqltype.Type{}, sqlerr.New(sqlerr.UndefinedObject, "type \"%s[]\" does not exist", name).At(t.Pos())
		}
		oid = arr
	}
	return sqltype.Type{OID: oid, Mod: mod}, nil
}

func modifier(oid sqltype.OID, t *ast.TypeName) (int32, error) {
	var nums []int64
	for _, m := range t.Mods {
		n, ok := m.(*ast.NumberLiteral)
		sign := int64(1)
		if u, neg := m.(*ast.UnaryExpr); neg && u.Op.Symbol == "-" {
			n, ok = u.Operand.(*ast.NumberLiteral)
			sign = -1
		}
		if !ok {
			return 0, sqlerr.New(sqlerr.SyntaxError, "type modifiers must be simple constants or identifiers").At(m.Pos())
		}
		v, err := strconv.ParseInt(n.Text, 10, 32)
		if err != nil {
			return 0, sqlerr.New(sqlerr.InvalidParameterValue, "invalid type modifier").At(m.Pos())
		}
		nums = append(nums, sign*v)
	}
	if oid == sqltype.Interval && t.Fields != "" {
		p := -1
		if len(nums) > 0 {
			p = int(nums[0])
		}
		mod, ok := sqltype.IntervalModifier(t.Fields, p)
		if !ok {
			return 0, sqlerr.New(sqlerr.SyntaxError, "invalid INTERVAL fields %q", t.Fields)
		}
		return mod, nil
	}
	return sqltype.Modifier(oid, nums)
}

// intervalText writes MySQL's INTERVAL n unit as PostgreSQL reads it.
func intervalText(n, unit string) string {
	switch unit {
	case "quarter":
		if k, err := strconv.ParseFloat(n, 64); err == nil {
			return strconv.FormatFloat(3*k, 'f', -1, 64) + " month"
		}
	case "year_month":
		return pairText(n, "year", "month")
	case "day_hour":
		return pairText(n, "day", "hour")
	case "day_minute":
		return pairText(n, "day", "hour", "minute")
	case "day_second":
		return pairText(n, "day", "hour", "minute", "second")
	case "hour_minute":
		return pairText(n, "hour", "minute")
	case "hour_second":
		return pairText(n, "hour", "minute", "second")
	case "minute_second":
		return pairText(n, "minute", "second")
	case "second_microsecond":
		return pairText(n, "second", "microsecond")
	}
	return n + " " + unit
}

// pairText reads numbers divided by anything else, aligned to the last unit.
func pairText(n string, units ...string) string {
	neg := strings.HasPrefix(strings.TrimSpace(n), "-")
	nums := strings.FieldsFunc(n, func(r rune) bool { return r < '0' || r > '9' })
	var out []string
	for i := range nums {
		if j := len(units) - len(nums) + i; j >= 0 {
			word := nums[i] + " " + units[j]
			if neg {
				word = "-" + word
			}
			out = append(out, word)
		}
	}
	return strings.Join(out, " ")
}
