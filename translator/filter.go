package translator

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/planner"
	"weir/sqlerr"
)

// TranslateFilter compiles a condition over the columns of a scan to a filter
// over its documents, for subscriptions. It may hold local operators, so it is
// compiled with Library. The condition has no subqueries and no parameters;
// what is stable is computed when the documents are tested.
func TranslateFilter(e planner.Expr, scan *planner.Scan, opts Options) (bson.Raw, error) {
	c := newCompiler(&planner.Plan{}, opts)
	f := newFragment(nil)
	f.src.scan = scan
	for i, col := range scan.Out {
		f.cols[col.ID] = scanLoc(scan, i)
	}
	walkExpr(e, func(x planner.Expr) {
		switch x.(type) {
		case *planner.Subquery:
			c.fail(sqlerr.Unsupported(x.Pos(), "Use conditions over the event's own columns.", "subqueries are not supported in this condition"))
		case *planner.Param:
			c.fail(sqlerr.New(sqlerr.UndefinedParameter, "parameters are not allowed in this condition").At(x.Pos()))
		}
	})
	if c.err != nil {
		return nil, c.err
	}
	doc := scope{c: c, f: f}.match(e, true)
	if c.err != nil {
		return nil, c.err
	}
	stage := c.encodeStage(doc)
	if !stage.Bound {
		return stage.Raw, nil
	}
	b, err := c.prog.Bind(context.Background(), nil, nil)
	if err != nil {
		return nil, err
	}
	return b.Stage(stage)
}
