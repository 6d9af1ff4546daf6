package planner

import (
	"weir/sqlerr"
	"weir/sqltype"
)

// apply makes the call of a chosen signature: polymorphic types are settled
// and arguments converted.
func (b *builder) apply(c *candidate, args []Expr, pos int) (Expr, error) {
	out, t, err := b.settle(c, args, pos)
	if err != nil {
		return nil, err
	}
	if x, is, err := b.enumCall(c.fn, out, t, pos); is || err != nil {
		return x, err
	}
	if c.fn.Impl == "octet_length_bpchar" && len(out) == 1 {
		// the blanks that it is padded with are not stored
		out = append(out, &Const{T: int4Type, Value: int32Value(int(out[0].Type().Mod) - 4), P: pos})
	}
	return &Call{Func: c.fn, Args: out, T: t, P: pos}, nil
}

// settle converts the arguments and computes the result type.
func (b *builder) settle(c *candidate, args []Expr, pos int) ([]Expr, sqltype.Type, error) {
	want, ret, err := b.polymorphic(c, args, pos)
	if err != nil {
		return nil, unknown, err
	}
	out := make([]Expr, len(args))
	for i, a := range args {
		if want[i] == sqltype.Any {
			if out[i] = a; a.Type().OID == sqltype.Unknown && !isLenientNull(a) && c.fn.AnyAs != sqltype.Regtype {
				if out[i], _, err = b.coerce(a, textType, implicit); err != nil {
					return nil, unknown, err
				}
			}
			continue
		}
		if isVector(a.Type().OID) && c.args[i] == sqltype.AnyArray {
			out[i] = a
			continue
		}
		x, ok, err := b.coerce(a, sqltype.Of(want[i]), implicit)
		if err != nil {
			return nil, unknown, err
		}
		if !ok {
			return nil, unknown, functionError(c.fn.Name, typesOf(args), false, pos)
		}
		out[i] = x
	}
	t := sqltype.Of(ret)
	if c.fn.ReturnType != nil {
		types := make([]sqltype.Type, len(out))
		for i := range out {
			types[i] = out[i].Type()
		}
		t = c.fn.ReturnType(types)
	}
	return out, t, nil
}

// polymorphic gives the actual types of parameters and result.
func (b *builder) polymorphic(c *candidate, args []Expr, pos int) ([]sqltype.OID, sqltype.OID, error) {
	want := append([]sqltype.OID(nil), c.args...)
	var elem sqltype.OID // of anyelement and anyarray
	var compat []Expr
	poly := false
	note := func(t sqltype.OID) error {
		if t == sqltype.Unknown || t == sqltype.Invalid {
			return nil
		}
		if elem != sqltype.Invalid && elem != t {
			return sqlerr.New(sqlerr.DatatypeMismatch, "arguments declared \"anyelement\" are not all alike").At(pos).
				WithDetail("%s versus %s", elem, t)
		}
		elem = t
		return nil
	}
	for i, w := range c.args {
		t := args[i].Type().OID
		var err error
		switch w {
		case sqltype.AnyElement, sqltype.AnyNonArray, sqltype.AnyEnum:
			poly, err = true, note(t)
		case sqltype.AnyArray:
			poly, err = true, note(itemOf(t))
		case sqltype.AnyCompatible, sqltype.AnyCompatibleNonArray:
			compat = append(compat, args[i])
		case sqltype.AnyCompatibleArray:
			e := itemOf(t)
			if t == sqltype.Unknown {
				e = sqltype.Unknown
			}
			if e != sqltype.Invalid {
				compat = append(compat, null(sqltype.Of(e), args[i].Pos()))
			}
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if poly && elem == sqltype.Invalid {
		if b.strict() && c.fn.Name == "unnest" { // which is for arrays and more
			return nil, 0, functionError(c.fn.Name, typesOf(args), true, pos)
		}
		if b.strict() || !anyUnknown(args) {
			return nil, 0, sqlerr.New(sqlerr.DatatypeMismatch, "could not determine polymorphic type because input has type unknown").At(pos)
		}
		elem = sqltype.Text
	}
	var common sqltype.OID
	if compat != nil {
		t, err := b.commonType(compat, "arguments of anycompatible family")
		if err != nil {
			return nil, 0, err
		}
		common = t.OID
	}
	for i := range want {
		want[i] = concrete(want[i], elem, common)
	}
	return want, concrete(c.fn.Ret, elem, common), nil
}

// isVector tells whether a type is one of the arrays of fixed shape in the
// system catalogs, which polymorphic functions take as arrays.
func isVector(t sqltype.OID) bool { return t == sqltype.Int2Vector || t == sqltype.OidVector }

// itemOf is the type of an array's or vector's items.
func itemOf(t sqltype.OID) sqltype.OID {
	if isVector(t) {
		return t.Subscript()
	}
	return t.Elem()
}

func anyUnknown(args []Expr) bool {
	for _, a := range args {
		if a.Type().OID == sqltype.Unknown {
			return true
		}
	}
	return false
}

// concrete replaces a polymorphic type.
func concrete(t, elem, common sqltype.OID) sqltype.OID {
	switch t {
	case sqltype.AnyElement, sqltype.AnyNonArray, sqltype.AnyEnum:
		return elem
	case sqltype.AnyArray:
		return elem.Array()
	case sqltype.AnyCompatible, sqltype.AnyCompatibleNonArray:
		return common
	case sqltype.AnyCompatibleArray:
		return common.Array()
	}
	return t
}
