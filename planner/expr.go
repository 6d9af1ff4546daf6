package planner

import (
	"math"
	"strconv"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// expr binds an expression.
func (b *builder) expr(sc *scope, e ast.Expr) (Expr, error) {
	if err := b.enter(e.Pos()); err != nil {
		return nil, err
	}
	defer b.leave()
	switch x := e.(type) {
	case *ast.ColumnRef:
		return b.columnRef(sc, x)
	case *ast.Star:
		if len(x.Qualifier) > 0 { // f(t.*) is f(t)
			return b.columnRef(sc, &ast.ColumnRef{Span: x.Span, Parts: x.Qualifier})
		}
		return nil, sqlerr.New(sqlerr.SyntaxError, "row expansion via \"*\" is not supported here").At(x.Pos())
	case *ast.Field:
		return b.field(sc, x)
	case *ast.FieldStar:
		return nil, sqlerr.New(sqlerr.SyntaxError, "row expansion via \"*\" is not supported here").At(x.Pos())
	case *ast.Subscript:
		if s, ok, err := b.slices(sc, e, x.Of, x.Apart); ok || err != nil {
			return s, err
		}
		return b.subscript(sc, x.Of, x.Index, nil, false, x.Apart, x.Pos())
	case *ast.Slice:
		if s, ok, err := b.slices(sc, e, x.Of, x.Apart); ok || err != nil {
			return s, err
		}
		return b.subscript(sc, x.Of, x.Low, x.High, true, x.Apart, x.Pos())
	case *ast.UnaryExpr:
		return b.unary(sc, x)
	case *ast.BinaryExpr:
		return b.binary(sc, x)
	case *ast.AndExpr:
		return b.logic(sc, And, x.Operands, x.Pos())
	case *ast.OrExpr:
		return b.logic(sc, Or, x.Operands, x.Pos())
	case *ast.NotExpr:
		return b.logic(sc, Not, []ast.Expr{x.Operand}, x.Pos())
	case *ast.CastExpr:
		return b.castExpr(sc, x)
	case *ast.CollateExpr:
		return b.collate(sc, x)
	case *ast.AtTimeZone:
		return b.callNamed(sc, "timezone", []ast.Expr{x.Zone, x.Operand}, x.Pos())
	case *ast.IsExpr:
		return b.isExpr(sc, x)
	case *ast.IsDistinctFrom:
		return b.distinctFrom(sc, x)
	case *ast.BetweenExpr:
		return b.between(sc, x)
	case *ast.InExpr:
		return b.in(sc, x)
	case *ast.LikeExpr:
		return b.like(sc, x)
	case *ast.QuantifiedExpr:
		return b.quantified(sc, x)
	case *ast.OverlapsExpr:
		return b.overlaps(sc, x)
	case *ast.CaseExpr:
		return b.caseExpr(sc, x)
	case *ast.RowExpr:
		return b.row(sc, x)
	case *ast.ArrayExpr:
		return b.array(sc, x)
	case *ast.ArraySubquery:
		return b.subquery(sc, x.Query, ArrayOf, x.Pos())
	case *ast.SubqueryExpr:
		return b.subquery(sc, x.Query, Scalar, x.Pos())
	case *ast.ExistsExpr:
		return b.subquery(sc, x.Query, Exists, x.Pos())
	case *ast.CurrentOf:
		return nil, sqlerr.Unsupported(x.Pos(), "Update by the row's _id.", "WHERE CURRENT OF is not supported")
	case *ast.FunctionCall:
		return b.call(sc, x)
	case *ast.NamedArg:
		return b.expr(sc, x.Value)
	case *ast.Coalesce:
		return b.variadic(sc, Coalesce, x.Args, "COALESCE", x.Pos())
	case *ast.NullIf:
		return b.nullIf(sc, x)
	case *ast.Extremum:
		if x.Least {
			return b.variadic(sc, Least, x.Args, "LEAST", x.Pos())
		}
		return b.variadic(sc, Greatest, x.Args, "GREATEST", x.Pos())
	case *ast.Grouping:
		return b.grouping(sc, x)
	}
	return b.literalExpr(sc, e)
}

// literalExpr binds constants and what is written like one.
func (b *builder) literalExpr(sc *scope, e ast.Expr) (Expr, error) {
	switch x := e.(type) {
	case *ast.StringLiteral:
		return &Const{T: unknown, Value: value.String(x.Value), P: x.Pos()}, nil
	case *ast.NumberLiteral:
		return number(x.Text, x.Integer, x.Pos())
	case *ast.BoolLiteral:
		return &Const{T: boolType, Value: value.Bool(x.Value), P: x.Pos()}, nil
	case *ast.NullLiteral:
		return null(unknown, x.Pos()), nil
	case *ast.BitLiteral:
		digits := x.Digits
		if x.Hex {
			digits = "x" + digits
		}
		return b.literal(&Const{T: unknown, Value: value.String(digits), P: x.Pos()}, sqltype.Of(sqltype.Bit), explicit)
	case *ast.Parameter:
		return b.parameter(x)
	case *ast.TypedLiteral:
		t, domain, err := b.typeName(x.Type)
		if err != nil {
			return nil, err
		}
		v, err := b.literal(&Const{T: unknown, Value: value.String(x.Value), P: x.Pos()}, t, explicit)
		if err != nil {
			return nil, err
		}
		return b.ofDomain(v, domain)
	case *ast.Interval:
		return b.interval(sc, x)
	case *ast.IntervalUnit:
		return &Const{T: textType, Value: value.String(x.Unit), P: x.Pos()}, nil
	case *ast.Default:
		return nil, sqlerr.New(sqlerr.SyntaxError, "DEFAULT is not allowed in this context").At(x.Pos())
	case *ast.ValueKeyword:
		return b.keyword(x)
	}
	return nil, sqlerr.New(sqlerr.FeatureNotSupported, "this expression is not supported here").At(e.Pos())
}

// number gives a numeric literal the smallest of int4, int8, numeric.
func number(text string, integer bool, pos int) (Expr, error) {
	if integer {
		base := 10 // a leading zero says nothing
		if len(text) > 1 && !unicode.IsDigit(rune(text[1])) && text[1] != '_' {
			base = 0
		}
		if n, err := strconv.ParseInt(text, base, 64); err == nil {
			if n >= math.MinInt32 && n <= math.MaxInt32 {
				return &Const{T: int4Type, Value: value.Int32(int32(n)), P: pos}, nil
			}
			return &Const{T: int8Type, Value: value.Int64(n), P: pos}, nil
		}
	}
	v, err := sqltype.ParseNumeric(text, -1)
	if err != nil {
		return nil, sqlerr.As(err).At(pos)
	}
	return &Const{T: sqltype.Of(sqltype.Numeric), Value: v, P: pos}, nil
}

func (b *builder) parameter(x *ast.Parameter) (Expr, error) {
	if x.Number < 1 || x.Number > 65535 {
		return nil, sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $%d", x.Number).At(x.Pos())
	}
	for len(b.params) < x.Number {
		b.params = append(b.params, sqltype.Type{})
		b.paramPos = append(b.paramPos, x.Pos())
	}
	p := &Param{N: x.Number, T: b.params[x.Number-1], P: x.Pos()}
	if p.T.OID == sqltype.Invalid {
		p.T = unknown
		b.paramPos[x.Number-1] = x.Pos()
	}
	return p, nil
}

// interval is INTERVAL expr unit: a constant where expr is one, else a product.
func (b *builder) interval(sc *scope, x *ast.Interval) (Expr, error) {
	v, err := b.expr(sc, x.Value)
	if err != nil {
		return nil, err
	}
	t := sqltype.Of(sqltype.Interval)
	if c, ok := v.(*Const); ok && !c.Value.IsNullish() {
		text, ok := constText(c)
		if ok {
			return b.literal(&Const{T: unknown, Value: value.String(intervalText(text, x.Unit)), P: x.Pos()}, t, explicit)
		}
	}
	one, err := b.literal(&Const{T: unknown, Value: value.String(intervalText("1", x.Unit)), P: x.Pos()}, t, explicit)
	if err != nil {
		return nil, err
	}
	n, err := b.mustCoerce(v, sqltype.Of(sqltype.Float8), explicit, "argument of INTERVAL")
	if err != nil {
		return nil, err
	}
	return b.operator("*", []Expr{n, one}, x.Pos())
}

func constText(c *Const) (string, bool) {
	switch c.Value.Kind() {
	case bson.TypeInt32, bson.TypeInt64:
		n, ok := c.Value.RawValue().AsInt64OK()
		return strconv.FormatInt(n, 10), ok
	case bson.TypeString:
		return c.Value.Str(), true
	case bson.TypeDecimal128:
		return decimalText(c.Value), true
	}
	return "", false
}

// keywordFunctions are the functions behind keywords that are called without
// parentheses; a precision is a cast.
func (b *builder) keyword(x *ast.ValueKeyword) (Expr, error) {
	name := x.Keyword
	fns := b.env.Funcs.Functions(name)
	for _, f := range fns {
		if len(f.Args) == 0 {
			var e Expr = &Call{Func: f, T: sqltype.Of(f.Ret), P: x.Pos()}
			if x.Precision >= 0 {
				e = &Cast{X: e, T: sqltype.Type{OID: f.Ret, Mod: int32(min(x.Precision, 6))}, P: x.Pos()}
			}
			return e, nil
		}
	}
	return nil, sqlerr.New(sqlerr.UndefinedFunction, "function %s() does not exist", name).At(x.Pos())
}

func (b *builder) logic(sc *scope, op LogicOp, list []ast.Expr, pos int) (Expr, error) {
	word := [...]string{"AND", "OR", "NOT"}[op]
	l := &Logic{Op: op, P: pos}
	for _, a := range list {
		x, err := b.expr(sc, a)
		if err != nil {
			return nil, err
		}
		if x, err = b.boolean(x, word); err != nil {
			return nil, err
		}
		l.Args = append(l.Args, x)
	}
	return l, nil
}

func (b *builder) unary(sc *scope, x *ast.UnaryExpr) (Expr, error) {
	v, err := b.expr(sc, x.Operand)
	if err != nil {
		return nil, err
	}
	if n, ok := x.Operand.(*ast.NumberLiteral); ok && x.Op.Symbol == "-" {
		return number("-"+n.Text, n.Integer, x.Pos())
	}
	return b.operator(x.Op.Symbol, []Expr{v}, x.Op.Pos())
}

func (b *builder) binary(sc *scope, x *ast.BinaryExpr) (Expr, error) {
	l, err := b.expr(sc, x.Left)
	if err != nil {
		return nil, err
	}
	r, err := b.rightOf(sc, l, x)
	if err != nil {
		return nil, err
	}
	if err := sameCollation(x.Left, x.Right); err != nil {
		return nil, err
	}
	return b.compare(x.Op.Symbol, l, r, x.Op.Pos())
}

// rightOf binds the right operand, which beside a row is one, too.
func (b *builder) rightOf(sc *scope, l Expr, x *ast.BinaryExpr) (Expr, error) {
	row, isRow := l.(*Row)
	q, isQuery := x.Right.(*ast.SubqueryExpr)
	if isRow && isQuery && comparisons[x.Op.Symbol] {
		return b.rowQuery(sc, row, q)
	}
	return b.expr(sc, x.Right)
}

var mysqlOperators = map[string]string{"MOD": "%", "DIV": "/"}

// compare applies a binary operator; rows compare field by field.
func (b *builder) compare(op string, l, r Expr, pos int) (Expr, error) {
	if lr, ok := l.(*Row); ok {
		if rr, ok := r.(*Row); ok && comparisons[op] {
			return b.compareRows(op, lr, rr, pos)
		}
	}
	if m, ok := mysqlOperators[op]; ok {
		return b.mysqlDivision(m, l, r, pos)
	}
	if comparisons[op] && (compositeOf(l) != nil || compositeOf(r) != nil) {
		var err error
		if l, r, err = b.asRecords(l, r); err != nil {
			return nil, err
		}
	}
	args := []Expr{l, r}
	if err := b.besideDocument(op, args); err != nil {
		return nil, err
	}
	return b.operator(op, args, pos)
}

// mysqlDivision is MOD and DIV; DIV truncates whatever the types are.
func (b *builder) mysqlDivision(op string, l, r Expr, pos int) (Expr, error) {
	x, err := b.operator(op, []Expr{l, r}, pos)
	if err != nil || op == "%" {
		return x, err
	}
	if t := x.Type().OID; t == sqltype.Int2 || t == sqltype.Int4 || t == sqltype.Int8 {
		return x, nil
	}
	trunc, err := b.callExprs("trunc", []Expr{x}, pos)
	if err != nil {
		return nil, err
	}
	return &Cast{X: trunc, T: int8Type, Explicit: true, P: pos}, nil
}

// compareRows is (a, b) op (c, d): equality of all fields, or the order of the
// first that differ.
func (b *builder) compareRows(op string, l, r *Row, pos int) (Expr, error) {
	if len(l.Fields) != len(r.Fields) {
		return nil, sqlerr.New(sqlerr.SyntaxError, "unequal number of entries in row expressions").At(pos)
	}
	if len(l.Fields) == 0 {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "cannot compare rows of zero length").At(pos)
	}
	switch op {
	case "=", "<>":
		out := &Logic{Op: And, P: pos}
		if op == "<>" {
			out.Op = Or
		}
		for i := range l.Fields {
			x, err := b.compare(op, l.Fields[i], r.Fields[i], pos)
			if err != nil {
				return nil, err
			}
			out.Args = append(out.Args, x)
		}
		if len(out.Args) == 1 {
			return out.Args[0], nil
		}
		return out, nil
	}
	return b.rowOrder(op, l.Fields, r.Fields, pos)
}

