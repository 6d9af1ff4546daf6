package expr

import (
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// maxDepth limits the nesting of expressions.
const maxDepth = 200

// compiler is the state of one Compile. It carries the operator table so that
// the functions in the table can compile their arguments.
type compiler struct {
	table   map[string]operator
	opts    CompileOptions
	scope   []string // names of variables by slot
	current int      // slot that CURRENT is bound to, or -1 for the root
	depth   int
	redacts bool // CURRENT is bound from outside, as $redact does
	folding *Watch
}

func newCompiler(opts *CompileOptions) *compiler {
	p := &compiler{table: operators, current: -1, folding: newFolding()}
	if opts != nil {
		p.opts = *opts
	}
	for _, name := range p.opts.Vars {
		p.bind(name)
	}
	p.redacts = p.current >= 0
	return p
}

// expr compiles any value.
func (p *compiler) expr(v value.Value) (Expr, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fail(mongoerr.Overflow, "expression is nested too deeply")
	}
	defer func() { p.depth-- }()
	switch v.Kind() {
	case bson.TypeString:
		if s := v.Str(); strings.HasPrefix(s, "$") {
			return p.path(s)
		}
	case bson.TypeArray:
		return p.array(v.Doc())
	case bson.TypeEmbeddedDocument:
		return p.document(v.Doc())
	}
	return constant{v}, nil
}

// document compiles an operator or an object literal.
func (p *compiler) document(doc bson.Raw) (Expr, error) {
	it := value.Walk(doc)
	if !it.Next() {
		return constant{value.Document(doc)}, nil
	}
	if !strings.HasPrefix(it.Key(), "$") {
		return p.object(doc)
	}
	name, arg := it.Key(), it.Value()
	if it.Next() {
		return nil, fail(15983, "an object representing an expression must have exactly one field: %s", value.Document(doc))
	}
	if strings.HasPrefix(name, LocalPrefix) && p.opts.Library != nil {
		if f, ok := p.opts.Library.Functions[name[len(LocalPrefix):]]; ok {
			return p.local(name, f, arg)
		}
	}
	op, ok := p.table[name]
	if !ok {
		return nil, fail(mongoerr.InvalidPipelineOperator, "Unrecognized expression '%s'", name)
	}
	if op.parse != nil {
		return op.parse(p, name, arg)
	}
	return p.call(name, op, arg)
}

// args compiles the operand list of an operator: an array, or one operand.
func (p *compiler) args(arg value.Value) ([]Expr, error) {
	if !arg.IsArray() {
		e, err := p.expr(arg)
		return []Expr{e}, err
	}
	var out []Expr
	for it := value.Walk(arg.Doc()); it.Next(); {
		e, err := p.expr(it.Value())
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (p *compiler) call(name string, op operator, arg value.Value) (Expr, error) {
	args, err := p.args(arg)
	if err != nil {
		return nil, err
	}
	if err := checkArity(name, op.min, op.max, len(args)); err != nil {
		return nil, err
	}
	var e Expr
	switch {
	case op.one != nil:
		e = &unary{a: args[0], fn: op.one}
	case op.two != nil:
		e = &binary{a: args[0], b: args[1], fn: op.two}
	default:
		e = &call{args: args, fn: op.many}
	}
	return p.fold(e, !op.impure, args...)
}

func (p *compiler) local(name string, f Function, arg value.Value) (Expr, error) {
	args, err := p.args(arg)
	if err != nil {
		return nil, err
	}
	if err := checkArity(name, f.MinArgs, f.MaxArgs, len(args)); err != nil {
		return nil, err
	}
	return &call{args: args, fn: f.Eval}, nil
}

func checkArity(name string, least, most, n int) error {
	switch {
	case n >= least && (most < 0 || n <= most):
		return nil
	case least == most:
		return fail(16020, "Expression %s takes exactly %d arguments. %d were passed in.", name, least, n)
	}
	return fail(28667, "Expression %s takes at least %d arguments, and at most %d, but %d were passed in.", name, least, most, n)
}

// fold evaluates an expression whose parts are all constant.
func (p *compiler) fold(e Expr, pure bool, parts ...Expr) (Expr, error) {
	if !pure {
		return e, nil
	}
	for _, x := range parts {
		if _, ok := x.(constant); !ok && x != nil {
			return e, nil
		}
	}
	c := &Context{Vars: make([]value.Value, len(p.scope)), Watch: p.folding}
	v, err := e.Eval(c)
	if errors.Is(err, errFold) || v.Size() > maxFolded {
		return e, nil
	}
	c.Watch.steps += v.Size() / stepKept
	return constant{v}, err
}

// bind opens a scope with one more variable and gives its slot; the caller
// restores p.scope (and p.current) afterwards.
func (p *compiler) bind(name string) int {
	p.scope = append(p.scope, name)
	if name == "CURRENT" {
		p.current = len(p.scope) - 1
	}
	return len(p.scope) - 1
}

// scoped runs f and closes the variables that it bound.
func (p *compiler) scoped(f func() error) error {
	n, current := len(p.scope), p.current
	err := f()
	p.scope, p.current = p.scope[:n], current
	return err
}

func fail(code int32, format string, args ...any) error {
	return mongoerr.New(code, format, args...)
}
