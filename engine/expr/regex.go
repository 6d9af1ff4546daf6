package expr

import (
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// parseRegex compiles $regexMatch, $regexFind and $regexFindAll.
func parseRegex(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(51103, "%s expects an object of named arguments but found: %s", name, typeName(arg))
	args, err := p.named(arg, notObject, unknownArgument(31024, name), "input", "regex", "options")
	switch {
	case err != nil:
		return nil, err
	case args[0] == nil:
		return nil, fail(31022, "%s requires 'input' parameter", name)
	case args[1] == nil:
		return nil, fail(31023, "%s requires 'regex' parameter", name)
	}
	e := &regexNode{name: name, args: args}
	re, fixed := Constant(args[1])
	opts, fixedToo := value.Value{}, args[2] == nil
	if !fixedToo {
		opts, fixedToo = Constant(args[2])
	}
	if fixed && fixedToo {
		if e.fixed, err = regexOf(name, re, opts); err != nil {
			return nil, err
		}
		e.isFixed = true
	}
	return p.fold(e, true, args...)
}

type regexNode struct {
	name    string
	args    []Expr // input, regex, options
	fixed   *Pattern
	isFixed bool
}

func (e *regexNode) Eval(c *Context) (value.Value, error) {
	input, err := e.args[0].Eval(c)
	if err != nil {
		return input, err
	}
	if !input.IsNullish() && !input.IsString() {
		return input, fail(51104, "%s needs 'input' to be of type string", e.name)
	}
	re := e.fixed
	if !e.isFixed {
		if re, err = e.compile(c); err != nil {
			return input, err
		}
	}
	if input.IsNullish() || re == nil {
		return e.none(), nil
	}
	s := input.Str()
	switch e.name {
	case "$regexMatch":
		ok, err := re.Matches(c, s)
		return value.Bool(ok), err
	case "$regexFind":
		m, err := re.Find(c, s, 0)
		if m == nil || err != nil {
			return value.Null(), err
		}
		return matchDocument(s, m, utf8.RuneCountInString(s[:m[0]])), nil
	}
	return findAll(c, re, s)
}

func (e *regexNode) compile(c *Context) (*Pattern, error) {
	re, err := e.args[1].Eval(c)
	if err != nil {
		return nil, err
	}
	opts, err := eval(e.args[2], c)
	if err != nil {
		return nil, err
	}
	return regexOf(e.name, re, opts)
}

// none is the result without an input or a pattern.
func (e *regexNode) none() value.Value {
	switch e.name {
	case "$regexMatch":
		return value.Bool(false)
	case "$regexFind":
		return value.Null()
	}
	return value.Array(value.EmptyDocument)
}

// regexOf compiles the operands; nil for a null pattern.
func regexOf(name string, re, opts value.Value) (*Pattern, error) {
	if !opts.IsNullish() && !opts.IsString() {
		return nil, fail(51106, "%s needs 'options' to be of type string", name)
	}
	pattern, options := "", ""
	if !opts.IsNullish() {
		options = opts.Str()
	}
	switch {
	case re.IsNullish():
		return nil, nil
	case re.IsString():
		pattern = re.Str()
	case re.Kind() == bson.TypeRegex:
		own := ""
		if pattern, own = re.AsRegex(); own != "" {
			if !opts.IsNullish() {
				return nil, fail(51107, "%s: found regex option(s) specified in both 'regex' and 'option' fields", name)
			}
			options = own
		}
	default:
		return nil, fail(51105, "%s needs 'regex' to be of type string or regex", name)
	}
	if strings.IndexByte(pattern, 0) >= 0 {
		return nil, fail(51109, "%s: regular expression cannot contain an embedded null byte", name)
	}
	if strings.IndexByte(options, 0) >= 0 {
		return nil, fail(51110, "%s: regular expression options cannot contain an embedded null byte", name)
	}
	for _, o := range options {
		if !strings.ContainsRune("imsx", o) {
			return nil, fail(51108, "%s invalid flag in regex options: %c", name, o)
		}
	}
	p, err := CompilePattern(pattern, options)
	if err != nil {
		return nil, fail(51111, "Invalid Regex in %s: %v", name, err)
	}
	return p, nil
}

func matchDocument(s string, m []int, index int) value.Value {
	var b value.Builder
	b.Add("match", value.String(s[m[0]:m[1]]))
	b.Add("idx", value.Int32(int32(index)))
	b.Open(bson.TypeArray, "captures")
	for i := 2; i < len(m); i += 2 {
		if m[i] < 0 {
			b.Item(value.Null())
			continue
		}
		b.Item(value.String(s[m[i]:m[i+1]]))
	}
	b.Close()
	return b.DocumentOf()
}

// findAll goes on behind each match, by one code point behind an empty one.
func findAll(c *Context, re *Pattern, s string) (value.Value, error) {
	out := collector{c: c}
	index, counted := 0, 0
	for from := 0; from == 0 || from < len(s); {
		m, err := re.Find(c, s, from)
		if err != nil {
			return value.Null(), err
		}
		if m == nil {
			break
		}
		index += utf8.RuneCountInString(s[counted:m[0]])
		counted = m[0]
		if err := out.item(matchDocument(s, m, index)); err != nil {
			return value.Null(), err
		}
		if from = m[1]; m[0] == m[1] {
			_, n := utf8.DecodeRuneInString(s[from:])
			from += max(n, 1)
		}
	}
	return out.b.ArrayOf(), nil
}
