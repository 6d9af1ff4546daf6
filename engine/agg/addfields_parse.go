package agg

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// addFieldsParser parses the specification of $addFields and $set.
type addFieldsParser struct {
	compile func(bson.RawValue) (expr.Expr, error)
	root    *projNode
}

func (p *addFieldsParser) parse(spec bson.Raw) (*projection, error) {
	p.root = &projNode{}
	for it := value.Walk(spec); it.Next(); {
		if err := p.field(it.Key(), it.Value()); err != nil {
			return nil, err
		}
	}
	p.root.finish(true, true)
	return &projection{root: p.root}, nil
}

func (p *addFieldsParser) field(path string, v value.Value) error {
	if _, err := splitPath(path); err != nil {
		return err
	}
	if !v.IsDocument() {
		return p.leaf(path, v)
	}
	it := value.Walk(v.Doc())
	if !it.Next() {
		return mongoerr.New(40180, "an empty object is not a valid value. Found empty object at path %s", path)
	}
	if strings.HasPrefix(it.Key(), "$") {
		if it.Next() {
			return mongoerr.New(40181, "an expression specification must contain exactly one field, the name of the expression. Found %d fields in %s", value.Len(v.Doc()), v.Doc())
		}
		return p.leaf(path, v)
	}
	return p.object(path, v.Doc())
}

func (p *addFieldsParser) object(path string, doc bson.Raw) error {
	for it := value.Walk(doc); it.Next(); {
		name := it.Key()
		if strings.HasPrefix(name, "$") {
			return mongoerr.New(40182, "cannot use an expression specification next to field names at path %s", path)
		}
		if strings.Contains(name, ".") {
			return mongoerr.New(40183, "cannot use dotted field name '%s' in a sub object", name)
		}
		if err := p.field(path+"."+name, it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (p *addFieldsParser) leaf(path string, v value.Value) error {
	e, err := p.compile(v.RawValue())
	if err != nil {
		return err
	}
	if err := addLeaf(p.root, path, projEntry{action: actCompute, expr: e}); err != nil {
		return mongoerr.New(40176, "specification contains two conflicting paths at '%s'", path)
	}
	return nil
}
