package planner

import (
	"slices"
	"strings"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

func textConst(s string, pos int) *Const {
	return &Const{T: textType, Value: value.String(s), P: pos}
}

// functions finds the signatures of a name as it was written.
func (b *builder) functions(n *ast.Name) []*sqlfunc.Func {
	schema := n.Qualifier()
	var out []*sqlfunc.Func
	for _, f := range b.env.Funcs.Functions(strings.ToLower(n.Last().Name)) {
		own := f.Schema
		if own == "" {
			own = "pg_catalog"
		}
		if schema.IsZero() && own != "information_schema" || schema.Name == own {
			out = append(out, f)
		}
	}
	return out
}

func hasKind(funcs []*sqlfunc.Func, kinds ...sqlfunc.Kind) bool {
	for _, f := range funcs {
		for _, k := range kinds {
			if f.Kind == k {
				return true
			}
		}
	}
	return false
}

func ofKind(funcs []*sqlfunc.Func, keep func(*sqlfunc.Func) bool) []*sqlfunc.Func {
	var out []*sqlfunc.Func
	for _, f := range funcs {
		if keep(f) {
			out = append(out, f)
		}
	}
	return out
}

// call binds a function call of any kind.
func (b *builder) call(sc *scope, x *ast.FunctionCall) (Expr, error) {
	funcs := b.functions(x.Name)
	name := x.Name.Last().Name
	isAgg := hasKind(funcs, sqlfunc.Aggregate) || len(x.WithinGroup) > 0 && hasKind(funcs, sqlfunc.OrderedSet)
	switch {
	case x.Over != nil:
		return b.windowCall(sc, x, funcs)
	case len(x.WithinGroup) > 0 && hypotheticalName(name):
		return b.hypothetical(sc, x, name)
	case isAgg:
		return b.aggregate(sc, x, funcs)
	case hasKind(funcs, sqlfunc.Window):
		return nil, sqlerr.New(sqlerr.WrongObjectType, "window function %s requires an OVER clause", name).At(x.Pos())
	case hasKind(funcs, sqlfunc.OrderedSet):
		return nil, sqlerr.New(sqlerr.WrongObjectType, "WITHIN GROUP is required for ordered-set aggregate %s", name).At(x.Pos())
	}
	if err := onlyForAggregates(x, name); err != nil {
		return nil, err
	}
	args, names, err := b.callArgs(sc, x.Args)
	if err != nil {
		return nil, err
	}
	if len(funcs) == 0 {
		return b.noFunction(x, args)
	}
	if err := b.jsonRows(sc, funcs, args); err != nil {
		return nil, err
	}
	var domain sqltype.OID
	if isPopulate(funcs) {
		if domain, err = b.populateBase(name, args, sc.inFrom); err != nil {
			return nil, err
		}
	}
	e, err := b.callResolved(funcs, name, args, names, x)
	if err != nil {
		return nil, err
	}
	if c, ok := e.(*Call); ok && sqlfunc.Populates(c.Func) && !sc.inFrom {
		if err := b.populateCall(c); err != nil {
			return nil, err
		}
	}
	if domain != 0 && sc.inFrom {
		return nil, sqlerr.Unsupported(x.Pos(), "Call the function in the select list.", "%s of a domain is not supported in FROM", name)
	}
	if c, ok := e.(*Call); ok {
		if b.strict() && !sc.inFrom && sqlfunc.MakesRecord(c.Func) {
			return nil, noRowType(c)
		}
		if c.Func.Kind == sqlfunc.SetReturning {
			if sc.noSRF != "" {
				return nil, noSets(sc.noSRF).At(x.Pos())
			}
			if sc.sel != nil {
				sc.sel.srf = true
			}
		}
		b.noteWrites(c.Func)
		if sqlfunc.Populates(c.Func) && !sc.inFrom {
			return b.ofDomain(c, domain)
		}
	}
	return e, nil
}

const aggregateCalls = "aggregate function calls"

func noSets(place string) *sqlerr.Error {
	if place == aggregateCalls {
		return sqlerr.New(sqlerr.FeatureNotSupported, "aggregate function calls cannot contain set-returning function calls").
			WithHint("You might be able to move the set-returning function into a LATERAL FROM item.")
	}
	return sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in %s", place)
}

// noteWrites remembers functions that change something.
func (b *builder) noteWrites(f *sqlfunc.Func) {
	switch f.Name {
	case "nextval", "setval", "pg_notify":
		b.writes = true
	}
}

func onlyForAggregates(x *ast.FunctionCall, name string) error {
	what := ""
	switch {
	case x.Star:
		what = "(*)"
	case x.Distinct:
		what = "DISTINCT"
	case len(x.OrderBy) > 0:
		what = "ORDER BY"
	case len(x.WithinGroup) > 0:
		what = "WITHIN GROUP"
	case x.Filter != nil:
		what = "FILTER"
	case x.Separator != nil || x.Limit != nil:
		what = "SEPARATOR or LIMIT"
	default:
		return nil
	}
	if what == "(*)" {
		return sqlerr.New(sqlerr.WrongObjectType, "%s(*) specified, but %s is not an aggregate function", name, name).At(x.Pos())
	}
	return sqlerr.New(sqlerr.WrongObjectType, "%s specified, but %s is not an aggregate function", what, name).At(x.Pos())
}

// noFunction explains a name that is no function: a cast in the form of a call,
// a table function, or nothing.
func (b *builder) noFunction(x *ast.FunctionCall, args []Expr) (Expr, error) {
	name := x.Name.Last()
	if len(args) == 1 {
		if oid, ok := sqltype.ByName(name.Name); ok {
			if y, ok, err := b.coerce(args[0], sqltype.Of(oid), explicit); ok || err != nil {
				return y, err
			}
		}
	}
	if t, ok := b.env.Resolver.TableFunction(x.Name.Qualifier().Name, name.Name); ok {
		return nil, sqlerr.New(sqlerr.FeatureNotSupported, "%s() is a table function and is used in FROM", strings.ToUpper(t.Name)).At(x.Pos()).
			WithHint("SELECT … FROM %s(…)", t.Name)
	}
	return nil, b.nameHint(functionError(name.Name, typesOf(args), false, x.Pos()), name.Name)
}

// nameHint adds near names where a function's name is unknown.
func (b *builder) nameHint(err error, name string) error {
	e := sqlerr.As(err)
	if len(b.env.Funcs.Functions(name)) > 0 {
		return e
	}
	if near := nearNames(name, b.env.Funcs.Names()); near != "" {
		e = e.WithHint("%s Perhaps you meant %s.", e.Hint, near)
	}
	return e
}

// callArgs binds arguments and collects their names.
func (b *builder) callArgs(sc *scope, list []ast.Expr) ([]Expr, []string, error) {
	names := make([]string, len(list))
	for i, a := range list {
		if n, ok := a.(*ast.NamedArg); ok {
			names[i] = n.Name.Name
		} else if i > 0 && names[i-1] != "" {
			return nil, nil, sqlerr.New(sqlerr.SyntaxError, "positional argument cannot follow named argument").At(a.Pos())
		}
	}
	args, err := b.exprs(sc, list)
	if err != nil {
		return nil, nil, err
	}
	args, names = withoutVoid(args, names)
	return args, names, nil
}

// withoutVoid leaves out parameters of type void, as PostgreSQL does: JDBC
// passes them in the places of a function's results.
func withoutVoid(args []Expr, names []string) ([]Expr, []string) {
	n := 0
	for i, a := range args {
		if p, ok := a.(*Param); ok && p.T.OID == sqltype.Void {
			continue
		}
		args[n], names[n] = a, names[i]
		n++
	}
	return args[:n], names[:n]
}

// callResolved chooses the signature of a plain function and makes the call.
func (b *builder) callResolved(funcs []*sqlfunc.Func, name string, args []Expr, names []string, x *ast.FunctionCall) (Expr, error) {
	c, args, err := b.resolveCall(funcs, name, args, names, x.Variadic, x.Pos())
	if err != nil {
		if len(args) == 1 {
			// PostgreSQL reads f(x) as a cast where f is a type's name.
			if oid, ok := sqltype.ByName(name); ok {
				if y, ok, cerr := b.coerce(args[0], sqltype.Of(oid), explicit); ok && cerr == nil {
					return y, nil
				}
			}
		}
		return nil, err
	}
	e, err := b.apply(c, args, x.Pos())
	if err != nil {
		return nil, err
	}
	call, ok := e.(*Call)
	if !ok {
		return e, nil
	}
	call.Spread = x.Variadic && c.fn.Variadic
	if c.perm != nil {
		call.Args = placeNamed(c, call.Args)
	}
	return call, nil
}

// placeNamed puts arguments in the order of the parameters; parameters between
// them that were left out take their defaults, which are empty values.
func placeNamed(c *candidate, args []Expr) []Expr {
	last := 0
	for _, p := range c.perm {
		last = max(last, p)
	}
	out := make([]Expr, last+1)
	for i, p := range c.perm {
		out[p] = args[i]
	}
	for i, a := range out {
		if a == nil {
			out[i] = emptyOf(c.fn.Args[i])
		}
	}
	return out
}

// emptyOf is the default of an optional parameter: all of PostgreSQL's that
// can stand before a given one are empty.
func emptyOf(t sqltype.OID) Expr {
	v := value.String("")
	switch t {
	case sqltype.Int4:
		v = value.Int32(0)
	case sqltype.Float8:
		v = value.Double(0)
	case sqltype.Bool:
		v = value.Bool(false)
	case sqltype.JSONB:
		v = value.Document(value.EmptyDocument)
	}
	return &Const{T: sqltype.Of(t), Value: v}
}

// resolveCall chooses among signatures. The arguments come back converted
// where documents' values had to become scalars.
func (b *builder) resolveCall(funcs []*sqlfunc.Func, name string, args []Expr, names []string, spread bool, pos int) (*candidate, []Expr, error) {
	var cands []candidate
	if spread {
		cands = spreadCandidates(funcs, len(args))
	} else {
		cands = functionCandidates(funcs, names)
	}
	in := typesOf(args)
	if mysqlPairs(name, args) {
		cands = slices.DeleteFunc(cands, func(c candidate) bool { return !c.fn.Extra() })
	}
	c, many := b.choose(standard(cands), in)
	if c == nil {
		c, many = b.choose(cands, in)
	}
	if c == nil {
		if y, ok := b.retypeArgs(cands, args); ok {
			args = y
			c, _ = b.choose(cands, typesOf(args))
		}
	}
	if y, ok := b.narrowedNumber(args); c == nil && ok {
		if c, _ = b.choose(cands, typesOf(y)); c != nil {
			args = y
			b.warnNarrowed(y[0])
		}
	}
	if spread && len(in) > 0 && (c == nil || b.strict() && in[len(in)-1] == sqltype.Unknown) {
		if err := variadicError(funcs, in, pos); err != nil {
			return nil, args, err
		}
	}
	if c == nil {
		return nil, args, b.nameHint(functionError(name, in, many, pos), name)
	}
	return c, args, nil
}

// mysqlPairs tells JSON_OBJECT('key', 'value'), which is MySQL's, from json_object
// of two literals that spell arrays. The value may be NULL.
func mysqlPairs(name string, args []Expr) bool {
	if name != "json_object" || len(args) != 2 {
		return false
	}
	for i, a := range args {
		c, ok := a.(*Const)
		switch {
		case !ok || a.Type().OID != sqltype.Unknown:
			return false
		case c.Value.IsNullish():
			if i == 0 {
				return false
			}
		case strings.HasPrefix(strings.TrimSpace(c.Value.Str()), "{"):
			return false
		}
	}
	return true
}

// standard keeps PostgreSQL's own signatures: MySQL's of the same name count
// only where none of those fits.
func standard(cands []candidate) []candidate {
	var out []candidate
	for _, c := range cands {
		if !c.fn.Extra() {
			out = append(out, c)
		}
	}
	return out
}

func spreadCandidates(funcs []*sqlfunc.Func, n int) []candidate {
	var out []candidate
	for _, f := range funcs {
		if !f.Variadic || len(f.Args) != n {
			continue
		}
		args := append([]sqltype.OID(nil), f.Args...)
		if last := args[n-1]; last == sqltype.Any {
			args[n-1] = sqltype.AnyArray
		} else {
			args[n-1] = last.Array()
		}
		out = append(out, candidate{fn: f, args: args})
	}
	return out
}

// retypeArgs tries documents' values as numbers, then as text, and columns
// that no source offers as numbers, where no signature fits otherwise.
func (b *builder) retypeArgs(cands []candidate, args []Expr) ([]Expr, bool) {
	for _, t := range []sqltype.OID{sqltype.Numeric, sqltype.Float8, sqltype.Text, sqltype.Timestamptz} {
		out := append([]Expr(nil), args...)
		changed := false
		for i, a := range args {
			if t == sqltype.Text && isDocScalar(a) {
				if x, err := b.scalarText(a); err == nil {
					out[i], changed = x, true
				}
			} else if a.Type().OID == sqltype.JSONB || isLenientNull(a) {
				if x, ok, err := b.coerce(a, sqltype.Of(t), explicit); ok && err == nil {
					out[i], changed = x, true
				}
			}
		}
		if !changed {
			return nil, false
		}
		if c, _ := b.choose(cands, typesOf(out)); c != nil {
			return out, true
		}
	}
	return nil, false
}

// callExprs calls a function by name over bound arguments.
func (b *builder) callExprs(name string, args []Expr, pos int) (Expr, error) {
	x := &ast.FunctionCall{Span: ast.Span{Start: pos}}
	funcs := b.env.Funcs.Functions(name)
	return b.callResolved(funcs, name, args, make([]string, len(args)), x)
}

func (b *builder) callNamed(sc *scope, name string, list []ast.Expr, pos int) (Expr, error) {
	args, err := b.exprs(sc, list)
	if err != nil {
		return nil, err
	}
	return b.callExprs(name, args, pos)
}
