package events

import (
	"context"
	"io"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/store"
)

// collectionTail is a client that follows a collection, after its documents when a
// snapshot was asked for: a document that changes meanwhile comes twice. It takes part
// in the stream that all such clients of a database share (sharedtail.go). What is past
// for that one, because the client begins in the past or fell behind, it reads by a
// stream of its own, until it is up with the others.
type collectionTail struct {
	m        *Manager
	db, coll string
	snapshot store.Cursor
	begin    string // position of the documents of the snapshot
	progress bool
	until    string
	span     span

	at    string // all up to it was given, or waits in rows
	rows  []tailedRow
	held  int        // bytes of rows that count
	queue *tailQueue // at the shared stream; nil: it takes no part
	own   *ownTail   // nil: it has none
}

// ownTail is a stream that one client reads.
type ownTail struct {
	r      *reader
	shown  *openStream
	closed func() // takes it off the list of open streams
}

func (o *ownTail) close() {
	o.r.close()
	o.closed()
}

// tailedRow is an event as SUBSCRIBE TO a collection shows it.
type tailedRow struct {
	row bson.Raw // nil: the collection is no more
	at  string
	ms  int64
}

// tailCollection follows a collection.
func (m *Manager) tailCollection(ctx context.Context, of store.Namespace, pos int, o tailOptions) (func(context.Context, time.Duration) (bson.Raw, error), func(), error) {
	now, err := m.operationTime(ctx)
	if err != nil {
		return nil, nil, err
	}
	c := &collectionTail{m: m, db: of.DB, coll: of.Coll, begin: endOf(now), at: endOf(now), progress: o.progress, until: o.to, span: o.span}
	if past := before(o.from); o.from != "" && past < c.at {
		c.at = past
		err = c.readAlone(ctx)
	} else {
		c.at = max(c.at, past)
		err = c.joinNow(ctx)
	}
	if isHistoryLost(err) {
		return nil, nil, sqlerr.As(m.tooEarly(ctx, of.DB)).At(pos)
	}
	if err == nil && o.snapshot {
		c.snapshot, err = m.data.Aggregate(ctx, of, nil, store.AggregateOptions{})
	}
	if err != nil {
		c.close()
		return nil, nil, err
	}
	return c.next, c.close, nil
}

// readAlone opens a stream of the client's own, behind what it has.
func (c *collectionTail) readAlone(ctx context.Context) error {
	at, _, _ := ParsePosition(c.at)
	at.T = max(1, at.T)
	return c.open(ctx, &at)
}

// open opens a stream of the client's own at a time; nil: at the present.
func (c *collectionTail) open(ctx context.Context, at *bson.Timestamp) error {
	r := newReader(c.m, c.db)
	rt, err := tailRoute(ctx, c.m.lang, c.db, []string{c.coll})
	if err != nil {
		return err
	}
	if err := r.setRoutes(ctx, []*route{rt}); err != nil {
		return err
	}
	r.at = at
	if err := r.watch(ctx); err != nil {
		return err
	}
	if token := r.stream.ResumeToken(); token != nil {
		r.state.Token = slices.Clone(token)
	} else if at == nil {
		from := r.stream.OperationTime()
		r.at = &from
	}
	c.own = &ownTail{r: r, shown: &openStream{kind: streamTail, db: c.db, of: c.coll, collections: []string{c.coll}, stats: &r.stats}}
	c.own.closed = c.m.opened(c.own.shown)
	return nil
}

// next gives a row, nil after wait without one, or a row of progress.
func (c *collectionTail) next(ctx context.Context, wait time.Duration) (bson.Raw, error) {
	if row, err := c.nextOfSnapshot(ctx); row != nil || err != nil {
		return row, err
	}
	end, waited := time.Now().Add(wait), false
	for {
		if row, err := c.nextOfRows(); row != nil || err != nil {
			return row, err
		}
		switch {
		case c.until != "" && c.at >= before(c.until):
			return nil, io.EOF
		case waited:
			return c.idle(wait)
		}
		left := max(0, time.Until(end))
		if c.until != "" {
			left = min(left, untilEvery)
		}
		more, err := c.read(ctx, left)
		if err != nil {
			return nil, err
		}
		waited = !more && (wait == 0 || !time.Now().Before(end))
	}
}

// nextOfRows gives a row of those that wait.
func (c *collectionTail) nextOfRows() (bson.Raw, error) {
	for len(c.rows) > 0 {
		r := c.rows[0]
		if c.until != "" && r.at >= c.until {
			return nil, io.EOF
		}
		if r.row == nil {
			return nil, sqlerr.New(sqlerr.UndefinedTable, "the collection was dropped or renamed")
		}
		if c.rows = c.rows[1:]; c.span.holds(r.ms) {
			return r.row, nil
		}
	}
	return nil, nil
}

