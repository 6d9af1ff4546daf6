package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/update"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

const maxWriteBatch = 100000

// writeReply gathers the reply of a write command.
type writeReply struct {
	n, modified int64
	upserted    []store.Upserted
	errs        []store.WriteError
	update      bool
	retried     []int32
}

func (w *writeReply) append(dst []byte) []byte {
	dst = value.AppendElement(dst, "n", value.Int32(int32(w.n)))
	if w.update {
		dst = value.AppendElement(dst, "nModified", value.Int32(int32(w.modified)))
		if len(w.upserted) > 0 {
			dst = value.AppendHeader(dst, bson.TypeArray, "upserted")
			start, d := value.BeginDocument(dst)
			for i, u := range w.upserted {
				s, item := value.BeginDocument(nil)
				item = value.AppendElement(item, "index", value.Int32(int32(u.Index)))
				item = value.AppendElement(item, "_id", value.FromRaw(u.ID))
				d = value.AppendItem(d, i, value.Document(value.EndDocument(item, s)))
			}
			dst = value.EndDocument(d, start)
		}
	}
	if len(w.errs) > 0 {
		dst = value.AppendHeader(dst, bson.TypeArray, "writeErrors")
		start, d := value.BeginDocument(dst)
		for i, e := range w.errs {
			d = value.AppendItem(d, i, value.Document(writeErrorDoc(e)))
		}
		dst = value.EndDocument(d, start)
	}
	if len(w.retried) > 0 {
		dst = value.AppendHeader(dst, bson.TypeArray, "retriedStmtIds")
		start, d := value.BeginDocument(dst)
		for i, s := range w.retried {
			d = value.AppendItem(d, i, value.Int32(s))
		}
		dst = value.EndDocument(d, start)
	}
	return dst
}

func writeErrorDoc(w store.WriteError) bson.Raw {
	m := asServerError(w.Err)
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "index", value.Int32(int32(w.Index)))
	d = value.AppendElement(d, "code", value.Int32(m.Code))
	if m.Info != nil {
		d = append(d, m.Info[4:len(m.Info)-1]...)
	}
	d = value.AppendElement(d, "errmsg", value.String(m.Message))
	return value.EndDocument(d, start)
}

// fail notes the failure of a statement; it tells whether to go on. A
// conflict in a transaction is an error of the whole command.
func (w *writeReply) fail(r *writer, i int, err error, ordered bool) (more bool, fatal error) {
	if isFatal(err) || r.tx != nil && mongoerr.CodeOf(err) == mongoerr.WriteConflict {
		return false, err
	}
	w.errs = append(w.errs, store.WriteError{Index: i, Err: err})
	return !ordered && r.tx == nil, nil
}

// writeArgs are what insert, update and delete have in common.
type writeArgs struct {
	docs    []bson.Raw
	ordered bool
	bypass  bool
	let     bson.Raw
	extras  []updateExtra // of the statements of an update
}

