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

const defaultBatch = 101

// cmdAggregate: {aggregate: coll | 1, pipeline: [...], cursor: {batchSize}}.
func cmdAggregate(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns := store.Namespace{DB: r.db}
	if r.arg.IsString() {
		var err error
		if ns, err = r.namespace(); err != nil {
			return dst, err
		}
	} else if !r.arg.IsNumber() {
		return dst, mongoerr.New(mongoerr.TypeMismatch, "collection name has invalid type: %s", value.TypeName(r.arg.Kind()))
	} else if n, ok := r.arg.Integral(); !ok || n != 1 {
		return dst, mongoerr.New(mongoerr.FailedToParse, "Invalid command format: the 'aggregate' field must specify a collection name or 1")
	}
	a := aggregateArgs{batch: defaultBatch}
	if err := r.fields(a.set(r)); err != nil {
		return dst, err
	}
	if a.pipeline == nil {
		return dst, r.missing("pipeline")
	}
	if a.explain {
		return explainAggregate(ctx, r, dst, ns, *a.pipeline, a.opts)
	}
	if !a.cursor {
		return dst, mongoerr.New(mongoerr.FailedToParse, "The 'cursor' option is required, except for aggregate with the explain argument")
	}
	var err error
	if a.opts.tx, err = r.reading(); err != nil {
		return dst, err
	}
	a.opts.level = r.level
	r.e.counters.query.Add(1)
	o, err := r.e.aggregate(ctx, ns, *a.pipeline, a.opts)
	if err != nil {
		return dst, err
	}
	if ns.Coll == "" {
		o.ns.Coll = "$cmd.aggregate"
	}
	return r.firstBatch(ctx, dst, o, a.batch, true, false, false)
}

type aggregateArgs struct {
	pipeline *[]bson.Raw
	cursor   bool
	explain  bool
	batch    int
	opts     pipelineOptions
}

func (a *aggregateArgs) set(r *request) func(string, value.Value) (bool, error) {
	return func(key string, v value.Value) (known bool, err error) {
		switch key {
		case "pipeline":
			if !v.IsArray() {
				return true, mongoerr.New(mongoerr.TypeMismatch, "'pipeline' option must be specified as an array")
			}
			p := []bson.Raw{}
			for it := value.Walk(v.Doc()); it.Next(); {
				if it.Kind() != bson.TypeEmbeddedDocument {
					return true, mongoerr.New(mongoerr.TypeMismatch, "Each element of the 'pipeline' array must be an object")
				}
				p = append(p, it.Value().Doc())
			}
			a.pipeline = &p
		case "cursor":
			a.cursor = true
			a.batch, err = r.cursorOption(v)
		case "explain":
			a.explain, err = r.boolean(key, v)
		case "allowDiskUse":
			a.opts.allowDiskUse, err = r.boolean(key, v)
		case "collation":
			a.opts.collationSpec, err = r.document(key, v)
		case "let":
			a.opts.let, err = r.document(key, v)
		case "hint":
			a.opts.hint, err = r.hintOf(v)
		case "bypassDocumentValidation", "fromMongos", "needsMerge", "exchange", "isMapReduceCommand", "collectionUUID", "bypassEmptyTsReplacement", "$_generateV2ResumeTokens":
		default:
			return false, nil
		}
		return true, err
	}
}

func (r *request) cursorOption(v value.Value) (int, error) {
	if !v.IsDocument() {
		return 0, mongoerr.New(mongoerr.TypeMismatch, "cursor field must be missing or an object")
	}
	batch := defaultBatch
	for it := value.Walk(v.Doc()); it.Next(); {
		if it.Key() != "batchSize" {
			return 0, mongoerr.New(40415, "BSON field 'cursor.%s' is an unknown field.", it.Key())
		}
		n, err := r.number("batchSize", it.Value())
		if err != nil {
			return 0, err
		}
		batch = int(n)
	}
	return batch, nil
}

