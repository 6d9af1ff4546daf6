package engine

import (
	"errors"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// jointInserts brings the inserts of single documents together that come at the
// same time: whoever is first runs those of all who wait as one unit, with one
// batch and one wait for the disk. Without it each of many clients would ask for
// the writer lock on its own, and writers of many documents would get it but rarely.
type jointInserts struct {
	mu      sync.Mutex
	waiting []*jointInsert
	spare   sync.Pool // of *jointInsert
	leading bool      // somebody runs inserts, or was told to
}

// jointInsert is one client's.
type jointInsert struct {
	w    *writer
	c    *collection
	doc  bson.Raw
	stmt int
	wake chan bool // true: lead; false: it is done

	failed error // of the document
	err    error // of the unit
}

// errUnitLost is the outcome of those whose unit was given up because of another:
// nothing was written.
var errUnitLost = errors.New("the unit was given up")

// joint tells whether an insert of one document may share a unit with those of others.
func (w *writer) joint(c *collection) bool {
	return w.one && w.tx == nil && !w.lazy && !w.ahead && w.within == 0 && w.onDisk == nil && c.load().capped.bytes == 0
}

// insertJointly inserts a document together with others. ok is false when nothing
// has happened and it is to be inserted alone.
func (w *writer) insertJointly(c *collection, doc bson.Raw, stmt int) (failed, err error, ok bool) {
	j, _ := w.e.inserts.spare.Get().(*jointInsert)
	if j == nil {
		j = &jointInsert{wake: make(chan bool, 1)}
	}
	defer func() {
		*j = jointInsert{wake: j.wake} // nobody else has it any more
		w.e.inserts.spare.Put(j)
	}()
	j.w, j.c, j.doc, j.stmt, j.err = w, c, doc, stmt, errUnitLost
	w.e.inserts.run(w.e, j)
	wait := (*blocked)(nil)
	if errors.Is(j.err, errUnitLost) || errors.As(j.failed, &wait) {
		return nil, nil, false
	}
	if j.err == nil && j.failed == nil {
		w.unsynced, w.onDisk = true, func() error { return nil } // it is there already
	}
	return j.failed, j.err, true
}

// run waits for the end of an insert, or leads.
func (q *jointInserts) run(e *Engine, j *jointInsert) {
	q.mu.Lock()
	q.waiting = append(q.waiting, j)
	follow := q.leading
	q.leading = true
	q.mu.Unlock()
	if !follow || <-j.wake {
		q.lead(e)
	}
}

// lead runs the inserts that wait, the leader's among them, and passes the lead on
// before it waits for the disk.
func (q *jointInserts) lead(e *Engine) {
	var group []*jointInsert
	defer func() {
		for _, j := range group[min(1, len(group)):] {
			j.wake <- false
		}
	}()
	wait, err := func() (func() error, error) {
		e.write.Lock()
		defer e.write.Unlock()
		defer q.pass()
		group = q.take()
		return e.runJoint(group)
	}()
	if err == nil && wait != nil {
		if err = wait(); err != nil {
			err = e.breakDown(err)
		}
	}
	for _, j := range group {
		j.err = err
	}
}

// take takes the first that wait: the leader is the very first.
func (q *jointInserts) take() []*jointInsert {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.waiting) && n < insertGroupSize && (n == 0 || size < insertGroupData) {
		size += len(q.waiting[n].doc)
		n++
	}
	group := q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	return group
}

// pass has the next one lead.
func (q *jointInserts) pass() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.leading = len(q.waiting) > 0; q.leading {
		q.waiting[0].wake <- true
	}
}

// runJoint runs inserts as one unit under the writer lock. The function that it
// gives waits for the disk; nil: nothing was written.
func (e *Engine) runJoint(group []*jointInsert) (wait func() error, err error) {
	if err := e.usable(); err != nil {
		return nil, err
	}
	u := &unit{e: e, r: e.db, b: e.db.NewBatch()}
	u.w = u.b
	if len(group) > 1 {
		u.seen = make(map[string]struct{}, len(group))
	}
	for _, j := range group {
		_, j.failed = u.insert(j.w, j.c, j.doc, j.stmt)
		by := (*blocked)(nil)
		if j.failed == nil || errors.As(j.failed, &by) || !isFatal(j.failed) {
			continue
		}
		if err := u.giveUp(); err != nil || len(group) == 1 {
			return nil, errors.Join(j.failed, err)
		}
		return nil, errUnitLost
	}
	if u.last == 0 {
		return nil, u.b.Close()
	}
	if wait, err = u.apply(true); err != nil {
		return nil, err
	}
	for _, j := range group {
		if j.failed == nil {
			j.w.applied = u.last
		}
	}
	return wait, nil
}
