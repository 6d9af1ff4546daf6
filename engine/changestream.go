package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// errIdle is what a change stream's cursor gives while there is no event. The
// stages above hand it on and can be asked again.
var errIdle = errors.New("no event yet")

// changeStream turns oplog entries of one scope into events.
type changeStream struct {
	e         *Engine
	scope     store.Namespace // Coll empty: a database; DB empty: the cluster
	spec      streamSpec
	next      storage.OplogPos // the next entry to read
	read      uint64           // cluster time up to which everything was read
	queue     []bson.Raw
	slots     []bson.Raw // memory of queue
	arena     []byte     // of the events in queue: they are valid until more are read
	given     []byte     // memory of returns
	scanned   bson.Raw   // token after everything that was read
	returns   bson.Raw   // postBatchResumeToken
	ended     bool       // after an invalidate
	lastID    bson.Raw   // token of the event handed to the pipeline
	hasStages bool
	splits    bool // the pipeline splits large events
	seen      int  // parts of the first event that are not given
	lead      []filterSpec
	absent    bool  // the event to resume at is none of the stream's
	failure   error // what comes behind the events in queue
}

// Token implements agg.Fragments.
func (s *changeStream) Token(event bson.Raw, n int) bson.Raw {
	p, err := parseToken(value.Document(event))
	if err != nil {
		return event // not ours: the pipeline has changed it, which is refused later
	}
	p.fragment = uint32(n)
	return token(p)
}

// Seen implements agg.Fragments.
func (s *changeStream) Seen() int { return s.seen }

// openStream starts a change stream with its pipeline.
func (e *Engine) openStream(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o pipelineOptions) (opened, error) {
	if o.tx != nil {
		return opened{}, mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Operation not permitted in transaction :: caused by :: Aggregation stage $changeStream cannot run within a multi-document transaction")
	}
	s := &changeStream{e: e, hasStages: len(pipeline) > 1, splits: hasStage(pipeline, "$changeStreamSplitLargeEvent")}
	env := e.pipelineEnv(ns, o)
	env.Writer, env.Fragments = nil, s
	env.ChangeStream = func(_ context.Context, spec bson.Raw) (store.Cursor, error) {
		return s, s.start(ns, spec)
	}
	var err error
	if env.Collation, err = collationOf(o.collationSpec, nil); err != nil {
		return opened{}, err
	}
	if env.Let, err = e.evalLet(o.let); err != nil {
		return opened{}, err
	}
	if c := e.catalog.get(ns); c != nil && c.load().view != nil {
		return opened{}, mongoerr.New(mongoerr.CommandNotSupportedOnView, "Namespace %s is a view, not a collection", ns)
	}
	p, err := agg.Compile(pipeline, env)
	if err != nil {
		return opened{}, err
	}
	if s.splits && hasStage(pipeline, "$_internalInhibitOptimization") {
		return opened{}, mongoerr.New(7182803, "$changeStreamSplitLargeEvent cannot be moved to its place over $_internalInhibitOptimization")
	}
	if s.lead, err = e.leadOf(pipeline[1:], env.Collation, env.Let); err != nil {
		return opened{}, err
	}
	cur, err := p.Run(ctx, nil)
	if err != nil {
		return opened{}, err
	}
	return opened{cur: cur, stream: s, ns: ns}, nil
}

func hasStage(pipeline []bson.Raw, name string) bool {
	return slices.ContainsFunc(pipeline, func(stage bson.Raw) bool { return firstKey(stage) == name })
}

// Next implements store.Cursor below the pipeline.
func (s *changeStream) Next(context.Context) (bson.Raw, error) {
	if len(s.queue) == 0 {
		if s.failure != nil {
			return nil, s.failure
		}
		if s.ended {
			s.returns = s.scanned
			return nil, errEnd
		}
		s.queue = s.slots[:0]
		if s.arena = s.arena[:0]; cap(s.arena) > streamReadBytes {
			s.arena = nil
		}
		if err := s.readOn(); err != nil {
			if s.failure = err; len(s.queue) == 0 {
				return nil, err
			}
		}
		s.slots = s.queue
		if len(s.queue) == 0 {
			s.rest()
			return nil, errIdle
		}
	}
	ev := s.queue[0]
	s.queue = s.queue[1:]
	if s.absent {
		return nil, notFound(value.Lookup(ev, "_id"))
	}
	s.lastID = value.Lookup(ev, "_id").Doc()
	return ev, nil
}

