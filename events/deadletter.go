package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
)

// deadLetters is REDRIVE | DISCARD DEAD LETTERS FOR name [LIMIT n].
func (c *call) deadLetters(ctx context.Context, n *ast.DeadLetters) (string, error) {
	tag := "REDRIVE"
	if n.Discard {
		tag = "DISCARD"
	}
	s, err := c.find(n.Name)
	if err != nil {
		return "", err
	}
	var where Condition
	if n.Where != nil {
		if where, err = c.lang.DeadLetterCondition(ctx, n.Where); err != nil {
			return "", err
		}
	}
	limit, err := countOf(ctx, c.lang, n.Limit, sqlerr.InvalidRowCountInLimit, "LIMIT", everything)
	if err != nil {
		return "", err
	}
	ids, err := c.m.openDeadLetters(ctx, s.ID, where, limit)
	if err != nil {
		return "", err
	}
	if n.Discard {
		err = c.discard(ctx, s, ids)
	} else {
		err = c.redrive(ctx, s, ids, c.conditionText(n))
	}
	return fmt.Sprintf("%s %d", tag, len(ids)), err
}

func (c *call) conditionText(n *ast.DeadLetters) string {
	if n.Where == nil {
		return ""
	}
	return c.m.lang.Print(n.Where)
}

// everything is the count of what is not limited.
const everything = 1 << 31

// errEnough ends a query that has what it needs.
var errEnough = errors.New("enough")

// openDeadLetters gives the event ids of the oldest open dead letters that
// fulfil a condition, nil: of all.
func (m *Manager) openDeadLetters(ctx context.Context, id string, where Condition, limit int64) ([]string, error) {
	var ids []string
	if limit == 0 {
		return nil, nil
	}
	find := query
	if where != nil {
		find = queryWhole
	}
	err := find(ctx, m.st, collDead, []bson.D{
		{{Key: "$match", Value: bson.D{{Key: "subscription_id", Value: id}, {Key: "status", Value: "open"}}}},
		{{Key: "$sort", Value: bson.D{{Key: "position", Value: 1}}}},
	}, func(doc bson.Raw) error {
		if where != nil {
			if ok, err := where.Match(doc); err != nil || !ok {
				return err
			}
		}
		ids = append(ids, strings.Clone(text(value.Lookup(doc, "_id"))))
		if int64(len(ids)) == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return ids, err
}

// idsTogether is how many ids go into a filter, which must fit into a document.
const idsTogether = 10_000

// setDead changes the state of dead letters; also is what else must hold of them.
func (m *Manager) setDead(ctx context.Context, ids []string, update bson.D, also ...bson.E) error {
	for some := range slices.Chunk(ids, idsTogether) {
		if _, err := m.updateRows(ctx, collDead, append(bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: some}}}}, also...), update); err != nil {
			return err
		}
	}
	return nil
}

// discard closes dead letters and frees keys that they block.
func (c *call) discard(ctx context.Context, s *found, ids []string) error {
	if err := c.m.setDead(ctx, ids, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: "discarded"}}}}); err != nil {
		return fmt.Errorf("discard dead letters: %w", err)
	}
	if s.Spec.OnDeadLetter == "block_key" && len(ids) > 0 {
		return c.m.unblock(ctx, s.ID, s.Spec.Database)
	}
	return nil
}

// unblock has the dispatcher find the blocked keys anew.
func (m *Manager) unblock(ctx context.Context, id, db string) error {
	if _, err := changeDefinition(ctx, m.st, bson.D{{Key: "_id", Value: id}}, bson.E{Key: "$inc", Value: bson.D{{Key: "version", Value: int32(1)}}}); err != nil {
		return err
	}
	if err := m.adopt(ctx, db, id); err != nil {
		return err
	}
	return m.recountBlocked(ctx, id)
}

// redrive sends dead letters again, beside the ordinary flow: it never moves the
// cursor. Ids stay the same.
func (c *call) redrive(ctx context.Context, s *found, ids []string, condition string) error {
	if len(ids) == 0 {
		return nil
	}
	if s.Spec.PreserveOrder != "false" && s.Spec.OnDeadLetter != "block_key" { // there the later ones of the key wait
		c.notice("NOTICE", sqlerr.SuccessfulCompletion, "redriven events may be older than events of their keys that were delivered already")
	}
	m := c.m
	if err := m.setDead(ctx, ids, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: "redriving"}, {Key: "redriven_by", Value: m.gateway}}}, {Key: "$inc", Value: bson.D{{Key: "redrive_count", Value: int32(1)}}}}); err != nil {
		return fmt.Errorf("begin the redrive: %w", err)
	}
	job := bson.D{{Key: "_id", Value: bson.NewObjectID().Hex()}, {Key: "subscription_id", Value: s.ID}, {Key: "condition", Value: condition}, {Key: "status", Value: "running"},
		{Key: "total", Value: int64(len(ids))}, {Key: "done", Value: int64(0)}, {Key: "failed", Value: int64(0)}, {Key: "started_at", Value: m.clock()}, {Key: "redriven_by", Value: m.gateway}}
	if err := insertAll(ctx, m.st, collRedrives, []bson.Raw{marshal(job)}); err != nil {
		return fmt.Errorf("record the redrive: %w", err)
	}
	r := &redriver{m: m, spec: s.Spec, total: &s.sub.count, job: job[0].Value.(string), ids: ids}
	m.mu.Lock()
	defer m.mu.Unlock()
	spawn(m, r, r.run)
	return nil
}

