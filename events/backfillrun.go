package events

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// Bounds of one chunk of a backfill.
const (
	chunkRows  = 1000
	chunkBytes = 8 << 20
)

// chunk is a stretch of a collection by _id, read between two times of the server.
type chunk struct {
	docs []bson.Raw
	last value.Value    // the _id that the next chunk begins after
	low  bson.Timestamp // before it was read
	high bson.Timestamp // after
	end  bool           // there is no next one
}

// runBackfills runs the jobs of a subscription one after the other. It is
// started by coordination where the database is read.
func (m *Manager) runBackfills(ctx context.Context, s *subscription, def stored, r *reader) error {
	r.hurried.Add(1)
	defer r.hurried.Add(-1)
	delay := 100 * time.Millisecond
	for {
		err := m.backfillAll(ctx, def, r)
		if err == nil || ctx.Err() != nil || errors.Is(err, errReaderEnded) {
			return err
		}
		m.log.Warn("a backfill failed; it is tried again", "subscription", s.ID, "error", err, "delay", delay)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
		delay = min(2*delay, 10*time.Second)
	}
}

func (m *Manager) backfillAll(ctx context.Context, def stored, r *reader) error {
	for {
		jobs, err := m.runningBackfills(ctx, def.ID)
		if err != nil {
			return err
		}
		if len(jobs) == 0 {
			break
		}
		if err := m.backfillOne(ctx, def, jobs[0], r); err != nil {
			return err
		}
	}
	_, err := changeDefinition(ctx, m.st, bson.D{{Key: "_id", Value: def.ID}}, bson.E{Key: "$unset", Value: bson.D{{Key: "backfilling", Value: ""}}})
	if err != nil {
		return err
	}
	jobs, err := m.runningBackfills(ctx, def.ID)
	if err != nil {
		return err
	}
	if len(jobs) > 0 { // they were recorded meanwhile
		if err := m.markBackfill(ctx, def.ID); err != nil {
			return err
		}
	}
	_, err = m.bump(ctx, def.Spec.Database)
	return err
}

// backfillOne runs a job to its end: its documents are logged, it was
// cancelled, or its condition cannot be asked any more.
func (m *Manager) backfillOne(ctx context.Context, def stored, job *backfillJob, r *reader) error {
	where, err := m.documentCondition(ctx, def.Spec.Database, job)
	if err != nil {
		return m.endBackfill(ctx, job, jobFailed, err.Error())
	}
	rt, err := compileRoute(ctx, m.lang, def.Spec)
	if err != nil {
		return m.endBackfill(ctx, job, jobFailed, err.Error())
	}
	b := &backfiller{m: m, job: job, rt: rt, where: where, source: store.Namespace{DB: def.Spec.Database, Coll: job.Collection}, resumed: true}
	for {
		c, err := b.read(ctx)
		if err != nil {
			return err
		}
		going, err := b.progress(ctx, bson.D{}) // also moves the server's time past what was read
		if err != nil || !going {
			return err
		}
		if err := r.inject(ctx, &injection{after: c.high, rows: func(ctx context.Context, at bson.Timestamp, ordinal uint32) (routed, uint32, error) {
			return b.route(ctx, r, c, at, ordinal)
		}}); err != nil {
			return err
		}
		set := bson.D{{Key: "done", Value: job.Done + int64(len(c.docs))}, {Key: "failed", Value: job.Failed}}
		if !c.last.IsMissing() {
			set = append(set, bson.E{Key: "last_key", Value: c.last.RawValue()})
		}
		if going, err = b.progress(ctx, set); err != nil || !going {
			return err
		}
		if job.Done += int64(len(c.docs)); c.end {
			return m.endBackfill(ctx, job, jobDone, "")
		}
		job.Last, b.resumed = c.last.RawValue(), false
	}
}

func (m *Manager) endBackfill(ctx context.Context, job *backfillJob, status, lastError string) error {
	set := bson.D{{Key: "status", Value: status}, {Key: "finished_at", Value: m.clock()}}
	if status == jobDone {
		set = append(set, bson.E{Key: "total", Value: job.Done})
	}
	if lastError != "" {
		set = append(set, bson.E{Key: "last_error", Value: lastError})
	}
	_, err := updateOne(ctx, m.st, collBackfills, bson.D{{Key: "_id", Value: job.ID}, {Key: "status", Value: jobRunning}}, bson.D{{Key: "$set", Value: set}}, false)
	return err
}

// backfiller runs one job.
type backfiller struct {
	m       *Manager
	job     *backfillJob
	rt      *route
	where   Condition
	source  store.Namespace
	resumed bool // the first chunk may have been logged before
}

// progress records how far the job is; false: it was cancelled.
func (b *backfiller) progress(ctx context.Context, set bson.D) (bool, error) {
	set = append(set, bson.E{Key: "heartbeat_at", Value: b.m.clock()}, bson.E{Key: "gateway", Value: b.m.gateway})
	return updateOne(ctx, b.m.st, collBackfills, bson.D{{Key: "_id", Value: b.job.ID}, {Key: "status", Value: jobRunning}}, bson.D{{Key: "$set", Value: set}}, false)
}

