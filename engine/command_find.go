package engine

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// findArgs are the arguments of find.
type findArgs struct {
	filter, projection, sort, let, collation bson.Raw
	hint                                     bson.RawValue
	skip, limit                              int64
	batch                                    int
	single, keep, tailable, await            bool
	diskUse                                  bool
	min, max                                 bson.Raw
	returnKey, recordID                      bool
}

// cmdFind: {find: coll, filter, sort, projection, skip, limit, …}.
func cmdFind(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	a := findArgs{filter: emptyDoc, batch: defaultBatch}
	if err := r.fields(a.set(r)); err != nil {
		return dst, err
	}
	if err := a.check(); err != nil {
		return dst, err
	}
	if c := r.e.collection(r.tx, ns); c != nil && c.load().view != nil {
		if err := a.checkView(); err != nil {
			return dst, err
		}
	}
	r.e.counters.query.Add(1)
	tx, err := r.reading()
	if err != nil {
		return dst, err
	}
	o := pipelineOptions{tx: tx}
	if a.tailable {
		t, err := r.e.openTail(ns, &a, o)
		if err != nil {
			return dst, err
		}
		if t != nil {
			return r.firstBatch(ctx, dst, opened{cur: t, tail: t, ns: ns}, a.batch, true, false, a.keep)
		}
	}
	cur, err := r.e.find(ctx, ns, &a, o)
	if err != nil {
		return dst, err
	}
	return r.firstBatch(ctx, dst, opened{cur: cur, ns: ns}, a.batch, true, a.single, a.keep)
}

func (a *findArgs) set(r *request) func(string, value.Value) (bool, error) {
	return func(key string, v value.Value) (_ bool, err error) {
		switch key {
		case "filter":
			a.filter, err = r.document(key, v)
		case "projection":
			a.projection, err = r.document(key, v)
		case "sort":
			a.sort, err = r.document(key, v)
		case "let":
			a.let, err = r.document(key, v)
		case "collation":
			a.collation, err = r.document(key, v)
		case "hint":
			a.hint, err = r.hintOf(v)
		case "skip":
			a.skip, err = r.notNegative("Skip", key, v)
		case "limit":
			a.limit, err = r.notNegative("Limit", key, v)
		case "batchSize":
			var n int64
			n, err = r.notNegative("BatchSize", key, v)
			a.batch = int(n)
		case "singleBatch":
			a.single, err = strictBool(key, v)
		case "noCursorTimeout":
			a.keep, err = r.boolean(key, v)
		case "tailable":
			a.tailable, err = r.boolean(key, v)
		case "awaitData":
			a.await, err = r.boolean(key, v)
		case "allowDiskUse":
			a.diskUse, err = r.boolean(key, v)
		case "min":
			a.min, err = r.document(key, v)
		case "max":
			a.max, err = r.document(key, v)
		case "returnKey":
			a.returnKey, err = strictBool(key, v)
		case "showRecordId":
			a.recordID, err = strictBool(key, v)
		case "allowPartialResults", "oplogReplay", "maxScan", "snapshot", "collectionUUID", "term":
		case "readOnce":
			once, err := r.boolean(key, v)
			if err == nil && once && r.tx != nil {
				err = mongoerr.New(mongoerr.OperationNotSupportedInTxn, "The readOnce cursor option is not supported within a transaction.")
			}
			return true, err
		default:
			return false, nil
		}
		return true, err
	}
}

// notNegative reads a number of find, which has words of its own for those below 0.
func (r *request) notNegative(name, key string, v value.Value) (int64, error) {
	if v.IsNumber() && v.AsInt64() < 0 {
		return 0, mongoerr.New(mongoerr.BadValue, "%s value must be non-negative, but received: %d", name, v.AsInt64())
	}
	return r.number(key, v)
}

func strictBool(key string, v value.Value) (bool, error) {
	if v.Kind() != bson.TypeBoolean {
		return false, mongoerr.New(mongoerr.TypeMismatch, "Field '%s' should be a boolean value, but found: %s", key, value.TypeName(v.Kind()))
	}
	return v.AsBool(), nil
}

// checkView refuses what has no place in the pipeline that a find over a view
// becomes.
func (a *findArgs) checkView() error {
	for _, o := range [...]struct {
		name string
		set  bool
	}{
		{"returnKey", a.returnKey}, {"showRecordId", a.recordID}, {"tailable", a.tailable}, {"min", a.min != nil}, {"max", a.max != nil},
	} {
		if o.set {
			return mongoerr.New(mongoerr.InvalidPipelineOperator, "Option %s not supported in aggregation.", o.name)
		}
	}
	if a.projection == nil || value.Len(a.projection) == 0 {
		return nil
	}
	_, err := agg.Compile([]bson.Raw{stageDoc("$project", value.Document(a.projection))}, &agg.Env{})
	if mongoerr.CodeOf(err) == 17276 { // a variable of let
		return nil
	}
	return err
}

