package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
)

// The states of a job of EVENT_BACKFILLS() and EVENT_REDRIVES().
const (
	jobRunning   = "running"
	jobDone      = "done"
	jobCancelled = "cancelled"
	jobFailed    = "failed"
)

// backfillJob is a document of event_backfills: the documents of one collection
// on their way into a subscription's log. Last is where it goes on.
type backfillJob struct {
	ID         string        `bson:"_id"`
	Sub        string        `bson:"subscription_id"`
	Collection string        `bson:"collection_name"`
	Where      string        `bson:"condition,omitempty"`
	Status     string        `bson:"status"`
	Total      int64         `bson:"total"`
	Done       int64         `bson:"done"`
	Failed     int64         `bson:"failed"`
	Started    time.Time     `bson:"started_at"`
	Last       bson.RawValue `bson:"last_key,omitempty"`
}

// backfill is BACKFILL EVENT_SUBSCRIPTION name [COLLECTION c] [WHERE …] [CANCEL].
func (c *call) backfill(ctx context.Context, n *ast.BackfillEventSubscription) error {
	s, err := c.find(n.Name)
	if err != nil {
		return err
	}
	var only string
	if n.Collection != nil {
		only = (&spelling{m: c.m, ctx: ctx, db: c.env.Database()}).collection(n.Collection.Last())
	}
	if n.Cancel {
		return c.cancelBackfill(ctx, s, n, only)
	}
	colls, err := c.m.watchedCollections(ctx, s.Spec)
	if err != nil {
		return err
	}
	if n.Collection != nil {
		if !slices.Contains(colls, only) {
			if rt, err := compileRoute(ctx, c.m.lang, s.Spec); err == nil && rt.wantsCollection(only) {
				return sqlerr.New(sqlerr.UndefinedTable, "collection \"%s\" does not exist", only).At(n.Collection.Pos()).
					WithHint("The subscription watches it; what is written to it comes as events.")
			}
			return sqlerr.New(sqlerr.UndefinedTable, "event subscription \"%s\" watches no collection \"%s\"", s.Spec.Name, only).At(n.Collection.Pos()).
				WithHint("It watches: %s.", orNone(strings.Join(colls, ", ")))
		}
		colls = []string{only}
	}
	where, err := c.backfillWhere(ctx, n.Where, colls)
	if err != nil {
		return err
	}
	if busy, err := c.m.runningBackfills(ctx, s.ID); err != nil {
		return err
	} else if i := slices.IndexFunc(busy, func(j *backfillJob) bool { return slices.Contains(colls, j.Collection) }); i >= 0 {
		if err := c.m.markBackfill(ctx, s.ID); err != nil { // by who died before the others knew
			return err
		}
		if err := c.m.adopt(ctx, s.Spec.Database); err != nil {
			return err
		}
		return sqlerr.New(sqlerr.ObjectInUse, "a backfill of collection \"%s\" is running", busy[i].Collection).At(n.Pos()).
			WithHint("EVENT_BACKFILLS() shows its progress; BACKFILL … CANCEL ends it.")
	}
	if err := c.m.beginBackfill(ctx, s.ID, s.Spec.Database, colls, where); err != nil {
		return err
	}
	c.notice("NOTICE", sqlerr.SuccessfulCompletion, "backfill of %s has begun", orNone(strings.Join(colls, ", ")))
	return c.m.adopt(ctx, s.Spec.Database)
}

// backfillWhere checks a condition against every collection that it is asked of.
func (c *call) backfillWhere(ctx context.Context, e ast.Expr, colls []string) (string, error) {
	if e == nil {
		return "", nil
	}
	for _, coll := range colls {
		t, err := c.m.documents(ctx, c.env.Database(), coll)
		if err != nil {
			return "", err
		}
		if _, err := c.lang.DocumentCondition(ctx, e, t); err != nil {
			return "", err
		}
	}
	return c.m.lang.Print(e), nil
}

// databaseSession is a session that has nothing but a database.
type databaseSession string

var _ catalog.Session = databaseSession("")

func (databaseSession) User() string          { return "weir" }
func (d databaseSession) Database() string    { return string(d) }
func (databaseSession) Setting(string) string { return "" }
func (databaseSession) BackendPID() uint32    { return 0 }

// documents gives a collection as a relation.
func (m *Manager) documents(ctx context.Context, database, coll string) (*catalog.Table, error) {
	t, found, err := m.relation(ctx, databaseSession(database), "", ast.Ident{Name: coll, Text: coll, Quoted: true})
	if err == nil && !found {
		err = sqlerr.New(sqlerr.UndefinedTable, "relation \"%s\" does not exist", coll)
	}
	return t, err
}

// documentCondition compiles the condition of a job, nil: it has none.
func (m *Manager) documentCondition(ctx context.Context, database string, job *backfillJob) (Condition, error) {
	if job.Where == "" {
		return nil, nil
	}
	e, err := parser.ParseExpr(job.Where)
	if err != nil {
		return nil, err
	}
	t, err := m.documents(ctx, database, job.Collection)
	if err != nil {
		return nil, err
	}
	return m.lang.DocumentCondition(ctx, e, t)
}

