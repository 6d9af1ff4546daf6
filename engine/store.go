package engine

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

var _ store.Store = (*Engine)(nil)

// Databases implements store.Store.
func (e *Engine) Databases(context.Context) ([]string, error) {
	return e.catalog.databases(), e.open()
}

func (e *Engine) open() error {
	if e.closed.Load() {
		return e.usable()
	}
	return nil
}

// Collections implements store.Store.
func (e *Engine) Collections(_ context.Context, db string) ([]store.Collection, error) {
	var out []store.Collection
	for _, c := range e.catalog.list(db) {
		m := c.load()
		x := store.Collection{Name: m.ns.Coll, Options: m.options, UUID: c.uuid}
		if x.Options == nil {
			x.Options = emptyDoc
		}
		if m.view != nil {
			x.View, x.ViewOn, x.Pipeline, x.UUID = true, m.view.on, m.view.pipeline, [16]byte{}
		}
		out = append(out, x)
	}
	return out, e.open()
}

// Aggregate implements store.Store.
func (e *Engine) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	return e.aggregateIn(ctx, nil, ns, pipeline, o)
}

func (e *Engine) aggregateIn(ctx context.Context, tx *transaction, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	if err := e.open(); err != nil {
		return nil, err
	}
	var cancel context.CancelFunc
	if o.MaxTime > 0 {
		ctx, cancel = context.WithTimeout(ctx, o.MaxTime)
	}
	op, err := e.aggregate(ctx, ns, pipeline, pipelineOptions{
		collationSpec: o.Collation, let: o.Let, hint: o.Hint, allowDiskUse: o.AllowDiskUse, tx: tx,
	})
	if err != nil {
		if cancel != nil {
			cancel()
		}
		return nil, asServerError(err)
	}
	cur := op.cur
	if cancel != nil {
		cur = &timedCursor{in: cur, limit: ctx, cancel: cancel}
	}
	return &localCursor{in: cur}, nil
}

// localCursor gives errors as a server would.
type localCursor struct{ in store.Cursor }

func (c *localCursor) Next(ctx context.Context) (bson.Raw, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	doc, err := c.in.Next(ctx)
	if err == nil || isEOF(err) {
		return doc, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, asServerError(err)
}

func (c *localCursor) Close() error { return c.in.Close() }

// timedCursor holds a cursor to the time limit of its operation.
type timedCursor struct {
	in     store.Cursor
	limit  context.Context
	cancel context.CancelFunc
}

func (c *timedCursor) Next(ctx context.Context) (bson.Raw, error) {
	if c.limit.Err() != nil {
		return nil, interrupted(c.limit.Err())
	}
	return c.in.Next(ctx)
}

func (c *timedCursor) Close() error {
	c.cancel()
	return c.in.Close()
}

// Write implements store.Store.
func (e *Engine) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	return e.writeIn(ctx, nil, ns, ops, o)
}

func (e *Engine) writeIn(ctx context.Context, tx *transaction, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	w := &writer{e: e, tx: tx, ahead: o.Ahead, within: o.Within}
	let, err := e.evalLet(o.Let)
	if err != nil {
		return store.WriteResult{}, asServerError(err)
	}
	res, err := w.runMixed(ctx, ns, ops, let, !o.Unordered)
	if err == nil && o.Later && w.unsynced {
		res.Wait = func() error {
			if err := w.finish(); err != nil {
				return asServerError(err)
			}
			return nil
		}
		return res, nil
	}
	if serr := w.finish(); err == nil {
		err = serr
	}
	if err != nil {
		return res, asServerError(err)
	}
	return res, nil
}

