package events

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// The states of a subscription: what a user asked for is one, what is another.
const (
	StateCreating    = "creating"
	StateBackfilling = "backfilling"
	StateActive      = "active"
	StateDegraded    = "degraded" // active, as it is shown
	StatePaused      = "paused"
	StateSuspended   = "suspended"
	StateDraining    = "draining"
)

// subscription is a definition and what runs for it.
type subscription struct {
	ID       string
	Database string
	stored   // replaced as a whole, under Manager.mu; read it by Manager.stored
	count    counters
	route    *route   // compiled from the definition; guarded by Manager.mu, like the following
	routeOf  *Spec    // that it was compiled from
	shown    bson.Raw // its options, for show
	shownOf  *Spec    // that they are of

	dispatcher *running[*dispatcher]
	shards     map[int]*running[*dispatcher] // those here, with delivery_shards > 1
	catching   *running[*subscription]       // reads the past
	backfills  *running[int32]               // runs its backfills for a version of its definition
}

// stored is a document of event_subscriptions.
type stored struct {
	ID         string    `bson:"_id"`
	Revision   int64     `bson:"rev"` // moves with every change but of counters
	Spec       *Spec     `bson:"spec"`
	Status     string    `bson:"status"`
	Desired    string    `bson:"desired_status"`
	Reason     string    `bson:"status_reason,omitempty"`
	Since      time.Time `bson:"status_since"`
	StartAfter string    `bson:"start_after"`  // the shared reader logs what comes after it
	Cursor     string    `bson:"start_cursor"` // the log holds what comes after it
	Version    int32     `bson:"version"`
	CreatedAt  time.Time `bson:"created_at"`
	UpdatedAt  time.Time `bson:"updated_at"`
	Comment    string    `bson:"comment,omitempty"`
	// HeldUntil keeps the dispatcher away while a statement changes its rows. It
	// is a time, so that nothing is held for ever when that gateway dies.
	HeldUntil time.Time `bson:"held_until,omitempty"`
	// Catchup is what must come into the log before delivery begins; CaughtUp is
	// up to where such a stretch was brought in.
	Catchup  *catchup `bson:"catchup,omitempty"`
	CaughtUp string   `bson:"caught_up,omitempty"`
	// Usage is who may use it.
	Usage usage `bson:"usage,omitempty"`
	// Backfilling tells that event_backfills may hold jobs that are to be run.
	Backfilling bool   `bson:"backfilling,omitempty"`
	Counters    totals `bson:"counters"`
}

// status is the state as it is shown.
func (s *stored) status() string {
	switch {
	case s.Status == StateActive && s.Catchup != nil:
		return StateCreating
	case s.Status == StateActive && s.Backfilling:
		return StateBackfilling
	}
	return s.Status
}

// active tells whether the reader logs its events: a paused one's too, so that
// they are delivered after RESUME.
func (s *stored) active() bool {
	return s.Status == StateActive || s.Status == StatePaused || s.Status == StateSuspended && s.Reason != "history_lost"
}

// delivers tells whether a dispatcher runs.
func (s *stored) delivers(now time.Time) bool {
	return s.Status == StateActive && s.Spec.Target.Kind != TargetNone && s.Spec.Target.Kind != TargetPull &&
		s.Catchup == nil && !now.Before(s.HeldUntil)
}

// loadSubscriptions reads definitions by their ids.
func loadSubscriptions(ctx context.Context, st store.Store, ids bson.A) ([]*stored, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var out []*stored
	err := query(ctx, st, collSubscriptions, []bson.D{{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}}}}, func(doc bson.Raw) error {
		s, err := readDefinition(doc)
		out = append(out, s)
		return err
	})
	return out, err
}

// ofDatabase finds the definitions of a database, "": of all.
func ofDatabase(db string) bson.D {
	if db == "" {
		return bson.D{}
	}
	return bson.D{{Key: "spec.database_name", Value: db}}
}

// eachRevision calls f with the revisions of the definitions of a database, "": of
// all, which an index holds. The id is valid during the call only.
func eachRevision(ctx context.Context, st store.Store, db string, f func(id string, revision int64)) error {
	return query(ctx, st, collSubscriptions, []bson.D{{{Key: "$match", Value: ofDatabase(db)}}, {{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}, {Key: "rev", Value: 1}}}}}, func(doc bson.Raw) error {
		revision := int64(0)
		if v := value.Lookup(doc, "rev"); !v.IsMissing() {
			revision = v.AsInt64()
		}
		f(text(value.Lookup(doc, "_id")), revision)
		return nil
	})
}

func readDefinition(doc bson.Raw) (*stored, error) {
	s := &stored{}
	if err := bson.Unmarshal(slices.Clone(doc), s); err != nil {
		return nil, fmt.Errorf("definition %s: %w", doc.Lookup("_id"), err)
	}
	return s, nil
}

// changeDefinition changes a stored definition in any way but its counters. Its
// revision tells the gateways to read it anew.
func changeDefinition(ctx context.Context, st store.Store, filter bson.D, update ...bson.E) (bool, error) {
	revise := bson.E{Key: "rev", Value: int64(1)}
	i := slices.IndexFunc(update, func(e bson.E) bool { return e.Key == "$inc" })
	if i < 0 {
		update = append(update, bson.E{Key: "$inc", Value: bson.D{revise}})
	} else {
		update[i].Value = append(slices.Clone(update[i].Value.(bson.D)), revise)
	}
	return updateOne(ctx, st, collSubscriptions, filter, bson.D(update), false)
}

// errStale tells that another gateway changed or dropped a definition after it was
// read: what was made of it must not be stored.
var errStale = errors.New("the definition was changed meanwhile")

// saveDefinition writes the next version of a definition. Its state is written by
// setStatus alone, so that neither undoes the other.
func (m *Manager) saveDefinition(ctx context.Context, s *stored) error {
	spec, err := m.sealed(s.Spec)
	if err != nil {
		return err
	}
	ok, err := changeDefinition(ctx, m.st, bson.D{{Key: "_id", Value: s.ID}, {Key: "version", Value: s.Version - 1}},
		bson.E{Key: "$set", Value: bson.D{{Key: "spec", Value: spec}, {Key: "version", Value: s.Version}, {Key: "updated_at", Value: s.UpdatedAt}}})
	if err == nil && !ok {
		err = errStale
	}
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
