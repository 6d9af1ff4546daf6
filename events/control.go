package events

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// pause is PAUSE EVENT_SUBSCRIPTION: events are logged and wait.
func (c *call) pause(ctx context.Context, n *ast.PauseEventSubscription) error {
	s, err := c.findStored(ctx, n.Name)
	if err != nil {
		return err
	}
	if s.Status == StatePaused {
		c.notice("NOTICE", sqlerr.SuccessfulCompletion, "event subscription \"%s\" is paused already", s.Spec.Name)
		return c.m.adopt(ctx, s.Spec.Database, s.ID) // by who died before the others knew
	}
	if err := c.m.setStatus(ctx, s.ID, StatePaused, StatePaused, ""); err != nil {
		return err
	}
	return c.m.adopt(ctx, s.Spec.Database, s.ID)
}

// resume is RESUME EVENT_SUBSCRIPTION; it also leaves suspended.
func (c *call) resume(ctx context.Context, n *ast.ResumeEventSubscription) error {
	s, err := c.findStored(ctx, n.Name)
	if err != nil {
		return err
	}
	if s.Status == StateActive && !n.SkipPending {
		c.notice("NOTICE", sqlerr.SuccessfulCompletion, "event subscription \"%s\" is active already", s.Spec.Name)
		return c.m.adopt(ctx, s.Spec.Database, s.ID) // by who died before the others knew
	}
	if n.SkipPending {
		if err := c.held(ctx, s, func(ctx context.Context) error { return c.skipPending(ctx, s) }); err != nil {
			return err
		}
	}
	if err := c.m.setStatus(ctx, s.ID, StateActive, StateActive, ""); err != nil {
		return err
	}
	// Who has it go on knows of what it missed.
	if _, err := c.m.updateRows(ctx, collGaps, bson.D{{Key: "subscription_id", Value: s.ID}, {Key: "acknowledged_at", Value: nil}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "acknowledged_at", Value: c.m.clock()}}}}); err != nil {
		return fmt.Errorf("acknowledge the gaps of %s: %w", s.ID, err)
	}
	return c.m.adopt(ctx, s.Spec.Database, s.ID)
}

// pendingOf finds the rows of a subscription that are not settled.
func pendingOf(id string) bson.D {
	return bson.D{{Key: "subscription_id", Value: id}, {Key: "processing_status", Value: bson.D{{Key: "$in", Value: bson.A{StatusQueued, StatusProcessing, StatusRetrying}}}}}
}

