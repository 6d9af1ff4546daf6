package events

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// reopenStale ends the redrives of gateways that are gone: dead letters that were
// not sent are open again, and keys that the others blocked are free.
func (m *Manager) reopenStale(ctx context.Context) error {
	if m.clock().Sub(m.reopened) < gatewayTTL/2 {
		return nil
	}
	m.reopened = m.clock()
	there, err := m.Gateways(ctx)
	if err != nil {
		return err
	}
	alive := bson.A{m.gateway}
	for id := range there {
		alive = append(alive, id)
	}
	gone := bson.E{Key: "redriven_by", Value: bson.D{{Key: "$nin", Value: alive}}}
	if _, err := m.updateRows(ctx, collDead, bson.D{{Key: "status", Value: "redriving"}, gone}, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: "open"}}}}); err != nil {
		return err
	}
	var jobs, ids []string
	stale := bson.D{{Key: "status", Value: "running"}, gone}
	err = query(ctx, m.st, collRedrives, []bson.D{{{Key: "$match", Value: stale}}}, func(doc bson.Raw) error {
		jobs = append(jobs, strings.Clone(text(value.Lookup(doc, "_id"))))
		ids = append(ids, strings.Clone(text(value.Lookup(doc, "subscription_id"))))
		return nil
	})
	if err != nil || len(jobs) == 0 {
		return err
	}
	slices.Sort(ids)
	for _, s := range m.found("") {
		if _, asked := slices.BinarySearch(ids, s.ID); asked && s.Spec.OnDeadLetter == "block_key" {
			if err := m.unblock(ctx, s.ID, s.Spec.Database); err != nil {
				return err
			}
		}
	}
	_, err = m.updateRows(ctx, collRedrives, append(bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: jobs}}}}, stale...),
		bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: "failed"}, {Key: "finished_at", Value: m.clock()}, {Key: "last_error", Value: "the gateway that ran it ended"}}}})
	return err
}
