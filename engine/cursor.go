package engine

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// maxBatchBytes bounds one reply's documents.
const maxBatchBytes = 16<<20 - 64<<10

// serverCursor is a cursor that clients go on with by getMore.
type serverCursor struct {
	id      int64
	ns      store.Namespace
	cur     store.Cursor
	stream  *changeStream // nil: not a change stream
	tail    *tailCursor   // nil: not tailable
	session string        // lsid, or ""
	tx      *transaction
	keep    bool // noCursorTimeout
	comment value.Value

	// budget is what is left of the time limit that the cursor was opened with; 0: none.
	budget time.Duration
	stop   context.CancelFunc // ends the getMore that runs

	inUse   bool // guarded by the table
	killed  bool
	failed  error // what the next getMore answers, for the collection is gone
	used    time.Time
	pending bson.Raw // did not fit into the last batch
	done    bool
}

type cursorTable struct {
	mu   sync.Mutex
	open map[int64]*serverCursor
}

// add registers a cursor under a new id.
func (t *cursorTable) add(c *serverCursor, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c.id == 0 || t.open[c.id] != nil {
		c.id = rand.Int64N(1<<62) + 1
	}
	c.used = now
	t.open[c.id] = c
}

// take gets a cursor for a getMore; put gives it back.
func (t *cursorTable) take(id int64, stop context.CancelFunc) (*serverCursor, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.open[id]
	if c == nil {
		return nil, mongoerr.New(mongoerr.CursorNotFound, "cursor id %d not found", id)
	}
	if c.inUse {
		return nil, mongoerr.New(12051, "clientcursor %d is in use? query: getMore", id)
	}
	if c.failed != nil {
		delete(t.open, id)
		return nil, c.failed
	}
	c.inUse, c.stop = true, stop
	return c, nil
}

// fail closes the cursors of a collection or, with an empty name, a database;
// their next getMore tells why.
func (t *cursorTable) fail(ns store.Namespace, cause error) {
	t.mu.Lock()
	var idle []*serverCursor
	for _, c := range t.open {
		if c.stream != nil || c.ns.DB != ns.DB || ns.Coll != "" && c.ns.Coll != ns.Coll || c.failed != nil {
			continue
		}
		c.failed = cause
		if c.inUse {
			c.killed = true
		} else {
			idle = append(idle, c)
		}
	}
	t.mu.Unlock()
	for _, c := range idle {
		_ = c.cur.Close()
	}
}

func (t *cursorTable) put(c *serverCursor, now time.Time) {
	t.mu.Lock()
	c.inUse, c.used = false, now
	finished := c.killed || c.done
	if finished {
		delete(t.open, c.id)
	}
	t.mu.Unlock()
	if finished {
		_ = c.cur.Close()
	}
}

// kill closes a cursor, at once or after its getMore.
func (t *cursorTable) kill(id int64, ns store.Namespace) bool {
	t.mu.Lock()
	c := t.open[id]
	if c == nil || ns.Coll != "" && c.ns != ns {
		t.mu.Unlock()
		return false
	}
	busy := c.inUse
	c.killed = true
	if busy {
		c.stop()
	} else {
		delete(t.open, id)
	}
	t.mu.Unlock()
	if !busy {
		_ = c.cur.Close()
	}
	return true
}

func (t *cursorTable) wasKilled(c *serverCursor) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.killed
}

func (t *cursorTable) killAll(ids []int64) {
	for _, id := range ids {
		t.kill(id, store.Namespace{})
	}
}

func (t *cursorTable) killIf(f func(*serverCursor) bool) {
	t.mu.Lock()
	var ids []int64
	for id, c := range t.open {
		if f(c) {
			ids = append(ids, id)
		}
	}
	t.mu.Unlock()
	t.killAll(ids)
}

func (t *cursorTable) killSession(id string) {
	t.killIf(func(c *serverCursor) bool { return c.session == id })
}

func (t *cursorTable) expire(before time.Time) {
	t.killIf(func(c *serverCursor) bool { return !c.keep && !c.inUse && c.used.Before(before) })
}

func (t *cursorTable) closeAll() { t.killIf(func(*serverCursor) bool { return true }) }

func (t *cursorTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// appendBatch appends up to n documents (0: as many as fit) as a BSON array
// without its header. The first document always fits. done tells that the cursor is at its end.
func (c *serverCursor) appendBatch(ctx context.Context, dst []byte, n int, limited bool) ([]byte, error) {
	start, dst := value.BeginDocument(dst)
	for i := 0; !c.done && (!limited || i < n); i++ {
		doc := c.pending
		if doc != nil {
			c.pending = nil
		} else {
			var err error
			doc, err = c.cur.Next(ctx)
			if errors.Is(err, io.EOF) {
				c.done = true
				break
			}
			if errors.Is(err, errIdle) {
				break
			}
			if err != nil {
				return dst, err
			}
		}
		if i > 0 && len(dst)-start+len(doc) > maxBatchBytes {
			c.pending = slices.Clone(doc)
			break
		}
		dst = value.AppendItem(dst, i, value.Document(doc))
		if c.stream != nil {
			c.stream.returned(doc)
		}
	}
	return value.EndDocument(dst, start), nil
}