// runMixed runs operations of all kinds; runs of inserts, and of updates by _id, go together.
func (w *writer) runMixed(ctx context.Context, ns store.Namespace, ops []store.WriteOp, let bson.Raw, ordered bool) (store.WriteResult, error) {
	var res store.WriteResult
	var reply writeReply
	w.one = len(ops) == 1 && !ops[0].Multi
	for at := 0; at < len(ops); {
		if ops[at].Kind == store.Insert {
			n, err := w.runInserts(ctx, ns, ops[at:], at, &res, &reply, ordered)
			if err != nil {
				return res, err
			}
			at += n
		} else if n := updateGroupLen(ops[at:]); n > 0 && w.tx == nil && let == nil && w.updateGroup(ctx, ns, ops[at:at+n], at, &res) {
			at += n
		} else {
			if err := w.runOther(ctx, ns, &ops[at], let, at, &res, &reply, ordered); err != nil {
				return res, err
			}
			at++
		}
		if len(reply.errs) > 0 && (ordered || w.tx != nil) {
			break
		}
	}
	res.Errors = reply.errs
	return res, nil
}

func (w *writer) runInserts(ctx context.Context, ns store.Namespace, ops []store.WriteOp, base int, res *store.WriteResult, reply *writeReply, ordered bool) (int, error) {
	var docs []bson.Raw
	for _, op := range ops {
		if op.Kind != store.Insert {
			break
		}
		docs = append(docs, op.Document)
	}
	var fatal error
	err := w.insertMany(ctx, ns, docs, func(i int, err error) bool {
		if err == nil {
			res.Inserted++
			return true
		}
		var more bool
		more, fatal = reply.fail(w, base+i, err, ordered)
		return more
	})
	w.e.counters.insert.Add(int64(len(docs)))
	if err == nil {
		err = fatal
	}
	return len(docs), err
}

func (w *writer) runOther(ctx context.Context, ns store.Namespace, op *store.WriteOp, let bson.Raw, i int, res *store.WriteResult, reply *writeReply, ordered bool) error {
	o, err := w.runOp(ctx, ns, op, &writeArgs{let: let}, i)
	if err != nil { // what a failed operation did before is not counted
		o = writeOutcome{}
	}
	switch {
	case op.Kind == store.Delete:
		res.Deleted += o.n
	case !o.upserted.IsMissing():
		res.Upserted = append(res.Upserted, store.Upserted{Index: i, ID: o.upserted.Clone().RawValue()})
	default:
		res.Matched += o.n
		res.Modified += o.modified
	}
	if err != nil {
		_, err = reply.fail(w, i, err, ordered)
	}
	return err
}

// Command implements store.Store.
func (e *Engine) Command(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	if err := e.open(); err != nil {
		return nil, err
	}
	return e.RunCommand(ctx, nil, db, cmd, nil)
}

// Capabilities implements store.Store.
func (e *Engine) Capabilities() store.Capabilities {
	return store.Capabilities{
		Version: [3]int{int(versionArray[0]), int(versionArray[1]), int(versionArray[2])}, Embedded: true,
		Transactions: true, ChangeStreams: true, ExpandedEvents: true, PreAndPostImages: true, SplitLargeEvents: true,
		OrderedJournal: true, SetWindowFields: true, DensifyFill: true, DateTrunc: true, TopN: true, Percentile: true, LookupWithPipeline: true,
	}
}

// Begin implements store.Store.
func (e *Engine) Begin(context.Context) (store.Tx, error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	id := newUUID()
	s := e.sessions.get(id[:], e.opts.Now())
	lsid := lsidDocument(id[:])
	t, err := s.startTransaction(e, 1, func() (*transaction, error) { return e.begin(lsid, 1, nil, 0), nil })
	if err != nil {
		return nil, err
	}
	// Who holds it is in this process and ends it; a load may take its time.
	s.mu.Lock()
	t.expires = time.Time{}
	s.mu.Unlock()
	return &localTx{e: e, t: t, s: s}, nil
}

// localTx is a transaction in process.
type localTx struct {
	e *Engine
	t *transaction
	s *logicalSession
}

func (x *localTx) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	if _, err := x.s.transaction(1); err != nil {
		return nil, err
	}
	cur, err := x.e.aggregateIn(ctx, x.t, ns, pipeline, o)
	if err != nil {
		x.end(txnAborted)
	}
	return cur, err
}

func (x *localTx) Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, o store.WriteOptions) (store.WriteResult, error) {
	if _, err := x.s.transaction(1); err != nil {
		return store.WriteResult{}, err
	}
	res, err := x.e.writeIn(ctx, x.t, ns, ops, o)
	if err != nil || len(res.Errors) > 0 {
		x.end(txnAborted)
	}
	return res, err
}

