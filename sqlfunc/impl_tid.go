package sqlfunc

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// The meanings by which statements get at the places of rows.
const (
	RowTid  = "row_tid"  // (_id): the tid of a document
	HasTid  = "has_tid"  // (_id, tid): whether that is the place of a document
	BareTid = "bare_tid" // (tid): without the _id, as columns may hold it
)

var tidFuncs = func() map[string]evaluator {
	m := map[string]evaluator{
		RowTid: func(_ *expr.Context, a []value.Value) (value.Value, error) { return sqltype.TidOf(a[0]), nil },
		HasTid: func(_ *expr.Context, a []value.Value) (value.Value, error) {
			own, _, _ := sqltype.TidPlace(sqltype.TidOf(a[0]))
			want, _, ok := sqltype.TidPlace(a[1])
			return boolean(ok && own == want)
		},
		BareTid: func(c *expr.Context, a []value.Value) (value.Value, error) {
			text, err := sqltype.AppendText(nil, a[0], sqltype.Of(sqltype.Tid), nil)
			return value.String(string(text)), err
		},
	}
	for op, test := range tests {
		m[op+"_tid"] = func(_ *expr.Context, a []value.Value) (value.Value, error) {
			c, err := compareTids(a[0], a[1], op == "eq" || op == "ne")
			if err != nil {
				return value.Value{}, err
			}
			return boolean(test(c))
		}
	}
	return m
}()

// compareTids orders by place, rows of one place by their _id. Which of the rows
// of one place a tid from elsewhere means is not known.
func compareTids(a, b value.Value, same bool) (int, error) {
	x, rowA, ok1 := sqltype.TidPlace(a)
	y, rowB, ok2 := sqltype.TidPlace(b)
	switch {
	case !ok1 || !ok2:
		return 0, sqlerr.New(sqlerr.DatatypeMismatch, "value is not of type tid")
	case x < y:
		return -1, nil
	case x > y:
		return 1, nil
	case rowA && rowB:
		return value.Compare(a, b), nil
	case rowA != rowB && same:
		return 0, sqlerr.New(sqlerr.FeatureNotSupported, "a ctid cannot be compared with a value of type tid here").
			WithHint("Write ctid = value or ctid IN (value, …) as a condition of its own, or compare the column _id.")
	}
	return 0, nil
}
