package agg

import (
	"context"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/store"
)

// joiner finds the foreign documents for each local one. It picks its way at
// the first document: an index of the foreign side if that has one, else a
// hash table of the foreign side, else (too large for memory) a sorted file of
// it, or, where the disk may not be used, a scan for each document.
type joiner struct {
	s     *lookupStage
	r     *run
	src   Source // nil: the pipeline makes its documents
	seek  Seeker
	table *hashTable
	scan  bool
	ready bool
	// probes counts look-ups by the index and the documents they read; after
	// switchAt of them the foreign side is hashed.
	probes, switchAt int64

	cached    []bson.Raw // result of a pipeline without variables
	hasCached bool
	vals      []value.Value
	hits      []int32
	hit       hitCursor // the one cursor over hits that is open at a time
	disk      diskHits  // and that over a table on disk
	batch     joinBatch // local documents read ahead
	asked     bool      // whether there are batches
	key       []byte
	sub       *run   // of the residual filter
	extra     []byte // the key's further values
	filtered  filteredHits
}

// matches gives the results for one document, valid until the next call.
func (j *joiner) matches(ctx context.Context, doc bson.Raw) (store.Cursor, error) {
	j.r.x.Root = doc
	if !j.ready {
		j.ready = true
		if err := j.prepare(ctx); err != nil {
			return nil, err
		}
	}
	switch {
	case j.s.local != nil:
		return j.equal(ctx, doc)
	case j.hasCached:
		return Documents(j.cached), nil
	}
	x, err := j.s.lets.bind(j.r.env, j.r.x)
	if err != nil {
		return nil, err
	}
	sub := j.r.with(x)
	if j.table != nil && len(j.s.joinOn) > 0 {
		return j.exprEqual(ctx, sub)
	}
	return j.s.pipe.run(ctx, sub, j.src)
}

func (j *joiner) prepare(ctx context.Context) error {
	switch {
	case j.s.local != nil:
		return j.prepareEqual(ctx)
	case j.s.uncorrelated:
		return j.prepareCached(ctx)
	case len(j.s.joinOn) > 0 && j.src != nil:
		return j.buildTable(ctx, j.s.joinOn[0].keys)
	}
	return nil
}

// prepareCached runs a pipeline that does not depend on the document once.
func (j *joiner) prepareCached(ctx context.Context) error {
	if docs, ok := j.r.shared.cached[j.s]; ok {
		j.cached, j.hasCached = docs, true
		return nil
	}
	x, err := j.s.lets.bind(j.r.env, j.r.x)
	if err != nil {
		return err
	}
	cur, err := j.uncorrelated(ctx, j.r.with(x))
	if err != nil {
		return err
	}
	defer cur.Close()
	var mem arena
	err = drain(ctx, cur, func(d bson.Raw) error {
		j.cached = append(j.cached, mem.copy(d))
		if mem.total > j.r.env.memoryLimit() {
			return errTooLarge
		}
		return nil
	})
	if err == errTooLarge {
		j.cached = nil
		return nil
	}
	j.hasCached = err == nil
	if err == nil && j.s.pure {
		j.r.shared.cached[j.s] = j.cached
	}
	return err
}

// uncorrelated runs the pipeline, by a table of the foreign side where that
// serves other runs too.
func (j *joiner) uncorrelated(ctx context.Context, sub *run) (store.Cursor, error) {
	if len(j.s.joinOn) == 0 || j.src == nil {
		return j.s.pipe.run(ctx, sub, j.src)
	}
	if err := j.buildTable(ctx, j.s.joinOn[0].keys); err != nil {
		return nil, err
	}
	if j.table == nil {
		return j.s.pipe.run(ctx, sub, j.src)
	}
	return j.exprEqual(ctx, sub)
}

func (j *joiner) prepareEqual(ctx context.Context) error {
	if sk, ok := j.src.(Seeker); ok && sk.CanSeek(j.s.foreign, j.s.coll) {
		j.seek, j.switchAt = sk, j.seeksBeforeHash(ctx)
		return nil
	}
	return j.buildEqual(ctx)
}

func (j *joiner) buildEqual(ctx context.Context) error {
	path := splitNames(j.s.foreign)
	return j.buildTable(ctx, func(doc bson.Raw, add func(value.Value)) error {
		visitMatchValues(doc, path, add)
		return nil
	})
}

