package expr

import "weir/engine/value"

// over makes the expression form of an accumulator: several operands count as
// they are, a single one that is an array by its items.
func over(fold func(items []value.Value, col *value.Collation) (value.Value, error)) func(*compiler, string, value.Value) (Expr, error) {
	return func(p *compiler, name string, arg value.Value) (Expr, error) {
		col := p.opts.Collation
		return p.call(name, operator{max: -1, many: func(_ *Context, args []value.Value) (value.Value, error) {
			if len(args) == 1 && args[0].IsArray() {
				args = value.Items(nil, args[0].Doc())
			}
			return fold(args, col)
		}}, arg)
	}
}

func sumOf(items []value.Value, _ *value.Collation) (value.Value, error) {
	var s value.Sum
	for _, v := range items {
		s.Add(numberOnly(v))
	}
	return s.Total(), nil
}

// numberOnly hides dates from Sum, which would count their milliseconds.
func numberOnly(v value.Value) value.Value {
	if !v.IsNumber() {
		return value.Value{}
	}
	return v
}

func averageOf(items []value.Value, _ *value.Collation) (value.Value, error) {
	var s value.Sum
	n := int64(0)
	for _, v := range items {
		if v.IsNumber() {
			s.Add(v)
			n++
		}
	}
	if n == 0 {
		return value.Null(), nil
	}
	return s.Average(n), nil
}

func minOf(items []value.Value, col *value.Collation) (value.Value, error) {
	return extremeOf(items, 1, col), nil
}

func maxOf(items []value.Value, col *value.Collation) (value.Value, error) {
	return extremeOf(items, -1, col), nil
}

func extremeOf(items []value.Value, sign int, col *value.Collation) value.Value {
	best, found := value.Null(), false
	for _, v := range items {
		if v.IsNullish() {
			continue
		}
		if !found || value.CompareCollated(v, best, col)*sign < 0 {
			best, found = v, true
		}
	}
	return best
}

func stdDevPop(items []value.Value, _ *value.Collation) (value.Value, error) {
	var d value.Deviation
	for _, v := range items {
		d.Add(v)
	}
	return d.Population(), nil
}

func stdDevSamp(items []value.Value, _ *value.Collation) (value.Value, error) {
	var d value.Deviation
	for _, v := range items {
		d.Add(v)
	}
	return d.Sample(), nil
}
