package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
)

// sortKeyExpr is {$meta: "sortKey"}: the values that a document was sorted by.
type sortKeyExpr struct{ pattern *sortPattern }

func (e *sortKeyExpr) Eval(c *expr.Context) (value.Value, error) {
	p := sortPattern{keys: e.pattern.keys, paths: e.pattern.paths}
	start := make([]cursorPath, len(p.paths))
	for i, path := range p.paths {
		start[i] = cursorPath{value.Document(c.Root), path}
	}
	var best []byte
	var out []value.Value
	err := p.expand(start, func(vals []value.Value) {
		var key []byte
		for i, v := range vals {
			key = p.appendPart(key, i, v)
		}
		if best == nil || string(key) < string(best) {
			best, out = key, vals
		}
	})
	if err != nil {
		return value.Value{}, err
	}
	for i, v := range out {
		if v.IsMissing() {
			out[i] = value.Null()
		}
	}
	return value.ArrayFrom(out), nil
}

// noteSort keeps the sort order that the documents have behind stages, for as
// long as they are the documents that were sorted.
func (c *compiler) noteSort(stages []stage) {
	opts := *c.opts
	for _, s := range stages {
		switch s := s.(type) {
		case *sortStage:
			opts.SortKey = nil
			if s.pattern.coll == nil { // under a collation it would be the keys of that
				opts.SortKey = &sortKeyExpr{s.pattern}
			}
		case *matchStage, *limitStage, *skipStage:
		default:
			opts.SortKey = nil
		}
	}
	c.opts = &opts
}

// sortKeyOf is the expression for documents in this order; nil for none.
func sortKeyOf(spec bson.Raw) expr.Expr {
	p, err := parseSortPattern(spec)
	if err != nil {
		return nil // the sort itself complains
	}
	return &sortKeyExpr{p}
}
