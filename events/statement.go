package events

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// call is one statement being run.
type call struct {
	m       *Manager
	env     catalog.Session
	lang    Language // of the statement
	notices []*sqlerr.Error
	rows    []bson.Raw
	drains  bool // it met a subscription that is being dropped
}

func (c *call) notice(severity, code, format string, args ...any) *sqlerr.Error {
	n := sqlerr.Notice(severity, code, format, args...)
	c.notices = append(c.notices, n)
	return n
}

func (c *call) row(d bson.D) { c.rows = append(c.rows, marshal(d)) }

// Describe gives the columns of the rows that a statement gives, nil: none.
func (m *Manager) Describe(ctx context.Context, stmt ast.Statement, env catalog.Session) ([]catalog.Column, error) {
	switch stmt := stmt.(type) {
	case *ast.ShowEvents:
		if stmt.Connections {
			return connectionColumns(), nil
		}
		return subscriptionColumns(), nil
	case *ast.ShowCreate:
		if stmt.Kind == ast.KindConnection {
			return textColumns("connection_name", "create_statement"), nil
		}
		return textColumns("subscription_name", "create_statement"), nil
	case *ast.ExplainEventSubscription:
		return textColumns("QUERY PLAN"), nil
	case *ast.TestEventSubscription:
		return textColumns("event_id", "result", "payload"), nil
	case *ast.RotateSecret:
		return nil, nil
	case *ast.Subscribe:
		return m.describeSubscribe(ctx, stmt, env)
	}
	return nil, nil
}

func textColumns(names ...string) []catalog.Column {
	out := make([]catalog.Column, len(names))
	for i, n := range names {
		out[i] = column(n, sqltype.Text)
		out[i].Attr = int16(i + 1)
	}
	return out
}

// Exec runs a statement about subscriptions.
func (m *Manager) Exec(ctx context.Context, stmt ast.Statement, env catalog.Session) ([]bson.Raw, string, []*sqlerr.Error, error) {
	if err := m.wait(ctx); err != nil {
		return nil, "", nil, err
	}
	if _, err := m.refresh(ctx); err != nil {
		return nil, "", nil, err
	}
	began := time.Now()
	for try := 1; ; try++ {
		c := &call{m: m, env: env, lang: m.languageOf(env)}
		tag, err := c.exec(ctx, stmt)
		if err != nil && c.drains && time.Since(began) < drainWait { // mostly it is gone at once
			try = 0
			select {
			case <-ctx.Done():
				return nil, "", nil, ctx.Err()
			case <-time.After(drainWait / 20):
			}
			if err := m.reload(ctx, env.Database()); err != nil {
				return nil, "", nil, err
			}
			continue
		}
		if !errors.Is(err, errStale) {
			return c.rows, tag, c.notices, err
		}
		if try == staleTries {
			return nil, "", nil, sqlerr.New(sqlerr.SerializationFailure, "the event subscription was changed on another gateway meanwhile").At(stmt.Pos()).WithHint("Try again.")
		}
		if err := m.reload(ctx, env.Database()); err != nil {
			return nil, "", nil, err
		}
	}
}

// drainWait is how long a statement waits for the end of a DROP that it meets.
const drainWait = 500 * time.Millisecond

// staleTries is how often a statement is run whose subscription others change.
const staleTries = 5

func (c *call) exec(ctx context.Context, stmt ast.Statement) (string, error) {
	switch stmt := stmt.(type) {
	case *ast.ShowEvents:
		return "SHOW", c.show(ctx, stmt)
	case *ast.ShowCreate:
		if stmt.Kind == ast.KindConnection {
			return "SHOW", c.showCreateConnection(ctx, stmt.Name.Last())
		}
		return "SHOW", c.showCreate(stmt)
	case *ast.ExplainEventSubscription:
		return "EXPLAIN", c.explain(ctx, stmt)
	case *ast.TestEventSubscription:
		return "TEST EVENT_SUBSCRIPTION", c.test(ctx, stmt)
	case *ast.AcknowledgeEvents:
		return "ACKNOWLEDGE EVENT_SUBSCRIPTION", c.acknowledge(ctx, stmt)
	}
	if err := c.m.changes.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer c.m.changes.Release(1)
	defer c.recount(stmt)
	switch stmt := stmt.(type) {
	case *ast.CreateEventSubscription:
		return "CREATE EVENT_SUBSCRIPTION", c.create(ctx, stmt)
	case *ast.AlterEventSubscription:
		return "ALTER EVENT_SUBSCRIPTION", c.alter(ctx, stmt)
	case *ast.PauseEventSubscription:
		return "PAUSE EVENT_SUBSCRIPTION", c.pause(ctx, stmt)
	case *ast.ResumeEventSubscription:
		return "RESUME EVENT_SUBSCRIPTION", c.resume(ctx, stmt)
	case *ast.DropEventSubscription:
		return "DROP EVENT_SUBSCRIPTION", c.drop(ctx, stmt)
	case *ast.DeadLetters:
		return c.deadLetters(ctx, stmt)
	case *ast.RewindEventSubscription:
		return "REWIND EVENT_SUBSCRIPTION", c.rewind(ctx, stmt)
	case *ast.RotateSecret:
		return "ROTATE SECRET", c.rotate(ctx, stmt)
	case *ast.Comment:
		return "COMMENT", c.comment(ctx, stmt)
	case *ast.Grant:
		return grantTag(stmt), c.grant(ctx, stmt)
	case *ast.BackfillEventSubscription:
		return "BACKFILL EVENT_SUBSCRIPTION", c.backfill(ctx, stmt)
	case *ast.CreateConnection:
		return "CREATE CONNECTION", c.createConnection(ctx, stmt)
	case *ast.AlterConnection:
		return "ALTER CONNECTION", c.alterConnection(ctx, stmt)
	case *ast.DropConnection:
		return "DROP CONNECTION", c.dropConnection(ctx, stmt)
	}
	return "", sqlerr.New(sqlerr.FeatureNotSupported, "the statement is not supported").At(stmt.Pos())
}

