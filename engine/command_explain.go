package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// cmdExplain: {explain: {command}, verbosity}.
func cmdExplain(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	if !r.arg.IsDocument() {
		return dst, mongoerr.New(mongoerr.FailedToParse, "explain command requires a nested object")
	}
	verbosity := "allPlansExecution"
	err := r.fields(func(key string, v value.Value) (bool, error) {
		if key != "verbosity" {
			return false, nil
		}
		if !v.IsString() {
			return true, r.wrongType(key, v, "string")
		}
		verbosity = v.Str()
		switch verbosity {
		case "queryPlanner", "executionStats", "allPlansExecution":
			return true, nil
		}
		return true, mongoerr.New(mongoerr.FailedToParse, "verbosity string must be one of {'queryPlanner', 'executionStats', 'allPlansExecution'}")
	})
	if err != nil {
		return dst, err
	}
	inner := &request{e: r.e, s: r.s, db: r.db, cmd: r.arg.Doc()}
	it := value.Walk(inner.cmd)
	if !it.Next() {
		return dst, mongoerr.New(mongoerr.CommandNotFound, "Explain failed due to unknown command: ")
	}
	inner.name, inner.arg = it.Key(), it.Value()
	ns, pipeline, o, err := inner.explained()
	if err != nil {
		return dst, err
	}
	return r.explain(ctx, dst, explanation{of: inner, ns: ns, pipeline: pipeline, o: o, verbosity: verbosity})
}

func explainAggregate(ctx context.Context, r *request, dst []byte, ns store.Namespace, pipeline []bson.Raw, o pipelineOptions) ([]byte, error) {
	return r.explain(ctx, dst, explanation{of: r, ns: ns, pipeline: pipeline, o: o, verbosity: "queryPlanner"})
}

// explained turns the command to explain into the pipeline that it runs.
func (r *request) explained() (store.Namespace, []bson.Raw, pipelineOptions, error) {
	var o pipelineOptions
	ns := store.Namespace{DB: r.db}
	if r.arg.IsString() {
		ns.Coll = r.arg.Str()
	}
	filter := func(key string) []bson.Raw {
		v := value.Lookup(r.cmd, key)
		if !v.IsDocument() {
			return nil
		}
		return []bson.Raw{stageDoc("$match", v)}
	}
	list := func(key string) ([]bson.Raw, error) {
		docs, err := r.documents(key, value.Lookup(r.cmd, key))
		if err != nil || len(docs) == 0 {
			return nil, err
		}
		if h := value.Lookup(docs[0], "hint"); !h.IsMissing() {
			o.hint = h.RawValue()
		}
		return []bson.Raw{stageDoc("$match", value.Lookup(docs[0], "q"))}, nil
	}
	if h := value.Lookup(r.cmd, "hint"); !h.IsMissing() {
		o.hint = h.RawValue()
	}
	if c := value.Lookup(r.cmd, "collation"); c.IsDocument() {
		o.collationSpec = c.Doc()
	}
	switch r.name {
	case "find":
		var err error
		p := filter("filter")
		for _, s := range [...][2]string{{"sort", "$sort"}, {"skip", "$skip"}, {"limit", "$limit"}} {
			if v := value.Lookup(r.cmd, s[0]); !v.IsMissing() && !(v.IsDocument() && value.Len(v.Doc()) == 0) && !(v.IsNumber() && v.Sign() <= 0) {
				p = append(p, stageDoc(s[1], v))
			}
		}
		o.fields, err = r.explainedFields(ns, o)
		return ns, p, o, err
	case "aggregate":
		p, err := r.documents("pipeline", value.Lookup(r.cmd, "pipeline"))
		return ns, p, o, err
	case "count":
		return ns, append(filter("query"), stageDoc("$count", value.String("n"))), o, nil
	case "distinct":
		if key := value.Lookup(r.cmd, "key"); key.IsString() {
			q := value.Lookup(r.cmd, "query")
			if !q.IsDocument() {
				q = value.Document(emptyDoc)
			}
			o.distinct, o.fields = distinctWish(key.Str(), q.Doc())
		}
		return ns, filter("query"), o, nil
	case "findAndModify", "findandmodify":
		return ns, filter("query"), o, nil
	case "update":
		p, err := list("updates")
		return ns, p, o, err
	case "delete":
		p, err := list("deletes")
		return ns, p, o, err
	}
	if _, known := r.e.commands[r.name]; known {
		return ns, nil, o, mongoerr.New(mongoerr.IllegalOperation, "Cannot explain cmd: %s", r.name)
	}
	return ns, nil, o, mongoerr.New(mongoerr.CommandNotFound, "Explain failed due to unknown command: %s", r.name)
}