// read takes the next documents by _id.
func (b *backfiller) read(ctx context.Context) (*chunk, error) {
	c := &chunk{}
	var err error
	if c.low, err = b.m.operationTime(ctx); err != nil {
		return nil, err
	}
	last := value.FromRaw(b.job.Last)
	if b.job.Last.Type == 0 {
		last = value.Value{}
	}
	for _, match := range keysAfter(last) {
		if err := b.readSome(ctx, c, match); err != nil {
			return nil, err
		}
		if c.full() {
			break
		}
	}
	c.end = !c.full()
	if n := len(c.docs); n > 0 {
		c.last = value.Lookup(c.docs[n-1], "_id")
	}
	c.high, err = b.m.operationTime(ctx)
	return c, err
}

func (c *chunk) full() bool {
	size := 0
	for _, d := range c.docs {
		size += len(d)
	}
	return len(c.docs) >= chunkRows || size >= chunkBytes
}

func (b *backfiller) readSome(ctx context.Context, c *chunk, match bson.D) error {
	cur, err := b.m.data.Aggregate(ctx, b.source, []bson.Raw{
		marshal(bson.D{{Key: "$match", Value: match}}), marshal(bson.D{{Key: "$sort", Value: asc("_id")}}),
		marshal(bson.D{{Key: "$limit", Value: int64(chunkRows - len(c.docs))}}),
	}, store.AggregateOptions{After: c.low})
	if err != nil {
		return fmt.Errorf("read %s: %w", b.source, err)
	}
	defer func() { _ = cur.Close() }()
	for !c.full() {
		doc, err := cur.Next(ctx)
		if err != nil {
			return ignoreEOF(err)
		}
		c.docs = append(c.docs, slices.Clone(doc))
	}
	return nil
}

// keyBrackets are the BSON types in the order in which they sort; a comparison
// by $gt stays within one of them.
var keyBrackets = [][]int32{{-1}, {10, 6}, {1, 16, 18, 19}, {2, 14}, {3}, {4}, {5}, {7}, {8}, {9}, {17}, {11}, {127}}

// keysAfter gives the filters that together find every _id behind a last one,
// in order: what follows in its bracket, then the brackets behind it.
func keysAfter(last value.Value) []bson.D {
	if last.IsMissing() {
		return []bson.D{{}}
	}
	kind := int32(last.Kind())
	switch last.Kind() {
	case bson.TypeMinKey:
		kind = -1
	case bson.TypeMaxKey:
		kind = 127
	}
	at := slices.IndexFunc(keyBrackets, func(types []int32) bool { return slices.Contains(types, kind) })
	var higher bson.A
	for _, types := range keyBrackets[at+1:] {
		for _, t := range types {
			higher = append(higher, t)
		}
	}
	same := bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: last.RawValue()}}}}
	if last.IsNumber() && math.IsNaN(last.AsDouble()) { // NaN is the lowest number, and nothing is greater by $gt
		same = bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: math.Inf(-1)}}}}
	}
	out := []bson.D{same}
	if len(higher) > 0 {
		out = append(out, bson.D{{Key: "_id", Value: bson.D{{Key: "$type", Value: higher}}}})
	}
	return out
}

// route makes the rows of a chunk for positions from an ordinal on, without the
// documents that a live event has overtaken since the chunk was begun.
func (b *backfiller) route(ctx context.Context, r *reader, c *chunk, at bson.Timestamp, ordinal uint32) (routed, uint32, error) {
	out := routed{rows: map[string][]bson.Raw{}}
	overtaken, err := b.overtaken(ctx, c)
	if err != nil {
		return out, ordinal, err
	}
	now := b.m.clock()
	first := ordinal
	var ids []string
	var rows []bson.Raw
	run := ":" + bson.NewObjectID().Hex()
	for _, doc := range c.docs {
		key := string(value.AppendSortKey(nil, value.Lookup(doc, "_id"), false))
		if overtaken[key] {
			continue
		}
		dead, position := len(out.dead), string(appendPosition(nil, at, ordinal))
		row := b.row(&out, r, doc, key, position, at, now)
		if row == nil {
			continue
		}
		rows = append(rows, row)
		ids = append(ids, text(value.Lookup(row, "_id")))
		out.docs = append(out.docs, row)
		out.share(len(out.docs)-1, dead, sharing{position: position, db: r.db, run: run, at: now})
		ordinal++
	}
	out.rows[b.rt.spec.ID] = rows
	if b.resumed && ordinal > first {
		if err := b.withdraw(ctx, &out, ids); err != nil {
			return out, ordinal, err
		}
	}
	return out, ordinal, nil
}

