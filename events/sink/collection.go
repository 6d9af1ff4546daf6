package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/events"
	"weir/mongoerr"
	"weir/store"
)

// Collection writes events as documents of a collection. The _id is the event's
// id, so that an event that comes again changes nothing.
type Collection struct {
	st      store.Store
	ns      store.Namespace
	payload payload
	inbox   bool
	apart   bool // the log is in another store

	mu   sync.Mutex
	made bool // the collections are there: made in many transactions at once, they would be in each other's way
}

// inboxSuffix names the collection beside the target that records what was received.
const inboxSuffix = "_inbox"

// NewCollection makes the sink of a subscription. A name with a dot names
// another database's collection.
func NewCollection(st store.Store, s *events.Spec) *Collection {
	ns := store.Namespace{DB: s.Database, Coll: s.Target.Name}
	if db, coll, ok := strings.Cut(s.Target.Name, "."); ok {
		ns = store.Namespace{DB: db, Coll: coll}
	}
	return &Collection{st: st, ns: ns, payload: payload{format: s.PayloadFormat}, inbox: s.Inbox}
}

// Close has nothing to do.
func (c *Collection) Close() error { return nil }

// Deliver upserts each event by its id; with an inbox, all of them in one
// transaction with what the inbox records.
func (c *Collection) Deliver(ctx context.Context, ds []events.Delivery) error {
	ops, err := c.upserts(ds)
	if err != nil {
		return err
	}
	if err := c.write(ctx, ops, ds); err != nil {
		return classify(err)
	}
	return nil
}

// maxDocument is what a document of MongoDB holds.
const maxDocument = 16 << 20

func (c *Collection) upserts(ds []events.Delivery) ([]store.WriteOp, error) {
	ops := make([]store.WriteOp, len(ds))
	for i := range ds {
		filter, doc := c.document(&ds[i])
		if len(doc) > maxDocument {
			return nil, &events.SinkError{Class: events.FailTerminal, Reason: events.ReasonLarge,
				Err: fmt.Errorf("the document of the event would have %d bytes; MongoDB takes %d", len(doc), maxDocument)}
		}
		ops[i] = store.WriteOp{Kind: store.Update, Filter: filter, Upsert: true, Update: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}}
	}
	return ops, nil
}

// settleTries is how often a transaction is begun that meets others.
const settleTries = 5

// Settle implements events.Settler: the documents, what the inbox records and the
// outcome are one transaction. Documents are inserted, which costs less than to
// upsert them; those that are there already, from before a rewind, are upserted.
func (c *Collection) Settle(ctx context.Context, ds []events.Delivery, begin func(context.Context) (store.Tx, error), record func(context.Context, store.Queryer) error) (bool, error) {
	if c.apart || !c.st.Capabilities().Transactions {
		return false, nil
	}
	if err := c.make(ctx); err != nil {
		return true, classify(err)
	}
	ops, err := c.upserts(ds)
	if err != nil {
		return true, err
	}
	there := false
	for try := 1; ; try++ {
		err := c.settle(ctx, ops, ds, there, begin, record)
		switch {
		case err == nil:
			return true, nil
		case !there && errors.Is(err, mongoerr.Code(mongoerr.DuplicateKey)):
			there = true
		case try == settleTries || !conflict(err) || ctx.Err() != nil:
			return true, classify(err)
		}
	}
}

// make makes the collections that are not there.
func (c *Collection) make(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made {
		return nil
	}
	names := []string{c.ns.Coll}
	if c.inbox {
		names = append(names, c.ns.Coll+inboxSuffix)
	}
	for _, name := range names {
		cmd, err := bson.Marshal(bson.D{{Key: "create", Value: name}})
		if err != nil {
			return err
		}
		if _, err := c.st.Command(ctx, c.ns.DB, cmd); err != nil && !errors.Is(err, mongoerr.Code(mongoerr.NamespaceExists)) {
			return err
		}
	}
	c.made = true
	return nil
}

func conflict(err error) bool {
	var m *mongoerr.Error
	return errors.As(err, &m) && m.HasLabel("TransientTransactionError")
}

