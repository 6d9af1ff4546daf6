package match

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// maxDepth limits the nesting of filters.
const maxDepth = 200

type parser struct {
	opts  *expr.CompileOptions
	depth int
	inner bool // within $elemMatch: what concerns the whole document is refused
}

func bad(format string, args ...any) error {
	return mongoerr.New(mongoerr.BadValue, format, args...)
}

// filter reads {field: condition, …, $operator: …}.
func (p *parser) filter(doc bson.Raw) (Node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, mongoerr.New(mongoerr.Overflow, "exceeded maximum query tree depth of %d", maxDepth)
	}
	defer func() { p.depth-- }()
	all := &And{}
	for it := value.Walk(doc); it.Next(); {
		if strings.HasPrefix(it.Key(), "$") {
			n, err := p.topLevel(it.Key(), it.Value())
			if err != nil {
				return nil, err
			}
			if n != nil {
				all.Of = append(all.Of, n)
			}
			continue
		}
		nodes, err := p.field(newPath(it.Key()), it.Value())
		if err != nil {
			return nil, err
		}
		all.Of = append(all.Of, nodes...)
	}
	return all, nil
}

// field reads one field's condition.
func (p *parser) field(path Path, v value.Value) ([]Node, error) {
	switch v.Kind() {
	case bson.TypeEmbeddedDocument:
		if isOperators(v.Doc()) {
			return p.operators(path, v.Doc())
		}
	case bson.TypeRegex:
		n, err := newRegex(path, v)
		return []Node{n}, err
	case bson.TypeUndefined:
		return nil, bad("cannot compare to undefined")
	}
	return []Node{p.compare(path, Eq, v)}, nil
}

// isOperators tells whether a document is {$op: …} rather than a value; a
// DBRef is a value.
func isOperators(doc bson.Raw) bool {
	it := value.Walk(doc)
	if !it.Next() || !strings.HasPrefix(it.Key(), "$") {
		return false
	}
	switch it.Key() {
	case "$ref", "$id", "$db":
		return value.Lookup(doc, "$id").IsMissing() || value.Lookup(doc, "$ref").IsMissing()
	}
	return true
}

func (p *parser) compare(path Path, op Op, v value.Value) *Compare {
	return &Compare{Path: path, Op: op, Value: v, Collation: p.opts.Collation, class: value.Class(v.Kind())}
}

// topLevel reads an operator that stands where a field name may stand; nil
// for one that says nothing ($comment).
func (p *parser) topLevel(name string, v value.Value) (Node, error) {
	switch name {
	case "$and", "$or", "$nor":
		return p.logic(name, v)
	case "$comment":
		return nil, nil
	case "$alwaysTrue", "$alwaysFalse":
		if i, ok := v.Integral(); !ok || i != 1 {
			return nil, mongoerr.New(mongoerr.FailedToParse, "%s must be an integer value of 1", name)
		}
		return &Always{name == "$alwaysTrue"}, nil
	case "$jsonSchema":
		s, err := p.schema(v)
		return s, err
	case "$expr":
		return p.expr(v)
	case "$sampleRate":
		return p.sampleRate(v)
	case "$where":
		return nil, bad("$where is not allowed in this context")
	case "$text":
		if p.inner {
			return nil, bad("$text can only be applied to the top-level document")
		}
		return nil, mongoerr.New(mongoerr.IndexNotFound, "text index required for $text query")
	}
	return nil, bad("unknown top level operator: %s. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.", name)
}

func (p *parser) logic(name string, v value.Value) (Node, error) {
	if !v.IsArray() {
		return nil, bad("%s must be an array", name)
	}
	var of []Node
	for it := value.Walk(v.Doc()); it.Next(); {
		if !it.Value().IsDocument() {
			return nil, bad("$or/$and/$nor entries need to be full objects")
		}
		n, err := p.filter(it.Value().Doc())
		if err != nil {
			return nil, err
		}
		of = append(of, n)
	}
	if len(of) == 0 {
		return nil, bad("$and/$or/$nor must be a nonempty array")
	}
	switch name {
	case "$or":
		return &Or{of}, nil
	case "$nor":
		return &Nor{of}, nil
	}
	return &And{of}, nil
}

func (p *parser) expr(v value.Value) (Node, error) {
	if p.inner {
		return nil, bad("$expr can only be applied to the top-level document")
	}
	e, err := expr.CompileValue(v, p.opts)
	if err != nil {
		return nil, err
	}
	return &Expr{e}, nil
}

func (p *parser) sampleRate(v value.Value) (Node, error) {
	if p.inner {
		return nil, bad("$sampleRate can only be applied to the top-level document")
	}
	if !v.IsNumber() {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "argument to $sampleRate must be a numeric type")
	}
	rate := v.AsDouble()
	if !(rate >= 0 && rate <= 1) {
		return nil, bad("numeric argument to $sampleRate must be in [0, 1]")
	}
	return &Sample{rate}, nil
}

// simplify takes apart conjunctions of conjunctions and single-child logic.
func simplify(n Node) Node {
	switch x := n.(type) {
	case *And:
		var of []Node
		for _, c := range x.Of {
			c = simplify(c)
			if a, ok := c.(*And); ok {
				of = append(of, a.Of...)
				continue
			}
			of = append(of, c)
		}
		if len(of) == 1 {
			return of[0]
		}
		return &And{of}
	case *Or:
		for i, c := range x.Of {
			x.Of[i] = simplify(c)
		}
		if len(x.Of) == 1 {
			return x.Of[0]
		}
	case *Nor:
		for i, c := range x.Of {
			x.Of[i] = simplify(c)
		}
	case *Not:
		x.Of = simplify(x.Of)
	case *ElemMatch:
		x.Of = simplify(x.Of)
	}
	return n
}