// watchedCollections lists the collections that a subscription watches and that exist.
func (m *Manager) watchedCollections(ctx context.Context, s *Spec) ([]string, error) {
	rt, err := compileRoute(ctx, m.lang, s)
	if err != nil {
		return nil, err
	}
	all, err := m.data.Collections(ctx, s.Database)
	if err != nil {
		return nil, fmt.Errorf("list the collections of %s: %w", s.Database, err)
	}
	var out []string
	for _, coll := range all {
		if !coll.View && !strings.HasPrefix(coll.Name, "system.") && rt.wantsCollection(coll.Name) {
			out = append(out, coll.Name)
		}
	}
	return out, nil
}

// beginBackfill records a job for each collection and marks the subscription;
// the gateway that reads its database runs them. The mark comes first, so that jobs
// are run if this gateway dies, and again, as it is taken away where there are none.
func (m *Manager) beginBackfill(ctx context.Context, id, database string, colls []string, where string) error {
	if err := m.markBackfill(ctx, id); err != nil {
		return err
	}
	var docs []bson.Raw
	for _, coll := range colls {
		total, err := m.estimate(ctx, database, coll)
		if err != nil {
			return err
		}
		docs = append(docs, marshal(backfillJob{ID: bson.NewObjectID().Hex(), Sub: id, Collection: coll, Where: where, Status: jobRunning, Total: total, Started: m.clock()}))
	}
	if err := insertAll(ctx, m.st, collBackfills, docs); err != nil {
		return fmt.Errorf("record the backfill: %w", err)
	}
	return m.markBackfill(ctx, id)
}

// markBackfill tells that a subscription may have jobs that are to be run.
func (m *Manager) markBackfill(ctx context.Context, id string) error {
	_, err := changeDefinition(ctx, m.st, bson.D{{Key: "_id", Value: id}}, bson.E{Key: "$set", Value: bson.D{{Key: "backfilling", Value: true}}})
	return err
}

// estimate counts the documents of a collection by its metadata.
func (m *Manager) estimate(ctx context.Context, database, coll string) (int64, error) {
	reply, err := m.data.Command(ctx, database, marshal(bson.D{{Key: "count", Value: coll}}))
	if err != nil {
		return 0, fmt.Errorf("count %s.%s: %w", database, coll, err)
	}
	return reply.Lookup("n").AsInt64(), nil
}

// runningBackfills gives the jobs of a subscription that are not done, the oldest first.
func (m *Manager) runningBackfills(ctx context.Context, id string) (jobs []*backfillJob, err error) {
	err = query(ctx, m.st, collBackfills, []bson.D{
		{{Key: "$match", Value: bson.D{{Key: "subscription_id", Value: id}, {Key: "status", Value: jobRunning}}}},
		{{Key: "$sort", Value: asc("started_at", "_id")}},
	}, func(doc bson.Raw) error {
		j := &backfillJob{}
		if err := bson.Unmarshal(slices.Clone(doc), j); err != nil {
			return fmt.Errorf("job of event_backfills: %w", err)
		}
		jobs = append(jobs, j)
		return nil
	})
	return jobs, err
}

func (c *call) cancelBackfill(ctx context.Context, s *found, n *ast.BackfillEventSubscription, only string) error {
	if n.Where != nil {
		return sqlerr.New(sqlerr.SyntaxError, "CANCEL takes no WHERE").At(n.Where.Pos())
	}
	filter := bson.D{{Key: "subscription_id", Value: s.ID}, {Key: "status", Value: jobRunning}}
	if only != "" {
		filter = append(filter, bson.E{Key: "collection_name", Value: only})
	}
	ended, err := c.m.updateRows(ctx, collBackfills, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: jobCancelled}, {Key: "finished_at", Value: c.m.clock()}}}})
	if err != nil {
		return fmt.Errorf("cancel the backfill: %w", err)
	}
	if ended == 0 {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "no backfill of event subscription \"%s\" is running", s.Spec.Name).At(n.Name.Pos())
	}
	return c.m.adopt(ctx, s.Spec.Database)
}

// reconcileBackfill runs the backfills of a subscription whose live events are
// logged here, by its definition of now.
func (m *Manager) reconcileBackfill(s *subscription, def stored) {
	m.mu.Lock()
	old := s.backfills
	m.mu.Unlock()
	wanted := def.Backfilling && def.active() && def.Catchup == nil
	if old.alive() && (!wanted || old.it != def.Version) {
		old.stop()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	scope := m.scope[s.Database]
	if wanted && m.reads(s.Database) && !s.backfills.alive() {
		s.backfills = spawn(m, def.Version, func(ctx context.Context) error { return m.runBackfills(ctx, s, def, scope.it) })
	}
}

// backfillGap is on_history_lost = 'backfill': what was changed meanwhile comes
// as the documents that there are now.
func (m *Manager) backfillGap(ctx context.Context, s *Spec) error {
	colls, err := m.watchedCollections(ctx, s)
	if err != nil {
		return err
	}
	if err := m.beginBackfill(ctx, s.ID, s.Database, colls, ""); err != nil {
		return err
	}
	_, err = m.bump(ctx, s.Database)
	return err
}
