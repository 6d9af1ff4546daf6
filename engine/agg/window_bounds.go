package agg

import (
	"math"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// windowBounds is the window of a function: documents before and after the
// current one, or a range of values of the sort field.
type windowBounds struct {
	byRange bool
	lo, hi  bound
	unit    string // of a range over dates
	add     *dateAdd
}

// bound is an offset from the current document, or none.
type bound struct {
	unbounded bool
	v         value.Value
}

func (c *compiler) windowBounds(w *windowSpec) (*windowBounds, error) {
	b := &windowBounds{lo: bound{unbounded: true}, hi: bound{unbounded: true}}
	if w.win.IsMissing() {
		return b, nil
	}
	if !w.win.IsDocument() {
		return nil, failParse("'window' field must be an object")
	}
	docs, rng, unit, n := value.Lookup(w.win.Doc(), "documents"), value.Lookup(w.win.Doc(), "range"), value.Lookup(w.win.Doc(), "unit"), value.Len(w.win.Doc())
	switch {
	case !docs.IsMissing() && !rng.IsMissing():
		return nil, failParse("Window bounds can specify either 'documents' or 'unit', not both.")
	case rng.IsMissing() && !unit.IsMissing():
		return nil, failParse("Window bounds can only specify 'unit' with range-based bounds.")
	case rng.IsMissing() && docs.IsMissing():
		if n > 0 {
			return nil, failParse("'window' field can only contain 'documents' as the only argument or 'range' with an optional 'unit' field")
		}
		return b, nil
	case !docs.IsMissing() && n > 1:
		return nil, failParse("'window' field that specifies documents cannot have other fields")
	case !docs.IsMissing():
		return b, b.documents(c, w, docs)
	case !unit.IsMissing() && n > 2:
		return nil, failParse("'window' field that specifies unit cannot have other fields besides 'range'")
	case unit.IsMissing() && n > 1:
		return nil, failParse("'window' field that specifies range cannot have other fields besides 'unit'")
	}
	return b, c.rangeBounds(b, w, rng, unit)
}

func (b *windowBounds) documents(c *compiler, w *windowSpec, v value.Value) error {
	if err := b.parse(c, v, func(v value.Value) error {
		if n, ok := v.Integral(); !v.IsNumber() || !ok || n > math.MaxInt32 || n < math.MinInt32 {
			return failParse("Numeric document-based bounds must be an integer")
		}
		return nil
	}); err != nil {
		return err
	}
	if w.sort == nil && (!b.lo.unbounded || !b.hi.unbounded) {
		return mongoerr.New(5339901, "Document-based bounds require a sortBy")
	}
	return nil
}

func (b *windowBounds) parse(c *compiler, v value.Value, check func(value.Value) error) error {
	if !v.IsArray() || value.Len(v.Doc()) != 2 {
		return failParse("Window bounds must be a 2-element array: %s", v)
	}
	for i, p := range []*bound{&b.lo, &b.hi} {
		var err error
		if *p, err = c.bound(value.Index(v.Doc(), i), check); err != nil {
			return err
		}
	}
	if !b.lo.unbounded && !b.hi.unbounded && value.Compare(b.lo.v, b.hi.v) > 0 {
		return mongoerr.New(5339900, "Lower bound must not exceed upper bound: %s", v)
	}
	return nil
}

// bound reads one bound: a keyword or an expression that is a constant number.
func (c *compiler) bound(v value.Value, check func(value.Value) error) (bound, error) {
	if v.IsString() {
		switch v.Str() {
		case "unbounded":
			return bound{unbounded: true}, nil
		case "current":
			return bound{v: value.Int32(0)}, nil
		}
		return bound{}, failParse("Window bounds must be 'unbounded', 'current', or a number.")
	}
	e, err := c.expr(v.RawValue())
	if err != nil {
		return bound{}, err
	}
	n, ok := expr.Constant(e)
	if !ok {
		return bound{}, failParse("Window bounds expression must be a constant.")
	}
	return bound{v: n}, check(n)
}

func (c *compiler) rangeBounds(b *windowBounds, w *windowSpec, v, unit value.Value) error {
	check := func(v value.Value) error {
		if !v.IsNumber() {
			return failParse("Range-based bounds expression must be a number")
		}
		return nil
	}
	if !unit.IsMissing() {
		if !unit.IsString() {
			return failParse("'unit' must be a string")
		}
		check = func(v value.Value) error {
			if _, ok := v.Integral(); !ok {
				return failParse("With 'unit', range-based bounds must be an integer")
			}
			return nil
		}
	}
	if err := b.parse(c, v, check); err != nil {
		return err
	}
	b.byRange = true
	if !unit.IsMissing() {
		b.unit = unit.Str()
		var err error
		if b.add, err = newDateAdd(b.unit); err != nil {
			return err
		}
	}
	if w.sort == nil || len(w.sort.keys) != 1 {
		return mongoerr.New(5339902, "Range-based bounds require sortBy a single field")
	}
	if w.sort.keys[0].Desc {
		return mongoerr.New(5339904, "Range-based bounds require an ascending sortBy")
	}
	return nil
}

// spans gives the window [from, to) of each document.
func (b *windowBounds) spans(x *expr.Context, p *partition) (func(i int) (from, to int), error) {
	n := len(p.docs)
	if !b.byRange {
		return func(i int) (int, int) {
			lo, hi := 0, n
			if !b.lo.unbounded {
				lo = clampIndex(i+int(b.lo.v.AsInt64()), n)
			}
			if !b.hi.unbounded {
				hi = clampIndex(i+int(b.hi.v.AsInt64())+1, n)
			}
			return lo, max(lo, hi)
		}, nil
	}
	return b.rangeSpans(x, p)
}

func clampIndex(i, n int) int { return min(max(i, 0), n) }

func (b *windowBounds) rangeSpans(x *expr.Context, p *partition) (func(i int) (int, int), error) {
	vals := make([]value.Value, len(p.docs))
	path := p.sort.paths[0]
	for i, doc := range p.docs {
		vals[i] = value.GetPath(doc, path)
		if b.unit == "" && !vals[i].IsNumber() {
			return nil, mongoerr.New(5429414, "Invalid range: Expected the sortBy field to be a number, but it was %s", value.TypeName(vals[i].Kind()))
		}
		if b.unit != "" && vals[i].Kind() != bson.TypeDateTime {
			return nil, mongoerr.New(5429513, "Invalid range: Expected the sortBy field to be a Date, but it was %s", value.TypeName(vals[i].Kind()))
		}
	}
	los, err := b.edges(x, vals, b.lo, false)
	if err != nil {
		return nil, err
	}
	his, err := b.edges(x, vals, b.hi, true)
	return func(i int) (int, int) { return los[i], max(los[i], his[i]) }, err
}

// edges finds for each document the first one at (after: behind) the bound.
func (b *windowBounds) edges(x *expr.Context, vals []value.Value, at bound, after bool) ([]int, error) {
	out := make([]int, len(vals))
	for i, v := range vals {
		if at.unbounded {
			if after {
				out[i] = len(vals)
			}
			continue
		}
		limit, err := b.offset(x, v, at.v)
		if err != nil {
			return nil, err
		}
		out[i] = sort.Search(len(vals), func(j int) bool {
			c := value.Compare(vals[j], limit)
			return c > 0 || c == 0 && !after
		})
	}
	return out, nil
}

func (b *windowBounds) offset(x *expr.Context, v, by value.Value) (value.Value, error) {
	if b.add == nil {
		return value.Add(v, by), nil
	}
	return b.add.add(v, by)
}

// dateAdd adds to dates in a calendar unit, with the $dateAdd expression.
type dateAdd struct {
	e expr.Expr
	x expr.Context
}

func newDateAdd(unit string) (*dateAdd, error) {
	switch unit {
	case "year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond":
	default:
		return nil, failParse("unknown time unit value: %s", unit)
	}
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$dateAdd")
	b.Add("startDate", value.String("$$d"))
	b.Add("unit", value.String(unit))
	b.Add("amount", value.String("$$n"))
	e, err := expr.Compile(b.DocumentOf().RawValue(), &expr.CompileOptions{Vars: []string{"d", "n"}})
	return &dateAdd{e: e}, err
}

func (d *dateAdd) add(v, n value.Value) (value.Value, error) {
	d.x.Vars = append(d.x.Vars[:0], v, n)
	return d.e.Eval(&d.x)
}
