package engine

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// pipelineOptions are what a pipeline runs with.
type pipelineOptions struct {
	collationSpec bson.Raw
	let           bson.Raw // as given
	hint          bson.RawValue
	allowDiskUse  bool
	tx            *transaction
	report        *scanReport
	session       any
	// min and max bound the keys of the hinted index; recordID adds $recordId.
	min, max bson.Raw
	level    string // of the readConcern
	// fields and distinct tell what of the result is used, as source does.
	fields   []string
	distinct string
	recordID bool
	indexKey bool // adds $indexKey
}

// opened is a started pipeline.
type opened struct {
	cur    store.Cursor
	stream *changeStream
	tail   *tailCursor
	ns     store.Namespace
}

// pipelineEnv is the engine as pipelines see it.
func (e *Engine) pipelineEnv(ns store.Namespace, o pipelineOptions) *agg.Env {
	ts := e.log.Durable()
	env := &agg.Env{
		NS: ns, Library: e.opts.Library, Stages: e.opts.Stages, Hint: o.hint,
		Now:          e.opts.Now().UnixMilli(),
		ClusterTime:  bson.Timestamp{T: uint32(ts >> 32), I: uint32(ts)},
		AllowDiskUse: o.allowDiskUse, TempDir: e.opts.TempDir, Session: o.session,
	}
	env.Collections = func(ctx context.Context, ns store.Namespace) (agg.Source, error) {
		return e.sourceOf(ns, env.Collation, o, 0)
	}
	if o.tx == nil {
		env.Writer = &pipelineWriter{e}
	}
	env.Special = e.specialStages(ns)
	return env
}

// sourceOf is a collection, or a view with its pipeline in front.
func (e *Engine) sourceOf(ns store.Namespace, collation *value.Collation, o pipelineOptions, depth int) (agg.Source, error) {
	c := e.collection(o.tx, ns)
	if e.isOplog(ns) {
		return &oplogSource{e}, nil
	}
	if c == nil || c.load().view == nil {
		return &source{e: e, c: c, tx: o.tx, collation: collation, report: o.report}, nil
	}
	if m := c.load(); !sameCollation(m.collation, collation) {
		return nil, mongoerr.New(mongoerr.OptionNotSupportedOnView, "Cannot override the default collation of view %s", ns)
	}
	base, pipeline, err := e.resolve(ns)
	if err != nil {
		return nil, err
	}
	return &viewSource{e: e, ns: base, pipeline: pipeline, o: o, collation: collation}, nil
}

// resolve follows views down to a collection and gathers their pipelines.
func (e *Engine) resolve(ns store.Namespace) (store.Namespace, []bson.Raw, error) {
	var pipeline []bson.Raw
	for depth := 0; ; depth++ {
		c := e.catalog.get(ns)
		if c == nil || c.load().view == nil {
			return ns, pipeline, nil
		}
		if depth > maxViewDepth {
			return ns, nil, mongoerr.New(mongoerr.ViewDepthLimitExceeded, "View depth too deep or view cycle detected; maximum depth is %d", maxViewDepth)
		}
		v := c.load().view
		pipeline = append(slices.Clone(v.pipeline), pipeline...)
		ns.Coll = v.on
	}
}

// viewSource runs a view's pipeline as the source of another.
type viewSource struct {
	e         *Engine
	ns        store.Namespace
	pipeline  []bson.Raw
	o         pipelineOptions
	collation *value.Collation
}

// Open implements agg.Source; the view's own pipeline goes to the collection.
func (v *viewSource) Open(ctx context.Context, _ agg.Request) (store.Cursor, agg.Satisfied, error) {
	o := v.o
	o.hint = bson.RawValue{}
	env := v.e.pipelineEnv(v.ns, o)
	env.Collation = v.collation
	p, err := agg.Compile(v.pipeline, env)
	if err != nil {
		return nil, agg.Satisfied{}, err
	}
	src, err := v.e.sourceOf(v.ns, v.collation, o, 0)
	if err != nil {
		return nil, agg.Satisfied{}, err
	}
	cur, err := p.Run(ctx, src)
	return cur, agg.Satisfied{}, err
}