func (r *request) writeArgs(list string) (writeArgs, error) {
	a := writeArgs{ordered: true}
	var given value.Value
	err := r.fields(func(key string, v value.Value) (_ bool, err error) {
		switch key {
		case list:
			given = v
		case "ordered":
			a.ordered, err = r.boolean(key, v)
		case "bypassDocumentValidation":
			a.bypass, err = r.boolean(key, v)
		case "let":
			if list == "documents" {
				return false, nil
			}
			a.let, err = r.document(key, v)
		case "collectionUUID", "bypassEmptyTsReplacement", "isTimeseriesNamespace", "sampleId", "legacyRuntimeConstants", "encryptionInformation":
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return a, err
	}
	if a.docs, err = r.documents(list, given); err != nil {
		return a, err
	}
	if given.IsMissing() && a.docs == nil {
		return a, r.missing(list)
	}
	if len(a.docs) == 0 || len(a.docs) > maxWriteBatch {
		return a, mongoerr.New(mongoerr.InvalidLength, "Write batch sizes must be between 1 and %d. Got %d operations.", maxWriteBatch, len(a.docs))
	}
	if r.stmtIDs != nil {
		if !value.Lookup(r.cmd, "stmtId").IsMissing() {
			return a, mongoerr.New(mongoerr.InvalidOptions, "May not specify both stmtId and stmtIds in write command")
		}
		if len(r.stmtIDs) != len(a.docs) {
			return a, mongoerr.New(mongoerr.InvalidOptions, "Number of statement ids must match the number of batch entries. Got %d statement ids but %d operations", len(r.stmtIDs), len(a.docs))
		}
	}
	if a.let != nil {
		a.let, err = r.e.evalLet(a.let)
	}
	return a, err
}

// cmdInsert: {insert: coll, documents: […], ordered}.
func cmdInsert(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	a, err := r.writeArgs("documents")
	if err != nil {
		return dst, err
	}
	w := r.writer()
	w.bypass, w.one = a.bypass, len(a.docs) == 1
	var reply writeReply
	docs, index, err := r.fresh(a.docs, &reply)
	if err != nil {
		return dst, err
	}
	if w.retry != nil && len(index) > 0 {
		w.retry = w.retry.only(index)
	}
	var fatal error
	err = w.insertMany(ctx, ns, docs, func(i int, err error) bool {
		if err == nil {
			reply.n++
			return true
		}
		var more bool
		more, fatal = reply.fail(w, index[i], err, a.ordered)
		return more
	})
	if err == nil {
		err = fatal
	}
	r.e.counters.insert.Add(reply.n)
	if serr := w.finish(); err == nil {
		err = serr
	}
	return reply.append(dst), err
}

// fresh leaves out the documents that an earlier try of the command inserted.
func (r *request) fresh(docs []bson.Raw, reply *writeReply) ([]bson.Raw, []int, error) {
	index := make([]int, 0, len(docs))
	if r.retry == nil {
		for i := range docs {
			index = append(index, i)
		}
		return docs, index, nil
	}
	var rest []bson.Raw
	for i, d := range docs {
		_, done, err := r.retry.done(r.e, i)
		if err != nil {
			return nil, nil, err
		}
		if done {
			reply.n++
			reply.retried = append(reply.retried, r.retry.statement(i))
			continue
		}
		rest, index = append(rest, d), append(index, i)
	}
	return rest, index, nil
}

// only gives the statements that are left the ids that they had.
func (r *retryWrite) only(index []int) *retryWrite {
	n := *r
	n.stmts = make([]int32, len(index))
	for at, i := range index {
		n.stmts[at] = r.statement(i)
	}
	return &n
}

// cmdUpdate: {update: coll, updates: [{q, u, …}], ordered}.
func cmdUpdate(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	a, err := r.writeArgs("updates")
	if err != nil {
		return dst, err
	}
	ops := make([]store.WriteOp, len(a.docs))
	a.extras = make([]updateExtra, len(a.docs))
	for i, d := range a.docs {
		if ops[i], err = r.parseUpdate(d); err != nil {
			return dst, err
		}
		if a.extras[i], err = r.parseUpdateExtra(d, &ops[i]); err != nil {
			return dst, err
		}
	}
	return r.runWrites(ctx, dst, ns, ops, a, true)
}

// cmdDelete: {delete: coll, deletes: [{q, limit, …}], ordered}.
func cmdDelete(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	a, err := r.writeArgs("deletes")
	if err != nil {
		return dst, err
	}
	ops := make([]store.WriteOp, len(a.docs))
	for i, d := range a.docs {
		if ops[i], err = r.parseDelete(d); err != nil {
			return dst, err
		}
	}
	return r.runWrites(ctx, dst, ns, ops, a, false)
}

func (r *request) runWrites(ctx context.Context, dst []byte, ns store.Namespace, ops []store.WriteOp, a writeArgs, isUpdate bool) ([]byte, error) {
	w := r.writer()
	w.bypass, w.one = a.bypass, len(ops) == 1 && !ops[0].Multi
	reply := writeReply{update: isUpdate}
	err := w.runOps(ctx, ns, ops, a, &reply)
	if serr := w.finish(); err == nil {
		err = serr
	}
	return reply.append(dst), err
}

// runOps runs update and delete statements.
func (w *writer) runOps(ctx context.Context, ns store.Namespace, ops []store.WriteOp, a writeArgs, reply *writeReply) error {
	for i := range ops {
		o, done, err := w.retry.done(w.e, i)
		if err != nil {
			return err
		}
		if done {
			reply.retried = append(reply.retried, w.retry.statement(i))
			o.upserted = o.upserted.Clone()
		} else {
			o, err = w.runOp(ctx, ns, &ops[i], &a, i)
		}
		if err != nil { // what a failed statement did before is not counted
			o = writeOutcome{}
		}
		reply.n += o.n
		reply.modified += o.modified
		if !o.upserted.IsMissing() {
			reply.upserted = append(reply.upserted, store.Upserted{Index: i, ID: o.upserted.RawValue()})
		}
		if err == nil {
			continue
		}
		more, fatal := reply.fail(w, i, err, a.ordered)
		if fatal != nil || !more {
			return fatal
		}
	}
	return nil
}

// runOp runs one update or delete statement.
func (w *writer) runOp(ctx context.Context, ns store.Namespace, op *store.WriteOp, a *writeArgs, stmt int) (writeOutcome, error) {
	extra := a.extra(stmt)
	if err := extra.check(op); err != nil {
		return writeOutcome{}, err
	}
	if op.Multi && w.retry != nil {
		if op.Kind == store.Delete {
			return writeOutcome{}, mongoerr.New(mongoerr.InvalidOptions, "Cannot use (or request) retryable writes with limit=0")
		}
		return writeOutcome{}, mongoerr.New(mongoerr.InvalidOptions, "Cannot use (or request) retryable writes with multi=true")
	}
	coll, err := collationOf(op.Collation, w.e.collection(w.tx, ns))
	if err != nil {
		return writeOutcome{}, err
	}
	f, err := w.e.compileFilter(op.Filter, coll, a.variables(stmt))
	if err != nil {
		return writeOutcome{}, err
	}
	if op.Kind == store.Delete {
		n, _, err := w.deleteSome(ctx, ns, deleteOp{filter: f, multi: op.Multi, hint: op.Hint}, stmt)
		w.e.counters.delete.Add(n)
		return writeOutcome{n: n}, err
	}
	u, err := w.compileUpdate(ns, op, f, nil)
	if err != nil {
		return writeOutcome{}, err
	}
	if err := extra.apply(&u); err != nil {
		return writeOutcome{}, err
	}
	w.e.counters.update.Add(1)
	res, err := w.updateSome(ctx, ns, u, stmt)
	o := writeOutcome{n: res.matched, modified: res.modified, upserted: res.upserted}
	if !res.upserted.IsMissing() {
		o.n = 1
	}
	return o, err
}

func (w *writer) compileUpdate(ns store.Namespace, op *store.WriteOp, f filterSpec, m *update.Memory) (updateOp, error) {
	o := update.Options{ArrayFilters: op.ArrayFilters, Let: f.let, Collation: f.collation, Upsert: op.Upsert, Memory: m}
	if op.Update.Type == bson.TypeArray {
		o.Env = w.e.pipelineEnv(ns, pipelineOptions{tx: w.tx})
		o.Env.Collation, o.Env.Let = f.collation, f.let
	}
	how := op.Update
	if how.Type == bson.TypeEmbeddedDocument {
		how.Value = w.e.stampedReplacement(how.Value)
	}
	u, err := update.Compile(how, o)
	if err != nil {
		return updateOp{}, err
	}
	if op.Multi && u.IsReplacement() {
		return updateOp{}, mongoerr.New(mongoerr.FailedToParse, "multi update is not supported for replacement-style update")
	}
	return updateOp{filter: f, update: u, multi: op.Multi, upsert: op.Upsert, hint: op.Hint}, nil
}

// statement reads the fields of one statement of a list.
func (r *request) statement(list string, doc bson.Raw, f func(key string, v value.Value) (bool, error)) error {
	for it := value.Walk(doc); it.Next(); {
		known, err := f(it.Key(), it.Value())
		if err != nil {
			return err
		}
		if !known {
			return mongoerr.New(40415, "BSON field '%s.%s.%s' is an unknown field.", r.name, list, it.Key())
		}
	}
	return nil
}

func (r *request) parseUpdate(doc bson.Raw) (op store.WriteOp, err error) {
	op.Kind = store.Update
	err = r.statement("updates", doc, func(key string, v value.Value) (_ bool, err error) {
		switch key {
		case "q":
			op.Filter, err = r.document("updates.q", v)
		case "u":
			op.Update = v.RawValue()
		case "multi":
			op.Multi, err = r.boolean("updates.multi", v)
		case "upsert":
			op.Upsert, err = r.boolean("updates.upsert", v)
		case "arrayFilters":
			op.ArrayFilters, err = r.documents("updates.arrayFilters", v)
		case "collation":
			op.Collation, err = r.document("updates.collation", v)
		case "hint":
			op.Hint, err = r.hintOf(v)
		case "c", "upsertSupplied", "sampleId", "allowShardKeyUpdatesWithoutFullShardKeyInQuery":
		default:
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
	case op.Filter == nil:
		err = mongoerr.New(40414, "BSON field '%s.updates.q' is missing but a required field", r.name)
	case op.Update.IsZero():
		err = mongoerr.New(40414, "BSON field '%s.updates.u' is missing but a required field", r.name)
	case op.Update.Type != bson.TypeEmbeddedDocument && op.Update.Type != bson.TypeArray:
		err = mongoerr.New(mongoerr.FailedToParse, "Update argument must be either an object or an array")
	case op.Update.Type == bson.TypeArray:
		err = agg.KnownStages(op.Update.Value)
	}
	return op, err
}

func (r *request) parseDelete(doc bson.Raw) (op store.WriteOp, err error) {
	op.Kind = store.Delete
	limit := value.Value{}
	err = r.statement("deletes", doc, func(key string, v value.Value) (_ bool, err error) {
		switch key {
		case "q":
			op.Filter, err = r.document("deletes.q", v)
		case "limit":
			limit = v
		case "collation":
			op.Collation, err = r.document("deletes.collation", v)
		case "hint":
			op.Hint, err = r.hintOf(v)
		case "sampleId":
		default:
			return false, nil
		}
		return true, err
	})
	switch n, ok := limit.Integral(); {
	case err != nil:
	case op.Filter == nil:
		err = mongoerr.New(40414, "BSON field '%s.deletes.q' is missing but a required field", r.name)
	case limit.IsMissing():
		err = mongoerr.New(40414, "BSON field '%s.deletes.limit' is missing but a required field", r.name)
	case limit.IsNumber() && (!ok || n != 0 && n != 1):
		err = mongoerr.New(mongoerr.FailedToParse, "The limit field in delete objects must be 0 or 1. Got %s", limit)
	default:
		op.Multi = n == 0
	}
	return op, err
}