// recount has what waits and what is dead counted anew after statements that change
// much of it at once.
func (c *call) recount(stmt ast.Statement) {
	switch stmt.(type) {
	case *ast.ResumeEventSubscription, *ast.DropEventSubscription, *ast.DeadLetters, *ast.RewindEventSubscription:
		c.m.census.forget()
		c.m.graves.forget()
	}
}

// found is a subscription with its definition as it was when it was looked up.
type found struct {
	sub *subscription
	stored
}

// found gives the subscriptions of a database, "": of all, in order of their ids.
func (m *Manager) found(db string) []found {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []found
	for _, s := range m.subs {
		if db == "" || s.Database == db {
			out = append(out, found{s, s.stored})
		}
	}
	slices.SortFunc(out, func(a, b found) int { return compareText(a.ID, b.ID) })
	return out
}

// find gives the subscription of a name or id in the session's database; one that is
// being dropped is refused.
func (c *call) find(name ast.Ident) (*found, error) {
	s, err := c.findAny(name)
	if err == nil && s.Status == StateDraining {
		return nil, c.draining(s, name.Pos())
	}
	return s, err
}

func (c *call) findAny(name ast.Ident) (*found, error) {
	if s := c.m.named(c.env.Database(), name.Name); s != nil {
		return s, nil
	}
	e := sqlerr.New(sqlerr.UndefinedObject, "event subscription \"%s\" does not exist", name.Name).At(name.Pos())
	var all []string
	for _, s := range c.m.found(c.env.Database()) {
		all = append(all, s.Spec.Name)
	}
	if near := nearest(name.Name, all); len(near) > 0 {
		return nil, e.WithHint("Perhaps you meant %s.", strings.Join(near, ", "))
	}
	return nil, e.WithHint("SHOW EVENT_SUBSCRIPTIONS lists them.")
}

// findStored is find by the definition as it is stored: a gateway that changed it may
// have died before it told the others.
func (c *call) findStored(ctx context.Context, name ast.Ident) (*found, error) {
	if _, err := c.findStoredAny(ctx, name); err != nil {
		return nil, err
	}
	return c.find(name)
}

func (c *call) findStoredAny(ctx context.Context, name ast.Ident) (*found, error) {
	s, err := c.findAny(name)
	if err != nil {
		err = c.m.reload(ctx, c.env.Database())
	} else {
		err = c.m.load(ctx, bson.A{s.ID}, bson.A{s.ID})
	}
	if err != nil {
		return nil, err
	}
	return c.findAny(name)
}

// named finds a subscription of a database by name, then by id.
func (m *Manager) named(database, name string) *found {
	m.mu.Lock()
	defer m.mu.Unlock()
	byID := m.subs[name]
	if byID != nil && byID.Database != database {
		byID = nil
	}
	for _, s := range m.subs {
		if s.Database == database && s.Spec.Name == name {
			byID = s
			break
		}
	}
	if byID == nil {
		return nil
	}
	return &found{byID, byID.stored}
}

func (c *call) show(ctx context.Context, stmt *ast.ShowEvents) error {
	shown := sqlfunc.ShowLike(stmt.Like)
	if stmt.Connections {
		rows, err := c.m.connectionRows(ctx, c.env.Database())
		c.rows = slices.DeleteFunc(rows, func(row bson.Raw) bool { return !shown(text(value.Lookup(row, "name"))) })
		return err
	}
	subs := slices.DeleteFunc(c.m.found(c.env.Database()), func(s found) bool { return !shown(s.Spec.Name) })
	cur, err := c.m.readSubscriptions(ctx, c.env.Database(), subs)
	if err != nil {
		return err
	}
	for {
		row, err := cur.Next(ctx)
		if err != nil {
			return ignoreEOF(err)
		}
		c.rows = append(c.rows, row)
	}
}

func (c *call) showCreate(stmt *ast.ShowCreate) error {
	s, err := c.findAny(stmt.Name.Last())
	if err != nil {
		return err
	}
	c.row(bson.D{{Key: "subscription_name", Value: s.Spec.Name}, {Key: "create_statement", Value: s.Spec.ShowCreate()}})
	return nil
}

func orAll(names []string) string {
	if len(names) == 0 {
		return "all"
	}
	return strings.Join(names, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
