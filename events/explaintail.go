package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
)

// Explain tells what SUBSCRIBE would do, and refuses what it would. It opens nothing
// that stays.
func (m *Manager) Explain(ctx context.Context, n *ast.Subscribe, env catalog.Session) ([]string, error) {
	if err := m.wait(ctx); err != nil {
		return nil, err
	}
	t, err := m.planTail(ctx, n, env)
	if err != nil {
		return nil, err
	}
	var p plan
	switch {
	case t.query != nil:
		err = m.explainQuery(ctx, &p, n, t)
	case t.sub != nil:
		p.line("Subscribe to event subscription %s (%s)", t.sub.Spec.ID, t.sub.status())
		p.line("  Log: rows of subscription %s", t.sub.Spec.ID)
		p.match(t.sub.Spec)
		if err = m.explainReader(ctx, &p, t.sub.Spec.Database); err == nil {
			p.logged(t, m.budget.limit, "subscription "+t.sub.Spec.ID, nil, t.sub.Spec.Retention)
		}
	default:
		err = m.explainCollection(ctx, &p, n, t)
	}
	if err == nil && t.progress {
		p.line("  Progress: while no event comes, rows tell how far it is")
	}
	return p, err
}

// explainQuery tells of SUBSCRIBE TO (SELECT … FROM CHANGE_STREAM_EVENTS(…) …).
func (m *Manager) explainQuery(ctx context.Context, p *plan, n *ast.Subscribe, t *tailPlan) error {
	q, of, pushed := t.query, t.query.of, "database "+t.query.of.database
	var checked []string
	p.line("Subscribe to a query over CHANGE_STREAM_EVENTS()")
	switch {
	case of.id != "":
		pushed = "subscription " + of.id
		p.line("  Log: rows of subscription %s", of.id)
	case of.coll != "":
		checked = append(checked, "collection "+of.coll)
		p.line("  Log: rows of all subscriptions of database %s to collection %s", of.database, of.coll)
	default:
		p.line("  Log: rows of all subscriptions of database %s", of.database)
	}
	if of.id != "" {
		if s := m.named(of.database, of.id); s != nil {
			p.match(s.Spec)
		}
	} else if len(q.hidden) > 0 {
		checked = append(checked, fmt.Sprintf("subscriptions (%d may not be used)", len(q.hidden)))
	}
	if err := m.explainReader(ctx, p, of.database); err != nil {
		return err
	}
	p.logged(t, m.budget.limit, pushed, append(checked, "the query"), of.retained)
	p.line("  Query: %s", strings.TrimSpace(ast.Print(n.Query)))
	return nil
}

// logged tells of what follows the log: where it begins and ends, what the log's query
// is asked for, what is looked at row by row, and what is held in memory.
func (p *plan) logged(t *tailPlan, limit int64, pushed string, checked []string, retained time.Duration) {
	switch {
	case t.from != "":
		p.line("  Snapshot: none, AS OF tells where it starts")
	case t.snapshot:
		p.line("  Snapshot: all that the log holds")
	default:
		p.line("  Snapshot: none")
	}
	p.bounds(t, t.snapshot)
	switch {
	case t.from != "":
		pushed += ", position from " + t.from
	case !t.snapshot:
		pushed += ", position from now"
	}
	p.line("  Pushed into the log's query: %s", pushed)
	p.checked(t, checked)
	p.line("  Memory: rows of up to %s wait for it, while it is up with the log; rows behind these are read from the log, %d rows or %s at a time", mebibytes(tailBytes), tailPage, mebibytes(pageBytes))
	p.shared(limit)
	p.line("  If it is slow: nothing is lost for %s, for which the log keeps what is settled; then it ends with an error", formatDuration(retained))
}

