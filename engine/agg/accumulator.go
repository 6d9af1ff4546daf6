package agg

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// accumulator collects the values of one group, bucket or window. A value
// passed to add is only valid during the call.
type accumulator interface {
	add(v value.Value) error
	result() (value.Value, error)
	// size is about how many bytes it holds beyond its own struct.
	size() int
}

// docAccumulator takes whole documents, for what needs more than one value.
type docAccumulator interface {
	accumulator
	addDoc(x *expr.Context, doc bson.Raw) error
}

// accSpec is one compiled {field: {$operator: argument}}.
type accSpec struct {
	field string
	arg   input // what add gets; unused when docs is set
	docs  bool
	// counts says that the result is the number of documents.
	counts bool
	// first says that only the first document of a group matters.
	first bool
	// sorter is the order that docs are taken in, where there is one.
	sorter *sortPattern
	make   func(x *expr.Context) (accumulator, error)
}

// feed adds a document to an accumulator made by the spec.
func (s *accSpec) feed(x *expr.Context, e *extractor, acc accumulator, doc bson.Raw) error {
	if s.docs {
		return acc.(docAccumulator).addDoc(x, doc)
	}
	v, err := s.arg.eval(x, e)
	if err != nil {
		return err
	}
	return acc.add(v)
}

type accCompiler func(c *compiler, e *extractor, name string, arg bson.RawValue, s *accSpec) error

// lookupAccumulator is the table of accumulators.
func lookupAccumulator(name string) accCompiler {
	switch name {
	case "$sum":
		return compileSum
	case "$avg":
		return unary(func() accumulator { return &avgAcc{} })
	case "$min":
		return compileMinMax
	case "$max":
		return compileMinMax
	case "$first":
		return firstOf
	case "$last":
		return unary(func() accumulator { return &lastAcc{} })
	case "$push":
		return unary(func() accumulator { return &pushAcc{} })
	case "$addToSet":
		return compileAddToSet
	case "$stdDevPop":
		return unary(func() accumulator { return &stdDevAcc{} })
	case "$stdDevSamp":
		return unary(func() accumulator { return &stdDevAcc{sample: true} })
	case "$mergeObjects":
		return unary(func() accumulator { return &mergeAcc{} })
	case "$count":
		return compileCountAcc
	case "$firstN", "$lastN", "$minN", "$maxN":
		return compileN
	case "$top", "$topN", "$bottom", "$bottomN":
		return compileTop
	case "$median", "$percentile":
		return compilePercentile
	}
	return nil
}

func unary(make func() accumulator) accCompiler {
	return func(c *compiler, e *extractor, name string, arg bson.RawValue, s *accSpec) (err error) {
		s.make = func(*expr.Context) (accumulator, error) { return make(), nil }
		s.arg, err = unaryArg(c, e, name, arg)
		return err
	}
}

func firstOf(c *compiler, e *extractor, name string, arg bson.RawValue, s *accSpec) error {
	s.first = true
	return unary(func() accumulator { return &firstAcc{} })(c, e, name, arg, s)
}

func unaryArg(c *compiler, e *extractor, name string, arg bson.RawValue) (input, error) {
	if arg.Type == bson.TypeArray {
		return input{}, mongoerr.New(40237, "The %s accumulator is a unary operator", name)
	}
	return e.input(c, arg)
}

// accumulatorField compiles {field: {$operator: argument}} of $group and $bucket.
func (c *compiler) accumulatorField(e *extractor, field string, v value.Value) (accSpec, error) {
	s := accSpec{field: field}
	if strings.HasPrefix(field, "$") {
		return s, mongoerr.New(40236, "The field name '%s' cannot be an operator name", field)
	}
	if strings.Contains(field, ".") {
		return s, mongoerr.New(40235, "The field name '%s' cannot contain '.'", field)
	}
	if !v.IsDocument() {
		return s, mongoerr.New(40234, "The field '%s' must be an accumulator object", field)
	}
	it := value.Walk(v.Doc())
	if !it.Next() {
		return s, mongoerr.New(40238, "The field '%s' must specify one accumulator", field)
	}
	name, arg := it.Key(), it.Value().RawValue()
	if !strings.HasPrefix(name, "$") {
		return s, mongoerr.New(40234, "The field '%s' must be an accumulator object", field)
	}
	if it.Next() {
		return s, mongoerr.New(40238, "The field '%s' must specify one accumulator", field)
	}
	return s, c.accumulator(e, name, arg, &s)
}

func (c *compiler) accumulator(e *extractor, name string, arg bson.RawValue, s *accSpec) error {
	if compile := lookupAccumulator(name); compile != nil {
		return compile(c, e, name, arg, s)
	}
	if c.env.Library != nil {
		if make := c.env.Library.Accumulators[strings.TrimPrefix(name, "$weir.")]; make != nil && strings.HasPrefix(name, "$weir.") {
			return c.libraryAccumulator(make, arg, s)
		}
	}
	return mongoerr.New(15952, "unknown group operator '%s'", name)
}

// libraryAccumulator compiles the arguments of a local-only accumulator.
func (c *compiler) libraryAccumulator(make func() expr.Accumulator, arg bson.RawValue, s *accSpec) error {
	list := []bson.RawValue{arg}
	if arg.Type == bson.TypeArray {
		list = nil
		for it := value.Walk(arg.Value); it.Next(); {
			list = append(list, it.Value().RawValue())
		}
	}
	args := []expr.Expr{}
	for _, raw := range list {
		e, err := c.expr(raw)
		if err != nil {
			return err
		}
		args = append(args, e)
	}
	s.docs = true
	s.make = func(*expr.Context) (accumulator, error) {
		return &libraryAcc{acc: make(), args: args, vals: makeValues(len(args))}, nil
	}
	return nil
}

func makeValues(n int) []value.Value { return make([]value.Value, n) }

type libraryAcc struct {
	acc  expr.Accumulator
	args []expr.Expr
	vals []value.Value
	n    int
}

func (a *libraryAcc) addDoc(x *expr.Context, _ bson.Raw) (err error) {
	for i, e := range a.args {
		if a.vals[i], err = e.Eval(x); err != nil {
			return err
		}
	}
	a.n++
	return a.acc.Add(a.vals)
}

func (a *libraryAcc) add(value.Value) error        { return nil }
func (a *libraryAcc) result() (value.Value, error) { return a.acc.Result() }
func (a *libraryAcc) size() int                    { return 64 + 16*a.n }