// overtaken finds the keys of documents with live events since the chunk was begun.
func (b *backfiller) overtaken(ctx context.Context, c *chunk) (map[string]bool, error) {
	keys := map[string]bool{}
	err := query(ctx, b.m.st, collLog, []bson.D{
		{{Key: "$match", Value: bson.D{{Key: "subscription_id", Value: b.rt.spec.ID}, {Key: "position", Value: bson.D{{Key: "$gt", Value: endOf(c.low)}}},
			{Key: "collection_name", Value: b.source.Coll}, {Key: "event_type", Value: bson.D{{Key: "$ne", Value: opRead}}}}}},
		{{Key: "$project", Value: bson.D{{Key: "document_key", Value: 1}}}},
	}, func(doc bson.Raw) error {
		if key := value.Lookup(doc, "document_key"); key.IsDocument() {
			keys[string(value.AppendSortKey(nil, value.Lookup(key.Doc(), "_id"), false))] = true
		}
		return nil
	})
	return keys, err
}

// opRead is the event type of what a backfill delivers.
const opRead = "read"

// row makes the row of a document, nil: the subscription does not want it. Its
// filters are asked as if the document was inserted now.
func (b *backfiller) row(out *routed, r *reader, doc bson.Raw, key, position string, at bson.Timestamp, now time.Time) bson.Raw {
	e := b.event(doc, at, now)
	failure, wanted := b.wants(&e, doc, r, position, now)
	if !wanted {
		return nil
	}
	e.Op = opRead
	row := asEvent(r.row(b.rt, &e, position, now.UnixMilli()), b.rt.spec.ID+":bf"+b.job.ID+":"+keyHash(key))
	if failure == nil && len(row) > maxRow && tooLarge(row) {
		e.Full = noValue
		row = asEvent(r.row(b.rt, &e, position, now.UnixMilli()), b.rt.spec.ID+":bf"+b.job.ID+":"+keyHash(key))
		failure = &stillborn{ReasonLarge, errTooLarge}
	}
	if failure != nil {
		row = out.bury(b.rt, row, *failure, r)
		b.job.Failed++
	}
	return row
}

// event is the insert that a document would have come with.
func (b *backfiller) event(doc bson.Raw, at bson.Timestamp, now time.Time) Event {
	var key, raw value.Builder
	key.Add("_id", value.Lookup(doc, "_id"))
	ns := marshal(bson.D{{Key: "db", Value: b.source.DB}, {Key: "coll", Value: b.source.Coll}})
	raw.Add("operationType", value.String("insert"))
	raw.Add("clusterTime", value.Timestamp(at.T, at.I))
	raw.Add("wallTime", value.Date(now.UnixMilli()))
	raw.Add("ns", value.Document(ns))
	raw.Add("documentKey", key.DocumentOf())
	raw.Add("fullDocument", value.Document(doc))
	var e Event
	e.parse(raw.Doc())
	return e
}

// wants asks the job's condition and the subscription's filters, whatever its
// event types are.
func (b *backfiller) wants(e *Event, doc bson.Raw, r *reader, position string, now time.Time) (*stillborn, bool) {
	if b.where != nil {
		if ok, err := b.where.Match(doc); err != nil {
			return &stillborn{reasonFilter, err}, true
		} else if !ok {
			return nil, false
		}
	}
	if b.rt.filter != nil {
		if ok, err := b.rt.fulfils(b.rt.filter, e); err != nil {
			return &stillborn{reasonFilter, err}, true
		} else if !ok {
			return nil, false
		}
	}
	if b.rt.where != nil {
		if ok, err := b.rt.where.Match(r.row(b.rt, e, position, now.UnixMilli())); err != nil {
			return &stillborn{reasonFilter, err}, true
		} else if !ok {
			return nil, false
		}
	}
	return nil, true
}

// asEvent gives a row another event id.
func asEvent(row bson.Raw, id string) bson.Raw {
	var b value.Builder
	b.Add("_id", value.String(id))
	for it := value.Walk(row); it.Next(); {
		if it.Key() != "_id" {
			b.AddElement(it.Element())
		}
	}
	return b.Doc()
}

func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:12])
}

// withdraw takes rows back that an earlier run logged and nobody sent; those
// that were sent stay and are left out. The run may have ended before it told
// of their positions.
func (b *backfiller) withdraw(ctx context.Context, out *routed, ids []string) error {
	sent := map[string]bool{}
	err := query(ctx, b.m.st, collLog, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: "processing_status", Value: bson.D{{Key: "$ne", Value: StatusQueued}}}}}},
		{{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}}}}}, func(doc bson.Raw) error {
		sent[string([]byte(text(value.Lookup(doc, "_id"))))] = true
		return nil
	})
	if err != nil {
		return err
	}
	res, err := b.m.st.Write(ctx, ns(collLog), []store.WriteOp{{Kind: store.Delete, Multi: true, Filter: marshal(bson.D{
		{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: "processing_status", Value: StatusQueued}})}}, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	gone := func(row bson.Raw) bool { return sent[text(value.Lookup(row, "_id"))] }
	out.docs = slices.DeleteFunc(out.docs, gone)
	out.rows[b.rt.spec.ID] = slices.DeleteFunc(out.rows[b.rt.spec.ID], gone)
	return err
}