// explainedFields are those that a find to explain reads.
func (r *request) explainedFields(ns store.Namespace, o pipelineOptions) ([]string, error) {
	a := findArgs{filter: emptyDoc}
	for name, to := range map[string]*bson.Raw{"filter": &a.filter, "sort": &a.sort, "projection": &a.projection, "collation": &a.collation} {
		if v := value.Lookup(r.cmd, name); v.IsDocument() {
			*to = v.Doc()
		}
	}
	proj, err := r.e.findProjection(ns, &a, o)
	if err != nil || proj == nil || value.Lookup(r.cmd, "returnKey").Truthy() && !value.Lookup(r.cmd, "returnKey").IsMissing() {
		return nil, err
	}
	return fieldsRead(proj.Fields(), a.filter, a.sort), nil
}

func (r *request) appendServerInfo(dst []byte) []byte {
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "serverInfo")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "host", value.String(r.e.host()))
	dst = value.AppendElement(dst, "version", value.String(Version))
	return value.EndDocument(dst, start)
}

// plan is the access as winningPlan shows it.
func (s *scanReport) plan(nothing bool, filter bson.Raw) bson.Raw {
	if nothing {
		return stageDoc("stage", value.String("EOF"))
	}
	return s.access.plan(filter)
}

func (a *access) plan(filter bson.Raw) bson.Raw {
	direction := "forward"
	if a.reverse {
		direction = "backward"
	}
	start, d := value.BeginDocument(nil)
	switch {
	case a.or != nil:
		d = value.AppendElement(d, "stage", value.String("FETCH"))
		d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "inputStage")
		inner, dd := value.BeginDocument(d)
		dd = value.AppendElement(dd, "stage", value.String("OR"))
		dd = value.AppendHeader(dd, bson.TypeArray, "inputStages")
		arr, dd := value.BeginDocument(dd)
		for i := range a.or {
			dd = value.AppendItem(dd, i, value.Document(a.or[i].scanPlan("forward")))
		}
		dd = value.EndDocument(dd, arr)
		d = value.EndDocument(dd, inner)
	case a.index == nil:
		d = value.AppendElement(d, "stage", value.String("COLLSCAN"))
		if value.Len(filter) > 0 {
			d = value.AppendElement(d, "filter", value.Document(filter))
		}
		d = value.AppendElement(d, "direction", value.String(direction))
	case a.counted:
		return stepNamed(a.scanPlan(direction), "COUNT_SCAN")
	case a.covered > 0:
		return a.keysPlan(direction)
	default:
		d = value.AppendElement(d, "stage", value.String("FETCH"))
		d = value.AppendElement(d, "inputStage", value.Document(a.keysPlan(direction)))
	}
	return value.EndDocument(d, start)
}

// keysPlan is how the keys of the index are read.
func (a *access) keysPlan(direction string) bson.Raw {
	if a.distinct > 0 {
		return stepNamed(a.scanPlan(direction), "DISTINCT_SCAN")
	}
	return a.scanPlan(direction)
}

func (a *access) scanPlan(direction string) bson.Raw {
	ix := a.index
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "stage", value.String("IXSCAN"))
	d = value.AppendElement(d, "keyPattern", value.Document(a.keyPattern()))
	d = value.AppendElement(d, "indexName", value.String(ix.Name))
	d = value.AppendElement(d, "isMultiKey", value.Bool(ix.multikey.Load()))
	if !ix.multikey.Load() {
		start, paths := value.BeginDocument(nil)
		for i := range ix.Fields {
			paths = value.AppendElement(paths, a.fieldName(i), value.Array(emptyDoc))
		}
		d = value.AppendElement(d, "multiKeyPaths", value.Document(value.EndDocument(paths, start)))
	}
	d = value.AppendElement(d, "isUnique", value.Bool(ix.Unique))
	d = value.AppendElement(d, "isSparse", value.Bool(ix.Sparse))
	d = value.AppendElement(d, "isPartial", value.Bool(ix.PartialSpec != nil))
	d = value.AppendElement(d, "indexVersion", value.Int32(2))
	d = value.AppendElement(d, "direction", value.String(direction))
	return value.EndDocument(a.appendBounds(d), start)
}
