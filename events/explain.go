package events

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
)

// explain is EXPLAIN EVENT_SUBSCRIPTION: reader, match, filter and lag, and for
// the last events of the database why each is wanted or not.
func (c *call) explain(ctx context.Context, stmt *ast.ExplainEventSubscription) error {
	s, err := c.use(stmt.Name)
	if err != nil {
		return err
	}
	spec := s.Spec
	rt, err := compileRoute(ctx, c.m.lang, spec)
	if err != nil {
		return err
	}
	c.line("Event subscription %s (%s)", spec.ID, s.status())
	var told plan
	if err := c.m.explainReader(ctx, &told, spec.Database); err != nil {
		return err
	}
	told.match(spec)
	for _, line := range told {
		c.line("%s", line)
	}
	if rt.term != nil {
		c.line("  Hash: %s, %d of its values", strings.Join(rt.term.names, "."), len(rt.term.keys))
	} else if rt.filter != nil || rt.where != nil {
		c.line("  Hash: none, each matching event is tried")
	}
	c.line("  Target: %s, order %s", orNone(spec.Target.Shown()), spec.PreserveOrder)
	counted, err := c.m.counted(ctx, spec.Database)
	if err != nil {
		return err
	}
	figures, err := c.m.figures(ctx, counted)
	if err != nil {
		return err
	}
	f := figures[spec.ID]
	c.line("  Position: %s, pending %d, retrying %d, dead letters open %d", orNone(counted[spec.ID].Position), f.pending, f.retrying, f.dead)
	return c.explainEvents(ctx, s, rt)
}

func (c *call) line(format string, args ...any) {
	c.row(bson.D{{Key: "QUERY PLAN", Value: fmt.Sprintf(format, args...)}})
}

// plan is the lines that EXPLAIN shows.
type plan []string

func (p *plan) line(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// match tells which events a subscription logs.
func (p *plan) match(spec *Spec) {
	p.line("  Match: collections %s, operations %s", orAll(spec.Collections), strings.Join(spec.EventTypes, ", "))
	if len(spec.UpdateFields) > 0 {
		p.line("  Updates: of %s", strings.Join(spec.UpdateFields, ", "))
	}
	if len(spec.Filter) > 0 {
		p.line("  Filter: %s", relaxed(spec.Filter))
	}
	if spec.Where != "" {
		p.line("  Where: %s", spec.Where)
	}
}

// explainReader tells who reads the database, and how far behind the server.
func (m *Manager) explainReader(ctx context.Context, p *plan, db string) error {
	stream, err := m.readerRow(ctx, db)
	if err != nil {
		return err
	}
	p.line("  Reader: one change stream of database %s", db)
	if stream == nil {
		p.line("    not running")
		return nil
	}
	p.line("    gateway %s, epoch %d, token %s", text(value.Lookup(stream, "gateway")), value.Lookup(stream, "epoch").AsInt64(), orNone(text(value.Lookup(stream, "resume_token"))))
	if at := value.Lookup(stream, "resume_token_timestamp"); at.Kind() == bson.TypeDateTime {
		p.line("    read up to %s, lag %.0f s", time.UnixMilli(at.AsDate()).UTC().Format(time.RFC3339), value.Lookup(stream, "resume_token_lag_seconds").AsDouble())
	}
	return nil
}

// How far EXPLAIN looks back for events, and how many it shows.
const (
	explainEmpty  = 3 // replies without events end the look at the past
	explainSpan   = 60 * time.Second
	explainEvents = 5
)

// explainEvents shows the last events of the database and what becomes of each.
func (c *call) explainEvents(ctx context.Context, s *found, rt *route) error {
	last, err := c.m.lastEvents(ctx, rt)
	if err != nil || len(last) == 0 {
		return err
	}
	logged, err := c.m.loggedRows(ctx, s.ID, last)
	if err != nil {
		return err
	}
	c.line("  Last events of the database:")
	for i := range last {
		e := &last[i]
		key := ""
		if e.Key.IsDocument() {
			key = " " + relaxed(e.Key.Doc())
		}
		c.line("    %s %s%s: %s", e.Op, orNone(e.Coll), key, c.became(ctx, s, rt, e, logged[text(value.Lookup(e.Token, "_data"))]))
	}
	return nil
}

// lastEvents reads the last events of a route's database from the oplog, with the
// documents that the route would have looked up as they are now.
func (m *Manager) lastEvents(ctx context.Context, rt *route) (out []Event, err error) {
	now, err := m.operationTime(ctx)
	if err != nil {
		return nil, err
	}
	from := bson.Timestamp{T: max(1, now.T-uint32(explainSpan.Seconds())), I: 1}
	r := newReader(m, rt.spec.Database)
	r.at, r.wait = &from, 100*time.Millisecond
	defer r.close()
	if err := r.watch(ctx); isHistoryLost(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for empty := 0; empty < explainEmpty && (len(out) == 0 || out[len(out)-1].Time.Before(now)); {
		if err := r.readBatch(ctx); err != nil {
			return out, ignoreEOF(err)
		}
		if len(r.events) == 0 {
			empty++
			continue
		}
		r.events = joinFragments(r.events)
		for _, e := range r.events[max(0, len(r.events)-explainEvents):] {
			kept := Event{}
			kept.parse(append(bson.Raw(nil), e.Raw...))
			out = append(out, kept)
		}
		out = out[max(0, len(out)-explainEvents):]
	}
	if len(out) == 0 {
		return nil, nil
	}
	if err := r.setRoutes(ctx, []*route{rt}); err != nil {
		return nil, err
	}
	r.events = out
	return out, r.lookUp(ctx)
}

// relaxed prints a document as a person writes it.
func relaxed(doc bson.Raw) string {
	text, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		return doc.String()
	}
	return string(text)
}