func (x *localTx) end(state txnState) {
	x.t.abort()
	x.s.finish(x.t, state)
	x.e.sessions.forget(x.s.id)
}

func (x *localTx) Commit(context.Context) error {
	if _, err := x.s.transaction(1); err != nil {
		return err
	}
	if err := x.t.commit(); err != nil {
		x.end(txnAborted)
		return err
	}
	x.end(txnCommitted)
	return nil
}

func (x *localTx) Abort(context.Context) error {
	x.end(txnAborted)
	return nil
}

// Watch implements store.Store.
func (e *Engine) Watch(ctx context.Context, scope store.Namespace, pipeline []bson.Raw, o store.WatchOptions) (store.ChangeStream, error) {
	if err := e.open(); err != nil {
		return nil, err
	}
	if o.Cluster {
		scope = store.Namespace{DB: "admin"}
	}
	stages := append([]bson.Raw{stageDoc("$changeStream", value.Document(streamOptions(o)))}, pipeline...)
	op, err := e.openStream(ctx, scope, stages, pipelineOptions{})
	if err != nil {
		return nil, asServerError(err)
	}
	return &localStream{cur: &streamCursor{in: op.cur, stream: op.stream}, s: op.stream}, nil
}

func streamOptions(o store.WatchOptions) bson.Raw {
	start, d := value.BeginDocument(nil)
	for _, t := range [...]struct {
		key   string
		token bson.Raw
	}{{"resumeAfter", o.ResumeAfter}, {"startAfter", o.StartAfter}} {
		if t.token != nil {
			d = value.AppendElement(d, t.key, value.Document(t.token))
		}
	}
	if o.StartAtOperationTime != nil {
		d = value.AppendElement(d, "startAtOperationTime", value.Timestamp(o.StartAtOperationTime.T, o.StartAtOperationTime.I))
	}
	if o.FullDocument != store.ImageDefault {
		d = value.AppendElement(d, "fullDocument", value.String(string(o.FullDocument)))
	}
	if o.FullDocumentBeforeChange != store.ImageDefault {
		d = value.AppendElement(d, "fullDocumentBeforeChange", value.String(string(o.FullDocumentBeforeChange)))
	}
	if o.ShowExpandedEvents {
		d = value.AppendElement(d, "showExpandedEvents", value.Bool(true))
	}
	if o.Cluster {
		d = value.AppendElement(d, "allChangesForCluster", value.Bool(true))
	}
	return value.EndDocument(d, start)
}

// localStream is a change stream in process: its events are never buffered
// beyond what the stream itself has read.
type localStream struct {
	cur    *streamCursor
	s      *changeStream
	failed error
}

// Next implements store.ChangeStream.
func (l *localStream) Next(ctx context.Context, maxAwait time.Duration) (bson.Raw, error) {
	if l.failed != nil {
		return nil, l.failed
	}
	deadline := time.Now().Add(maxAwait)
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		doc, err := l.cur.Next(ctx)
		switch {
		case err == nil:
			l.s.returned(doc)
			return doc, nil
		case isEOF(err):
			l.failed = err
			return nil, err
		case !isIdle(err):
			l.failed = asServerError(err)
			return nil, l.failed
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, nil
		}
		if _, err := l.s.awaitEvents(ctx, left); err != nil {
			return nil, ctx.Err()
		}
		if err := l.s.e.open(); err != nil {
			return nil, err
		}
	}
}

func (l *localStream) Buffered() int { return len(l.s.queue) }

func (l *localStream) ResumeToken() bson.Raw { return slices.Clone(l.s.returns) }

func (l *localStream) OperationTime() bson.Timestamp {
	ts := l.s.e.log.Durable()
	return bson.Timestamp{T: uint32(ts >> 32), I: uint32(ts)}
}

func (l *localStream) Close() error {
	if l.failed == nil {
		l.failed = mongoerr.New(mongoerr.CursorKilled, "the change stream is closed")
	}
	return l.cur.Close()
}