// firstBatch appends the cursor field of a reply and registers the cursor when
// it goes on.
func (r *request) firstBatch(ctx context.Context, dst []byte, o opened, batch int, limited, single, keep bool) ([]byte, error) {
	c := &serverCursor{ns: o.ns, cur: o.cur, stream: o.stream, tail: o.tail, session: string(r.lsid), tx: r.tx, keep: keep, comment: r.comment}
	if o.stream != nil {
		c.cur = &streamCursor{in: o.cur, stream: o.stream}
	}
	start0 := len(dst)
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "cursor")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendHeader(dst, bson.TypeArray, "firstBatch")
	batchAt := len(dst)
	dst, err := c.appendBatch(ctx, dst, batch, limited)
	if err != nil {
		_ = c.cur.Close()
		return dst, err
	}
	if c.done || single {
		_ = c.cur.Close()
	} else {
		if until, ok := ctx.Deadline(); ok && r.maxTime > 0 {
			c.budget = max(time.Until(until), 1)
		}
		r.e.cursors.add(c, r.e.opts.Now())
		if r.tx != nil {
			r.tx.cursors = append(r.tx.cursors, c.id)
		}
	}
	if r.name == "listCollections" || r.name == "listIndexes" { // which tell the id first
		docs := value.Array(slices.Clone(dst[batchAt:]))
		dst = value.AppendHeader(dst[:start0], bson.TypeEmbeddedDocument, "cursor")
		start, dst := value.BeginDocument(dst)
		dst = value.AppendElement(dst, "id", value.Int64(c.id))
		dst = value.AppendElement(dst, "ns", value.String(o.ns.String()))
		return value.EndDocument(value.AppendElement(dst, "firstBatch", docs), start), nil
	}
	if o.stream != nil {
		dst = value.AppendElement(dst, "postBatchResumeToken", value.Document(o.stream.returns))
	}
	dst = r.appendSnapshotTime(dst)
	dst = value.AppendElement(dst, "id", value.Int64(c.id))
	dst = value.AppendElement(dst, "ns", value.String(o.ns.String()))
	return value.EndDocument(dst, start), nil
}

// cmdGetMore: {getMore: id, collection: name, batchSize, maxTimeMS}.
func cmdGetMore(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	if r.arg.Kind() != bson.TypeInt64 {
		return dst, mongoerr.New(mongoerr.TypeMismatch, "BSON field 'getMore.getMore' is the wrong type '%s', expected type 'long'", value.TypeName(r.arg.Kind()))
	}
	if r.arg.AsInt64() == 0 {
		return dst, mongoerr.New(mongoerr.BadValue, "Cursor id for getMore must be non-zero")
	}
	coll, found, batch, limited := "", false, 0, false
	err := r.fields(func(key string, v value.Value) (bool, error) {
		switch key {
		case "collection":
			if !v.IsString() {
				return true, r.wrongType(key, v, "string")
			}
			coll, found = v.Str(), true
		case "batchSize":
			n, err := r.number(key, v)
			batch, limited = int(n), n > 0
			return true, err
		case "term", "lastKnownCommittedOpTime":
		default:
			return true, mongoerr.New(mongoerr.FailedToParse, "Failed to parse: %s. Unrecognized field '%s'.", value.Document(r.cmd), key)
		}
		return true, nil
	})
	if err != nil {
		return dst, err
	}
	if !found {
		return dst, mongoerr.New(mongoerr.FailedToParse, "Field 'collection' missing in: %s", value.Document(r.cmd))
	}
	if coll == "" {
		return dst, mongoerr.New(mongoerr.InvalidNamespace, "Invalid namespace for getMore: %s.", r.db)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, err := r.e.cursors.take(r.arg.AsInt64(), stop)
	if err != nil {
		return dst, err
	}
	defer func() { r.e.cursors.put(c, r.e.opts.Now()) }()
	if err := r.mayUse(c, coll); err != nil {
		return dst, err
	}
	if r.maxTime > 0 && c.waiter() == nil {
		return dst, mongoerr.New(mongoerr.BadValue, "cannot set maxTimeMS on getMore command for a non-awaitData cursor")
	}
	r.e.counters.getmore.Add(1)
	if c.budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.budget)
		defer cancel()
		defer func(since time.Time) { c.spend(time.Since(since)) }(time.Now())
	}
	return r.nextBatch(ctx, dst, c, batch, limited)
}

// spend takes time off the limit of the cursor's operation.
func (c *serverCursor) spend(d time.Duration) {
	c.budget = max(c.budget-d, 1)
}

