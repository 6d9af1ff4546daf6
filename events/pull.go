package events

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// A subscription that is pulled has no dispatcher: its cursors are moved by what is
// acknowledged, so that who reads what is queued need not walk what is not any more. What
// is queued is shown, and acknowledged, as far as it is whole: else a row could come into
// the log between the two that nobody has seen.

// acknowledge is ACKNOWLEDGE EVENT_SUBSCRIPTION name UP TO position.
func (c *call) acknowledge(ctx context.Context, stmt *ast.AcknowledgeEvents) error {
	s, err := c.use(stmt.Name)
	if err != nil {
		return err
	}
	if s.Spec.Target.Kind != TargetPull {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "event subscription \"%s\" is not read by PULL", s.Spec.Name).At(stmt.Name.Pos()).
			WithHint("Only PULL subscriptions are acknowledged; others are by their receivers.")
	}
	v, err := c.lang.Constant(ctx, stmt.UpTo)
	if err != nil {
		return err
	}
	position := strings.ToLower(text(v))
	if _, _, ok := ParsePosition(position); !ok {
		return sqlerr.New(sqlerr.InvalidParameterValue, "invalid position").At(stmt.UpTo.Pos()).WithHint("Use a position of CHANGE_STREAM_EVENTS(): 24 hexadecimal digits.")
	}
	// What is asked here is asked before the rows are changed, in this order: a REWIND
	// that begins meanwhile makes another epoch, one that is under way shows.
	cursors, err := c.m.pullCursors(ctx, s)
	if err != nil {
		return err
	}
	whole, err := c.m.loggedUpTo(ctx, s)
	if err != nil {
		return err
	}
	now, position := c.m.clock(), min(position, whole)
	filter := append(pendingOf(s.ID), bson.E{Key: "position", Value: bson.D{{Key: "$gt", Value: lowest(cursors)}, {Key: "$lte", Value: position}}})
	n, err := c.m.updateRows(ctx, collLog, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "processing_status", Value: StatusCompleted},
		{Key: "processing_completed_at", Value: now}, {Key: "processed_by", Value: c.m.gateway}, {Key: "expire_at", Value: now.Add(s.Spec.Retention)}}}})
	if s.sub.count.done(n, now); err != nil {
		return fmt.Errorf("acknowledge events of %s: %w", s.ID, err)
	}
	return c.m.moveCursors(ctx, s, cursors, position)
}

// pullCursor is a cursor as it was read.
type pullCursor struct {
	id    string
	epoch bson.RawValue // zero: none
	done  string
}

// pullCursors reads the cursors of a subscription. One that is not there yet has
// nothing done.
func (m *Manager) pullCursors(ctx context.Context, s *found) ([]pullCursor, error) {
	out := make([]pullCursor, s.Spec.DeliveryShards)
	for i := range out {
		out[i].id = cursorID(s.ID, i)
	}
	err := query(ctx, m.st, collCursors, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: cursorIDs(s.ID, 0, len(out))}}}}}}}, func(doc bson.Raw) error {
		i := slices.IndexFunc(out, func(c pullCursor) bool { return c.id == text(value.Lookup(doc, "_id")) })
		if out[i].done = strings.Clone(text(value.Lookup(doc, "done_pos"))); !value.Lookup(doc, "epoch").IsMissing() {
			out[i].epoch = value.Int64(value.Lookup(doc, "epoch").AsInt64()).RawValue()
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the cursors of %s: %w", s.ID, err)
	}
	return out, nil
}

// lowest is the position up to which all of them are done.
func lowest(cursors []pullCursor) string {
	return slices.MinFunc(cursors, func(a, b pullCursor) int { return compareText(a.done, b.done) }).done
}

// loggedUpTo is the position up to which no row of a subscription is to come into the
// log any more, "": a statement or a catch-up is at work below. What lies above what is
// published may be a part of a batch, others of which come later.
func (m *Manager) loggedUpTo(ctx context.Context, s *found) (up string, err error) {
	defs, err := loadSubscriptions(ctx, m.st, bson.A{s.ID})
	if err != nil {
		return "", err
	}
	if len(defs) == 0 || defs[0].Spec.Target.Kind != TargetPull || defs[0].Catchup != nil || m.clock().Before(defs[0].HeldUntil) {
		return "", nil
	}
	docs, err := m.readerDocs(ctx)
	return max(docs[s.Spec.Database].Published, defs[0].CaughtUp), err
}

// moveCursors moves cursors on that nobody has set since they were read.
func (m *Manager) moveCursors(ctx context.Context, s *found, cursors []pullCursor, done string) error {
	var ops []store.WriteOp
	for _, c := range cursors {
		if done <= c.done {
			continue
		}
		filter := bson.D{{Key: "_id", Value: c.id}, {Key: "epoch", Value: nil}}
		if c.epoch.Type != 0 {
			filter[1].Value = c.epoch
		}
		ops = append(ops, updateOp(filter, bson.D{{Key: "$max", Value: bson.D{{Key: "done_pos", Value: done}}}}, false))
	}
	if len(ops) == 0 {
		return nil
	}
	res, err := m.st.Write(ctx, ns(collCursors), ops, store.WriteOptions{Durable: true, Unordered: true})
	if err == nil {
		err = res.Err()
	}
	if err != nil {
		return fmt.Errorf("move the cursors of %s: %w", s.ID, err)
	}
	return nil
}

// unsettledOnly tells of a filter that wants no row which is settled.
func unsettledOnly(statuses []string) bool {
	return !slices.ContainsFunc(statuses, func(s string) bool { return s != StatusQueued && s != StatusProcessing && s != StatusRetrying })
}

// byCursor narrows a filter on what is queued of a subscription that is pulled down to
// what was not acknowledged and is whole.
func (m *Manager) byCursor(ctx context.Context, s *found) (bson.D, error) {
	statuses, ok := catalog.Wanted(ctx, "processing_status")
	if !ok || !unsettledOnly(statuses) || s.Spec.Target.Kind != TargetPull {
		return nil, nil
	}
	cursors, err := m.pullCursors(ctx, s)
	if err != nil {
		return nil, err
	}
	whole, err := m.loggedUpTo(ctx, s)
	if err != nil {
		return nil, err
	}
	return bson.D{{Key: "position", Value: bson.D{{Key: "$gt", Value: lowest(cursors)}, {Key: "$lte", Value: whole}}}}, nil
}
