package translator

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
)

// spreadCall is f(…, VARIADIC array): the array's elements, of all dimensions,
// are the last arguments, each converted as the function asks.
func (s scope) spreadCall(e *planner.Call) any {
	last := len(e.Args) - 1
	elem := e.Args[last].Type().OID.Elem()
	conv := ""
	if f := e.Func; f.AnyAs != sqltype.Invalid && f.Args[len(f.Args)-1] == sqltype.Any && elem != f.AnyAs {
		conv = s.c.opts.Funcs.Convert(elem, f.AnyAs).Impl
	}
	args := list{e.Func.Impl, conv}
	for i, a := range e.Args[:last] {
		args = append(args, s.value(anyAs(s.c.opts.Funcs, e.Func, i, a)))
	}
	return obj{{expr.LocalPrefix + opSpread, append(args, s.value(e.Args[last]))}}
}

// spreadOp calls a function of the library; a NULL array gives NULL, but is an
// empty one for format.
func spreadOp(lib *expr.Library, c *expr.Context, a []value.Value) (value.Value, error) {
	arr := a[len(a)-1]
	if !arr.IsArray() && a[0].Str() != "format" {
		return value.Null(), nil
	}
	args := append([]value.Value(nil), a[2:len(a)-1]...)
	for _, x := range flatten(nil, arr) {
		if name := a[1].Str(); name != "" {
			var err error
			if x, err = lib.Functions[name].Eval(c, []value.Value{x, value.Int32(-1), value.Bool(true)}); err != nil {
				return x, err
			}
		}
		args = append(args, x)
	}
	f, ok := lib.Functions[a[0].Str()]
	if !ok {
		return value.Null(), sqlerr.New(sqlerr.FeatureNotSupported, "VARIADIC is not supported for function %s", a[0].Str())
	}
	return f.Eval(c, args)
}