func (c *Collection) settle(ctx context.Context, ops []store.WriteOp, ds []events.Delivery, there bool, begin func(context.Context) (store.Tx, error), record func(context.Context, store.Queryer) error) error {
	tx, err := begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Abort(context.WithoutCancel(ctx)) }()
	if !there {
		ops = inserts(ops)
	}
	if err := writeAll(ctx, tx, c.ns, ops); err != nil {
		return err
	}
	if c.inbox {
		if err := writeAll(ctx, tx, store.Namespace{DB: c.ns.DB, Coll: c.ns.Coll + inboxSuffix}, inboxOps(ds)); err != nil {
			return err
		}
	}
	if err := record(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// inserts gives upserts of documents as inserts.
func inserts(ops []store.WriteOp) []store.WriteOp {
	out := make([]store.WriteOp, len(ops))
	for i := range ops {
		out[i] = store.WriteOp{Kind: store.Insert, Document: ops[i].Update.Value}
	}
	return out
}

func (c *Collection) write(ctx context.Context, ops []store.WriteOp, ds []events.Delivery) error {
	if !c.inbox {
		return c.insertFirst(ctx, ops)
	}
	if !c.st.Capabilities().Transactions {
		return writeAll(ctx, c.st, c.ns, ops)
	}
	tx, err := c.st.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Abort(ctx) }()
	if err := writeAll(ctx, tx, c.ns, ops); err != nil {
		return err
	}
	if err := writeAll(ctx, tx, store.Namespace{DB: c.ns.DB, Coll: c.ns.Coll + inboxSuffix}, inboxOps(ds)); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// insertFirst inserts the documents, which costs less than to upsert them, and
// upserts those that are there already from an earlier send.
func (c *Collection) insertFirst(ctx context.Context, ops []store.WriteOp) error {
	res, err := c.st.Write(ctx, c.ns, inserts(ops), store.WriteOptions{Durable: true, Unordered: true})
	if err != nil {
		return err
	}
	var again []store.WriteOp
	for _, e := range res.Errors {
		if !errors.Is(e.Err, mongoerr.Code(mongoerr.DuplicateKey)) {
			return e.Err
		}
		again = append(again, ops[e.Index])
	}
	if len(again) == 0 {
		return nil
	}
	return writeAll(ctx, c.st, c.ns, again)
}

func writeAll(ctx context.Context, q store.Queryer, ns store.Namespace, ops []store.WriteOp) error {
	res, err := q.Write(ctx, ns, ops, store.WriteOptions{Durable: true})
	if err != nil {
		return err
	}
	return res.Err()
}

func inboxOps(ds []events.Delivery) []store.WriteOp {
	ops := make([]store.WriteOp, len(ds))
	for i := range ds {
		var filter, set, u value.Builder
		filter.Add("_id", value.String(ds[i].ID))
		set.Add("position", value.String(ds[i].Position))
		u.Add("$setOnInsert", set.DocumentOf())
		ops[i] = store.WriteOp{Kind: store.Update, Filter: filter.Doc(), Upsert: true, Update: u.DocumentOf().RawValue()}
	}
	return ops
}

// document is the event as a document: _id, type, time, and the change's fields.
func (c *Collection) document(d *events.Delivery) (filter, doc bson.Raw) {
	var f, b value.Builder
	f.Add("_id", value.String(d.ID))
	b.Add("_id", value.String(d.ID))
	b.Add("position", value.String(d.Position))
	if d.Body != nil {
		for it := value.Walk(d.Body); it.Next(); {
			if it.Key() != "_id" {
				b.AddElement(it.Element())
			}
		}
		return f.Doc(), b.Doc()
	}
	ch := changeOf(d.Row)
	b.Add("type", value.String(cloudEventType(ch.op)))
	b.Add("time", value.Date(ch.eventMS))
	for _, column := range []string{"correlation_id", "causation_id", "business_process_id"} {
		b.Add(column, value.Lookup(d.Row, column))
	}
	b.Add("data", value.Document(ch.document()))
	return f.Doc(), b.Doc()
}

// classify tells failures that will pass from those that will not.
func classify(err error) error {
	class := events.FailRetry
	var m *mongoerr.Error
	if errors.As(err, &m) && !m.HasLabel("TransientTransactionError") {
		switch m.Code {
		case mongoerr.DocumentValidationFailure, mongoerr.BSONObjectTooLarge, mongoerr.InvalidNamespace:
			class = events.FailTerminal
		case mongoerr.Unauthorized, mongoerr.AuthenticationFailed:
			class = events.FailAuth
		}
	}
	return &events.SinkError{Class: class, Err: err}
}
