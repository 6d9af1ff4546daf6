package events

import (
	"context"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser"
	"weir/parser/ast"
)

// loggedRows finds the rows of events in the log of a subscription, by their tokens.
// The images of an event that was looked up are taken from its row: they are those
// that the filters were asked of.
func (m *Manager) loggedRows(ctx context.Context, id string, of []Event) (map[string]bson.Raw, error) {
	rows := map[string]bson.Raw{}
	first, last := of[0].Time, of[len(of)-1].Time
	err := queryWhole(ctx, m.st, collLog, []bson.D{{{Key: "$match", Value: bson.D{
		{Key: "subscription_id", Value: id},
		{Key: "position", Value: bson.D{{Key: "$gte", Value: string(appendPosition(nil, first, 0))}, {Key: "$lte", Value: endOf(last)}}},
	}}}}, func(row bson.Raw) error {
		rows[strings.Clone(text(value.Lookup(row, "resume_token")))] = append(bson.Raw(nil), row...)
		return nil
	})
	for i := range of {
		e := &of[i]
		row := rows[text(value.Lookup(e.Token, "_data"))]
		if full := value.Lookup(row, "full_document"); e.bare != nil && full.IsDocument() {
			e.Raw = e.bare
			e.setFull(full.Doc())
		}
	}
	return rows, err
}

// became tells what an event is to the subscription as it is defined now, and what
// became of it where that is another thing.
func (c *call) became(ctx context.Context, s *found, rt *route, e *Event, row bson.Raw) string {
	is := c.verdict(ctx, rt, e)
	position := string(appendPosition(nil, e.Time, e.Ordinal))
	switch wanted := is == isWanted; {
	case row != nil && wanted:
		return is + ", " + text(value.Lookup(row, "processing_status"))
	case row != nil && strings.HasPrefix(is, "not wanted"):
		return is + "; it was wanted when it came: " + text(value.Lookup(row, "processing_status"))
	case wanted && (position <= s.StartAfter && s.Catchup == nil):
		return "not logged: it came before the subscription began; REWIND brings it"
	}
	return is
}

// isWanted is the verdict on an event that the subscription wants.
const isWanted = "wanted"

// verdict tells whether an event is wanted, else the first thing that it fails.
func (c *call) verdict(ctx context.Context, rt *route, e *Event) string {
	var alone Event
	e = rt.seen(e, &alone)
	coll := e.Coll
	if e.To != "" && !rt.wantsCollection(coll) {
		coll = e.To
	}
	switch {
	case rt.own != "" && !rt.wantsCollection(coll) && (coll == rt.own || coll == rt.own+"_inbox"):
		return "not wanted: the subscription itself writes to " + coll
	case !rt.wantsCollection(coll):
		return "not wanted: " + e.Coll + " is none of the collections"
	case !rt.wantsKind(e.Op, coll):
		return "not wanted: " + e.Op + " is none of the operations"
	case e.Op == "update" && len(rt.fields) > 0 && !rt.touches(e):
		return "not wanted: it changes none of " + strings.Join(rt.fields, ", ")
	case rt.filter != nil:
		if ok, err := rt.fulfils(rt.filter, e); err != nil {
			return "dead letter: event_filter fails: " + err.Error()
		} else if !ok {
			return "not wanted: event_filter is not fulfilled" + failingTerm(rt, e)
		}
	}
	if rt.where != nil {
		row := bson.Raw(rt.appendRow(nil, e, string(appendPosition(nil, e.Time, e.Ordinal)), 0, c.m.gateway))
		if ok, err := rt.where.Match(row); err != nil {
			return "dead letter: WHERE fails: " + err.Error()
		} else if !ok {
			return "not wanted: WHERE is not true" + c.failingConjunct(ctx, rt.spec.Where, row)
		}
	}
	if rt.required(e) {
		return "dead letter: " + errImageMissing.Error()
	}
	return isWanted
}

// failingTerm names the first term of a filter that an event does not fulfil.
func failingTerm(rt *route, e *Event) string {
	for it := value.Walk(rt.spec.Filter); it.Next(); {
		var one value.Builder
		one.Add(it.Key(), it.Value())
		f, err := CompileFilter(one.Doc())
		if err != nil {
			continue
		}
		if ok, err := rt.fulfils(f, e); err == nil && !ok {
			return " at " + relaxed(one.Doc())
		}
	}
	return ""
}

// failingConjunct names the first part of a condition that is not true.
func (c *call) failingConjunct(ctx context.Context, where string, row bson.Raw) string {
	e, err := parser.ParseExpr(where)
	if err != nil {
		return ""
	}
	for _, part := range conjuncts(e) {
		cond, err := c.m.lang.Condition(ctx, part)
		if err != nil {
			continue
		}
		if ok, err := cond.Match(row); err == nil && !ok {
			return " at " + c.m.lang.Print(part)
		}
	}
	return ""
}

func conjuncts(e ast.Expr) []ast.Expr {
	if and, ok := e.(*ast.AndExpr); ok {
		return and.Operands
	}
	return []ast.Expr{e}
}
