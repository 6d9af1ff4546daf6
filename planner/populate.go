package planner

import (
	"slices"
	"strconv"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// json(b)_populate_record(set): the type of the first argument says what the
// result is. Its OID goes along as the last argument.

// populateBase makes a value of a composite type of the row that is a first
// argument; the domain that it was cast to, if any, is the result's too.
func (b *builder) populateBase(name string, args []Expr, inFrom bool) (domain sqltype.OID, err error) {
	if len(args) == 0 {
		return 0, nil
	}
	x := args[0]
	if c, ok := x.(*Checked); ok && !c.Each {
		x, domain = c.X, c.Domain
	}
	if r, ok := x.(*Row); ok && r.Composite == 0 && (r.Names != nil || !inFrom) {
		attrs := make([]sqltype.Attribute, len(r.Fields))
		cp := Row{P: r.P}
		for i, f := range r.Fields {
			name := "f" + strconv.Itoa(i+1)
			if r.Names != nil {
				name = r.Names[i]
			}
			if f, err = b.known(f); err != nil {
				return 0, err
			}
			attrs[i] = sqltype.Attribute{Name: name, Type: f.Type()}
			cp.Fields, cp.Names = append(cp.Fields, f), append(cp.Names, name)
		}
		of := RecordName
		if r.Names != nil {
			of = "row" // of a relation
		}
		cp.Composite = rowTypeOf(of, attrs)
		x = &cp
	}
	if t := x.Type().OID; compositeOf(x) == nil && t != sqltype.Record && t != sqltype.Unknown {
		return 0, sqlerr.New(sqlerr.DatatypeMismatch, "first argument of %s must be a row type", name).At(x.Pos())
	}
	args[0] = x
	return domain, nil
}

// populateCall adds the type to the arguments of a call that makes values of a
// composite type.
func (b *builder) populateCall(c *Call) error {
	d := compositeOf(c.Args[0])
	if d == nil {
		return noRowType(c)
	}
	c.Args = append(c.Args[:len(c.Args):len(c.Args)], typeConst(d.OID, c.P))
	return nil
}

func noRowType(c *Call) error {
	return sqlerr.New(sqlerr.FeatureNotSupported, "could not determine row type for result of %s", c.Func.Name).At(c.P).
		WithHint("Provide a non-null record argument, or call the function in the FROM clause using a column definition list.")
}

// populateDefined gives a call in FROM the columns of its column definition
// list as type; those of a row that is given have to be the same.
func (b *builder) populateDefined(c *Call, cols []Col) error {
	attrs := make([]sqltype.Attribute, len(cols))
	for i, col := range cols {
		attrs[i] = sqltype.Attribute{Name: col.Name, Type: col.Type}
	}
	oid := rowTypeOf(RecordName, attrs)
	if r, ok := c.Args[0].(*Row); ok {
		same := len(r.Fields) == len(cols)
		for i := 0; same && i < len(cols); i++ {
			same = r.Fields[i].Type().OID == cols[i].Type.OID
		}
		if !same {
			return sqlerr.New(sqlerr.DatatypeMismatch, "function return row and query-specified return row do not match").At(c.P)
		}
		x, _, err := b.coerceRow(r, sqltype.Of(oid), explicit)
		if err != nil {
			return err
		}
		c.Args[0] = x
	} else {
		c.Args[0] = null(sqltype.Of(oid), c.P)
	}
	c.T = sqltype.Of(oid)
	return nil
}

// RecordName is the name of row types that nobody made.
const RecordName = "record"

// isPopulate tells of a call whose signature is one of those.
func isPopulate(funcs []*sqlfunc.Func) bool { return len(funcs) > 0 && sqlfunc.Populates(funcs[0]) }

// checkedColumns puts the rules of the domains among a function's columns above
// it; nil where there are none.
func (b *builder) checkedColumns(n Node, cols []Col, domains []sqltype.OID, x *ast.TableFunction) (*Project, error) {
	if !slices.ContainsFunc(domains, func(d sqltype.OID) bool { return d != 0 }) {
		return nil, nil
	}
	p := &Project{Input: n}
	for i, c := range cols {
		var e Expr = colRef(c, x.Pos())
		if i < len(domains) && domains[i] != 0 {
			var err error
			if e, err = b.checked(e, domains[i]); err != nil {
				return nil, err
			}
		}
		p.Exprs = append(p.Exprs, NamedExpr{Col: b.newCol(c.Name, c.Type), Expr: e})
	}
	return p, nil
}