// redriver sends a list of dead letters, one by one.
type redriver struct {
	m    *Manager
	spec *Spec
	job  string
	ids  []string

	total   *counters  // of the subscription
	project Projection // nil: the subscription transforms nothing
}

func (r *redriver) run(ctx context.Context) error {
	sink, err := r.m.openSink(ctx, r.spec)
	if err != nil {
		_ = r.reopen(context.WithoutCancel(ctx))
		return r.finish(context.WithoutCancel(ctx), "failed", err.Error())
	}
	defer func() { _ = sink.Close() }()
	if r.spec.Transform != "" {
		if r.project, err = r.m.lang.Projection(ctx, r.spec.Transform); err != nil {
			_ = r.reopen(context.WithoutCancel(ctx))
			return r.finish(context.WithoutCancel(ctx), "failed", err.Error())
		}
	}
	for _, id := range r.ids {
		if ctx.Err() != nil {
			return r.reopen(context.WithoutCancel(ctx))
		}
		if err := r.one(ctx, sink, id); err != nil {
			_ = r.reopen(context.WithoutCancel(ctx))
			return r.finish(context.WithoutCancel(ctx), "failed", err.Error())
		}
	}
	if r.spec.OnDeadLetter == "block_key" {
		if err := r.m.unblock(ctx, r.spec.ID, r.spec.Database); err != nil {
			return r.finish(context.WithoutCancel(ctx), "failed", err.Error())
		}
	}
	return r.finish(ctx, "done", "")
}

// one sends a dead letter: delivered, it is closed and its row completed; failed,
// it is open again.
func (r *redriver) one(ctx context.Context, sink Sink, id string) error {
	var dead bson.Raw
	err := query(ctx, r.m.st, collDead, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: id}}}}}, func(doc bson.Raw) error {
		dead = slices.Clone(doc)
		return nil
	})
	if err != nil || dead == nil {
		return err
	}
	dead, release, err := wholeRow(ctx, r.m.st, &r.m.budget, budgetSends, dead)
	defer release()
	if err != nil {
		return err
	}
	d := Delivery{ID: id, Position: text(value.Lookup(dead, "position")), Row: dead, Attempt: 1, Redrive: int(value.Lookup(dead, "redrive_count").AsInt64())}
	var sendErr error
	if r.project != nil {
		d.Body, sendErr = r.project.Apply(dead)
	}
	if sendErr == nil {
		sendErr = sink.Deliver(ctx, []Delivery{d})
	}
	now := r.m.clock()
	if sendErr != nil {
		if err := r.m.setDead(ctx, []string{id}, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: "open"}, {Key: "last_error", Value: sendErr.Error()},
			{Key: "last_attempt_at", Value: now}}}, {Key: "$inc", Value: bson.D{{Key: "attempts", Value: int32(1)}}}}); err != nil {
			return err
		}
		return r.count(ctx, "failed")
	}
	if _, err := r.m.updateRows(ctx, collLog, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: bson.D{
		{Key: "processing_status", Value: StatusCompleted}, {Key: "processing_completed_at", Value: now}, {Key: "processed_by", Value: r.m.gateway}}}}); err != nil {
		return err
	}
	if err := r.m.setDead(ctx, []string{id}, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: "redriven"}, {Key: "last_attempt_at", Value: now}}}}); err != nil {
		return err
	}
	r.total.done(1, now)
	return r.count(ctx, "done")
}

func (r *redriver) count(ctx context.Context, field string) error {
	_, err := updateOne(ctx, r.m.st, collRedrives, bson.D{{Key: "_id", Value: r.job}}, bson.D{{Key: "$inc", Value: bson.D{{Key: field, Value: int64(1)}}}}, false)
	return err
}

func (r *redriver) finish(ctx context.Context, status, lastError string) error {
	set := bson.D{{Key: "status", Value: status}, {Key: "finished_at", Value: r.m.clock()}}
	if lastError != "" {
		set = append(set, bson.E{Key: "last_error", Value: lastError})
	}
	_, err := updateOne(ctx, r.m.st, collRedrives, bson.D{{Key: "_id", Value: r.job}}, bson.D{{Key: "$set", Value: set}}, false)
	return err
}

// reopen gives back what was not sent.
func (r *redriver) reopen(ctx context.Context) error {
	return r.m.setDead(ctx, r.ids, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: "open"}}}}, bson.E{Key: "status", Value: "redriving"})
}
