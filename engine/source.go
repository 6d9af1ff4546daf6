package engine

import (
	"context"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/expr"
	"weir/engine/index"
	"weir/engine/match"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/store"
)

// source is a collection as pipelines read it. A nil collection is empty.
type source struct {
	e         *Engine
	c         *collection
	tx        *transaction
	collation *value.Collation // of the operation; for sorts by an index
	report    *scanReport      // explain, or nil
	min, max  bson.Raw         // limits of the hinted index's keys
	recordID  bool             // add $recordId
	indexKey  bool             // add $indexKey
	// fields and distinct go beside what the pipeline itself asks for: what of
	// its result is used.
	fields   []string
	distinct string
}

// scanReport is what explain tells about a scan.
type scanReport struct {
	access     access
	keys, docs int64
	opened     bool
}

var (
	_ agg.Source  = (*source)(nil)
	_ agg.Counter = (*source)(nil)
	_ agg.Seeker  = (*source)(nil)
)

// Open implements agg.Source: it does the match completely, and the sort when
// an index has that order.
func (s *source) Open(ctx context.Context, r agg.Request) (store.Cursor, agg.Satisfied, error) {
	done := agg.Satisfied{Match: true}
	if s.c == nil {
		return emptyCursor{}, agg.Satisfied{Match: true, Sort: true, Limit: true}, nil
	}
	m, reader, release := s.e.freeze(s.c, s.tx)
	var root match.Node
	if r.Match != nil {
		root = r.Match.Root()
	}
	w := s.wish(r, reader)
	a, err := planAccess(m, root, w)
	if err == nil && (s.min != nil || s.max != nil) {
		err = boundAccess(&a, s.min, s.max, r.Hint)
		a.exact, a.covered, a.distinct = false, 0, 0
	}
	if err != nil {
		return nil, done, closeAfter(release, err)
	}
	done.Sort = len(r.Sort) == 0 || a.sorted
	if !done.Sort && a.or == nil {
		done.Given = a.given
	}
	cur := &sourceCursor{scan: newScan(s.c, reader, a), match: r.Match, context: r.Context, report: s.report, limit: -1, recordID: s.recordID}
	if s.indexKey && a.or == nil {
		cur.keyOf = a.index
	}
	cur.scan.close = release
	if cur.context == nil {
		cur.context = s.e.exprContext(nil)
	}
	if r.Limit > 0 && done.Sort {
		cur.limit, done.Limit = r.Limit, true
	}
	if r.Match != nil && (r.Match.All() || a.exact && a.or == nil && a.index != nil) {
		cur.match = nil
	}
	if s.report != nil {
		s.report.access, s.report.opened = a, true
	}
	return cur, done, nil
}

func closeAfter(release func() error, err error) error {
	if release != nil {
		_ = release()
	}
	return err
}

// freeze gives a state to read, the transaction's or the present one, and the
// indexes that are complete in it.
func (e *Engine) freeze(c *collection, tx *transaction) (*meta, storage.Reader, func() error) {
	if tx != nil && tx.past {
		return tx.visible(c.load()), tx.reader(), tx.snap.Retain().Close
	}
	if tx != nil {
		return tx.visible(c.load()), tx.reader(), nil
	}
	for {
		m := c.load()
		snap := e.db.Snapshot()
		if c.load() == m {
			return m, snap, snap.Close
		}
		_ = snap.Close()
	}
}

// wish is what a request asks of the planner.
func (s *source) wish(r agg.Request, reader storage.Reader) wish {
	w := wish{collation: s.collation, sort: r.Sort, limit: r.Limit, fields: r.Fields, distinct: r.Distinct, hint: r.Hint, probe: prober(reader)}
	if w.fields == nil {
		w.fields = s.fields
	}
	if w.distinct == "" {
		w.distinct, w.nulls = s.distinct, true
	}
	if s.recordID || s.indexKey || s.min != nil || s.max != nil {
		w.fields, w.distinct = nil, ""
	}
	if s.tx == nil && s.c.count.Load() > 20_000 {
		w.whole, w.count = s.e.spanned, s.c.count.Load()
		w.runs = runner(reader)
	}
	return w
}

