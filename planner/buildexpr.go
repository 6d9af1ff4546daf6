package planner

import (
	"context"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// BuildExpr binds an expression over the columns of one relation, as the WHERE
// of a subscription or a CHECK is: names are always strict, and neither
// aggregates nor subqueries are allowed. The scan tells which column of the
// relation each ColRef reads. want is the type that the expression must have;
// zero: any.
func BuildExpr(ctx context.Context, env *Env, e ast.Expr, t *catalog.Table, want sqltype.Type) (Expr, *Scan, error) {
	b := newBuilder(ctx, env, nil)
	b.strictNames = true
	sc := &scope{noAgg: "this condition", noWindow: "this condition", noSRF: "this condition"}
	s := &Scan{}
	if t != nil {
		var src *source
		s, src = b.scan(t)
		sc.ns = asNS(src)
	}
	x, err := b.expr(sc, e)
	if err != nil {
		return nil, nil, err
	}
	walkExpr(x, func(e Expr) bool {
		if q, ok := e.(*Subquery); ok && err == nil {
			err = sqlerr.New(sqlerr.FeatureNotSupported, "cannot use subquery in this condition").At(q.P)
		}
		return err == nil
	})
	if err != nil {
		return nil, nil, err
	}
	if len(b.params) > 0 {
		return nil, nil, sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $1").At(b.paramPos[0])
	}
	if want.OID == sqltype.Invalid {
		x, err = b.known(x)
	} else {
		x, err = b.mustCoerce(x, want, assignment, "expression")
	}
	if err != nil {
		return nil, nil, err
	}
	x = b.fold(x)
	used := map[ColID]bool{}
	columnsOf(x, used)
	pruneScan(s, used)
	return x, s, nil
}

// SessionCall finds a call in an expression that only a client's session can answer,
// nil: there is none.
func SessionCall(x Expr) (found *Call) {
	walkExpr(x, func(e Expr) bool {
		if c, ok := e.(*Call); ok && c.Func.OfSession() {
			found = c
		}
		return found == nil
	})
	return found
}

// Constants are those of an expression, in the order in which it has them.
func Constants(x Expr) (all []*Const) {
	walkExpr(x, func(e Expr) bool {
		if c, ok := e.(*Const); ok {
			all = append(all, c)
		}
		return true
	})
	return all
}

// ForDDL is the planner as the catalog's DDL uses it.
type ForDDL struct {
	Env *Env
	// Run answers a query with its first value; nil: there is nobody to run it.
	Run func(ctx context.Context, sql string) (string, bool, error)
}

var _ catalog.Planner = ForDDL{}

// Describe implements catalog.Planner.
func (d ForDDL) Describe(ctx context.Context, q ast.Statement) ([]catalog.Column, []catalog.Dep, []*sqlerr.Error, error) {
	p, err := Build(ctx, d.Env, q, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	if len(p.Params) > 0 {
		return nil, nil, nil, sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $1")
	}
	cols := make([]catalog.Column, len(p.Cols))
	for i, c := range p.Cols {
		cols[i] = catalog.Column{Name: c.Name, Attr: int16(i + 1), Type: c.Type}
	}
	return cols, p.Deps, p.Notices, nil
}

// Text implements catalog.Planner.
func (d ForDDL) Text(ctx context.Context, sql string) (string, bool, error) {
	if d.Run == nil {
		return "", false, nil
	}
	return d.Run(ctx, sql)
}

// CheckExpr implements catalog.Planner.
func (d ForDDL) CheckExpr(ctx context.Context, e ast.Expr, t *catalog.Table, want sqltype.Type) error {
	_, _, err := BuildExpr(ctx, d.Env, e, t, want)
	return err
}

// CheckGenerated implements catalog.Planner.
func (d ForDDL) CheckGenerated(ctx context.Context, e ast.Expr, t *catalog.Table, want sqltype.Type) error {
	x, _, err := BuildExpr(ctx, d.Env, e, t, want)
	if err != nil {
		return err
	}
	walkExpr(x, func(e Expr) bool {
		c, ok := e.(*Call)
		if ok && (c.Func.Volatility == sqlfunc.Volatile || c.Func.Volatility == sqlfunc.Stable && len(c.Args) == 0) {
			err = sqlerr.New(sqlerr.InvalidObjectDefinition, "generation expression is not immutable").At(c.Pos())
		}
		return err == nil
	})
	return err
}