// aggregate starts a pipeline.
func (e *Engine) aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o pipelineOptions) (opened, error) {
	if cur, ok, err := e.pointPipeline(ns, pipeline, o); ok || err != nil {
		return opened{cur: cur, ns: ns}, err
	}
	if len(pipeline) > 0 && firstKey(pipeline[0]) == "$changeStream" {
		if o.level != "" && o.level != "majority" {
			return opened{}, mongoerr.New(mongoerr.InvalidOptions, "Command aggregate does not support { readConcern: { level: \"%s\", provenance: \"clientSupplied\" } } :: caused by :: Aggregation stage $changeStream cannot run with a readConcern other than 'majority'. Current readConcern: %s", o.level, o.level)
		}
		return e.openStream(ctx, ns, pipeline, o)
	}
	if err := o.allowed(pipeline); err != nil {
		return opened{}, err
	}
	base, prefix, err := e.resolve(ns)
	if err != nil {
		return opened{}, err
	}
	if len(prefix) > 0 {
		pipeline = append(prefix, pipeline...)
		o.fields, o.distinct = nil, ""
	}
	meta := o.sourceMeta(pipeline)
	env := e.pipelineEnv(base, o)
	env.SourceMeta = meta
	c := e.collection(o.tx, ns)
	if env.Collation, err = collationOf(o.collationSpec, c); err != nil {
		return opened{}, err
	}
	if c != nil && c.load().view != nil && !sameCollation(env.Collation, c.load().collation) {
		return opened{}, mongoerr.New(mongoerr.OptionNotSupportedOnView, "Cannot override a view's default collation")
	}
	if env.Let, err = e.evalLet(o.let); err != nil {
		return opened{}, err
	}
	if !meta {
		cur, over, ok, err := e.overCells(base, pipeline, o)
		if err != nil {
			return opened{}, err
		}
		if ok {
			p, err := agg.Compile(over, env)
			if err != nil {
				return opened{}, err
			}
			cur, err = p.RunOver(ctx, cur)
			return opened{cur: cur, ns: ns}, err
		}
	}
	p, err := agg.Compile(pipeline, env)
	if err != nil {
		return opened{}, err
	}
	if base.Coll == "" && !p.Generates() {
		stage := "an empty pipeline"
		if len(pipeline) > 0 {
			stage = "'" + firstKey(pipeline[0]) + "'; a collection is required"
		}
		return opened{}, mongoerr.New(mongoerr.InvalidNamespace, "{aggregate: 1} is not valid for %s.", stage)
	}
	if base.Coll != "" && len(pipeline) > 0 && firstKey(pipeline[0]) == "$documents" {
		return opened{}, mongoerr.New(mongoerr.InvalidNamespace, "'$documents' can only be run with {aggregate: 1}")
	}
	var src agg.Source
	if base.Coll != "" {
		src = &source{e: e, c: e.collection(o.tx, base), tx: o.tx, collation: env.Collation, report: o.report, min: o.min, max: o.max, recordID: o.recordID, indexKey: o.indexKey, fields: o.fields, distinct: o.distinct}
	}
	if e.isOplog(base) {
		src = &oplogSource{e}
	}
	cur, err := p.Run(ctx, src)
	if err == nil && meta {
		cur = withoutMeta{cur}
	}
	return opened{cur: cur, ns: ns}, err
}