// rowOrder is l < r as l1 < r1 OR (l1 = r1 AND (…)): fields behind those that decide
// are not computed.
func (b *builder) rowOrder(op string, l, r []Expr, pos int) (Expr, error) {
	if len(l) == 1 {
		return b.compare(op, l[0], r[0], pos)
	}
	return b.shared([]Expr{l[0], r[0]}, func(xs []Expr) (Expr, error) {
		first, err := b.compare(op[:1], xs[0], xs[1], pos)
		if err != nil {
			return nil, err
		}
		same, err := b.compare("=", xs[0], xs[1], pos)
		if err != nil {
			return nil, err
		}
		rest, err := b.rowOrder(op, l[1:], r[1:], pos)
		if err != nil {
			return nil, err
		}
		return &Logic{Op: Or, P: pos, Args: []Expr{first, &Logic{Op: And, Args: []Expr{same, rest}, P: pos}}}, nil
	})
}

func (b *builder) exprs(sc *scope, list []ast.Expr) ([]Expr, error) {
	out := make([]Expr, 0, len(list))
	for _, e := range list {
		x, err := b.expr(sc, e)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func (b *builder) castExpr(sc *scope, x *ast.CastExpr) (Expr, error) {
	t, domain, err := b.typeName(x.Type)
	if err != nil {
		return nil, err
	}
	if a, ok := x.Operand.(*ast.ArrayExpr); ok && len(a.Items) == 0 && t.OID.IsArray() {
		return b.ofDomain(&Array{T: t, P: a.Pos()}, domain)
	}
	v, err := b.expr(sc, x.Operand)
	if err != nil {
		return nil, err
	}
	if v, err = b.explicitCast(v, t, x.Pos()); err != nil {
		return nil, err
	}
	return b.ofDomain(v, domain)
}

// ofDomain puts the rules of the domain that a value was cast to around it, and
// those of the domains among its attributes.
func (b *builder) ofDomain(v Expr, domain sqltype.OID) (Expr, error) {
	v, err := b.checkedFields(v)
	if err != nil {
		return nil, err
	}
	return b.checked(v, domain)
}

func (b *builder) explicitCast(v Expr, t sqltype.Type, pos int) (Expr, error) {
	from := v.Type().OID
	if y, ok, err := b.castScalar(v, t, pos); ok || err != nil {
		return y, err
	}
	y, ok, err := b.coerce(v, t, explicit)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, sqlerr.New(sqlerr.CannotCoerce, "cannot cast type %s to %s", from, t.OID).At(pos)
	}
	return y, nil
}

// collate accepts the collations that are the order of bytes.
func (b *builder) collate(sc *scope, x *ast.CollateExpr) (Expr, error) {
	v, err := b.expr(sc, x.Operand)
	if err != nil {
		return nil, err
	}
	switch name := x.Collation.Last().Text; name {
	case "C", "POSIX", "default", "ucs_basic", "c":
		if t := v.Type().OID; !t.IsString() && t != sqltype.Unknown {
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "collations are not supported by type %s", t).At(x.Pos())
		}
		return v, nil
	default:
		return nil, sqlerr.Unsupported(x.Collation.Pos(), `Use COLLATE "C", or set weir.collation for the connection.`,
			"collation %q is not supported in expressions", name)
	}
}

