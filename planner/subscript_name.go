package planner

import (
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// nameLen is the length of PostgreSQL's name, an array of "char" that counts
// from zero.
const nameLen = 64

// nameSubscript is x[i] of a name: the character there, empty behind its end.
// Clients ask whether typname[0] is '_'.
func (b *builder) nameSubscript(sc *scope, x Expr, lo ast.Expr, slice bool, pos int) (Expr, error) {
	if slice {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "slices of fixed-length arrays not implemented").At(pos)
	}
	i, err := b.index(sc, lo, sqltype.Name)
	if err != nil {
		return nil, err
	}
	c, ok := i.(*Const)
	if !ok {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "the subscript of a name must be a number").At(i.Pos()).
			WithHint("Write substr(x::text, i + 1, 1).")
	}
	char := sqltype.Of(sqltype.CharByte)
	n := c.Value.AsInt64()
	if c.Value.IsNullish() || n < 0 || n >= nameLen {
		return &Const{T: char, Value: value.Null(), P: pos}, nil
	}
	text, err := b.mustCoerce(x, textType, explicit, "name")
	if err != nil {
		return nil, err
	}
	at := func(n int64) Expr { return &Const{T: int4Type, Value: value.Int32(int32(n)), P: c.P} }
	part, err := b.callExprs("substr", []Expr{text, at(n + 1), at(1)}, pos)
	if err != nil {
		return nil, err
	}
	return b.mustCoerce(part, char, explicit, "subscript")
}
