package engine

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// famArgs are the arguments of findAndModify.
type famArgs struct {
	op            store.WriteOp
	sort, fields  bson.Raw
	let           bson.Raw
	remove, fresh bool // fresh: new
	bypass        bool
	hasUpdate     bool
}

// cmdFindAndModify: {findAndModify: coll, query, sort, update | remove, new, upsert, fields, …}.
func cmdFindAndModify(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	a := famArgs{}
	a.op.Filter = emptyDoc
	if err := r.fields(a.set(r)); err != nil {
		return dst, err
	}
	if err := a.check(); err != nil {
		return dst, err
	}
	if r.tx != nil && strings.HasPrefix(ns.Coll, "system.") {
		return dst, mongoerr.New(50781, "Cannot write to system collection %s within a transaction.", ns)
	}
	w := r.writer()
	w.bypass = a.bypass
	if o, done, err := w.retry.done(r.e, 0); err != nil {
		return dst, err
	} else if done {
		if err := a.checkRetry(o.reply); err != nil {
			return dst, err
		}
		return append(dst, o.reply[4:len(o.reply)-1]...), nil
	}
	reply, err := r.findAndModify(ctx, w, ns, &a)
	if serr := w.finish(); err == nil {
		err = serr
	}
	if err != nil {
		return dst, err
	}
	return append(dst, reply[4:len(reply)-1]...), nil
}

func (a *famArgs) set(r *request) func(string, value.Value) (bool, error) {
	return func(key string, v value.Value) (_ bool, err error) {
		if v.IsNullish() {
			return true, nil
		}
		switch key {
		case "query":
			a.op.Filter, err = r.document(key, v)
		case "sort":
			a.sort, err = r.document(key, v)
		case "fields":
			a.fields, err = r.document(key, v)
		case "let":
			a.let, err = r.document(key, v)
		case "collation":
			a.op.Collation, err = r.document(key, v)
		case "hint":
			a.op.Hint, err = r.hintOf(v)
		case "arrayFilters":
			a.op.ArrayFilters, err = r.documents(key, v)
		case "update":
			a.op.Update, a.hasUpdate = v.RawValue(), true
		case "remove":
			a.remove, err = r.boolean(key, v)
		case "new":
			a.fresh, err = r.boolean(key, v)
		case "upsert":
			a.op.Upsert, err = r.boolean(key, v)
		case "bypassDocumentValidation":
			a.bypass, err = r.boolean(key, v)
		case "collectionUUID", "runtimeConstants", "sampleId":
		default:
			return false, nil
		}
		return true, err
	}
}

func (a *famArgs) check() error {
	switch {
	case a.remove && a.hasUpdate:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify both an update and remove=true")
	case a.remove && a.op.ArrayFilters != nil:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify arrayFilters and remove=true")
	case a.remove && a.op.Upsert:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify both upsert=true and remove=true")
	case a.remove && a.fresh:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document")
	case !a.remove && !a.hasUpdate:
		return mongoerr.New(mongoerr.FailedToParse, "Either an update or remove=true must be specified")
	case a.hasUpdate && a.op.Update.Type != bson.TypeEmbeddedDocument && a.op.Update.Type != bson.TypeArray:
		return mongoerr.New(mongoerr.FailedToParse, "Update argument must be either an object or an array")
	}
	return nil
}

// checkRetry refuses to answer with what another kind of findAndModify did.
func (a *famArgs) checkRetry(reply bson.Raw) error {
	last := value.Lookup(reply, "lastErrorObject").Doc()
	refused := func(code int32, did string) error {
		return mongoerr.New(code, "findAndModify retry request is not compatible with previous write in the transaction of type: %s", did)
	}
	switch {
	case value.Lookup(last, "updatedExisting").IsMissing():
		if !a.remove {
			return refused(40606, "d")
		}
	case !value.Lookup(last, "upserted").IsMissing():
		if !a.op.Upsert {
			return refused(40608, "i")
		}
	}
	return nil
}

func (r *request) findAndModify(ctx context.Context, w *writer, ns store.Namespace, a *famArgs) (bson.Raw, error) {
	coll, err := collationOf(a.op.Collation, r.e.collection(r.tx, ns))
	if err != nil {
		return nil, err
	}
	let, err := r.e.evalLet(a.let)
	if err != nil {
		return nil, err
	}
	f, err := r.e.compileFilter(a.op.Filter, coll, let)
	if err != nil {
		return nil, err
	}
	show, err := r.famProjection(ns, a, f)
	if err != nil {
		return nil, err
	}
	var failed error
	w.replyOf = func(before, after bson.Raw, upserted value.Value) bson.Raw {
		doc, err := a.reply(show, before, after, upserted)
		if err != nil {
			failed = err
		}
		return doc
	}
	var before, after bson.Raw
	var upserted value.Value
	if a.remove {
		_, before, err = w.deleteSome(ctx, ns, deleteOp{filter: f, sort: a.sort, hint: a.op.Hint}, 0)
	} else {
		var u updateOp
		if u, err = w.compileUpdate(ns, &a.op, f, nil); err != nil {
			return nil, err
		}
		u.sort = a.sort
		var res updateResult
		res, err = w.updateSome(ctx, ns, u, 0)
		before, after, upserted = res.before, res.after, res.upserted
	}
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	return a.reply(show, before, after, upserted)
}

// famProjection gives the function that projects the returned document.
func (r *request) famProjection(ns store.Namespace, a *famArgs, f filterSpec) (func(bson.Raw) (bson.Raw, error), error) {
	if a.fields == nil || value.Len(a.fields) == 0 {
		return func(d bson.Raw) (bson.Raw, error) { return d, nil }, nil
	}
	env := r.e.pipelineEnv(ns, pipelineOptions{tx: r.tx})
	env.Collation, env.Let = f.collation, f.let
	p, err := agg.CompileFindProjection(a.fields, f.matcher, env)
	if err != nil {
		return nil, err
	}
	if a.fresh && p.Positional() {
		return nil, mongoerr.New(mongoerr.BadValue, "cannot use a positional projection and return the new document")
	}
	return func(d bson.Raw) (bson.Raw, error) { return p.Apply(f.context, d) }, nil
}

// reply is {lastErrorObject, value} of a findAndModify.
func (a *famArgs) reply(show func(bson.Raw) (bson.Raw, error), before, after bson.Raw, upserted value.Value) (bson.Raw, error) {
	start, d := value.BeginDocument(nil)
	d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "lastErrorObject")
	inner, d := value.BeginDocument(d)
	n := int32(0)
	if before != nil || !upserted.IsMissing() {
		n = 1
	}
	d = value.AppendElement(d, "n", value.Int32(n))
	if !a.remove {
		d = value.AppendElement(d, "updatedExisting", value.Bool(before != nil))
	}
	if !upserted.IsMissing() {
		d = value.AppendElement(d, "upserted", upserted)
	}
	d = value.EndDocument(d, inner)
	doc := before
	if a.fresh {
		doc = after
	}
	if doc == nil {
		return value.EndDocument(value.AppendElement(d, "value", value.Null()), start), nil
	}
	doc, err := show(doc)
	if err != nil {
		return nil, err
	}
	return value.EndDocument(value.AppendElement(d, "value", value.Document(doc)), start), nil
}