// updateRows changes rows of the log that a filter finds.
func (m *Manager) updateRows(ctx context.Context, coll string, filter, update bson.D) (int64, error) {
	op := updateOp(filter, update, false)
	op.Multi = true
	res, err := m.st.Write(ctx, ns(coll), []store.WriteOp{op}, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	return res.Modified, err
}

func (c *call) skipPending(ctx context.Context, s *found) error {
	now := c.m.clock()
	n, err := c.m.updateRows(ctx, collLog, pendingOf(s.ID), bson.D{
		{Key: "$set", Value: bson.D{{Key: "processing_status", Value: StatusSkipped}, {Key: "processing_completed_at", Value: now}, {Key: "expire_at", Value: now.Add(s.Spec.Retention)}}},
		{Key: "$unset", Value: bson.D{{Key: "next_attempt_at", Value: ""}}}})
	if err != nil {
		return fmt.Errorf("skip pending events: %w", err)
	}
	c.notice("NOTICE", sqlerr.SuccessfulCompletion, "skipped %d pending events", n)
	return nil
}

// rewind is REWIND EVENT_SUBSCRIPTION: rows of the log are delivered again, with
// their ids.
func (c *call) rewind(ctx context.Context, n *ast.RewindEventSubscription) error {
	s, err := c.find(n.Name)
	if err != nil {
		return err
	}
	after, err := c.rewindTo(ctx, n.To)
	if err != nil {
		return err
	}
	stretch, err := c.beforeLog(ctx, s, after, n.To)
	if err != nil {
		return err
	}
	var count int64
	if err := c.held(ctx, s, func(ctx context.Context) error { count, err = c.rewindRows(ctx, s, after, stretch); return err }); err != nil {
		return fmt.Errorf("rewind %s: %w", s.ID, err)
	}
	if stretch != nil {
		c.notice("NOTICE", sqlerr.SuccessfulCompletion, "%d events are delivered again, after those that are read from the oplog", count)
		return nil
	}
	c.notice("NOTICE", sqlerr.SuccessfulCompletion, "%d events are delivered again", count)
	return nil
}

// rewindRows lets the rows after a position start over. A row that has a dead
// letter keeps that mark: its delivery will close it.
func (c *call) rewindRows(ctx context.Context, s *found, after string, stretch *catchup) (int64, error) {
	status := StatusQueued
	if s.Spec.Target.Kind == TargetNone {
		status = StatusCompleted
	}
	// The cursor first: cut off in between, rows wait above it and are sent. It
	// goes back only: what was not delivered yet is not passed over.
	if err := c.m.setCursors(ctx, s.ID, s.Spec.DeliveryShards, "$min", after); err != nil {
		return 0, err
	}
	filter := bson.D{{Key: "subscription_id", Value: s.ID}, {Key: "position", Value: bson.D{{Key: "$gt", Value: after}}}}
	fresh := bson.D{{Key: "next_attempt_at", Value: ""}, {Key: "first_attempt_at", Value: ""}, {Key: "last_error", Value: ""}}
	if status == StatusQueued { // else it is settled as it is
		fresh = append(fresh, bson.D{{Key: "processing_started_at", Value: ""}, {Key: "processing_completed_at", Value: ""},
			{Key: "processing_duration_ms", Value: ""}, {Key: "expire_at", Value: ""}}...)
	}
	count, err := c.m.updateRows(ctx, collLog, filter, bson.D{
		{Key: "$set", Value: bson.D{{Key: "processing_status", Value: status}, {Key: "retry_count", Value: int32(0)}}}, {Key: "$unset", Value: fresh}})
	if err != nil {
		return 0, err
	}
	if stretch == nil {
		return count, nil
	}
	_, err = changeDefinition(ctx, c.m.st, bson.D{{Key: "_id", Value: s.ID}}, bson.E{Key: "$set", Value: bson.D{{Key: "catchup", Value: stretch}, {Key: "start_cursor", Value: after}}})
	return count, err
}

func (c *call) rewindTo(ctx context.Context, at *ast.StreamPosition) (string, error) {
	if at.Kind != ast.PositionNow {
		return c.pastPosition(ctx, at)
	}
	now, err := c.m.operationTime(ctx)
	return endOf(now), err
}

// beforeLog gives the stretch between a position and where the subscription's
// log begins, nil: the log holds it all.
func (c *call) beforeLog(ctx context.Context, s *found, after string, at *ast.StreamPosition) (*catchup, error) {
	kept := c.m.clock().Add(-s.Spec.Retention).Unix()
	begin := max(s.Cursor, string(appendPosition(nil, bson.Timestamp{T: uint32(max(0, kept))}, 0)))
	if after >= begin {
		return nil, nil
	}
	return &catchup{After: after, Until: begin}, c.reachable(ctx, after, at)
}

// secretOverlap is how long the old secret signs beside the new one.
const secretOverlap = 24 * time.Hour

// rotate is ROTATE SECRET.
func (c *call) rotate(ctx context.Context, n *ast.RotateSecret) error {
	s, err := c.find(n.Name)
	if err != nil {
		return err
	}
	if s.Spec.Target.Kind != TargetWebhook {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "event subscription \"%s\" has no webhook, so it has no secret", s.Spec.Name).At(n.Name.Pos())
	}
	if len(s.Spec.Secrets) == 0 && s.Spec.Connection != "" {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "event subscription \"%s\" is signed with the secret of connection \"%s\"", s.Spec.Name, s.Spec.Connection).At(n.Name.Pos()).
			WithHint("ALTER CONNECTION %s SET (secret = …) changes it for all that use it.", ast.QuoteIdent(s.Spec.Connection))
	}
	spec := *s.Spec
	key := newSecret()
	spec.Secrets = []Secret{{Key: key}}
	if len(s.Spec.Secrets) > 0 {
		spec.Secrets = append(spec.Secrets, Secret{Key: s.Spec.Secrets[0].Key, Until: c.m.clock().Add(secretOverlap)})
	}
	if err := c.redefine(ctx, s, &spec); err != nil {
		return err
	}
	c.showSecret(&Definition{Spec: &spec, NewSecret: key})
	return nil
}

// comment is COMMENT ON EVENT_SUBSCRIPTION name IS 'text': its description.
func (c *call) comment(ctx context.Context, n *ast.Comment) error {
	if n.Kind != ast.KindEventSubscription {
		return c.commentConnection(ctx, n)
	}
	s, err := c.find(n.Name.Last())
	if err != nil {
		return err
	}
	spec := *s.Spec
	spec.Description = ""
	if n.Text != nil {
		spec.Description = n.Text.Value
	}
	return c.redefine(ctx, s, &spec)
}
