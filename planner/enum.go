package planner

import (
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// Enums are equal as their labels are. Their order is that of the labels'
// places, to which everything comes that asks for it.

// typeConst tells an operator of the types that were made here which one it is for.
func typeConst(oid sqltype.OID, pos int) *Const {
	return &Const{T: int8Type, Value: value.Int64(int64(oid)), P: pos}
}

func (b *builder) enumPlaces(args []Expr) []Expr {
	out := make([]Expr, len(args))
	for i, a := range args {
		oid := a.Type().OID
		if k, ok := a.(*Const); ok && !k.Value.IsNullish() {
			out[i] = &Const{T: int4Type, Value: int32Value(oid.Def().Position(k.Value.Str())), P: k.P}
			continue
		}
		f := &sqlfunc.Func{Name: sqlfunc.EnumPosition, Impl: sqlfunc.EnumPosition, Args: []sqltype.OID{oid, sqltype.Int8}, Ret: sqltype.Int4}
		out[i] = &Call{Func: f, Args: []Expr{a, typeConst(oid, a.Pos())}, T: int4Type, P: a.Pos()}
	}
	return out
}

// enumLabel is the label at a place.
func enumLabel(x Expr, oid sqltype.OID) Expr {
	f := &sqlfunc.Func{Name: sqlfunc.EnumLabel, Impl: sqlfunc.EnumLabel, Args: []sqltype.OID{sqltype.Int4, sqltype.Int8}, Ret: oid}
	return &Call{Func: f, Args: []Expr{x, typeConst(oid, x.Pos())}, T: sqltype.Of(oid), P: x.Pos()}
}

// enumCall makes a call of a signature of enums whose arguments are settled;
// false for any other.
func (b *builder) enumCall(f *sqlfunc.Func, args []Expr, t sqltype.Type, pos int) (Expr, bool, error) {
	if sqlfunc.TakesEnum(f) {
		oid := args[0].Type().OID
		return &Call{Func: f, Args: append(args, typeConst(oid, pos)), T: t, P: pos}, true, nil
	}
	if op := f.EnumOrder(); op != "" {
		x, err := b.operator(op, b.enumPlaces(args), pos)
		return x, true, err
	}
	switch f.Impl {
	case "cmp_enum":
		x, err := b.callExprs("sign", castAll(b.enumDifference(args, pos)), pos)
		if err != nil {
			return nil, true, err
		}
		return &Cast{X: x, T: int4Type, Explicit: true, P: pos}, true, nil
	case "smaller_enum", "larger_enum":
		kind := Least
		if f.Impl == "larger_enum" {
			kind = Greatest
		}
		places := &Variadic{Kind: kind, Args: b.enumPlaces(args), T: int4Type, P: pos}
		return enumLabel(places, args[0].Type().OID), true, nil
	}
	return nil, false, nil
}

func (b *builder) enumDifference(args []Expr, pos int) Expr {
	x, err := b.operator("-", b.enumPlaces(args), pos)
	if err != nil {
		return null(int4Type, pos)
	}
	return x
}

func castAll(x Expr) []Expr {
	return []Expr{&Cast{X: x, T: sqltype.Of(sqltype.Float8), P: x.Pos()}}
}

// enumExtremum makes GREATEST and LEAST of enums.
func (b *builder) enumExtremum(v *Variadic) Expr {
	if !v.T.OID.IsEnum() || v.Kind != Greatest && v.Kind != Least {
		return v
	}
	return enumLabel(&Variadic{Kind: v.Kind, Args: b.enumPlaces(v.Args), T: int4Type, P: v.P}, v.T.OID)
}

// enumAggregate makes min and max of an enum one of places; back gives the label.
func (b *builder) enumAggregate(a *AggCall) (back func(Expr) Expr, err error) {
	back = func(e Expr) Expr { return e }
	if a.Func.Name != "min" && a.Func.Name != "max" || len(a.Args) != 1 || !a.Args[0].Type().OID.IsEnum() {
		return back, nil
	}
	oid := a.Args[0].Type().OID
	for _, f := range b.env.Funcs.Functions(a.Func.Name) {
		if len(f.Args) == 1 && f.Args[0] == sqltype.Int4 {
			a.Func, a.Args, a.Col = f, b.enumPlaces(a.Args), b.newCol(a.Col.Name, int4Type)
			return func(e Expr) Expr { return enumLabel(e, oid) }, nil
		}
	}
	return nil, sqlerr.New(sqlerr.InternalError, "no aggregate %s of integers", a.Func.Name)
}
