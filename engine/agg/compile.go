package agg

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

// maxStages is the server's limit on the length of a pipeline.
const maxStages = 1000

// Pipeline is a compiled pipeline. It may be run many times, but not by two
// goroutines at once.
type Pipeline struct {
	env    *Env
	stages []stage
	scan   scanPlan
	one    *expr.Context // of RunOne
}

// where is the place a pipeline stands in; some stages are refused in some places.
type where uint8

const (
	inTop where = iota
	inLookup
	inUnion
	inFacet
	inUpdate
	inChangeStream
)

// compiler carries what the stages of one pipeline are compiled with.
type compiler struct {
	env   *Env
	opts  *expr.CompileOptions
	where where
	last  bool // the stage being compiled is the last one
	depth int
}

// stageCompiler makes the stages that one specification stands for.
type stageCompiler func(c *compiler, spec bson.RawValue) ([]stage, error)

// Compile checks and compiles a pipeline of raw stage documents.
func Compile(pipeline []bson.Raw, env *Env) (*Pipeline, error) {
	if env == nil {
		env = &Env{}
	}
	c := &compiler{env: env, opts: env.compileOptions()}
	return c.pipeline(pipeline)
}

// CompileUpdate compiles the pipeline of an update, where only few stages are
// allowed; let names further variables that RunOne gets values for.
func CompileUpdate(pipeline []bson.Raw, env *Env) (*Pipeline, error) {
	if env == nil {
		env = &Env{}
	}
	c := &compiler{env: env, opts: env.compileOptions(), where: inUpdate}
	return c.pipeline(pipeline)
}

func (c *compiler) pipeline(specs []bson.Raw) (*Pipeline, error) {
	if len(specs) > maxStages {
		return nil, mongoerr.New(7749501, "Pipeline length must be no longer than %d stages", maxStages)
	}
	if c.depth > 20 {
		return nil, mongoerr.New(165, "Maximum number of nested sub-pipelines exceeded. Limit is 20")
	}
	p := &Pipeline{env: c.env}
	if len(specs) > 0 && c.where == inTop && firstKey(specs[0]) == "$changeStream" {
		sub := *c
		sub.where = inChangeStream
		c = &sub
	}
	for i, spec := range specs {
		stages, err := c.stage(spec, i, len(specs))
		if err != nil {
			return nil, err
		}
		c.noteSort(stages)
		p.stages = append(p.stages, stages...)
	}
	p.stages = optimize(c, p.stages)
	p.scan = planScan(p.stages)
	return p, nil
}

// KnownStages refuses a pipeline that names a stage there is not, without
// compiling it.
func KnownStages(pipeline bson.Raw) error {
	for it := value.Walk(pipeline); it.Next(); {
		if !it.Value().IsDocument() {
			continue
		}
		if name := firstKey(it.Value().Doc()); name != "" && stageNamed(name) == nil {
			return mongoerr.New(40324, "Unrecognized pipeline stage name: '%s'", name)
		}
	}
	return nil
}

func firstKey(doc bson.Raw) string {
	if it := value.Walk(doc); it.Next() {
		return it.Key()
	}
	return ""
}

func (c *compiler) stage(spec bson.Raw, i, n int) ([]stage, error) {
	it := value.Walk(spec)
	if !it.Next() {
		return nil, mongoerr.New(40323, "A pipeline stage specification object must contain exactly one field.")
	}
	name, v := it.Key(), it.Value().RawValue()
	if it.Next() {
		return nil, mongoerr.New(40323, "A pipeline stage specification object must contain exactly one field.")
	}
	if f := c.localStage(name); f != nil {
		st, err := f(v, c.env)
		if err != nil {
			return nil, err
		}
		return []stage{localStage{st}}, nil
	}
	compile := stageNamed(name)
	if compile == nil {
		return nil, mongoerr.New(40324, "Unrecognized pipeline stage name: '%s'", name)
	}
	if err := c.checkPlace(name, i, n); err != nil {
		return nil, err
	}
	c.last = i == n-1
	return c.compileStage(compile, v)
}

// compileStage compiles one stage and notes what its expressions read.
func (c *compiler) compileStage(compile stageCompiler, v bson.RawValue) ([]stage, error) {
	opts := *c.opts
	opts.Deps = &expr.Deps{}
	sub := *c
	sub.opts = &opts
	stages, err := compile(&sub, v)
	for _, s := range stages {
		if d, ok := s.(interface{ setDeps(expr.Deps) }); ok {
			d.setDeps(*opts.Deps)
		}
	}
	return stages, err
}

// stageNamed is the table of stages.
func stageNamed(name string) stageCompiler {
	switch name {
	case "$addFields", "$set":
		return addFieldsCompiler(name)
	case "$bucket":
		return compileBucket
	case "$bucketAuto":
		return compileBucketAuto
	case "$changeStream":
		return compileChangeStream
	case "$changeStreamSplitLargeEvent":
		return compileSplitLargeEvent
	case "$count":
		return compileCount
	case "$densify":
		return compileDensify
	case "$documents":
		return compileDocuments
	case "$facet":
		return compileFacet
	case "$fill":
		return compileFill
	case "$geoNear":
		return compileGeoNear
	case "$graphLookup":
		return compileGraphLookup
	case "$group":
		return compileGroup
	case "$_internalInhibitOptimization":
		return compileInhibitOptimization
	case "$limit":
		return compileLimit
	case "$lookup":
		return compileLookup
	case "$match":
		return compileMatch
	case "$merge":
		return compileMerge
	case "$out":
		return compileOut
	case "$project":
		return compileProject
	case "$redact":
		return compileRedact
	case "$replaceRoot":
		return compileReplaceRoot
	case "$replaceWith":
		return compileReplaceWith
	case "$sample":
		return compileSample
	case "$setWindowFields":
		return compileSetWindowFields
	case "$skip":
		return compileSkip
	case "$sort":
		return compileSort
	case "$sortByCount":
		return compileSortByCount
	case "$unionWith":
		return compileUnionWith
	case "$unset":
		return compileUnset
	case "$unwind":
		return compileUnwind
	case "$collStats", "$indexStats", "$currentOp", "$listLocalSessions", "$listSessions", "$planCacheStats", "$listSampledQueries", "$querySettings":
		return specialCompiler(name)
	}
	return nil
}

func (c *compiler) localStage(name string) StageFactory {
	if c.env.Library == nil {
		return nil
	}
	return c.env.Stages[name]
}

// expr compiles an expression in the scope of this pipeline.
func (c *compiler) expr(raw bson.RawValue) (expr.Expr, error) { return expr.Compile(raw, c.opts) }

func (c *compiler) match(filter bson.Raw) (*match.Matcher, error) {
	return match.Compile(filter, c.opts)
}

// sub is a compiler for a pipeline inside of this one.
func (c *compiler) sub(w where) *compiler {
	s := *c
	s.where = w
	s.depth++
	return &s
}
