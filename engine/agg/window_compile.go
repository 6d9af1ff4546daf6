package agg

import (
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
)

// windowSpec is {$function: argument, window: {…}} as written.
type windowSpec struct {
	field string
	name  string
	arg   value.Value
	win   value.Value // missing: none
	sort  *sortPattern
}

// windowCompiler makes one kind of window function.
type windowCompiler func(c *compiler, w *windowSpec) (windowFunc, error)

// lookupWindowFunc is the table of functions that are no accumulators.
func lookupWindowFunc(name string) windowCompiler {
	switch name {
	case "$rank", "$denseRank", "$documentNumber":
		return compileRank
	case "$shift":
		return compileShift
	case "$derivative", "$integral":
		return compileCalculus
	case "$expMovingAvg":
		return compileMovingAvg
	case "$covariancePop", "$covarianceSamp":
		return compileCovariance
	case "$linearFill":
		return compileLinearFill
	case "$locf":
		return compileLocf
	}
	return nil
}

func (c *compiler) windowFunc(field string, v value.Value, sort *sortPattern) (windowFunc, error) {
	w, err := c.parseWindowSpec(field, v)
	if err != nil {
		return nil, err
	}
	w.sort = sort
	if compile := lookupWindowFunc(w.name); compile != nil {
		return compile(c, w)
	}
	if !w.known(c) {
		return nil, failParse("Unrecognized window function, %s", w.name)
	}
	return compileWindowAcc(c, w)
}

func (c *compiler) parseWindowSpec(field string, v value.Value) (*windowSpec, error) {
	if !v.IsDocument() {
		return nil, failParse("The field '%s' must be an object", field)
	}
	w := &windowSpec{field: field}
	var unknown []string
	for it := value.Walk(v.Doc()); it.Next(); {
		k := it.Key()
		switch {
		case strings.HasPrefix(k, "$"):
			if w.name != "" {
				return nil, failParse("Cannot specify two functions in window function spec")
			}
			w.name, w.arg = k, it.Value()
		case k == "window":
			w.win = it.Value()
		default:
			unknown = append(unknown, k)
		}
	}
	switch {
	case w.name == "" && len(unknown) > 0:
		return nil, failParse("Expected a $-prefixed window function, %s", unknown[0])
	case w.name == "":
		return nil, failParse("Expected a $-prefixed window function")
	case len(unknown) > 0 && w.known(c):
		return nil, failParse("Window function %s found an unknown argument: %s", w.name, unknown[0])
	}
	return w, nil
}

// known tells whether there is such a window function.
func (w *windowSpec) known(c *compiler) bool {
	local := strings.HasPrefix(w.name, "$weir.") && c.env.Library != nil
	return lookupWindowFunc(w.name) != nil || local || lookupAccumulator(w.name) != nil && w.name != "$mergeObjects"
}

func (w *windowSpec) noWindow() error {
	if !w.win.IsMissing() {
		return failParse("%s does not accept a 'window' field", w.name)
	}
	return nil
}

// argFields reads an argument that is an object of known fields.
func (w *windowSpec) argFields(names ...string) (map[string]value.Value, error) {
	if !w.arg.IsDocument() {
		return nil, failParse("Argument to %s must be an object", w.name)
	}
	out := map[string]value.Value{}
	for it := value.Walk(w.arg.Doc()); it.Next(); {
		known := false
		for _, n := range names {
			known = known || n == it.Key()
		}
		if !known {
			return nil, failParse("%s got unexpected argument: %s", w.name, it.Key())
		}
		out[it.Key()] = it.Value()
	}
	return out, nil
}

// evalAll evaluates an expression for every document of a partition.
func evalAll(x *expr.Context, p *partition, e expr.Expr) ([]value.Value, error) {
	out := make([]value.Value, len(p.docs))
	for i, doc := range p.docs {
		x.Root = doc
		v, err := e.Eval(x)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// windowAcc is an accumulator over a window.
type windowAcc struct {
	spec  accSpec
	plain extractor
	b     *windowBounds
	// anyOrder says that the order of the documents does not matter.
	anyOrder bool
}

func compileWindowAcc(c *compiler, w *windowSpec) (windowFunc, error) {
	f := &windowAcc{}
	switch w.name {
	case "$sum", "$avg", "$min", "$max", "$count", "$stdDevPop", "$stdDevSamp", "$minN", "$maxN", "$median", "$percentile":
		f.anyOrder = true
	}
	if err := c.accumulator(&f.plain, w.name, w.arg.RawValue(), &f.spec); err != nil {
		return nil, err
	}
	var err error
	f.b, err = c.windowBounds(w)
	return f, err
}

// evaluate lets one accumulator grow while the window only grows, and begins
// anew where documents leave it.
func (f *windowAcc) evaluate(x *expr.Context, p *partition) ([]value.Value, error) {
	out := make([]value.Value, len(p.docs))
	spans, err := f.b.spans(x, p)
	if err != nil {
		return nil, err
	}
	if f.anyOrder && f.b.hi.unbounded && !f.b.lo.unbounded {
		return out, f.backwards(x, p, out, spans)
	}
	var acc accumulator
	from, to := 0, 0
	for i := range p.docs {
		lo, hi := spans(i)
		if acc == nil || lo != from || hi < to {
			x.Root = value.EmptyDocument
			if acc, err = f.spec.make(x); err != nil {
				return nil, err
			}
			from, to = lo, lo
		} else if i > 0 && hi == to {
			out[i] = out[i-1]
			continue
		}
		for ; to < hi; to++ {
			x.Root = p.docs[to]
			f.plain.read(p.docs[to])
			if err := f.spec.feed(x, &f.plain, acc, p.docs[to]); err != nil {
				return nil, err
			}
		}
		v, err := acc.result()
		if err != nil {
			return nil, err
		}
		out[i] = orNull(v)
	}
	return out, nil
}

// backwards goes from the last document to the first, so that a window that
// reaches to the end only grows.
func (f *windowAcc) backwards(x *expr.Context, p *partition, out []value.Value, spans func(int) (int, int)) error {
	x.Root = value.EmptyDocument
	acc, err := f.spec.make(x)
	if err != nil {
		return err
	}
	from := len(p.docs)
	for i := len(p.docs) - 1; i >= 0; i-- {
		lo, _ := spans(i)
		if lo == from && i < len(p.docs)-1 {
			out[i] = out[i+1]
			continue
		}
		for ; from > lo; from-- {
			doc := p.docs[from-1]
			x.Root = doc
			f.plain.read(doc)
			if err := f.spec.feed(x, &f.plain, acc, doc); err != nil {
				return err
			}
		}
		v, err := acc.result()
		if err != nil {
			return err
		}
		out[i] = orNull(v)
	}
	return nil
}