// explainCollection tells of SUBSCRIBE TO a collection.
func (m *Manager) explainCollection(ctx context.Context, p *plan, n *ast.Subscribe, t *tailPlan) error {
	db, coll := t.coll.DB, t.coll.Coll
	now, err := m.operationTime(ctx)
	if err != nil {
		return err
	}
	past := t.from != "" && before(t.from) < endOf(now)
	if past {
		at, _, _ := ParsePosition(before(t.from))
		at.T = max(1, at.T)
		switch reaches, err := m.oplogReaches(ctx, db, at); {
		case err != nil:
			return err
		case !reaches:
			return sqlerr.As(m.tooEarly(ctx, db)).At(n.Pos())
		}
	}
	p.line("Subscribe to collection %s.%s", db, coll)
	clients, colls := m.tails.followers(db)
	switch {
	case past:
		p.line("  Stream: one of its own from there on, until it is up with the one that clients here share for database %s", db)
		colls = nil
	case clients > 0:
		p.line("  Stream: the one that clients here share for database %s, of whom there are %d", db, clients)
	default:
		p.line("  Stream: a new one, which clients here share for database %s", db)
	}
	if t.snapshot {
		p.line("  Snapshot: all documents of the collection first, as events read; one that changes meanwhile comes twice")
	} else {
		p.line("  Snapshot: none")
	}
	p.bounds(t, false)
	if err := m.explainStream(ctx, p, db, append(slices.Clone(colls), coll)); err != nil {
		return err
	}
	p.checked(t, []string{"collection " + coll, "operations insert, update, replace, delete; drop and rename end it"})
	p.line("  Memory: rows of up to %s wait for it; a stream of its own is read %d events or %s at a time", mebibytes(tailBytes), m.batchEvents(), mebibytes(batchBytes))
	p.shared(m.budget.limit)
	p.line("  If it is slow: it reads on by a stream of its own, as far as the oplog reaches back; then it ends with an error")
	return nil
}

// explainStream tells what the server is asked for that gives the stream of some
// collections.
func (m *Manager) explainStream(ctx context.Context, p *plan, db string, colls []string) error {
	slices.Sort(colls)
	rt, err := tailRoute(ctx, m.lang, db, slices.Compact(colls))
	if err != nil {
		return err
	}
	r := newReader(m, db)
	if err := r.setRoutes(ctx, []*route{rt}); err != nil {
		return err
	}
	only := r.only()
	if only == nil {
		p.line("  Pushed into the stream: nothing, it is of all of the database")
		return nil
	}
	p.line("  Pushed into the stream: %s", relaxed(coarseStage(only)))
	return nil
}

// bounds tells where it begins and ends.
func (p *plan) bounds(t *tailPlan, whole bool) {
	switch {
	case t.from != "":
		p.line("  From: %s, position %s", shownTime(t.since), t.from)
	case whole:
		p.line("  From: the beginning of the log")
	default:
		p.line("  From: now")
	}
	if t.to == "" {
		p.line("  Up to: no end")
		return
	}
	p.line("  Up to: %s, position before %s", shownTime(t.span.until), t.to)
}

// checked tells what is looked at row by row, where the bounds name parts of a second.
func (p *plan) checked(t *tailPlan, what []string) {
	if t.span != (span{}) {
		what = append(what, "the event's time")
	}
	if len(what) == 0 {
		what = []string{"nothing"}
	}
	p.line("  Checked on rows: %s", strings.Join(what, "; "))
}

func (p *plan) shared(limit int64) {
	p.line("    of %s that all readers, deliveries and clients of this gateway may hold; %d KiB it may hold in any case", mebibytes(limit), budgetFloor>>10)
}

// followers tells how many clients share a stream of a database, and of which collections.
func (s *sharedTails) followers(db string) (clients int, colls []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.of[db]
	if h == nil {
		return 0, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.members {
		clients += len(list)
	}
	return clients, h.wanted
}

// shownTime is a time in milliseconds as a person writes it.
func shownTime(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

func mebibytes[T int | int64](n T) string { return fmt.Sprintf("%d MiB", n>>20) }