// field is (x).name.
func (b *builder) field(sc *scope, x *ast.Field) (Expr, error) {
	v, err := b.expr(sc, x.Of)
	if err != nil {
		return nil, err
	}
	if r, ok := v.(*Row); ok && r.Names != nil {
		hits, _ := matchName(x.Name, len(r.Names), func(i int) string { return r.Names[i] })
		if len(hits) == 1 {
			return r.Fields[hits[0]], nil
		}
		return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q not found in data type record", x.Name.Text).At(x.Pos())
	}
	if d := compositeOf(v); d != nil {
		return attributeNamed(v, d, x.Name, x.Pos())
	}
	for i, c := range b.recordColumns(v) {
		if c.Name == x.Name.Name {
			return recordField(v, i, c.Type), nil
		}
	}
	return b.descend(v, []ast.Ident{x.Name}, x.Pos())
}

// recordColumns are the columns of a record that a function makes; nil where
// they are not known.
func (b *builder) recordColumns(e Expr) []Col {
	switch x := e.(type) {
	case *ColRef:
		return b.records[x.ID]
	case *Call:
		if x.T.OID != sqltype.Record {
			return nil
		}
		elem := elemOf(typesOf(x.Args))
		var cols []Col
		for _, c := range x.Func.Columns {
			cols = append(cols, Col{Name: c.Name, Type: sqltype.Of(concrete(c.Type, elem, sqltype.Text))})
		}
		return cols
	}
	return nil
}