// seeksBeforeHash is the number of look-ups by an index, and of documents that
// they read, that cost about as much as reading the whole foreign side.
func (j *joiner) seeksBeforeHash(ctx context.Context) int64 {
	if c, ok := j.src.(Counter); ok {
		if n, ok, err := c.Count(ctx, Request{Context: &expr.Context{}}); ok && err == nil {
			return 16 + n/100
		}
	}
	return math.MaxInt64
}

// buildTable reads the foreign side into a hash table, unless it is too large.
func (j *joiner) buildTable(ctx context.Context, keys keysOf) error {
	if t := j.r.shared.tables[j.s]; t != nil {
		j.table = t
		return nil
	}
	t, err := j.fillTable(ctx, keys, j.s.hashed.build)
	if err != nil && err != errTooLarge && j.s.hashed.build != nil {
		// A filter fails only on documents that are joined: leave it to them.
		t, err = j.fillTable(ctx, keys, nil)
	}
	if err == errTooLarge {
		j.scan = j.seek == nil
		return nil
	}
	if err == nil {
		j.table, j.r.shared.tables[j.s] = t, t
	}
	return err
}

func (j *joiner) fillTable(ctx context.Context, keys keysOf, filter *matchStage) (*hashTable, error) {
	cur, err := j.openForeign(ctx)
	if err != nil {
		return nil, err
	}
	return j.tableOf(ctx, cur, keys, filter)
}

// tableOf makes a table of the documents of a cursor, which it closes.
func (j *joiner) tableOf(ctx context.Context, cur store.Cursor, keys keysOf, filter *matchStage) (*hashTable, error) {
	defer cur.Close()
	h := &j.s.hashed
	t := &hashTable{coll: j.s.coll, index: map[string][]int32{}, filtered: filter != nil}
	if h.keep != nil {
		t.cut = &trimmer{keep: h.keep}
	}
	more := j.s.joinOn
	if j.s.local == nil && len(more) > 0 {
		more = more[1:]
	}
	for _, on := range more {
		t.more = append(t.more, on.path)
	}
	x := &expr.Context{Now: j.r.x.Now, ClusterTime: j.r.x.ClusterTime, Session: j.r.x.Session, Watch: j.r.x.Watch}
	err := drain(ctx, cur, func(doc bson.Raw) error {
		if filter != nil {
			x.Root = doc
			if ok, err := filter.m.Match(x, doc); !ok || err != nil {
				return err
			}
		}
		err := t.add(doc, keys, j.r.env.memoryLimit())
		if err == errTooLarge && j.seek == nil && j.r.env.AllowDiskUse {
			return t.spill(j.r)
		}
		return err
	})
	return t, t.finish(j.r, err)
}

func (j *joiner) openForeign(ctx context.Context) (store.Cursor, error) {
	if j.src == nil {
		return Documents(nil), nil
	}
	cur, _, err := j.src.Open(ctx, Request{Context: &expr.Context{}})
	if err != nil {
		return nil, err
	}
	return &checked{piped: piped{cur}}, nil
}

// equal finds the documents whose foreign field equals the local one, and
// runs the pipeline over them if there is one.
func (j *joiner) equal(ctx context.Context, doc bson.Raw) (store.Cursor, error) {
	j.vals = localValues(j.vals[:0], doc, j.s.local)
	if j.probes++; j.seek != nil && j.table == nil && j.probes > j.switchAt {
		j.switchAt = math.MaxInt64
		if err := j.buildEqual(ctx); err != nil {
			return nil, err
		}
	}
	if j.table != nil && j.s.pipe != nil && j.table.filtered && j.s.hashed.simple {
		return j.filteredHits()
	}
	if j.table != nil && len(j.table.more) > 0 {
		if err := j.bindSub(); err != nil {
			return nil, err
		}
	}
	cur, err := j.candidates(ctx)
	if err != nil || j.s.pipe == nil {
		return cur, err
	}
	x, err := j.s.lets.bind(j.r.env, j.r.x)
	if err != nil {
		cur.Close()
		return nil, err
	}
	return openStages(ctx, j.r.with(x), cur, j.s.pipe.stages)
}

