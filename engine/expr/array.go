package expr

import (
	"cmp"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

func arrayElemAt(_ *Context, a, b value.Value) (value.Value, error) {
	switch {
	case a.IsNullish() || b.IsNullish():
		return value.Null(), nil
	case !a.IsArray():
		return a, fail(28689, "$arrayElemAt's first argument must be an array, but is %s", typeName(a))
	case !b.IsNumber():
		return a, fail(28690, "$arrayElemAt's second argument must be a numeric value, but is %s", typeName(b))
	}
	i, ok := b.Integral32()
	if !ok {
		return a, fail(28691, "$arrayElemAt's second argument must be representable as a 32-bit integer: %s", b)
	}
	return elementAt(a.Doc(), int(i)), nil
}

func elementAt(arr bson.Raw, i int) value.Value {
	if i < 0 {
		i += value.Len(arr)
	}
	return value.Index(arr, i)
}

func firstOrLast(name string, i int) func(*Context, value.Value) (value.Value, error) {
	return func(_ *Context, a value.Value) (value.Value, error) {
		switch {
		case a.IsArray():
			return elementAt(a.Doc(), i), nil
		case a.IsNullish():
			return value.Null(), nil
		}
		return a, fail(28689, "%s's argument must be an array, but is %s", name, typeName(a))
	}
}

func concatArrays(c *Context, args []value.Value) (value.Value, error) {
	out := collector{c: c}
	for _, a := range args {
		if a.IsNullish() {
			return value.Null(), nil
		}
		if !a.IsArray() {
			return a, fail(28664, "$concatArrays only supports arrays, not %s", typeName(a))
		}
		for it := value.Walk(a.Doc()); it.Next(); {
			if err := out.item(it.Value()); err != nil {
				return a, err
			}
		}
	}
	return out.b.ArrayOf(), nil
}

func isArray(_ *Context, a value.Value) (value.Value, error) { return value.Bool(a.IsArray()), nil }

func size(_ *Context, a value.Value) (value.Value, error) {
	if !a.IsArray() {
		return a, fail(17124, "The argument to $size must be an array, but was of type: %s", typeName(a))
	}
	return value.Int32(int32(value.Len(a.Doc()))), nil
}

func parseIn(p *compiler, name string, arg value.Value) (Expr, error) {
	col := p.opts.Collation
	return p.call(name, operator{min: 2, max: 2, two: func(_ *Context, a, b value.Value) (value.Value, error) {
		if !b.IsArray() {
			return b, fail(40081, "$in requires an array as a second argument, found: %s", typeName(b))
		}
		for it := value.Walk(b.Doc()); it.Next(); {
			if value.EqualCollated(a, it.Value(), col) {
				return value.Bool(true), nil
			}
		}
		return value.Bool(false), nil
	}}, arg)
}

func parseIndexOfArray(p *compiler, name string, arg value.Value) (Expr, error) {
	col := p.opts.Collation
	return p.call(name, operator{min: 2, max: 4, many: func(_ *Context, args []value.Value) (value.Value, error) {
		if args[0].IsNullish() {
			return value.Null(), nil
		}
		if !args[0].IsArray() {
			return args[0], fail(40090, "$indexOfArray requires an array as a first argument, found: %s", typeName(args[0]))
		}
		from, to, err := indexRange("$indexOfArray", args, value.Len(args[0].Doc()))
		if err != nil {
			return args[0], err
		}
		i := 0
		for it := value.Walk(args[0].Doc()); it.Next() && i < to; i++ {
			if i >= from && value.EqualCollated(it.Value(), args[1], col) {
				return value.Int32(int32(i)), nil
			}
		}
		return value.Int32(-1), nil
	}}, arg)
}

// indexRange reads the optional start and end of the $indexOf operators.
func indexRange(name string, args []value.Value, length int) (from, to int, err error) {
	to = length
	for i, v := range args[2:] {
		what := []string{"starting", "ending"}[i]
		n, ok := v.Integral32()
		if !ok {
			return 0, 0, fail(40096, "%srequires an integral %s index, found a value of type: %s, with value: \"%s\"", name, what, typeName(v), v)
		}
		if n < 0 {
			return 0, 0, fail(40097, "%s requires a nonnegative %s index, found: %d", name, what, n)
		}
		if i == 0 {
			from = int(n)
		} else {
			to = min(to, int(n))
		}
	}
	return from, to, nil
}

// rangeItem is what the server reckons for a number of $range, in bytes.
const rangeItem = 16

func rangeOp(_ *Context, args []value.Value) (value.Value, error) {
	n := [3]int64{2: 1}
	for i, v := range args {
		what := []string{"starting", "ending", "step"}[i]
		if !v.IsNumber() {
			return v, fail(34443+2*int32(i), "$range requires a numeric %s value, found value of type: %s", what, typeName(v))
		}
		x, ok := v.Integral32()
		if !ok {
			return v, fail(34444+2*int32(i), "$range requires a %s value that can be represented as a 32-bit integer, found value: %s", what, v)
		}
		n[i] = int64(x)
	}
	if n[2] == 0 {
		return value.Value{}, fail(34449, "$range requires a non-zero step value")
	}
	if need := max((n[1]-n[0])/n[2], 0) * rangeItem; need > maxMemory {
		return value.Value{}, fail(mongoerr.ExceededMemoryLimit, "$range would use too much memory (%d bytes) and cannot spill to disk. Memory limit: %d bytes", need, maxMemory)
	}
	start, buf := value.BeginDocument(nil)
	i := 0
	for x := n[0]; n[2] > 0 && x < n[1] || n[2] < 0 && x > n[1]; x += n[2] {
		buf = value.AppendItem(buf, i, value.Int32(int32(x)))
		i++
	}
	return value.Array(value.EndDocument(buf, start)), nil
}

func reverseArray(_ *Context, a value.Value) (value.Value, error) {
	switch {
	case a.IsNullish():
		return value.Null(), nil
	case !a.IsArray():
		return a, fail(34435, "The argument to $reverseArray must be an array, but was of type: %s", typeName(a))
	}
	items := value.Items(nil, a.Doc())
	slices.Reverse(items)
	return value.ArrayFrom(items), nil
}

func slice(_ *Context, args []value.Value) (value.Value, error) {
	a := args[0]
	if a.IsNullish() || args[1].IsNullish() {
		return value.Null(), nil
	}
	if !a.IsArray() {
		return a, fail(28724, "First argument to $slice must be an array, but is of type: %s", typeName(a))
	}
	second, err := sliceNumber(args[1], "Second", 28725)
	if err != nil {
		return a, err
	}
	items := value.Items(nil, a.Doc())
	n := int64(len(items))
	from, count := int64(0), second
	switch {
	case len(args) == 3 && args[2].IsNullish():
		return value.Null(), nil
	case len(args) == 3:
		if count, err = sliceNumber(args[2], "Third", 28727); err != nil {
			return a, err
		}
		if count <= 0 {
			return a, fail(28729, "Third argument to $slice must be positive: %d", count)
		}
		if from = second; from < 0 {
			from = max(0, n+from)
		}
	case second < 0:
		from, count = max(0, n+second), n
	}
	from = min(from, n)
	return value.ArrayFrom(items[from:min(n, from+count)]), nil
}

func sliceNumber(v value.Value, which string, code int32) (int64, error) {
	if !v.IsNumber() {
		return 0, fail(code, "%s argument to $slice must be a numeric value, but is of type: %s", which, typeName(v))
	}
	n, ok := v.Integral32()
	if !ok {
		return 0, fail(code+1, "%s argument to $slice can't be represented as a 32-bit integer: %s", which, v)
	}
	return int64(n), nil
}

func parseZip(p *compiler, name string, arg value.Value) (Expr, error) {
	if !arg.IsDocument() {
		return nil, fail(34460, "$zip only supports an object as an argument, found %s", typeName(arg))
	}
	var inputs, defaults []Expr
	longest := false
	for it := value.Walk(arg.Doc()); it.Next(); {
		v := it.Value()
		var err error
		switch it.Key() {
		case "inputs":
			if !v.IsArray() {
				return nil, fail(34461, "inputs must be an array of expressions, found %s", typeName(v))
			}
			inputs, err = p.args(v)
		case "defaults":
			if !v.IsArray() {
				return nil, fail(34462, "defaults must be an array of expressions, found %s", typeName(v))
			}
			defaults, err = p.args(v)
		case "useLongestLength":
			if v.Kind() != bson.TypeBoolean {
				return nil, fail(34463, "useLongestLength must be a bool, found %s", typeName(v))
			}
			longest = v.AsBool()
		default:
			err = fail(34464, "$zip found an unknown argument: %s", it.Key())
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case len(inputs) == 0:
		return nil, fail(34465, "$zip requires at least one input array")
	case len(defaults) > 0 && !longest:
		return nil, fail(34466, "cannot specify defaults unless useLongestLength is true")
	case len(defaults) > 0 && len(defaults) != len(inputs):
		return nil, fail(34467, "defaults and inputs must have the same length")
	}
	e := &zipNode{inputs, defaults, longest}
	return p.fold(e, true, append(slices.Clone(inputs), defaults...)...)
}

type zipNode struct {
	inputs, defaults []Expr
	longest          bool
}

func (e *zipNode) Eval(c *Context) (value.Value, error) {
	held := c.held
	defer func() { c.held = held }()
	columns := make([][]value.Value, len(e.inputs))
	short, long := math.MaxInt, 0
	for i, x := range e.inputs {
		v, err := x.Eval(c)
		switch {
		case err != nil:
			return v, err
		case v.IsNullish():
			return value.Null(), nil
		case !v.IsArray():
			return v, fail(34468, "$zip found a non-array expression in input: %s", v)
		}
		if err := c.hold(v); err != nil {
			return v, err
		}
		columns[i] = value.Items(nil, v.Doc())
		short, long = min(short, len(columns[i])), max(long, len(columns[i]))
	}
	fill := make([]value.Value, len(e.inputs))
	for i, x := range e.defaults {
		var err error
		if fill[i], err = x.Eval(c); err != nil {
			return fill[i], err
		}
	}
	rows := short
	if e.longest {
		rows = long
	}
	return e.rows(c, rows, columns, fill)
}

func (e *zipNode) rows(c *Context, rows int, columns [][]value.Value, fill []value.Value) (value.Value, error) {
	var b value.Builder
	for r := range rows {
		if err := cmp.Or(checkMemory(b.Size()), c.Step()); err != nil {
			return value.Value{}, err
		}
		b.OpenItem(bson.TypeArray)
		for i, col := range columns {
			if r < len(col) {
				b.Item(col[r])
			} else {
				b.Item(fill[i])
			}
		}
		b.Close()
	}
	return b.ArrayOf(), nil
}
