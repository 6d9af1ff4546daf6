package catalog

import (
	"strconv"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

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
	if t.Schema.Name == "information_schema" {
		oid, ok = domains[name]
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

// domains are those of information_schema, by the types that they are made of.
var domains = map[string]sqltype.OID{
	"cardinal_number": sqltype.Int4, "character_data": sqltype.Varchar, "sql_identifier": sqltype.Name,
	"time_stamp": sqltype.Timestamptz, "yes_or_no": sqltype.Varchar,
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
