package events

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/store"
)

// The states of a subscription: what a user asked for is one, what is another.
const (
	StateCreating  = "creating"
	StateActive    = "active"
	StatePaused    = "paused"
	StateSuspended = "suspended"
	StateDraining  = "draining"
)

// subscription is a stored subscription and what runs for it. The stored part
// is replaced as a whole by statements (under Manager.changes and mu).
type subscription struct {
	stored
	count      counters
	dispatcher *running[*dispatcher]
}

// stored is a document of event_subscriptions.
type stored struct {
	ID         string    `bson:"_id"`
	Spec       *Spec     `bson:"spec"`
	Status     string    `bson:"status"`
	Desired    string    `bson:"desired_status"`
	Reason     string    `bson:"status_reason,omitempty"`
	Since      time.Time `bson:"status_since"`
	StartAfter string    `bson:"start_after"`
	Version    int32     `bson:"version"`
	CreatedAt  time.Time `bson:"created_at"`
	UpdatedAt  time.Time `bson:"updated_at"`
	Comment    string    `bson:"comment,omitempty"`
	Counters   totals    `bson:"counters"`
}

// active tells whether the reader logs its events: a paused one's too, so that
// they are delivered after RESUME.
func (s *subscription) active() bool {
	return s.Status == StateActive || s.Status == StatePaused || s.Status == StateSuspended && s.Reason != "history_lost"
}

// delivers tells whether a dispatcher runs.
func (s *subscription) delivers() bool {
	return s.Status == StateActive && s.Spec.Target.Kind != TargetNone && s.Spec.Target.Kind != TargetPull
}

// loadSubscriptions reads all definitions.
func loadSubscriptions(ctx context.Context, st store.Store) ([]*subscription, error) {
	var out []*subscription
	err := query(ctx, st, collSubscriptions, []bson.D{{{Key: "$sort", Value: bson.D{{Key: "_id", Value: 1}}}}}, func(doc bson.Raw) error {
		s := &subscription{}
		if err := bson.Unmarshal(slices.Clone(doc), &s.stored); err != nil {
			return fmt.Errorf("definition %s: %w", doc.Lookup("_id"), err)
		}
		s.count.stored = s.Counters
		out = append(out, s)
		return nil
	})
	return out, err
}

// saveSubscription writes a definition; its counters are written by their own.
func saveSubscription(ctx context.Context, st store.Store, s *stored) error {
	var doc, set bson.D
	if err := bson.Unmarshal(marshal(s), &doc); err != nil {
		return err
	}
	for _, e := range doc {
		if e.Key != "_id" && e.Key != "counters" {
			set = append(set, e)
		}
	}
	update := bson.D{{Key: "$set", Value: set}}
	if s.Reason == "" {
		update = append(update, bson.E{Key: "$unset", Value: bson.D{{Key: "status_reason", Value: ""}}})
	}
	_, err := updateOne(ctx, st, collSubscriptions, bson.D{{Key: "_id", Value: s.ID}}, update, true)
	return err
}

// endpoint names where a target's deliveries go, for its breaker: scheme, host
// and port of a URL, else the target itself.
func endpoint(t Target) string {
	if t.Kind == TargetWebhook {
		if u, err := url.Parse(t.Name); err == nil {
			return u.Scheme + "://" + u.Host
		}
	}
	return t.String()
}

func compareText(a, b string) int { return cmp.Compare(a, b) }
