package agg

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// rankFunc is $rank, $denseRank and $documentNumber.
type rankFunc struct{ name string }

func compileRank(_ *compiler, w *windowSpec) (windowFunc, error) {
	switch {
	case !w.win.IsMissing():
		return nil, mongoerr.New(5371601, "Rank style window functions take no other arguments")
	case w.sort == nil || len(w.sort.keys) != 1:
		return nil, mongoerr.New(5371602, "%s must be specified with a top level sortBy expression with exactly one element", w.name)
	case !w.arg.IsDocument() || len(w.arg.Doc()) > 5:
		return nil, mongoerr.New(5371603, "%s must be specified with '{}' as the value", w.name)
	}
	return &rankFunc{w.name}, nil
}

func (f *rankFunc) evaluate(_ *expr.Context, p *partition) ([]value.Value, error) {
	out := make([]value.Value, len(p.docs))
	var prev, key []byte
	rank, dense := int64(0), int64(0)
	for i, doc := range p.docs {
		var err error
		if key, err = p.sort.appendKey(key[:0], doc); err != nil {
			return nil, err
		}
		if i == 0 || !bytes.Equal(prev, key) {
			rank, dense = int64(i+1), dense+1
			prev = append(prev[:0], key...)
		}
		switch f.name {
		case "$rank":
			out[i] = value.IntOrLong(rank)
		case "$denseRank":
			out[i] = value.IntOrLong(dense)
		default:
			out[i] = value.IntOrLong(int64(i + 1))
		}
	}
	return out, nil
}

// shiftFunc is $shift: the value of a document some places away.
type shiftFunc struct {
	e        expr.Expr
	by       int64
	fallback value.Value
}

func compileShift(c *compiler, w *windowSpec) (windowFunc, error) {
	if err := w.noWindow(); err != nil {
		return nil, err
	}
	if w.sort == nil {
		return nil, failParse("'$shift' requires a sortBy")
	}
	args, err := w.argFields("output", "by", "default")
	if err != nil {
		return nil, err
	}
	if args["output"].IsMissing() || args["by"].IsMissing() {
		return nil, failParse("$shift requires 'output' and 'by' to be specified")
	}
	by, ok := args["by"].Integral()
	if !ok || !args["by"].IsNumber() {
		return nil, failParse("'$shift:by' field must be an integer, but found %s", args["by"])
	}
	f := &shiftFunc{by: by, fallback: value.Null()}
	if d := args["default"]; !d.IsMissing() {
		e, err := c.expr(d.RawValue())
		if err != nil {
			return nil, err
		}
		if f.fallback, ok = expr.Constant(e); !ok {
			return nil, failParse("'$shift:default' expression must yield a constant value")
		}
	}
	f.e, err = c.expr(args["output"].RawValue())
	return f, err
}

func (f *shiftFunc) evaluate(x *expr.Context, p *partition) ([]value.Value, error) {
	vals, err := evalAll(x, p, f.e)
	if err != nil {
		return nil, err
	}
	out := make([]value.Value, len(vals))
	for i := range vals {
		out[i] = f.fallback
		if j := int64(i) + f.by; j >= 0 && j < int64(len(vals)) {
			out[i] = orNull(vals[j])
		}
	}
	return out, nil
}

// locfFunc is $locf: the last value that is not null.
type locfFunc struct{ e expr.Expr }

func compileLocf(c *compiler, w *windowSpec) (windowFunc, error) {
	if err := w.noWindow(); err != nil {
		return nil, err
	}
	e, err := c.expr(w.arg.RawValue())
	return &locfFunc{e}, err
}

func (f *locfFunc) evaluate(x *expr.Context, p *partition) ([]value.Value, error) {
	vals, err := evalAll(x, p, f.e)
	if err != nil {
		return nil, err
	}
	last := value.Null()
	for i, v := range vals {
		if !v.IsNullish() {
			last = v
		}
		vals[i] = last
	}
	return vals, nil
}

// linearFillFunc is $linearFill: between two numbers, what lies on the line
// between them over the sort field.
type linearFillFunc struct{ e expr.Expr }

func compileLinearFill(c *compiler, w *windowSpec) (windowFunc, error) {
	if err := w.noWindow(); err != nil {
		return nil, err
	}
	if w.sort == nil || len(w.sort.keys) != 1 {
		return nil, mongoerr.New(605001, "$linearFill must be specified with a top level sortBy expression with exactly one element")
	}
	e, err := c.expr(w.arg.RawValue())
	return &linearFillFunc{e}, err
}

func (f *linearFillFunc) evaluate(x *expr.Context, p *partition) ([]value.Value, error) {
	vals, err := evalAll(x, p, f.e)
	if err != nil {
		return nil, err
	}
	xs := make([]value.Value, len(vals))
	for i, doc := range p.docs {
		xs[i] = value.GetPath(doc, p.sort.paths[0])
		if err := checkFill(xs[:i+1], vals[i]); err != nil {
			return nil, err
		}
	}
	last := -1
	for i, v := range vals {
		switch {
		case v.IsNullish():
			vals[i] = value.Null()
			continue
		case last >= 0:
			if err := interpolate(xs, vals, last, i); err != nil {
				return nil, err
			}
		}
		last = i
	}
	return vals, nil
}

// checkFill looks at one document: its value and the last of the sort values.
func checkFill(xs []value.Value, v value.Value) error {
	x := xs[len(xs)-1]
	switch {
	case !v.IsNullish() && !v.IsNumber():
		return mongoerr.New(mongoerr.TypeMismatch, "Value to be filled must be numeric or nullish, but found %s", value.TypeName(v.Kind()))
	case !x.IsNumber() && !dateLike(x):
		return mongoerr.New(mongoerr.TypeMismatch, "Value of the sortBy field must be numeric or a date, but found %s", value.TypeName(x.Kind()))
	case len(xs) == 1:
		return nil
	}
	before := xs[len(xs)-2]
	switch {
	case value.Compare(x, before) == 0:
		return mongoerr.New(6050106, "There can be no repeated values in the sort field")
	case x.IsNumber() != before.IsNumber():
		return mongoerr.New(mongoerr.TypeMismatch, "Conflicting sort value types, previously received type %s, but found %s", value.TypeName(before.Kind()), value.TypeName(x.Kind()))
	}
	return nil
}

// dateLike tells whether a value is a point in time.
func dateLike(v value.Value) bool {
	switch v.Kind() {
	case bson.TypeDateTime, bson.TypeTimestamp, bson.TypeObjectID:
		return true
	}
	return false
}

func interpolate(xs, ys []value.Value, from, to int) error {
	slope, err := value.Divide(value.Subtract(ys[to], ys[from]), value.Subtract(xs[to], xs[from]))
	if err != nil {
		return err
	}
	for k := from + 1; k < to; k++ {
		ys[k] = value.Add(ys[from], value.Multiply(value.Subtract(xs[k], xs[from]), slope))
	}
	return nil
}
