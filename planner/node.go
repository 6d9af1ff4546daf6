package planner

import "weir/sqltype"

func (*Scan) node()      {}
func (*Values) node()    {}
func (*FuncScan) node()  {}
func (*Filter) node()    {}
func (*Project) node()   {}
func (*Join) node()      {}
func (*Aggregate) node() {}
func (*Window) node()    {}
func (*Sort) node()      {}
func (*Limit) node()     {}
func (*Distinct) node()  {}
func (*SetOp) node()     {}
func (*With) node()      {}
func (*CTEScan) node()   {}
func (*Insert) node()    {}
func (*Update) node()    {}
func (*Delete) node()    {}

func (n *Scan) Cols() []Col     { return n.Out }
func (n *Values) Cols() []Col   { return n.Out }
func (n *FuncScan) Cols() []Col { return n.Out }
func (n *Filter) Cols() []Col   { return n.Input.Cols() }
func (n *Sort) Cols() []Col     { return n.Input.Cols() }
func (n *Limit) Cols() []Col    { return n.Input.Cols() }
func (n *Distinct) Cols() []Col { return n.Input.Cols() }
func (n *SetOp) Cols() []Col    { return n.Out }
func (n *With) Cols() []Col     { return n.Body.Cols() }
func (n *CTEScan) Cols() []Col  { return n.Out }
func (n *Project) Cols() []Col  { return namedCols(n.Exprs) }
func (n *Insert) Cols() []Col   { return namedCols(n.Returning) }
func (n *Update) Cols() []Col   { return namedCols(n.Returning) }
func (n *Delete) Cols() []Col   { return namedCols(n.Returning) }

// Cols are both sides' columns, the left ones alone for semi and anti joins.
func (n *Join) Cols() []Col {
	left := n.Left.Cols()
	if n.Kind >= Semi {
		return left
	}
	return append(left[:len(left):len(left)], n.Right.Cols()...)
}

// Cols are the groups, the aggregates, then the GROUPING columns.
func (n *Aggregate) Cols() []Col {
	cols := namedCols(n.Groups)
	for i := range n.Aggs {
		cols = append(cols, n.Aggs[i].Col)
	}
	for i := range n.Grouping {
		cols = append(cols, n.Grouping[i].Col)
	}
	return cols
}

// Cols are the input's columns, then those of the calls.
func (n *Window) Cols() []Col {
	in := n.Input.Cols()
	cols := in[:len(in):len(in)]
	for i := range n.Calls {
		cols = append(cols, n.Calls[i].Col)
	}
	return cols
}

func namedCols(list []NamedExpr) []Col {
	if list == nil {
		return nil
	}
	cols := make([]Col, len(list))
	for i := range list {
		cols[i] = list[i].Col
	}
	return cols
}

func (*Const) expr()        {}
func (*ColRef) expr()       {}
func (*Param) expr()        {}
func (*Call) expr()         {}
func (*Cast) expr()         {}
func (*Logic) expr()        {}
func (*Test) expr()         {}
func (*DistinctFrom) expr() {}
func (*Case) expr()         {}
func (*Variadic) expr()     {}
func (*InList) expr()       {}
func (*AnyAll) expr()       {}
func (*Subquery) expr()     {}
func (*Array) expr()        {}
func (*Row) expr()          {}
func (*Checked) expr()      {}
func (*Let) expr()          {}
func (*Path) expr()         {}
func (*Subscript) expr()    {}

var (
	boolType   = sqltype.Of(sqltype.Bool)
	recordType = sqltype.Of(sqltype.Record)
	textType   = sqltype.Of(sqltype.Text)
	int4Type   = sqltype.Of(sqltype.Int4)
	int8Type   = sqltype.Of(sqltype.Int8)
	jsonbType  = sqltype.Of(sqltype.JSONB)
	unknown    = sqltype.Of(sqltype.Unknown)
)

func (e *Const) Type() sqltype.Type        { return e.T }
func (e *ColRef) Type() sqltype.Type       { return e.T }
func (e *Param) Type() sqltype.Type        { return e.T }
func (e *Call) Type() sqltype.Type         { return e.T }
func (e *Cast) Type() sqltype.Type         { return e.T }
func (e *Logic) Type() sqltype.Type        { return boolType }
func (e *Test) Type() sqltype.Type         { return boolType }
func (e *DistinctFrom) Type() sqltype.Type { return boolType }
func (e *Case) Type() sqltype.Type         { return e.T }
func (e *Variadic) Type() sqltype.Type     { return e.T }
func (e *InList) Type() sqltype.Type       { return boolType }
func (e *AnyAll) Type() sqltype.Type       { return boolType }
func (e *Subquery) Type() sqltype.Type     { return e.T }
func (e *Array) Type() sqltype.Type        { return e.T }
func (e *Checked) Type() sqltype.Type      { return e.X.Type() }
func (e *Let) Type() sqltype.Type          { return e.In.Type() }
func (e *Path) Type() sqltype.Type         { return e.T }
func (e *Subscript) Type() sqltype.Type    { return e.T }

// Type is the composite type that the row is a value of, else record.
func (e *Row) Type() sqltype.Type {
	if e.Composite != 0 {
		return sqltype.Of(e.Composite)
	}
	return recordType
}

func (e *Const) Pos() int        { return e.P }
func (e *ColRef) Pos() int       { return e.P }
func (e *Param) Pos() int        { return e.P }
func (e *Call) Pos() int         { return e.P }
func (e *Cast) Pos() int         { return e.P }
func (e *Logic) Pos() int        { return e.P }
func (e *Test) Pos() int         { return e.P }
func (e *DistinctFrom) Pos() int { return e.P }
func (e *Case) Pos() int         { return e.P }
func (e *Variadic) Pos() int     { return e.P }
func (e *InList) Pos() int       { return e.P }
func (e *AnyAll) Pos() int       { return e.P }
func (e *Subquery) Pos() int     { return e.P }
func (e *Array) Pos() int        { return e.P }
func (e *Row) Pos() int          { return e.P }
func (e *Checked) Pos() int      { return e.P }
func (e *Let) Pos() int          { return e.P }
func (e *Path) Pos() int         { return e.P }
func (e *Subscript) Pos() int    { return e.P }