// allowed refuses stages that a transaction cannot have.
func (o pipelineOptions) allowed(pipeline []bson.Raw) error {
	for _, s := range pipeline {
		if o.tx == nil {
			return nil
		}
		switch name := firstKey(s); name {
		case "$out", "$merge":
			return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "%s cannot be used in a transaction", name)
		case "$collStats", "$indexStats", "$currentOp", "$listLocalSessions", "$listSessions", "$planCacheStats", "$unionWith":
			return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Stage not supported inside of a multi-document transaction: %s", name)
		case "$lookup", "$facet":
			if err := o.allowedInside(value.Lookup(s, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// allowedInside looks at the pipelines inside a stage.
func (o pipelineOptions) allowedInside(spec value.Value) error {
	if !spec.IsDocument() {
		return nil
	}
	for it := value.Walk(spec.Doc()); it.Next(); {
		if !it.Value().IsArray() {
			continue
		}
		var inner []bson.Raw
		for s := value.Walk(it.Value().Doc()); s.Next(); {
			if s.Value().IsDocument() {
				inner = append(inner, s.Value().Doc())
			}
		}
		if err := o.allowed(inner); err != nil {
			return err
		}
	}
	return nil
}

func firstKey(doc bson.Raw) string {
	it := value.Walk(doc)
	if len(doc) < 5 || !it.Next() {
		return ""
	}
	return it.Key()
}

// pointPipeline is the short way for [{$match: {_id: value}}].
func (e *Engine) pointPipeline(ns store.Namespace, pipeline []bson.Raw, o pipelineOptions) (store.Cursor, bool, error) {
	if len(pipeline) != 1 || o.tx != nil || o.collationSpec != nil || o.report != nil || !o.hint.IsZero() || o.min != nil || o.max != nil || o.recordID || o.indexKey {
		return nil, false, nil
	}
	it := value.Walk(pipeline[0])
	if !it.Next() || it.Key() != "$match" || it.Kind() != bson.TypeEmbeddedDocument {
		return nil, false, nil
	}
	id, ok := pointID(it.Value().Doc())
	c := e.catalog.get(ns)
	if !ok || it.Next() || c == nil {
		return nil, false, nil
	}
	m := c.load()
	if m.view != nil || m.collation != nil {
		return nil, false, nil
	}
	_, doc, err := findID(e.db, c, m.idIndex(), id, nil)
	if err != nil || doc == nil {
		return emptyCursor{}, true, err
	}
	return &sliceCursor{docs: []bson.Raw{doc}}, true, nil
}

// pipelineWriter writes for $out and $merge.
type pipelineWriter struct{ e *Engine }

// Replace implements agg.Writer: the documents go to a collection of a passing
// name, which then takes the place of the old one.
func (p *pipelineWriter) Replace(ctx context.Context, ns store.Namespace, docs store.Cursor) error {
	e := p.e
	var options bson.Raw
	var specs []bson.Raw
	if c := e.catalog.get(ns); c != nil {
		m := c.load()
		if m.view != nil {
			return mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", ns)
		}
		if m.capped.bytes > 0 {
			return mongoerr.New(17152, "namespace '%s' is capped so it can't be used for $out", ns)
		}
		options = m.options
		for _, ix := range m.indexes[1:] {
			specs = append(specs, ix.Spec)
		}
	}
	if err := checkCreatable(ns); err != nil {
		return err
	}
	temp := store.Namespace{DB: ns.DB, Coll: "tmp.agg_out." + bson.NewObjectID().Hex()}
	c, err := e.createCollection(ctx, temp, options)
	if err != nil {
		return err
	}
	err = p.fill(ctx, c, temp, specs, docs)
	if err == nil {
		err = e.rename(ctx, temp, ns, true)
	}
	if err != nil {
		_ = e.ddl(context.WithoutCancel(ctx), func(u *unit) error { return u.drop(c) })
	}
	return err
}

func (p *pipelineWriter) fill(ctx context.Context, c *collection, ns store.Namespace, specs []bson.Raw, docs store.Cursor) error {
	if len(specs) > 0 {
		if err := p.e.buildIndexes(ctx, c, specs); err != nil {
			return err
		}
	}
	w := &writer{e: p.e}
	var group []bson.Raw
	size := 0
	flush := func() error {
		var failed error
		err := w.insertMany(ctx, ns, group, func(_ int, err error) bool {
			failed = err
			return err == nil
		})
		group, size = group[:0], 0
		if err == nil {
			err = failed
		}
		return err
	}
	for {
		doc, err := docs.Next(ctx)
		if isEOF(err) {
			break
		}
		if err != nil {
			return err
		}
		group, size = append(group, slices.Clone(doc)), size+len(doc)
		if len(group) >= 1000 || size > 4<<20 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return w.finish()
}

// Write implements agg.Writer.
func (p *pipelineWriter) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, let bson.Raw) (store.WriteResult, error) {
	return p.e.Write(ctx, ns, ops, store.WriteOptions{Let: let})
}

// Unique implements agg.Writer.
func (p *pipelineWriter) Unique(_ context.Context, ns store.Namespace, fields []string) (bool, error) {
	want := slices.Sorted(slices.Values(fields))
	if len(want) == 1 && want[0] == "_id" {
		return true, nil
	}
	c := p.e.catalog.get(ns)
	if c == nil || c.load().view != nil {
		return false, nil
	}
	for _, ix := range c.load().indexes {
		if !ix.Unique || ix.PartialSpec != nil || !sameCollation(ix.Collation, c.load().collation) {
			continue
		}
		var have []string
		for _, f := range ix.Fields {
			have = append(have, f.Name)
		}
		slices.Sort(have)
		if strings.Join(have, "\x00") == strings.Join(want, "\x00") {
			return true, nil
		}
	}
	return false, nil
}
