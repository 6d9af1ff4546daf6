package planner

import (
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlfunc"
	"weir/sqltype"
)

// slices binds a[1:2][3] and the like: with a slice among several subscripts
// all of them are slices, and a single number n is 1:n. ok is false for other
// subscripts, and for what is no array; within is what then is bound next, and
// belongs to the same subscripts unless it stands apart.
func (b *builder) slices(sc *scope, e, within ast.Expr, apart bool) (Expr, bool, error) {
	known := e == b.noSlices
	if b.noSlices = within; apart {
		b.noSlices = nil
	}
	if known {
		return nil, false, nil
	}
	var bounds [][2]ast.Expr
	sliced := false
	of := e
	for more := true; more; {
		switch x := of.(type) {
		case *ast.Slice:
			bounds, of, sliced, more = append(bounds, [2]ast.Expr{x.Low, x.High}), x.Of, true, !x.Apart
		case *ast.Subscript:
			one := &ast.NumberLiteral{Span: ast.Span{Start: x.Pos()}, Text: "1", Integer: true}
			bounds, of, more = append(bounds, [2]ast.Expr{one, x.Index}), x.Of, !x.Apart
		default:
			more = false
		}
	}
	if !sliced || len(bounds) < 2 {
		return nil, false, nil
	}
	next := b.noSlices
	v, err := b.expr(sc, of)
	if err == nil && isLenientNull(v) { // not bound again, which many levels would double each
		return v, true, nil
	}
	if err != nil || !v.Type().OID.IsArray() {
		b.noSlices = next
		return nil, false, err
	}
	mask := ""
	args := []Expr{v, nil}
	for i := len(bounds) - 1; i >= 0; i-- {
		for _, bound := range bounds[i] {
			if bound == nil {
				mask += "-"
				continue
			}
			x, err := b.index(sc, bound, v.Type().OID)
			if err != nil {
				return nil, false, err
			}
			mask, args = mask+"n", append(args, x)
		}
	}
	args[1] = &Const{T: textType, Value: value.String(mask), P: e.Pos()}
	f := &sqlfunc.Func{Name: sqlfunc.ArraySlice, Impl: sqlfunc.ArraySlice, Args: []sqltype.OID{v.Type().OID}, Ret: v.Type().OID}
	return &Call{Func: f, Args: args, T: v.Type(), P: e.Pos()}, true, nil
}
