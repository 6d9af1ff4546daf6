package events

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// A gateway that dies within a transaction leaves it open, and the rows of it locked,
// until the server ends it after a minute. So the sessions that a dispatcher has
// transactions in are noted beside its cursor, before their first one; who takes the
// cursor over ends what is open in them.

// transactions begins the transactions of a dispatcher. It is used by its sends.
type transactions struct {
	st   store.Store
	note func(ctx context.Context, id []byte) error // before the first transaction of a session

	mu   sync.Mutex
	idle []store.Session
}

// begin begins a transaction, in a session that is known where the store has such.
func (t *transactions) begin(ctx context.Context) (store.Tx, error) {
	st, ok := t.st.(store.Sessions)
	if !ok {
		return t.st.Begin(ctx)
	}
	s, err := t.session(ctx, st)
	if err != nil {
		return nil, err
	}
	tx, err := s.Begin(ctx)
	if err != nil {
		return nil, err // what is the matter with the session is not known
	}
	return &lentTx{Tx: tx, back: func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.idle = append(t.idle, s)
	}}, nil
}

func (t *transactions) session(ctx context.Context, st store.Sessions) (store.Session, error) {
	t.mu.Lock()
	if n := len(t.idle); n > 0 {
		s := t.idle[n-1]
		t.idle = t.idle[:n-1]
		t.mu.Unlock()
		return s, nil
	}
	t.mu.Unlock()
	s, err := st.Session()
	if err == nil {
		err = t.note(ctx, s.ID())
	}
	return s, err
}

// end gives the sessions back.
func (t *transactions) end(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastWrites)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids [][]byte
	for _, s := range t.idle {
		ids = append(ids, s.ID())
	}
	if st, ok := t.st.(store.Sessions); ok && len(ids) > 0 {
		_ = st.EndSessions(ctx, ids) // else the server forgets them after half an hour
	}
	t.idle = nil
}

// lentTx gives its session back when it ends.
type lentTx struct {
	store.Tx
	back func()
}

func (t *lentTx) Commit(ctx context.Context) error {
	defer t.ended()
	return t.Tx.Commit(ctx)
}

func (t *lentTx) Abort(ctx context.Context) error {
	defer t.ended()
	return t.Tx.Abort(ctx)
}

func (t *lentTx) ended() {
	if t.back != nil {
		t.back()
		t.back = nil
	}
}

// fieldSessions holds the ids of the sessions of a cursor's dispatcher.
const fieldSessions = "sessions"

// loadTransactions ends what an earlier owner of the cursor has left open.
func (d *dispatcher) loadTransactions(ctx context.Context, cursor bson.Raw) error {
	d.transactions = &transactions{st: d.st, note: d.noteSession}
	if value.Lookup(cursor, fieldSessions).IsMissing() {
		return nil
	}
	killSessions(ctx, d.st, sessionsOf(nil, cursor), d.log)
	_, err := updateOne(ctx, d.st, collCursors, bson.D{{Key: "_id", Value: d.cursor()}, {Key: "epoch", Value: d.epoch}},
		bson.D{{Key: "$unset", Value: bson.D{{Key: fieldSessions, Value: ""}}}}, false)
	return err
}

// noteSession writes the id of a session beside the cursor, while that is ours.
func (d *dispatcher) noteSession(ctx context.Context, id []byte) error {
	ok, err := updateOne(ctx, d.st, collCursors, bson.D{{Key: "_id", Value: d.cursor()}, {Key: "epoch", Value: d.epoch}},
		bson.D{{Key: "$push", Value: bson.D{{Key: fieldSessions, Value: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id}}}}}, false)
	if err == nil && !ok {
		err = errOvertaken
	}
	if err != nil {
		err = fmt.Errorf("note a session of %s: %w", d.cursor(), err)
	}
	return err
}

// sessionsOf appends the ids of the sessions that a cursor's document names.
func sessionsOf(ids [][]byte, cursor bson.Raw) [][]byte {
	v := value.Lookup(cursor, fieldSessions)
	if !v.IsArray() {
		return ids
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		if it.Kind() == bson.TypeBinary {
			_, id := it.Value().AsBinary()
			ids = append(ids, bytes.Clone(id))
		}
	}
	return ids
}

// killPatience bounds how long sessions are tried to be killed: their transactions
// end by themselves, later.
const killPatience = 5 * time.Second

// killSessions ends what is open in sessions whose owner is gone.
func killSessions(ctx context.Context, st store.Store, ids [][]byte, log *slog.Logger) {
	s, ok := st.(store.Sessions)
	if !ok || len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, killPatience)
	defer cancel()
	if err := s.KillSessions(ctx, ids); err != nil {
		log.Warn("transactions that an earlier gateway may have left open stay until the server ends them", "error", err)
	}
}

// endTransactions ends what dispatchers of a subscription have left open that are
// gone. Nothing delivers its events now.
func (m *Manager) endTransactions(ctx context.Context, id string) error {
	var ids [][]byte
	err := query(ctx, m.st, collCursors, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: cursorIDs(id, 0, maxShards)}}}}}},
		{{Key: "$project", Value: bson.D{{Key: fieldSessions, Value: 1}}}}}, func(doc bson.Raw) error {
		ids = sessionsOf(ids, slices.Clone(doc))
		return nil
	})
	if err == nil {
		killSessions(ctx, m.st, ids, m.log.With("subscription", id))
	}
	return err
}
