package events

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
)

// tailBytes bounds what waits for one live tail; a client that falls further
// behind is ended with the position at which it can resume.
const tailBytes = 16 << 20

// The columns that SUBSCRIBE puts in front.
func tailColumns(rest []catalog.Column) []catalog.Column {
	cols := append([]catalog.Column{column("weir_position", sqltype.Text), column("weir_progressed", sqltype.Bool)}, rest...)
	for i := range cols {
		cols[i].Attr = int16(i + 1)
		if cols[i].Kinds == 0 {
			cols[i].Kinds = catalog.DeclaredKinds(cols[i].Type)
		}
	}
	return cols
}

// describeSubscribe gives the columns of SUBSCRIBE TO a subscription (those of
// CHANGE_STREAM_EVENTS()) or a collection (event_type, document_key and its own).
func (m *Manager) describeSubscribe(ctx context.Context, n *ast.Subscribe, env catalog.Session) ([]catalog.Column, error) {
	if n.Query != nil {
		return nil, sqlerr.Unsupported(n.Pos(), "SUBSCRIBE TO a subscription that has a WHERE, or to a collection.", "SUBSCRIBE TO a query is not supported")
	}
	if m.named(env.Database(), n.Name.Last().Name) != nil {
		return tailColumns(eventColumns()), nil
	}
	own, err := m.collectionColumns(ctx, env, n.Name)
	if err != nil {
		return nil, err
	}
	rest := columns("event_type", text_, "document_key", jsonb)
	for _, c := range own {
		c.Path = append([]string{"full_document"}, c.Path...)
		rest = append(rest, c)
	}
	return tailColumns(rest), nil
}

func (m *Manager) collectionColumns(ctx context.Context, env catalog.Session, name *ast.Name) ([]catalog.Column, error) {
	last := name.Last()
	t, found, err := m.relation(ctx, env, name.Qualifier().Name, last)
	if err != nil {
		return nil, err
	}
	if !found || t.Kind != catalog.Collection {
		return nil, sqlerr.New(sqlerr.UndefinedTable, "there is no subscription and no collection \"%s\"", last.Text).At(name.Pos()).
			WithHint("SHOW EVENT_SUBSCRIPTIONS lists subscriptions, \\dt collections.")
	}
	return t.Columns, nil
}

// relation finds a collection; one that does not exist yet may be tailed by its
// plain name once it exists.
func (m *Manager) relation(ctx context.Context, env catalog.Session, schema string, name ast.Ident) (*catalog.Table, bool, error) {
	if m.resolve == nil {
		return nil, false, nil
	}
	text := name.Text
	return m.resolve(env).Table(ctx, schema, text, name.Quoted)
}

// tailOptions are the options of SUBSCRIBE.
type tailOptions struct{ snapshot, progress bool }

func parseTailOptions(n *ast.Subscribe) (o tailOptions, err error) {
	for _, opt := range n.Options {
		switch name := strings.ToLower(opt.Name.Name); name {
		case "snapshot":
			o.snapshot = true
		case "progress":
			o.progress = true
		default:
			return o, sqlerr.New(sqlerr.UndefinedObject, "unrecognized SUBSCRIBE option %q", name).At(opt.Name.Pos()).WithHint("The options are SNAPSHOT and PROGRESS.")
		}
	}
	for _, e := range []ast.Expr{n.AsOf, n.UpTo} {
		if e != nil {
			return o, sqlerr.Unsupported(e.Pos(), "Read the past with CHANGE_STREAM_EVENTS(source, since, until).", "AS OF and UP TO are not supported in SUBSCRIBE")
		}
	}
	return o, nil
}

// Subscribe opens the live rows of SUBSCRIBE, from now on.
func (m *Manager) Subscribe(ctx context.Context, n *ast.Subscribe, env catalog.Session) (func(context.Context, time.Duration) (bson.Raw, error), func(), error) {
	if err := m.wait(ctx); err != nil {
		return nil, nil, err
	}
	o, err := parseTailOptions(n)
	if err != nil {
		return nil, nil, err
	}
	if n.Query != nil {
		_, err := m.describeSubscribe(ctx, n, env)
		return nil, nil, err
	}
	if s := m.named(env.Database(), n.Name.Last().Name); s != nil {
		return m.tailSubscription(s, o)
	}
	return m.tailCollection(ctx, n, env, o)
}

// tail is a client that follows a subscription's rows as they are published.
type tail struct {
	id   string
	wake chan struct{}

	rows     []bson.Raw // guarded by Manager.mu, like all below
	bytes    int
	position string // of the last row taken in
	overrun  bool
}

// offer is called for each batch, under Manager.mu.
func (t *tail) offer(p published) {
	rows := p.rows[t.id]
	t.position = p.position
	if len(rows) == 0 || t.overrun {
		return
	}
	for _, r := range rows {
		t.bytes += len(r)
	}
	if t.bytes > tailBytes {
		t.overrun = true
	} else {
		t.rows = append(t.rows, rows...)
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (m *Manager) tailSubscription(s *subscription, o tailOptions) (func(context.Context, time.Duration) (bson.Raw, error), func(), error) {
	t := &tail{id: s.ID, wake: make(chan struct{}, 1)}
	m.mu.Lock()
	m.tails[t] = struct{}{}
	m.mu.Unlock()
	last := ""
	next := func(ctx context.Context, wait time.Duration) (bson.Raw, error) {
		row, position, err := m.takeTail(ctx, t, wait, last)
		if row != nil {
			last = text(value.Lookup(row, "position"))
			return tailRow(row), nil
		}
		if err != nil || !o.progress || wait == 0 {
			return nil, err
		}
		return progressRow(position), nil
	}
	stop := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.tails, t)
	}
	return next, stop, nil
}