// recordField reads the i-th field of a record, which is an array of them.
func recordField(e Expr, i int, t sqltype.Type) Expr {
	return &Subscript{X: e, Lo: &Const{T: int4Type, Value: int32Value(i), P: e.Pos()}, T: t, P: e.Pos()}
}

// subscript is x[i] and x[lo:hi]; apart tells that x is subscripted too, in
// parentheses.
func (b *builder) subscript(sc *scope, of, lo, hi ast.Expr, slice, apart bool, pos int) (Expr, error) {
	v, err := b.expr(sc, of)
	if err != nil {
		return nil, err
	}
	if isLenientNull(v) {
		return v, nil
	}
	if in, ok := v.(*Subscript); ok && !slice && !apart && !in.Slice && in.X.Type().OID.IsArray() && !in.T.OID.IsArray() && in.T.OID != sqltype.JSONB {
		// a[i][j] is one item of an array of two dimensions
		part := *in
		part.T = in.X.Type()
		v = &part
	}
	t := v.Type().OID
	if t == sqltype.Name {
		return b.nameSubscript(sc, v, lo, slice, pos)
	}
	s := &Subscript{X: v, Slice: slice, P: pos}
	elem := t.Subscript()
	if elem == sqltype.Invalid {
		return nil, sqlerr.New(sqlerr.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", t).At(pos)
	}
	if s.T = sqltype.Of(elem); slice {
		s.T = v.Type()
		if t == sqltype.JSONB {
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "jsonb subscript does not support slices").At(pos)
		}
	}
	if s.Lo, err = b.index(sc, lo, t); err != nil {
		return nil, err
	}
	if !slice && t.IsArray() {
		s.Lo = b.fromOne(v, s.Lo)
	}
	s.Hi, err = b.index(sc, hi, t)
	return s, err
}

func (b *builder) index(sc *scope, e ast.Expr, of sqltype.OID) (Expr, error) {
	if e == nil {
		return nil, nil
	}
	x, err := b.expr(sc, e)
	if err != nil {
		return nil, err
	}
	if of == sqltype.JSONB {
		switch oid := x.Type().OID; {
		case oid == sqltype.Unknown || oid.IsString():
			return b.mustCoerce(x, textType, implicit, "jsonb subscript")
		case oid == sqltype.Numeric || oid == sqltype.Float8 || oid == sqltype.Float4:
			return nil, sqlerr.New(sqlerr.DatatypeMismatch, "subscript type %s is not supported", x.Type()).At(x.Pos()).
				WithHint("jsonb subscript must be coercible to either integer or text.")
		}
	}
	y, ok, err := b.coerce(x, int4Type, assignment)
	if err == nil && !ok {
		err = sqlerr.New(sqlerr.DatatypeMismatch, "array subscript must have type integer").At(x.Pos())
	}
	return y, err
}
