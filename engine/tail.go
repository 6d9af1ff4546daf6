package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// tailCursor reads a capped collection in natural order and goes on when
// documents are added. Like a change stream it never waits in Next: it gives
// errIdle instead.
type tailCursor struct {
	e      *Engine
	c      *collection
	filter filterSpec
	show   func(bson.Raw) (bson.Raw, error)
	await  bool
	last   storage.RecordID
	it     storage.Iterator
	snap   *storage.Snapshot
	log    *oplogCursor // the collection is the log of changes
	change uint64       // of the collection when the last scan began
}

// openTail starts a tailable find.
func (e *Engine) openTail(ns store.Namespace, a *findArgs, o pipelineOptions) (*tailCursor, error) {
	c := e.catalog.get(ns)
	isLog := e.isOplog(ns)
	if c == nil && !isLog {
		return nil, nil
	}
	if !isLog && c.load().capped.bytes == 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "error processing query: tailable cursor requested on non capped collection")
	}
	if a.sort != nil && value.Len(a.sort) > 0 {
		return nil, mongoerr.New(mongoerr.BadValue, "error processing query: cannot use tailable option with a sort other than {$natural: 1}")
	}
	coll, err := collationOf(a.collation, c)
	if err != nil {
		return nil, err
	}
	let, err := e.evalLet(a.let)
	if err != nil {
		return nil, err
	}
	t := &tailCursor{e: e, c: c, await: a.await, show: func(d bson.Raw) (bson.Raw, error) { return d, nil }}
	if t.filter, err = e.compileFilter(a.filter, coll, let); err != nil {
		return nil, err
	}
	proj, err := e.findProjection(ns, a, o)
	if err != nil {
		return nil, err
	}
	if isLog {
		t.log = &oplogCursor{e: e, through: e.log.Durable(), from: oplogStart(t.filter.matcher.Root())}
	}
	if proj != nil {
		t.show = func(d bson.Raw) (bson.Raw, error) { return proj.Apply(t.filter.context, d) }
	}
	return t, nil
}

// open begins a scan behind the last document that was read.
func (t *tailCursor) open() error {
	if t.c.dropped.Load() {
		return mongoerr.New(175, "collection dropped: %s", t.c.load().ns)
	}
	t.snap = t.e.db.Snapshot()
	lower, upper := storage.DocumentRange(t.c.id)
	if t.last > 0 {
		at := storage.AppendDocumentKey(nil, t.c.id, t.last)
		if _, ok, err := t.snap.Get(at, nil); err != nil || !ok {
			if err == nil {
				err = mongoerr.New(mongoerr.CappedPositionLost, "CollectionScan died due to position in capped collection being deleted. Last seen record id: RecordId(%d)", t.last)
			}
			return err
		}
		lower = storage.AppendDocumentKey(nil, t.c.id, t.last+1)
	}
	var err error
	t.it, err = t.snap.Iter(lower, upper, false)
	return err
}

// nextEntry reads on in the log of changes.
func (t *tailCursor) nextEntry(ctx context.Context) (bson.Raw, error) {
	for {
		doc, err := t.log.Next(ctx)
		if errors.Is(err, io.EOF) {
			err = errIdle
			if cerr := t.log.Close(); cerr != nil {
				return nil, cerr
			}
			t.log = &oplogCursor{e: t.e, from: storage.OplogPos{TS: max(t.log.through+1, t.log.from.TS)}, through: t.e.log.Durable()}
			if t.log.through >= t.log.from.TS {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		if ok, err := t.filter.matches(doc); err != nil {
			return nil, err
		} else if ok {
			return t.show(doc)
		}
	}
}

func (t *tailCursor) Next(ctx context.Context) (bson.Raw, error) {
	if t.log != nil {
		return t.nextEntry(ctx)
	}
	if t.it == nil {
		if err := t.open(); err != nil {
			return nil, err
		}
	}
	for t.it.Next() {
		if ctx.Err() != nil {
			return nil, interrupted(ctx.Err())
		}
		t.last = storage.RecordOf(t.it.Key())
		doc, err := t.it.Value()
		if err != nil {
			return nil, err
		}
		ok, err := t.filter.matches(doc)
		if err != nil {
			return nil, err
		}
		if ok {
			return t.show(doc)
		}
	}
	if err := t.it.Err(); err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	if t.last == 0 { // there is no place to go on from
		return nil, errEnd
	}
	return nil, errIdle
}

// Close lets go of the state read; a following Next takes the present one.
func (t *tailCursor) Close() error {
	if t.log != nil {
		return t.log.Close()
	}
	var err error
	if t.it != nil {
		err = t.it.Close()
		t.it = nil
	}
	if t.snap != nil {
		if cerr := t.snap.Close(); err == nil {
			err = cerr
		}
		t.snap = nil
	}
	return err
}

// awaitEvents waits until something was written, for at most d.
func (t *tailCursor) awaitEvents(ctx context.Context, d time.Duration) (bool, error) {
	durable, changed := t.e.log.Wait()
	if durable > t.change {
		t.change = durable
		return true, nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-changed:
		return true, nil
	case <-ctx.Done():
		return false, interrupted(ctx.Err())
	case <-timer.C:
		return false, nil
	}
}