func (r *request) mayUse(c *serverCursor, coll string) error {
	switch {
	case c.ns.DB != r.db || c.ns.Coll != coll:
		return mongoerr.New(mongoerr.Unauthorized, "Requested getMore on namespace '%s.%s', but cursor belongs to a different namespace %s", r.db, coll, c.ns)
	case c.session != "" && len(r.lsid) == 0:
		return mongoerr.New(50737, "Cannot run getMore on cursor %d, which was created in session %x, without an lsid", c.id, c.session)
	case c.session == "" && len(r.lsid) > 0:
		return mongoerr.New(50736, "Cannot run getMore on cursor %d, which was not created in a session, in session %x", c.id, r.lsid)
	case c.session != string(r.lsid):
		return mongoerr.New(50738, "Cannot run getMore on cursor %d, which was created in session %x, in session %x", c.id, c.session, r.lsid)
	case c.tx == nil && r.tx != nil:
		return mongoerr.New(50739, "Cannot run getMore on cursor %d, which was not created in a transaction, in transaction %d", c.id, r.txnNumber)
	case c.tx != r.tx:
		return mongoerr.New(50740, "Cannot run getMore on cursor %d outside of the transaction in which it was created", c.id)
	}
	return nil
}

func (r *request) nextBatch(ctx context.Context, dst []byte, c *serverCursor, batch int, limited bool) ([]byte, error) {
	start0 := len(dst)
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "cursor")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendHeader(dst, bson.TypeArray, "nextBatch")
	dst, err := r.fill(ctx, dst, c, batch, limited)
	if err != nil {
		c.done = true
		if r.e.cursors.wasKilled(c) && ctx.Err() != nil {
			err = mongoerr.New(mongoerr.CursorKilled, "operation was interrupted because a client disconnected or killed the cursor")
		}
		return dst[:start0], err
	}
	id := c.id
	if c.done {
		id = 0
	}
	if c.stream != nil {
		dst = value.AppendElement(dst, "postBatchResumeToken", value.Document(c.stream.returns))
	}
	dst = value.AppendElement(dst, "id", value.Int64(id))
	dst = value.AppendElement(dst, "ns", value.String(c.ns.String()))
	return value.EndDocument(dst, start), nil
}

// waiter is how a cursor waits for more; nil when it does not.
func (c *serverCursor) waiter() func(context.Context, time.Duration) (bool, error) {
	switch {
	case c.stream != nil:
		return c.stream.awaitEvents
	case c.tail != nil && c.tail.await:
		return c.tail.awaitEvents
	}
	return nil
}

// fill appends a batch; of a change stream without events it waits for one.
func (r *request) fill(ctx context.Context, dst []byte, c *serverCursor, batch int, limited bool) ([]byte, error) {
	wait := c.waiter()
	if wait == nil {
		return c.appendBatch(ctx, dst, batch, limited)
	}
	await := time.Second
	if r.maxTime > 0 {
		await = r.maxTime
	}
	deadline := time.Now().Add(await)
	empty := len(dst) + 5
	for {
		out, err := c.appendBatch(ctx, dst, batch, limited)
		if err != nil || len(out) > empty || c.done {
			return out, err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return out, nil
		}
		if _, err := wait(ctx, left); err != nil {
			return dst, err
		}
		if r.e.cursors.wasKilled(c) {
			return dst, mongoerr.New(mongoerr.CursorKilled, "operation was interrupted because a client disconnected or killed the cursor")
		}
	}
}

// cmdKillCursors: {killCursors: coll, cursors: [ids]}.
func cmdKillCursors(_ context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	var ids []int64
	found := false
	err = r.fields(func(key string, v value.Value) (bool, error) {
		if key != "cursors" {
			return false, nil
		}
		found = true
		if !v.IsArray() {
			return true, r.wrongType(key, v, "array")
		}
		for it := value.Walk(v.Doc()); it.Next(); {
			if it.Kind() != bson.TypeInt64 {
				return true, r.wrongType("cursors."+it.Key(), it.Value(), "long")
			}
			ids = append(ids, it.Value().AsInt64())
		}
		return true, nil
	})
	if err != nil {
		return dst, err
	}
	if !found {
		return dst, r.missing("cursors")
	}
	var killed, gone []int64
	for _, id := range ids {
		if r.e.cursors.kill(id, ns) {
			killed = append(killed, id)
		} else {
			gone = append(gone, id)
		}
	}
	dst = appendLongs(dst, "cursorsKilled", killed)
	dst = appendLongs(dst, "cursorsNotFound", gone)
	dst = appendLongs(dst, "cursorsAlive", nil)
	return appendLongs(dst, "cursorsUnknown", nil), nil
}

func appendLongs(dst []byte, key string, ns []int64) []byte {
	dst = value.AppendHeader(dst, bson.TypeArray, key)
	start, dst := value.BeginDocument(dst)
	for i, n := range ns {
		dst = value.AppendItem(dst, i, value.Int64(n))
	}
	return value.EndDocument(dst, start)
}
