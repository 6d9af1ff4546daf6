package planner

import (
	"strings"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// tableFunction plans functions in FROM: table functions of the catalog, and
// set-returning or plain ones.
func (b *builder) tableFunction(x *ast.TableFunction, sc *scope) (Node, *namespace, error) {
	if len(x.Items) == 1 && !x.RowsFrom {
		if call, ok := x.Items[0].Call.(*ast.FunctionCall); ok {
			schema := call.Name.Qualifier().Name
			if t, ok := b.env.Resolver.TableFunction(schema, call.Name.Last().Name); ok {
				return b.catalogFunction(t, call, x, sc)
			}
		}
	}
	n := &FuncScan{Ordinality: x.Ordinality}
	name := ast.Ident{}
	var domains []sqltype.OID
	for i, it := range sideBySide(x.Items) {
		fc, cols, of, id, err := b.fromCall(it, sc)
		if err != nil {
			return nil, nil, err
		}
		domains = append(domains, append(of, make([]sqltype.OID, len(cols)-len(of))...)...)
		if i == 0 {
			name = id
		}
		n.Calls = append(n.Calls, *fc)
		n.Out = append(n.Out, cols...)
	}
	if x.Ordinality {
		n.Out = append(n.Out, b.newCol("ordinality", int8Type))
	}
	if a := x.Alias; a != nil && len(a.Columns) == 0 && !a.Name.IsZero() && len(n.Out) == 1 && len(n.Calls[0].Func.Columns) == 0 && len(x.Items[0].Columns) == 0 && !n.Calls[0].Composite {
		// A function of one unnamed column calls it like its table.
		n.Out[0].Name = a.Name.Name
	}
	var out Node = n
	if p, err := b.checkedColumns(n, n.Out, domains, x); err != nil {
		return nil, nil, err
	} else if p != nil {
		out = p
	}
	src := fixedSource(name, out.Cols())
	src.values = len(n.Out) == 1 && len(x.Items[0].Columns) == 0 && !n.Calls[0].Composite
	if err := rename(src, x.Alias); err != nil {
		return nil, nil, err
	}
	return out, asNS(src), nil
}

// sideBySide makes unnest(a, b) what it stands for: unnest(a) beside unnest(b).
func sideBySide(items []*ast.TableFunctionItem) []*ast.TableFunctionItem {
	var out []*ast.TableFunctionItem
	for _, it := range items {
		call, ok := it.Call.(*ast.FunctionCall)
		if !ok || len(call.Args) < 2 || call.Name.Last().Name != "unnest" {
			out = append(out, it)
			continue
		}
		for i := range call.Args {
			one := *call
			one.Args = call.Args[i : i+1]
			out = append(out, &ast.TableFunctionItem{Span: it.Span, Call: &one})
		}
	}
	return out
}

// fromCall binds one function of FROM and makes its columns.
func (b *builder) fromCall(it *ast.TableFunctionItem, sc *scope) (*FuncCall, []Col, []sqltype.OID, ast.Ident, error) {
	inner := *sc
	inner.noSRF, inner.inFrom = "", true
	e, err := b.expr(&inner, it.Call)
	if err != nil {
		return nil, nil, nil, ast.Ident{}, err
	}
	id := ast.MakeIdent("function")
	if fc, ok := it.Call.(*ast.FunctionCall); ok {
		id = fc.Name.Last()
	} else if k, ok := it.Call.(*ast.ValueKeyword); ok {
		id = ast.MakeIdent(k.Keyword)
	}
	c, ok := e.(*Call)
	if !ok {
		return nil, nil, nil, id, sqlerr.New(sqlerr.FeatureNotSupported, "this expression is not supported as a function in FROM").At(it.Pos())
	}
	defs := it.Columns
	cols, domains, err := b.functionColumns(c, defs, id, it.Pos())
	if err != nil {
		return nil, nil, nil, id, err
	}
	composite := sqlfunc.Populates(c.Func) || compositeOf(c) != nil
	return &FuncCall{Func: c.Func, Args: c.Args, Cols: len(cols), Composite: composite, Pos: c.P}, cols, domains, id, nil
}

func (b *builder) functionColumns(c *Call, defs []*ast.ColumnDef, id ast.Ident, pos int) (cols []Col, domains []sqltype.OID, err error) {
	if len(defs) > 0 {
		if c.T.OID != sqltype.Record || len(c.Func.Columns) > 0 {
			return nil, nil, sqlerr.New(sqlerr.SyntaxError, "a column definition list is only allowed for functions returning \"record\"").At(pos)
		}
		for _, d := range defs {
			t, domain, err := b.typeName(d.Type)
			if err != nil {
				return nil, nil, err
			}
			cols, domains = append(cols, b.newCol(d.Name.Name, t)), append(domains, domain)
		}
		if sqlfunc.Populates(c.Func) {
			if err := b.populateDefined(c, cols); err != nil {
				return nil, nil, err
			}
			err = b.populateCall(c)
		}
		return cols, domains, err
	}
	if sqlfunc.Populates(c.Func) {
		if err := b.populateCall(c); err != nil {
			return nil, nil, err
		}
	}
	if d := compositeOf(c); d != nil {
		for _, a := range d.Attributes {
			cols, domains = append(cols, b.newCol(a.Name, a.Type)), append(domains, a.Domain)
		}
		return cols, domains, nil
	}
	if len(c.Func.Columns) == 0 {
		if c.T.OID == sqltype.Record {
			return nil, nil, sqlerr.New(sqlerr.SyntaxError, "a column definition list is required for functions returning \"record\"").At(pos)
		}
		return []Col{b.newCol(id.Name, c.T)}, nil, nil
	}
	elem := elemOf(typesOf(c.Args))
	for _, d := range c.Func.Columns {
		cols = append(cols, b.newCol(d.Name, sqltype.Of(concrete(d.Type, elem, sqltype.Text))))
	}
	return cols, nil, nil
}

// catalogFunction plans a table function that is a relation of the catalog.
func (b *builder) catalogFunction(t *catalog.Table, call *ast.FunctionCall, x *ast.TableFunction, sc *scope) (Node, *namespace, error) {
	b.depend(t)
	args, names, err := b.callArgs(sc, call.Args)
	if err != nil {
		return nil, nil, err
	}
	s, src := b.scan(t)
	s.Args = make([]Expr, len(t.Params))
	for i, a := range args {
		at := i
		if names[i] != "" {
			at = -1
			for j, p := range t.Params {
				if strings.EqualFold(p.Name, names[i]) {
					at = j
				}
			}
		}
		if at < 0 || at >= len(t.Params) {
			return nil, nil, functionError(strings.ToLower(t.Name), typesOf(args), false, call.Pos())
		}
		y, ok, err := b.coerce(a, t.Params[at].Type, implicit)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			return nil, nil, functionError(strings.ToLower(t.Name), typesOf(args), false, call.Pos())
		}
		s.Args[at] = y
	}
	for i, p := range t.Params {
		if p.Required && s.Args[i] == nil {
			return nil, nil, functionError(strings.ToLower(t.Name), typesOf(args), false, call.Pos())
		}
	}
	if x.Ordinality {
		return nil, nil, sqlerr.Unsupported(x.Pos(), "Use row_number() OVER ().", "WITH ORDINALITY is not supported for %s", t.Name)
	}
	if err := rename(src, x.Alias); err != nil {
		return nil, nil, err
	}
	s.Alias = src.text
	return s, asNS(src), nil
}