func (j *joiner) candidates(ctx context.Context) (store.Cursor, error) {
	if j.table != nil {
		return j.table.find(j, j.vals), nil
	}
	var cur store.Cursor
	var err error
	if j.seek != nil {
		cur, err = j.seek.Seek(ctx, j.s.foreign, j.vals)
	} else {
		cur, err = j.openForeign(ctx)
	}
	if err != nil {
		return nil, err
	}
	path := splitNames(j.s.foreign)
	keys := map[string]bool{}
	for _, v := range j.vals {
		j.key = appendEqualKey(j.key[:0], v, j.s.coll)
		keys[string(j.key)] = true
	}
	return &nextFunc{piped{cur}, func(ctx context.Context) (bson.Raw, error) {
		for {
			doc, err := cur.Next(ctx)
			if err != nil {
				return nil, err
			}
			j.probes++
			found := false
			visitMatchValues(doc, path, func(v value.Value) {
				if !found {
					j.key = appendEqualKey(j.key[:0], v, j.s.coll)
					found = keys[string(j.key)]
				}
			})
			if found {
				return doc, nil
			}
		}
	}}, nil
}

// exprEqual runs the pipeline over the documents that its equality selects;
// the pipeline tests it again.
func (j *joiner) exprEqual(ctx context.Context, sub *run) (store.Cursor, error) {
	sub.x.Root = value.EmptyDocument
	v, err := j.s.joinOn[0].probe.Eval(sub.x)
	if err != nil {
		return nil, err
	}
	if err := j.bindMore(sub.x); err != nil {
		return nil, err
	}
	j.vals = append(j.vals[:0], v)
	return openStages(ctx, sub, j.table.find(j, j.vals), j.s.pipe.stages)
}

// hashTable holds foreign documents by the values of their join key.
type hashTable struct {
	coll  *value.Collation
	mem   arena
	docs  []bson.Raw
	index map[string][]int32
	key   []byte
	size  int64
	// more are the paths of further values in the keys.
	more   [][]string
	suffix []byte // what they are in the document at hand
	// cut leaves of documents what is read; nil: everything is.
	cut *trimmer
	// filtered tells that documents passed the plan's filter of the build.
	filtered bool
	trim     []byte
	// disk takes the documents once they are too many for memory, nil: not yet.
	disk *diskTable
}

// keysOf calls add with every value that a document can be found by.
type keysOf func(doc bson.Raw, add func(value.Value)) error

func (t *hashTable) add(doc bson.Raw, keys keysOf, limit int64) error {
	n := int32(len(t.docs))
	kept := doc
	if t.cut != nil {
		t.trim = t.cut.append(t.trim[:0], doc)
		kept = t.trim
	}
	t.suffix = t.suffix[:0]
	for _, path := range t.more {
		t.suffix = appendEqualKey(t.suffix, value.GetPath(doc, path), t.coll)
	}
	if t.disk != nil {
		return t.addDisk(doc, kept, keys)
	}
	t.docs = append(t.docs, t.mem.copy(kept))
	err := keys(doc, func(v value.Value) {
		t.key = append(appendEqualKey(t.key[:0], v, t.coll), t.suffix...)
		list := t.index[string(t.key)]
		if len(list) > 0 && list[len(list)-1] == n {
			return
		}
		if list == nil {
			t.size += int64(len(t.key)) + 64
		}
		t.size += 8
		t.index[string(t.key)] = append(list, n)
	})
	if t.mem.total+t.size > limit {
		return errTooLarge
	}
	return err
}

// find gives the documents of any of the values, in the order of the table.
func (t *hashTable) find(j *joiner, vals []value.Value) store.Cursor {
	if t.disk != nil {
		return t.findDisk(j, vals)
	}
	hits := j.hits[:0]
	for _, v := range vals {
		t.key = append(appendEqualKey(t.key[:0], v, t.coll), j.extra...)
		if len(vals) == 1 { // nothing to merge: the table's own list will do
			j.hit = hitCursor{t, t.index[string(t.key)]}
			return &j.hit
		}
		hits = append(hits, t.index[string(t.key)]...)
	}
	slices.Sort(hits)
	hits = slices.Compact(hits)
	j.hits, j.hit = hits, hitCursor{t, hits}
	return &j.hit
}

type hitCursor struct {
	t    *hashTable
	hits []int32
}

func (c *hitCursor) Next(context.Context) (bson.Raw, error) {
	if len(c.hits) == 0 {
		return nil, errEnd
	}
	d := c.t.docs[c.hits[0]]
	c.hits = c.hits[1:]
	return d, nil
}

func (c *hitCursor) Close() error { return nil }
