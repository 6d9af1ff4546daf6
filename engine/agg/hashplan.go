package agg

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/store"
)

// hashPlan is how a $lookup's pipeline is shared between the time when the
// foreign side is hashed and the time when a document looks for its matches.
type hashPlan struct {
	// build filters foreign documents before they are hashed; nil: none.
	build *matchStage
	// rest is what is left of the filter: it depends on the local document.
	rest *matchStage
	// simple tells that build and rest are all of the pipeline.
	simple bool
	// keep are the fields of foreign documents that anything reads, nil: all.
	keep []string
}

// planHashes plans every $lookup by equality of fields.
func planHashes(c *compiler, stages []stage) []stage {
	for i, s := range stages {
		l, ok := s.(*lookupStage)
		if !ok || l.local == nil || l.from == "" {
			continue
		}
		planned := *l
		planned.hashed = splitPipeline(c, l)
		planned.hashed.keep = foreignFields(&planned, stages[i+1:])
		stages[i] = &planned
	}
	return stages
}

// splitPipeline takes the conditions on the foreign document alone out of the
// pipeline's first filter.
func splitPipeline(c *compiler, l *lookupStage) hashPlan {
	if l.pipe == nil || len(l.pipe.stages) == 0 {
		return hashPlan{}
	}
	m, ok := l.pipe.stages[0].(*matchStage)
	if !ok || hasVolatile([]bson.Raw{m.filter}) {
		return hashPlan{}
	}
	sub := c.sub(inLookup)
	opts := *c.opts
	opts.Vars = append(append([]string(nil), opts.Vars...), l.lets.names...)
	sub.opts = &opts
	var own, rest []bson.Raw
	for _, part := range Conjuncts(nil, m.filter) {
		for _, p := range exprConjuncts(part) {
			if mentionsIn(value.Document(p), opts.Vars) {
				rest = append(rest, p)
			} else {
				own = append(own, p)
			}
		}
	}
	h := hashPlan{simple: len(l.pipe.stages) == 1}
	if len(own) == 0 {
		return hashPlan{}
	}
	if h.build = matchOf(sub, own); h.build == nil {
		return hashPlan{}
	}
	if len(rest) > 0 {
		if h.rest = matchOf(sub, rest); h.rest == nil {
			return hashPlan{}
		}
	}
	return h
}

// exprConjuncts takes the $and inside of an $expr apart.
func exprConjuncts(filter bson.Raw) []bson.Raw {
	e := value.Lookup(filter, "$expr")
	if !e.IsDocument() {
		return []bson.Raw{filter}
	}
	parts := andParts(nil, e)
	if len(parts) < 2 {
		return []bson.Raw{filter}
	}
	var out []bson.Raw
	for _, p := range parts {
		var b value.Builder
		b.Add("$expr", p)
		out = append(out, b.Doc())
	}
	return out
}

// foreignFields are the fields of the foreign documents that the pipeline of a
// $lookup with its $unwind and the following stages read; nil: perhaps all.
func foreignFields(l *lookupStage, after []stage) []string {
	f := required(after)
	if l.unwind == nil || f == nil || len(l.as) != 1 {
		return nil
	}
	keep := []string{}
	add := func(name string) {
		if !slices.Contains(keep, name) {
			keep = append(keep, name)
		}
	}
	for _, p := range f.paths {
		if p == l.as[0] {
			return nil
		}
		if below, ok := strings.CutPrefix(p, l.as[0]+"."); ok {
			add(firstPart(below))
		}
	}
	if l.pipe == nil || len(l.pipe.stages) == 0 {
		return keep
	}
	in := &fieldSet{}
	for _, s := range l.pipe.stages {
		m, ok := s.(*matchStage)
		if !ok {
			return nil
		}
		m.needs(in)
	}
	if in.whole {
		return nil
	}
	for _, name := range in.names {
		add(name)
	}
	return keep
}

func anyLookup(stages []stage) bool {
	for _, s := range stages {
		if _, ok := s.(*lookupStage); ok {
			return true
		}
	}
	return false
}

// oftenRead is the number of field reads from which a shorter document pays.
const oftenRead = 12

// readsOften tells whether the first stage looks for fields so often that it
// is cheaper to cut the document down to them first.
func readsOften(stages []stage) bool {
	if len(stages) == 0 {
		return false
	}
	g, ok := stages[0].(*groupStage)
	return ok && len(g.deps.Fields) >= oftenRead
}

// bindSub gives the variables of the sub-pipeline their values for the document
// at hand, and computes the further values of the key.
func (j *joiner) bindSub() (err error) {
	if j.sub == nil {
		j.sub = j.r.with(&expr.Context{Now: j.r.x.Now, ClusterTime: j.r.x.ClusterTime, Session: j.r.x.Session, Watch: j.r.x.Watch,
			Vars: make([]value.Value, j.s.lets.outer+len(j.s.lets.exprs))})
	}
	x := j.sub.x
	copy(x.Vars[:j.s.lets.outer], j.r.x.Vars)
	for i, e := range j.s.lets.exprs {
		if x.Vars[j.s.lets.outer+i], err = e.Eval(j.r.x); err != nil {
			return err
		}
	}
	return j.bindMore(x)
}

// bindMore computes the further values of the key.
func (j *joiner) bindMore(x *expr.Context) error {
	j.extra = j.extra[:0]
	if len(j.table.more) == 0 {
		return nil
	}
	x.Root = value.EmptyDocument
	for _, on := range j.s.joinOn[len(j.s.joinOn)-len(j.table.more):] {
		v, err := on.probe.Eval(x)
		if err != nil {
			return err
		}
		j.extra = appendEqualKey(j.extra, v, j.table.coll)
	}
	return nil
}

// filteredHits are the matches of a plan that is nothing but filters.
func (j *joiner) filteredHits() (store.Cursor, error) {
	h := &j.s.hashed
	if h.rest == nil && len(j.table.more) == 0 {
		return j.table.find(j, j.vals), nil
	}
	if err := j.bindSub(); err != nil {
		return nil, err
	}
	cur := j.table.find(j, j.vals)
	if h.rest == nil {
		return cur, nil
	}
	j.filtered = filteredHits{hits: cur, x: j.sub.x, m: h.rest}
	return &j.filtered, nil
}

// filteredHits gives the hits that pass a filter over the bound variables.
type filteredHits struct {
	hits store.Cursor
	x    *expr.Context
	m    *matchStage
}

func (c *filteredHits) Next(ctx context.Context) (bson.Raw, error) {
	for {
		doc, err := c.hits.Next(ctx)
		if err != nil {
			return nil, err
		}
		c.x.Root = doc
		if ok, err := c.m.m.Match(c.x, doc); ok || err != nil {
			return doc, err
		}
	}
}

func (c *filteredHits) Close() error { return nil }
