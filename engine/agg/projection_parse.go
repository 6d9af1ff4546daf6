package agg

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// projType is what the fields of a projection have agreed on so far.
type projType uint8

const (
	projUndecided projType = iota
	projInclusion
	projExclusion
)

// projParser parses the language of $project and, with find set, of the find
// command's projection, which adds $slice, $elemMatch and the positional $.
type projParser struct {
	compile     func(bson.RawValue) (expr.Expr, error)
	find        *findExtras // nil in pipelines
	typ         projType
	idMentioned bool
	idIncluded  bool
	root        *projNode
	// leaves that were excluded; they matter once the type is known
}

// parseProjection compiles a specification. It returns the projection and
// whether it is an inclusion.
func (p *projParser) parse(spec bson.Raw) (*projection, error) {
	p.root = &projNode{}
	for it := value.Walk(spec); it.Next(); {
		if err := p.field("", it.Key(), it.Value()); err != nil {
			return nil, err
		}
	}
	p.settleType()
	if p.typ == projInclusion && !p.idMentioned {
		p.includeID()
	}
	p.root.finish(p.typ == projExclusion, false)
	return &projection{root: p.root}, nil
}

func (p *projParser) settleType() {
	switch {
	case p.typ != projUndecided:
	case p.idIncluded, p.find != nil && p.find.elemMatch && !p.idMentioned:
		p.typ = projInclusion
	default:
		p.typ = projExclusion
	}
}

func (p *projParser) includeID() {
	if p.root.find("_id") < 0 {
		p.root.add(projEntry{name: "_id", action: actInclude})
	}
}

func (p *projParser) field(prefix, name string, v value.Value) error {
	path := name
	if prefix != "" {
		path = prefix + "." + name
	}
	if positional(path) {
		return p.positional(path, v)
	}
	if _, err := splitPath(path); err != nil {
		return err
	}
	if v.IsDocument() {
		return p.object(path, v)
	}
	if isFlag(v) {
		return p.flag(path, v.Truthy())
	}
	return p.computed(path, v)
}

func positional(path string) bool {
	return strings.HasSuffix(path, ".$") || strings.Contains(path, ".$.")
}

func isFlag(v value.Value) bool { return v.IsNumber() || v.Kind() == bson.TypeBoolean }

func (p *projParser) object(path string, v value.Value) error {
	it := value.Walk(v.Doc())
	if !it.Next() {
		return mongoerr.New(51270, "An empty sub-projection is not a valid value. Found empty object at path")
	}
	if op := it.Key(); strings.HasPrefix(op, "$") {
		arg := it.Value()
		if !it.Next() {
			return p.operator(path, op, arg, v)
		}
	}
	for it = value.Walk(v.Doc()); it.Next(); {
		if err := p.field(path, it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (p *projParser) operator(path, op string, arg, whole value.Value) error {
	if p.find != nil {
		if done, err := p.find.operator(p, path, op, arg, whole); done || err != nil {
			return err
		}
	}
	if p.typ == projExclusion && op != "$meta" {
		return mongoerr.New(31252, "Cannot use expression other than $meta in exclusion projection")
	}
	if op == "$meta" {
		e, err := p.compile(whole.RawValue())
		if err != nil {
			return err
		}
		return p.leaf(path, projEntry{action: actCompute, expr: e})
	}
	if op == "$elemMatch" {
		return mongoerr.New(mongoerr.InvalidPipelineOperator, "Cannot use $elemMatch in this context")
	}
	e, err := p.compile(whole.RawValue())
	if err != nil {
		return unknownTop(err, op)
	}
	p.typ = projInclusion
	return p.leaf(path, projEntry{action: actCompute, expr: e})
}

// unknownTop gives the projection's own code to an unknown outermost operator.
func unknownTop(err error, op string) error {
	if mongoerr.CodeOf(err) == mongoerr.InvalidPipelineOperator && strings.Contains(err.Error(), "'"+op+"'") {
		return mongoerr.New(31325, "Unknown expression %s", op)
	}
	return err
}

func (p *projParser) flag(path string, include bool) error {
	if path == "_id" {
		p.idMentioned, p.idIncluded = true, include
		return p.idFlag(include)
	}
	if include {
		if p.typ == projExclusion {
			return mongoerr.New(31253, "Cannot do inclusion on field %s in exclusion projection", path)
		}
		p.typ = projInclusion
		return p.leaf(path, projEntry{action: actInclude})
	}
	if p.typ == projInclusion {
		return mongoerr.New(31254, "Cannot do exclusion on field %s in inclusion projection", path)
	}
	p.typ = projExclusion
	return p.leaf(path, projEntry{action: actExclude})
}

// idFlag keeps an entry for _id in both directions: inclusions and exclusions
// may each say the contrary about it.
func (p *projParser) idFlag(include bool) error {
	if include {
		return p.leaf("_id", projEntry{action: actInclude})
	}
	return p.leaf("_id", projEntry{action: actExclude})
}

func (p *projParser) computed(path string, v value.Value) error {
	if p.typ == projExclusion {
		return mongoerr.New(31310, "Cannot use an expression %s in an exclusion projection", path)
	}
	e, err := p.compile(v.RawValue())
	if err != nil {
		return err
	}
	p.typ = projInclusion
	return p.leaf(path, projEntry{action: actCompute, expr: e})
}

// leaf puts an entry at a path of checked names.
func (p *projParser) leaf(path string, e projEntry) error {
	if firstPart(path) == "_id" {
		p.idMentioned = true
	}
	return addLeaf(p.root, path, e)
}

func addLeaf(n *projNode, path string, e projEntry) error {
	rest := path
	for {
		name := firstPart(rest)
		i := n.find(name)
		if name == rest {
			if i >= 0 {
				return mongoerr.New(31250, "Path collision at %s", path)
			}
			e.name = name
			n.add(e)
			return nil
		}
		rest = rest[len(name)+1:]
		if i < 0 {
			n.add(projEntry{name: name, action: actDescend, node: &projNode{}})
			i = len(n.entries) - 1
		}
		if n.entries[i].action != actDescend {
			return mongoerr.New(31249, "Path collision at %s remaining portion %s", path, rest)
		}
		n = n.entries[i].node
	}
}

func (p *projParser) positional(path string, v value.Value) error {
	if p.find == nil {
		return mongoerr.New(31324, "Cannot use positional projection in aggregation projection")
	}
	return p.find.positionalField(p, path, v)
}