func (a *findArgs) check() error {
	switch {
	case a.await && !a.tailable:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot set 'awaitData' without also setting 'tailable'")
	case a.tailable && a.single:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot use tailable option with the 'singleBatch' option")
	}
	if a.sort != nil {
		if n := value.Lookup(a.sort, "$natural"); !n.IsMissing() {
			if n.Sign() == 0 || value.Len(a.sort) > 1 {
				return mongoerr.New(mongoerr.BadValue, "$natural sort cannot be set to a value other than -1 or 1.")
			}
			a.hint, a.sort = bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: a.sort}, nil
		}
	}
	return nil
}

// find starts a find: the stages that it stands for, then its projection.
func (e *Engine) find(ctx context.Context, ns store.Namespace, a *findArgs, o pipelineOptions) (store.Cursor, error) {
	o.collationSpec, o.let, o.hint, o.allowDiskUse = a.collation, a.let, a.hint, a.diskUse
	o.min, o.max, o.recordID = a.min, a.max, a.recordID
	named := a.recordID && a.projection != nil && !value.Lookup(a.projection, recordIDField).IsMissing()
	if named { // what names it in the projection takes its place
		a.projection = withoutField(a.projection, recordIDField)
		if value.Len(a.projection) == 0 {
			a.projection = stageDoc("_id", value.Int32(1))
		}
	}
	if a.returnKey {
		o.report = &scanReport{}
	}
	meta := a.projection != nil && o.sourceMeta([]bson.Raw{a.projection})
	proj, err := e.findProjection(ns, a, o)
	if err != nil {
		return nil, err
	}
	if proj != nil && !a.returnKey {
		o.fields = fieldsRead(proj.Fields(), a.filter, a.sort)
	}
	stages := []bson.Raw{stageDoc("$match", value.Document(a.filter))}
	if a.sort != nil && value.Len(a.sort) > 0 {
		stages = append(stages, stageDoc("$sort", value.Document(a.sort)))
	}
	if a.skip > 0 {
		stages = append(stages, stageDoc("$skip", value.Int64(a.skip)))
	}
	if a.limit > 0 {
		stages = append(stages, stageDoc("$limit", value.Int64(a.limit)))
	}
	op, err := e.aggregate(ctx, ns, stages, o)
	if err != nil {
		return nil, err
	}
	cur := op.cur
	if proj != nil && !a.returnKey {
		cur = &projected{in: cur, p: proj, e: e, let: o.let, recordID: a.recordID && !named, meta: meta}
	}
	if a.returnKey {
		cur = &keyCursor{in: cur, report: o.report}
	}
	return cur, nil
}

// findProjection compiles the projection; nil without one.
func (e *Engine) findProjection(ns store.Namespace, a *findArgs, o pipelineOptions) (*agg.FindProjection, error) {
	if a.projection == nil || value.Len(a.projection) == 0 {
		return nil, nil
	}
	env := e.pipelineEnv(ns, o)
	env.SourceMeta, env.SortedBy = o.recordID || o.indexKey, a.sort
	var err error
	if env.Collation, err = collationOf(a.collation, e.collection(o.tx, ns)); err != nil {
		return nil, err
	}
	if env.Let, err = e.evalLet(a.let); err != nil {
		return nil, err
	}
	opts, _ := e.compileOptions(env.Collation, env.Let)
	m, err := match.Compile(a.filter, opts)
	if err != nil {
		return nil, err
	}
	return agg.CompileFindProjection(a.projection, m, env)
}

// projected applies a find's projection to a cursor.
type projected struct {
	in       store.Cursor
	p        *agg.FindProjection
	e        *Engine
	let      bson.Raw
	meta     bool // the source adds what the documents shall not show
	recordID bool // keep the record id, whatever the projection
}

func (c *projected) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := c.in.Next(ctx)
	if err != nil {
		return nil, err
	}
	let, err := c.e.evalLet(c.let)
	if err != nil {
		return nil, err
	}
	_, vars := c.e.compileOptions(nil, let)
	out, err := c.p.Apply(c.e.exprContext(vars), doc)
	if err == nil && c.meta {
		out = stripMeta(out)
	}
	if id := value.Lookup(doc, recordIDField); err == nil && c.recordID && value.Lookup(out, recordIDField).IsMissing() {
		out = withRecordID(out, id)
	}
	return out, err
}

func (c *projected) Close() error { return c.in.Close() }

// fieldsRead adds the top-level fields of a filter and a sort order to those
// of a projection; nil: all.
func fieldsRead(fields []string, filter, sort bson.Raw) []string {
	if fields == nil {
		return nil
	}
	return agg.FilterFields(append(slices.Clone(fields), topLevel(sort)...), filter)
}

func topLevel(sort bson.Raw) (names []string) {
	if sort == nil {
		return nil
	}
	for it := value.Walk(sort); it.Next(); {
		name, _, _ := strings.Cut(it.Key(), ".")
		names = append(names, name)
	}
	return names
}