func (m *Manager) takeTail(ctx context.Context, t *tail, wait time.Duration, last string) (bson.Raw, string, error) {
	var timeout <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		m.mu.Lock()
		if len(t.rows) > 0 {
			row := t.rows[0]
			t.rows = t.rows[1:]
			t.bytes -= len(row)
			m.mu.Unlock()
			return row, "", nil
		}
		overrun, position := t.overrun, t.position
		gone := m.subs[t.id] == nil
		m.mu.Unlock()
		switch {
		case overrun:
			return nil, "", sqlerr.New(sqlerr.ProgramLimitExceeded, "the client fell too far behind the events").
				WithDetail("The last position sent was %s.", last).WithHint("Read what was missed with CHANGE_STREAM_EVENTS() WHERE position > '%s'.", last)
		case gone:
			return nil, "", sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "the event subscription was dropped")
		case wait == 0:
			return nil, position, nil
		}
		select {
		case <-ctx.Done():
			return nil, "", ctx.Err()
		case <-timeout:
			return nil, position, nil
		case <-t.wake:
		}
	}
}

// tailRow is a row of the log as SUBSCRIBE yields it.
func tailRow(row bson.Raw) bson.Raw {
	var b value.Builder
	b.Add("weir_position", value.Lookup(row, "position"))
	b.Add("weir_progressed", value.Bool(false))
	addComputed(&b, row)
	return b.Doc()
}

// Computed gives a row of the log with the columns that are computed when read.
func Computed(row bson.Raw) bson.Raw {
	var b value.Builder
	addComputed(&b, row)
	return b.Doc()
}

func addComputed(b *value.Builder, row bson.Raw) {
	e := rowEvent(row)
	for _, v := range []value.Value{e.Full, e.Updated, e.Before, e.Key} {
		if !v.IsNullish() {
			b.Add("event_data", v)
			break
		}
	}
	for it := value.Walk(row); it.Next(); {
		b.AddElement(it.Element())
	}
}

func progressRow(position string) bson.Raw {
	var b value.Builder
	b.Add("weir_position", value.String(position))
	b.Add("weir_progressed", value.Bool(true))
	return b.Doc()
}

// tailCollection follows a collection by a change stream of its own.
func (m *Manager) tailCollection(ctx context.Context, n *ast.Subscribe, env catalog.Session, o tailOptions) (func(context.Context, time.Duration) (bson.Raw, error), func(), error) {
	t, found, err := m.relation(ctx, env, n.Name.Qualifier().Name, n.Name.Last())
	if err != nil {
		return nil, nil, err
	}
	if !found {
		_, err := m.collectionColumns(ctx, env, n.Name)
		return nil, nil, err
	}
	stream, err := m.st.Watch(ctx, t.NS, nil, store.WatchOptions{FullDocument: store.ImageUpdateLookup})
	if err != nil {
		return nil, nil, err
	}
	c := &collectionTail{stream: stream, progress: o.progress}
	if o.snapshot {
		if c.snapshot, err = m.st.Aggregate(ctx, t.NS, nil, store.AggregateOptions{}); err != nil {
			_ = stream.Close()
			return nil, nil, err
		}
	}
	return c.next, c.close, nil
}

// collectionTail yields the events of a collection, after its documents when a
// snapshot was asked for. A document that changes meanwhile comes twice.
type collectionTail struct {
	stream   store.ChangeStream
	snapshot store.Cursor
	progress bool
	last     bson.Timestamp
	ordinal  uint32
}

func (c *collectionTail) next(ctx context.Context, wait time.Duration) (bson.Raw, error) {
	if c.snapshot != nil {
		doc, err := c.snapshot.Next(ctx)
		if err == nil {
			return snapshotRow(doc), nil
		}
		if err != io.EOF {
			return nil, err
		}
		_ = c.snapshot.Close()
		c.snapshot = nil
	}
	raw, err := c.stream.Next(ctx, wait)
	if err == io.EOF {
		return nil, sqlerr.New(sqlerr.UndefinedTable, "the collection was dropped or renamed")
	}
	if err != nil {
		return nil, err
	}
	if raw == nil {
		if c.progress && wait > 0 {
			return progressRow(string(appendPosition(nil, c.stream.OperationTime(), 0))), nil
		}
		return nil, nil
	}
	return c.row(raw), nil
}

func (c *collectionTail) row(raw bson.Raw) bson.Raw {
	var e Event
	e.parse(slices.Clone(raw))
	if c.ordinal++; e.Time != c.last {
		c.ordinal, c.last = 0, e.Time
	}
	var b value.Builder
	b.Add("weir_position", value.String(string(appendPosition(nil, e.Time, c.ordinal))))
	b.Add("weir_progressed", value.Bool(false))
	b.Add("event_type", value.String(e.Op))
	b.Add("document_key", e.Key)
	b.Add("full_document", e.Full)
	return b.Doc()
}

func snapshotRow(doc bson.Raw) bson.Raw {
	var key, b value.Builder
	key.Add("_id", value.Lookup(doc, "_id"))
	b.Add("weir_progressed", value.Bool(false))
	b.Add("event_type", value.String("read"))
	b.Add("document_key", key.DocumentOf())
	b.Add("full_document", value.Document(doc))
	return b.Doc()
}

func (c *collectionTail) close() {
	if c.snapshot != nil {
		_ = c.snapshot.Close()
	}
	_ = c.stream.Close()
}