// Count implements agg.Counter for whole collections, and for what the keys of
// an index tell.
func (s *source) Count(ctx context.Context, r agg.Request) (int64, bool, error) {
	switch {
	case s.c == nil:
		return 0, true, nil
	case s.min != nil || s.max != nil:
		return 0, false, nil
	case r.Match == nil || r.Match.All():
		return max(0, s.c.count.Load()), s.tx == nil && r.Hint.IsZero(), nil
	}
	m, reader, release := s.e.freeze(s.c, s.tx)
	a, err := planAccess(m, r.Match.Root(), s.wish(r, reader))
	if err != nil || a.index == nil || !a.exact || a.or != nil {
		return 0, false, closeAfter(release, err)
	}
	n, err := countKeysIn(reader, a.ranges, func() error {
		if ctx.Err() != nil {
			return interrupted(ctx.Err())
		}
		return nil
	})
	a.index.uses.Add(1)
	if s.report != nil {
		a.counted = true
		s.report.access, s.report.opened, s.report.keys = a, true, n
	}
	if release != nil {
		err = errors.Join(err, release())
	}
	return n, true, err
}

// CanSeek implements agg.Seeker.
func (s *source) CanSeek(path string, collation *value.Collation) bool {
	return s.c == nil || seekIndex(s.c.load(), path, collation) != nil
}

func seekIndex(m *meta, path string, collation *value.Collation) *indexState {
	for _, ix := range m.indexes {
		if ix.Fields[0].Name == path && !ix.Sparse && ix.PartialSpec == nil && !ix.Hidden &&
			sameCollation(ix.Collation, collation) {
			return ix
		}
	}
	return nil
}

// Seek implements agg.Seeker. An array value is looked for by its items, and
// so is what an index holds of a document's array.
func (s *source) Seek(_ context.Context, path string, values []value.Value) (store.Cursor, error) {
	if s.c == nil {
		return emptyCursor{}, nil
	}
	var points []value.Value
	for _, v := range values {
		switch v.Kind() {
		case bson.TypeArray:
			points = append(points, v, value.Undefined())
			points = value.Items(points, v.Doc())
		case bson.TypeNull, value.KindMissing, bson.TypeUndefined:
			points = append(points, value.Null(), value.Undefined())
		default:
			points = append(points, v)
		}
	}
	m, reader, release := s.e.freeze(s.c, s.tx)
	ix := seekIndex(m, path, s.collation)
	a := access{index: ix}
	if ix != nil {
		a.ranges, _ = ix.Ranges([]index.Condition{{Points: points}})
		if len(points) > 1 {
			a.or = []access{{index: ix, ranges: a.ranges}} // for dedupe
		}
	}
	cur := &sourceCursor{scan: newScan(s.c, reader, a), limit: -1}
	cur.scan.close = release
	return cur, nil
}

// sourceCursor yields the matching documents of a scan.
type sourceCursor struct {
	scan    *scan
	match   *match.Matcher
	context *expr.Context
	limit   int64 // negative: none
	report  *scanReport
	done    bool
	// recordID: add $recordId
	recordID bool
	keyOf    *indexState // add $indexKey, the document's key in this index; nil: not
	keys     index.Generator
}

func (c *sourceCursor) Next(ctx context.Context) (bson.Raw, error) {
	if c.match != nil {
		c.context.Attend(ctx)
	}
	for !c.done && c.limit != 0 {
		rec, doc, ok, err := c.scan.next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if c.match != nil {
			if ok, err = c.match.Match(c.context, doc); err != nil {
				return nil, err
			}
		}
		if ok {
			if c.limit > 0 {
				c.limit--
			}
			c.scan.leaveGroup()
			return c.withMeta(rec, doc)
		}
	}
	c.done = true
	if err := c.Close(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

func (c *sourceCursor) withMeta(rec storage.RecordID, doc bson.Raw) (bson.Raw, error) {
	if c.keyOf != nil {
		key, err := indexKeyOf(&c.keys, c.keyOf, doc)
		if err != nil {
			return nil, err
		}
		doc = withField(doc, expr.MetaIndexKey, value.Document(key))
	}
	if c.recordID {
		doc = withRecordID(doc, value.Int64(int64(rec)))
	}
	return doc, nil
}

func (c *sourceCursor) Close() error {
	if c.report != nil {
		c.report.keys, c.report.docs = c.scan.keys, c.scan.docs
	}
	return c.scan.Close()
}

type emptyCursor struct{}

func (emptyCursor) Next(context.Context) (bson.Raw, error) { return nil, io.EOF }
func (emptyCursor) Close() error                           { return nil }

// sliceCursor yields documents that are at hand.
type sliceCursor struct{ docs []bson.Raw }

func (c *sliceCursor) Next(context.Context) (bson.Raw, error) {
	if len(c.docs) == 0 {
		return nil, io.EOF
	}
	d := c.docs[0]
	c.docs = c.docs[1:]
	return d, nil
}

func (c *sliceCursor) Close() error { return nil }
