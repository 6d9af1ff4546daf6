package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
)

// RunOne maps one document, for the pipelines of updates. x may be nil; its
// variables are replaced by those of Env.Let. The result is valid until the
// pipeline is used again.
func (p *Pipeline) RunOne(x *expr.Context, doc bson.Raw) (bson.Raw, error) {
	if p.one == nil {
		p.one = p.env.context()
	}
	own := p.one
	if x != nil {
		own.Now, own.ClusterTime, own.Session, own.Watch = x.Now, x.ClusterTime, x.Session, x.Watch
	}
	for _, s := range p.stages {
		var err error
		if doc, err = s.(mapper).mapOne(own, doc); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

// mapper is a stage that makes one document of each.
type mapper interface {
	mapOne(x *expr.Context, doc bson.Raw) (bson.Raw, error)
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