// rest makes the token of what was read the stream's, unless the event that it
// gave last is the last that was read: then that one's stays.
func (s *changeStream) rest() {
	given, gerr := parseToken(value.Document(s.returns))
	read, rerr := parseToken(value.Document(s.scanned))
	if gerr != nil || rerr != nil || given.kind != tokenEvent || given.pos != read.pos {
		s.returns = s.scanned
	}
}

func isIdle(err error) bool { return errors.Is(err, errIdle) }

// Close implements store.Cursor.
func (s *changeStream) Close() error { return nil }

const (
	streamReadEvents = 500
	streamReadBytes  = 4 << 20
)

// readOn takes the next entries of the log into the queue. Where none of them
// concerns the stream, it passes over all without reading.
func (s *changeStream) readOn() error {
	news, durable := s.e.log.News(s.interest(), s.read)
	if !news {
		if durable > s.read && durable >= s.next.TS {
			s.read, s.next = durable, storage.OplogPos{TS: durable + 1}
			s.scanned = token(behind(durable))
		}
		return nil
	}
	from, last, whole := s.next, s.next, true
	err := s.e.log.Scan(s.next, durable, func(pos storage.OplogPos, entry *oplog.Entry) (bool, error) {
		if err := s.event(pos, entry); err != nil {
			return false, err
		}
		last, s.next = pos, storage.OplogPos{TS: pos.TS, Ord: pos.Ord + 1}
		whole = !s.ended && len(s.queue) < streamReadEvents && len(s.arena) < streamReadBytes
		return whole, nil
	})
	if s.ended {
		s.scanned = token(resumePoint{pos: last, kind: tokenInvalidate})
	} else if s.next != from {
		s.scanned = token(resumePoint{pos: last, kind: tokenAfter})
	}
	if err != nil {
		return err
	}
	if whole {
		s.read = max(s.read, durable)
	}
	if s.e.log.Lost(from) { // asked afterwards, for it may have been trimmed meanwhile
		s.queue = nil
		return historyLost()
	}
	return nil
}

// returned notes that an event goes to the client.
func (s *changeStream) returned(doc bson.Raw) {
	if id := value.Lookup(doc, "_id"); id.IsDocument() {
		s.given = append(s.given[:0], id.Doc()...)
		s.returns = s.given
	}
}

// checkToken refuses events whose _id the pipeline has changed.
func (s *changeStream) checkToken(doc bson.Raw) error {
	if !s.hasStages {
		return nil
	}
	id := value.Lookup(doc, "_id")
	if id.IsDocument() && (value.Equal(id, value.Document(s.lastID)) || !value.Lookup(doc, "splitEvent").IsMissing()) {
		return nil
	}
	return mongoerr.New(mongoerr.ChangeStreamFatalError,
		"Encountered an event whose _id field, which contains the resume token, was modified by the pipeline. "+
			"Modifying the _id field of an event makes it impossible to resume the stream from that point. "+
			"Only transformations that retain the unmodified _id field are allowed. Expected: %s but found: %s",
		value.Document(s.lastID), id).WithLabels("NonResumableChangeStreamError")
}

// streamCursor is a change stream's whole pipeline as a cursor that never
// waits: it gives errIdle instead.
type streamCursor struct {
	in     store.Cursor
	stream *changeStream
}

func (c *streamCursor) Next(ctx context.Context) (bson.Raw, error) {
	doc, err := c.in.Next(ctx)
	if err != nil {
		return nil, err
	}
	if len(doc) > agg.MaxEvent {
		return nil, mongoerr.New(mongoerr.BSONObjectTooLarge, "BSONObj size: %d (0x%X) is invalid. Size must be between 0 and %d(16MB)", len(doc), len(doc), agg.MaxEvent).
			WithLabels("NonResumableChangeStreamError")
	}
	return doc, c.stream.checkToken(doc)
}

func (c *streamCursor) Close() error { return c.in.Close() }

// awaitEvents waits until the log has grown beyond what the stream has read,
// for at most d. It tells whether there is something to read.
func (s *changeStream) awaitEvents(ctx context.Context, d time.Duration) (bool, error) {
	if s.ended || len(s.queue) > 0 {
		return true, nil
	}
	news, stop := s.e.log.WaitFor(s.interest(), s.read)
	defer stop()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-news:
		return true, nil
	case <-ctx.Done():
		return false, interrupted(ctx.Err())
	case <-t.C:
		return false, nil
	}
}

func (s *changeStream) interest() oplog.Scope { return oplog.Scope{DB: s.scope.DB, Coll: s.scope.Coll} }
