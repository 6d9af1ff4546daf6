package planner

import (
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// jsonRows prepares arrays of rows that become JSON: the rows of tables are
// turned to JSON before they are put in the array, which knows no names.
func (b *builder) jsonRows(sc *scope, funcs []*sqlfunc.Func, args []Expr) error {
	if len(funcs) == 0 || funcs[0].AnyAs != sqltype.JSON && funcs[0].AnyAs != sqltype.JSONB {
		return nil
	}
	for i, a := range args {
		if a.Type().OID.Elem() != sqltype.Record {
			continue
		}
		x, err := b.jsonRowArray(sc, a)
		if err != nil {
			return err
		}
		args[i] = x
	}
	return nil
}

func (b *builder) jsonRowArray(sc *scope, e Expr) (Expr, error) {
	switch x := e.(type) {
	case *Array:
		out := *x
		out.Elems = make([]Expr, len(x.Elems))
		out.T = sqltype.Of(sqltype.JSON.Array())
		for i, item := range x.Elems {
			j, err := b.rowAsJSON(item)
			if err != nil {
				return nil, err
			}
			out.Elems[i] = j
		}
		return &out, nil
	case *ColRef:
		if sc.sel == nil {
			break
		}
		for _, a := range sc.sel.aggs {
			if a.Col.ID == x.ID && a.Func.Impl == "array_agg" {
				return b.jsonRowAgg(sc, a, x.P)
			}
		}
	}
	return nil, sqlerr.Unsupported(e.Pos(), "Make each row JSON with to_json before it is put in the array, or use json_agg.",
		"an array of rows has lost the names that JSON asks for")
}

// jsonRowAgg is array_agg of a row, with the row as JSON.
func (b *builder) jsonRowAgg(sc *scope, a AggCall, pos int) (Expr, error) {
	j, err := b.rowAsJSON(a.Args[0])
	if err != nil {
		return nil, err
	}
	a.Args = []Expr{j}
	a.Col = b.newCol(a.Col.Name, sqltype.Of(sqltype.JSON.Array()))
	sc.sel.aggs = append(sc.sel.aggs, a)
	return colRef(a.Col, pos), nil
}

func (b *builder) rowAsJSON(e Expr) (Expr, error) {
	for _, f := range b.env.Funcs.Functions("to_json") {
		return &Call{Func: f, Args: []Expr{e}, T: sqltype.Of(sqltype.JSON), P: e.Pos()}, nil
	}
	return nil, sqlerr.New(sqlerr.UndefinedFunction, "function to_json does not exist").At(e.Pos())
}