func (c *collectionTail) nextOfSnapshot(ctx context.Context) (bson.Raw, error) {
	if c.snapshot == nil {
		return nil, nil
	}
	doc, err := c.snapshot.Next(ctx)
	if err == nil {
		return snapshotRow(doc, c.begin), nil
	}
	if err != io.EOF {
		return nil, err
	}
	_ = c.snapshot.Close()
	c.snapshot = nil
	return nil, nil
}

// read waits for rows; more tells that there may be others at once.
func (c *collectionTail) read(ctx context.Context, wait time.Duration) (more bool, err error) {
	if c.own != nil {
		return c.readOwn(ctx, wait)
	}
	c.release()
	rows, held, upTo, lost, err := c.queue.take(ctx, wait)
	c.held = held
	if err != nil {
		if isHistoryLost(err) {
			err = overrun(c.at)
		}
		return false, err
	}
	c.rows, c.at = rows, max(c.at, upTo)
	if !lost || len(rows) > 0 {
		return len(rows) > 0, nil
	}
	c.queue = nil
	if err := c.readAlone(ctx); isHistoryLost(err) {
		return false, overrun(c.at)
	} else if err != nil {
		return false, err
	}
	return true, nil
}

// readOwn reads on by the client's own stream, and takes part in the shared one as
// soon as it is as far.
func (c *collectionTail) readOwn(ctx context.Context, wait time.Duration) (more bool, err error) {
	r := c.own.r
	r.wait = wait
	upTo, err := r.tailBatch(ctx)
	switch {
	case isHistoryLost(err):
		return false, overrun(c.at)
	case err != nil:
		return false, err
	}
	for i := range r.events {
		c.rows = appendTailed(c.rows, &r.events[i], c.coll, c.at)
	}
	more = len(r.events) > 0
	c.at = max(c.at, upTo)
	if err := r.tookOn(ctx); err != nil {
		return false, err
	}
	c.join()
	return more, nil
}

// idle is what a client gets when there is nothing.
func (c *collectionTail) idle(wait time.Duration) (bson.Raw, error) {
	if !c.progress || wait == 0 {
		return nil, nil
	}
	return progressRow(c.at), nil
}

// release tells that the rows were given.
func (c *collectionTail) release() {
	c.m.budget.give(c.held)
	c.held = 0
}

func (c *collectionTail) close() {
	c.release()
	if c.snapshot != nil {
		_ = c.snapshot.Close()
	}
	if c.own != nil {
		c.own.close()
	}
	if c.queue != nil {
		c.queue.leave()
	}
	c.own, c.queue, c.snapshot = nil, nil, nil
}

// appendTailed appends the rows that an event means to the clients of a collection: none
// if it is at or before a position, or is not of the kinds that streams of a collection
// show. One that ends the collection has another row behind it.
func appendTailed(rows []tailedRow, e *Event, coll, after string) []tailedRow {
	if e.Coll != coll && (e.Op != "rename" || e.To != coll) {
		return rows
	}
	ends := e.Op == "drop" || e.Op == "rename"
	switch e.Op {
	case "insert", "update", "replace", "delete":
	default:
		if !ends {
			return rows
		}
	}
	at := e.position()
	if at <= after {
		return rows
	}
	rows = append(rows, tailedRow{row: eventRow(at, e), at: at, ms: e.WallMS})
	if ends {
		rows = append(rows, tailedRow{row: eventRow(at, &Event{Op: "invalidate"}), at: at, ms: e.WallMS}, tailedRow{at: at})
	}
	return rows
}

func eventRow(at string, e *Event) bson.Raw {
	var b value.Builder
	b.Add(fieldPosition, value.String(at))
	b.Add("weir_progressed", value.Bool(false))
	b.Add("event_type", value.String(e.Op))
	b.Add("document_key", e.Key)
	b.Add("full_document", e.Full)
	return b.Doc()
}

func snapshotRow(doc bson.Raw, at string) bson.Raw {
	var key, b value.Builder
	key.Add("_id", value.Lookup(doc, "_id"))
	b.Add(fieldPosition, value.String(at))
	b.Add("weir_progressed", value.Bool(false))
	b.Add("event_type", value.String("read"))
	b.Add("document_key", key.DocumentOf())
	b.Add("full_document", value.Document(doc))
	return b.Doc()
}
