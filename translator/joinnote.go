package translator

import "fmt"

// noteJoin writes down for EXPLAIN how a $lookup finds its rows and why.
func (c *compiler) noteJoin(left, right *fragment, as string, eq *equality, runs bool) {
	what := right.src.ns.Coll
	if what == "" {
		what = "rows"
	}
	if eq != nil {
		what += " on " + eq.foreign
	}
	c.prog.joins = append(c.prog.joins, fmt.Sprintf("Join %s with %s: %s", as, what, c.joinMethod(left, right, eq, runs)))
}

func (c *compiler) joinMethod(left, right *fragment, eq *equality, runs bool) string {
	scan := right.src.scan
	switch {
	case eq == nil && runs:
		return "the pipeline in the store for each row, because no column equals one of the other side"
	case eq == nil:
		return "the pipeline here for each row, because " + c.lookupReason(left, right)
	case !runs && right.src.remote() && !right.local() && indexed(scan, eq.foreign):
		return "by the index in MongoDB for few rows, many keys at a time, else by hash here, because " + c.lookupReason(left, right)
	case !runs:
		return "by hash here, because " + c.lookupReason(left, right)
	case c.opts.Capabilities.Embedded && indexed(scan, eq.foreign):
		return "by the index for few rows, by hash for many"
	case c.opts.Capabilities.Embedded:
		return "by hash, because no index finds the column"
	case indexed(scan, eq.foreign):
		return "by the index in MongoDB"
	}
	return "by MongoDB, because the collection is small"
}
