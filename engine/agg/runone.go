package agg

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
)

// MapsEach tells whether RunOne runs the pipeline: its stages look at one document
// at a time and make at most one of it.
func (p *Pipeline) MapsEach() bool {
	return !slices.ContainsFunc(p.stages, func(s stage) bool { _, ok := s.(mapper); return !ok })
}

// keptDoc is the size of the largest document, in bytes, whose evaluation leaves its
// context to the next: a context holds on to what it saw.
const keptDoc = 64 << 10

// RunOne maps one document; nil: a $match refuses it. x may be nil; its variables
// are replaced by those of Env.Let. The result is valid until the pipeline is used
// again.
func (p *Pipeline) RunOne(x *expr.Context, doc bson.Raw) (bson.Raw, error) {
	if p.one == nil {
		p.one = p.env.context()
	}
	own := p.one
	if x != nil {
		own.Now, own.ClusterTime, own.Session, own.Watch = x.Now, x.ClusterTime, x.Session, x.Watch
	}
	if len(doc) > keptDoc {
		p.one = nil
	}
	for _, s := range p.stages {
		var err error
		if doc, err = s.(mapper).mapOne(own, doc); err != nil || doc == nil {
			return nil, err
		}
	}
	return doc, nil
}

// mapper is a stage that makes one document of each, or none: nil.
type mapper interface {
	mapOne(x *expr.Context, doc bson.Raw) (bson.Raw, error)
}

func (s *matchStage) mapOne(x *expr.Context, doc bson.Raw) (bson.Raw, error) {
	x.Root = doc
	if ok, err := s.m.Match(x, doc); !ok || err != nil {
		return nil, err
	}
	return doc, nil
}

func (s *projectStage) mapOne(x *expr.Context, doc bson.Raw) (bson.Raw, error) {
	x.Root = doc
	return s.p.apply(x, nil, doc)
}

func (s *replaceRootStage) mapOne(x *expr.Context, doc bson.Raw) (bson.Raw, error) {
	x.Root = doc
	v, err := s.e.Eval(x)
	if err != nil {
		return nil, err
	}
	if !v.IsDocument() {
		return nil, s.notObject(v)
	}
	return v.Doc(), nil
}
