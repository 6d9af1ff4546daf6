package events

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// create is CREATE EVENT_SUBSCRIPTION.
func (c *call) create(ctx context.Context, n *ast.CreateEventSubscription) error {
	d, err := define(ctx, c.lang, &spelling{m: c.m, ctx: ctx, db: c.env.Database()}, c.env.User(), n)
	if err != nil {
		return err
	}
	old, skip, err := c.existing(ctx, n, d.Spec)
	if err != nil || skip {
		return err
	}
	if err := c.supported(d.Spec, n.Pos()); err != nil {
		return err
	}
	var was *Spec
	if old != nil {
		was = old.Spec
	}
	if err := unmask(d.Spec, was, d.given); err != nil {
		return err
	}
	if err := c.fits(ctx, d.Spec, d.given, n.Pos()); err != nil {
		return err
	}
	if err := c.connectionSecret(ctx, d); err != nil {
		return err
	}
	if err := c.warn(ctx, d.Spec); err != nil {
		return err
	}
	c.warnClear(d.Spec, d.given)
	if old != nil {
		err = c.replace(ctx, old, d)
	} else {
		err = c.store(ctx, d)
	}
	if err != nil || !d.Backfill {
		return err
	}
	return c.backfillNew(ctx, d.Spec)
}

// existing finds what is in the way of a new subscription.
func (c *call) existing(ctx context.Context, n *ast.CreateEventSubscription, s *Spec) (old *found, skip bool, err error) {
	rivals := c.m.rivals(s)
	if len(rivals) == 0 {
		return nil, false, nil
	}
	switch o := rivals[0]; {
	case o.Status == StateDraining:
		return nil, false, c.draining(&o, n.Name.Pos())
	case o.Spec.Database != s.Database:
		return nil, false, sqlerr.New(sqlerr.DuplicateObject, "event subscription id \"%s\" is in use", s.ID).At(n.Name.Pos()).
			WithDetail("A subscription of database %s has it.", o.Spec.Database).WithHint("Choose another subscription_id.")
	case n.IfNotExists:
		c.notice("NOTICE", sqlerr.DuplicateObject, "event subscription \"%s\" already exists, skipping", s.Name)
		return nil, true, c.m.adopt(ctx, s.Database, o.ID) // by who died before the others knew
	case n.OrReplace && o.Spec.Name == s.Name:
		return &o, false, keeps(&o, n, s)
	}
	return nil, false, sqlerr.New(sqlerr.DuplicateObject, "event subscription \"%s\" already exists", s.ID).At(n.Name.Pos()).
		WithHint("Use CREATE OR REPLACE EVENT_SUBSCRIPTION, or drop it first.")
}

// keeps refuses what CREATE OR REPLACE cannot change of the subscription that is
// there, and gives the new one its id.
func keeps(o *found, n *ast.CreateEventSubscription, s *Spec) error {
	if given := optionNamed(n.Options, "subscription_id"); given != nil && s.ID != o.ID {
		return sqlerr.New(sqlerr.InvalidParameterValue, "option \"subscription_id\" cannot be altered").At(given.Value.Pos()).
			WithHint("The event subscription \"%s\" keeps its id %s; drop it to make one with another id.", o.Spec.Name, o.ID)
	}
	if n.Start != nil && n.Start.Kind != ast.PositionNow {
		return sqlerr.New(sqlerr.InvalidParameterValue, "event subscription \"%s\" keeps its position", o.Spec.Name).At(n.Start.Pos()).
			WithHint("REWIND EVENT_SUBSCRIPTION %s TO … goes back.", ast.QuoteIdent(o.Spec.Name))
	}
	s.ID = o.ID
	return nil
}

func optionNamed(list []*ast.Option, name string) *ast.Option {
	for _, o := range list {
		if strings.EqualFold(o.Name.Name, name) {
			return o
		}
	}
	return nil
}

// rivals are the subscriptions with the id or, in the same database, the name of a
// new one, in order of their ids.
func (m *Manager) rivals(s *Spec) []found {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []found
	for _, o := range m.subs {
		if o.ID == s.ID || o.Database == s.Database && o.Spec.Name == s.Name {
			out = append(out, found{o, o.stored})
		}
	}
	slices.SortFunc(out, func(a, b found) int { return compareText(a.ID, b.ID) })
	return out
}

// supported refuses what nothing would honour.
func (c *call) supported(s *Spec, pos int) error {
	if s.Database == Database {
		return sqlerr.Unsupported(pos, "Connect to the database whose changes are wanted.", "database \"%s\" is the gateway's own and has no event stream", Database)
	}
	return nil
}

// store saves a new subscription and has it adopted.
func (c *call) store(ctx context.Context, d *Definition) error {
	m := c.m
	now := m.clock()
	def := &stored{ID: d.Spec.ID, Revision: now.UnixMicro(), Spec: d.Spec, Status: StateActive, Desired: StateActive, Since: now, Version: 1, CreatedAt: now, UpdatedAt: now}
	if err := c.start(ctx, def, d.Start); err != nil {
		return err
	}
	if err := c.insert(ctx, def); err != nil {
		return c.inUse(ctx, err, d.Spec)
	}
	if err := m.adopt(ctx, d.Spec.Database, d.Spec.ID); err != nil {
		c.forget(context.WithoutCancel(ctx), def)
		return err
	}
	c.showSecret(d)
	return nil
}

// insert writes the cursors, then the definition, which makes both count. A cursor that
// is there already is that of the same CREATE elsewhere, or of one that was cut off: it
// may go back, but never beyond what the other has logged.
func (c *call) insert(ctx context.Context, def *stored) error {
	cursor := bson.D{{Key: "$min", Value: bson.D{{Key: "done_pos", Value: def.Cursor}}}}
	for i := range def.Spec.DeliveryShards {
		if _, err := updateOne(ctx, c.m.st, collCursors, bson.D{{Key: "_id", Value: cursorID(def.ID, i)}, {Key: "owner", Value: bson.D{{Key: "$exists", Value: false}}}}, cursor, true); err != nil && !duplicate(err) {
			return fmt.Errorf("make the cursor: %w", err)
		}
	}
	spec, err := c.m.sealed(def.Spec)
	if err != nil {
		return err
	}
	kept := *def
	kept.Spec = spec
	res, err := c.m.st.Write(ctx, ns(collSubscriptions), []store.WriteOp{{Kind: store.Insert, Document: marshal(&kept)}}, store.WriteOptions{Durable: true})
	if err == nil {
		err = res.Err()
	}
	return err
}

// inUse names what a new definition met that another gateway made meanwhile, unless
// it is to be looked at as what is there already.
func (c *call) inUse(ctx context.Context, err error, s *Spec) error {
	if duplicate(err) {
		if err := c.m.reload(ctx, s.Database); err != nil {
			return err
		}
		if len(c.m.rivals(s)) > 0 {
			return errStale
		}
		return sqlerr.New(sqlerr.DuplicateObject, "event subscription \"%s\" already exists", s.ID)
	}
	return fmt.Errorf("save the subscription: %w", err)
}

// forget takes a subscription back that could not be adopted. Readers may have logged
// events for it meanwhile: it goes like one that is dropped.
func (c *call) forget(ctx context.Context, def *stored) {
	now := c.m.clock()
	mark := bson.D{{Key: "status", Value: StateDraining}, {Key: "desired_status", Value: StateDraining}, {Key: "status_since", Value: now}, {Key: "updated_at", Value: now}}
	if _, err := changeDefinition(ctx, c.m.st, bson.D{{Key: "_id", Value: def.ID}, {Key: "created_at", Value: def.CreatedAt}}, bson.E{Key: "$set", Value: mark}); err != nil {
		c.m.log.Error("a failed CREATE could not be taken back", "subscription", def.ID, "error", err)
		return
	}
	if err := c.m.reload(ctx, def.Spec.Database); err != nil { // what is asked next here sees it go
		c.m.log.Warn("definitions were not read again", "database", def.Spec.Database, "error", err)
	}
	def.Status = StateDraining
	c.m.beside(func(ctx context.Context) { c.m.finishDrop(ctx, &found{stored: *def}) })
}

func (c *call) showSecret(d *Definition) {
	if d.NewSecret != "" {
		c.notice("NOTICE", sqlerr.SuccessfulCompletion, "the webhook secret of \"%s\" is %s", d.Spec.Name, d.NewSecret).
			WithHint("It is shown this once; the receiver checks signatures with it.")
	}
}

// start finds where a subscription begins: the shared reader takes over after
// now, a private one reads what lies before.
func (c *call) start(ctx context.Context, def *stored, at *ast.StreamPosition) error {
	now, err := c.m.operationTime(ctx)
	if err == nil {
		err = c.m.noteShards(ctx)
	}
	if err != nil {
		return err
	}
	def.StartAfter, def.Cursor = endOf(now), endOf(now)
	if at == nil || at.Kind == ast.PositionNow {
		return nil
	}
	after, err := c.pastPosition(ctx, at)
	if err != nil || after >= def.StartAfter {
		return err
	}
	if err := c.reachable(ctx, after, at); err != nil {
		return err
	}
	def.Cursor, def.Catchup = after, &catchup{After: after, Until: def.StartAfter}
	return nil
}

// replace gives a subscription new options; position, log and dead letters stay.
func (c *call) replace(ctx context.Context, old *found, d *Definition) error {
	if d.NewSecret != "" && len(old.Spec.Secrets) > 0 {
		d.Spec.Secrets, d.NewSecret = old.Spec.Secrets, ""
	}
	if err := c.redefine(ctx, old, d.Spec); err != nil {
		return err
	}
	c.showSecret(d)
	return nil
}

// redefine puts another definition in force: stored first, then adopted.
func (c *call) redefine(ctx context.Context, s *found, spec *Spec) error {
	if err := spec.opened(); err != nil {
		return err
	}
	if _, err := compileRoute(ctx, c.m.lang, spec); err != nil {
		return err
	}
	next := s.stored
	next.Spec, next.UpdatedAt = spec, c.m.clock()
	next.Version++
	if moved(s.Spec, spec) {
		return c.reshard(ctx, s, &next)
	}
	if err := c.m.saveDefinition(ctx, &next); err != nil {
		return fmt.Errorf("save the subscription: %w", err)
	}
	return c.m.adopt(ctx, spec.Database)
}

// alter is ALTER EVENT_SUBSCRIPTION.
func (c *call) alter(ctx context.Context, n *ast.AlterEventSubscription) error {
	s, err := c.find(n.Name)
	if err != nil {
		return err
	}
	spec := *s.Spec
	if err := spec.opened(); err != nil {
		return err
	}
	given, err := applyOptions(ctx, c.lang, &spec, n.Set, func(o *option) bool { return o.fixed })
	if err != nil {
		return err
	}
	if err := resetOptions(&spec, n.Reset); err != nil {
		return err
	}
	if o := given["secret"]; o != nil && text(o.Value) == masked { // as it is shown: the one that is there
		spec.Secrets = s.Spec.Secrets
	}
	if !n.RenameTo.IsZero() {
		if other := c.m.named(spec.Database, n.RenameTo.Name); other != nil && other.ID != s.ID {
			return sqlerr.New(sqlerr.DuplicateObject, "event subscription \"%s\" already exists", n.RenameTo.Name).At(n.RenameTo.Pos())
		}
		spec.Name = n.RenameTo.Name
	}
	if !n.OwnerTo.IsZero() {
		if strings.EqualFold(n.OwnerTo.Name, public) {
			return noRole(n.OwnerTo)
		}
		if err := c.knownRole(ctx, n.OwnerTo); err != nil {
			return err
		}
		spec.CreatedBy = c.role(n.OwnerTo)
	}
	if err := unmask(&spec, s.Spec, given); err != nil {
		return err
	}
	if err := check(ctx, c.lang, &spec, given, n.Pos()); err != nil {
		return err
	}
	if err := c.fits(ctx, &spec, given, n.Pos()); err != nil {
		return err
	}
	d := &Definition{Spec: &spec}
	d.sign()
	if err := c.connectionSecret(ctx, d); err != nil {
		return err
	}
	if err := c.warn(ctx, &spec); err != nil {
		return err
	}
	c.warnClear(&spec, given)
	if err := c.redefine(ctx, s, &spec); err != nil {
		return err
	}
	c.showSecret(d)
	return nil
}

// resetOptions is RESET (option, …).
func resetOptions(s *Spec, names []ast.Ident) error {
	seen := map[string]bool{}
	for _, name := range names {
		o, ok := lookupOption(strings.ToLower(name.Name))
		switch {
		case !ok:
			return unknownOption(name.Name, name.Pos())
		case seen[o.name]:
			return sqlerr.New(sqlerr.SyntaxError, "option %q is given more than once", o.name).At(name.Pos())
		case o.fixed:
			return cannotAlter(o.name, name.Pos())
		}
		seen[o.name] = true
		resetOption(s, o)
	}
	return nil
}

// backfillNew is WITH BACKFILL: it begins when live events are logged already.
func (c *call) backfillNew(ctx context.Context, s *Spec) error {
	colls, err := c.m.watchedCollections(ctx, s)
	if err != nil || len(colls) == 0 {
		return err
	}
	if err := c.m.beginBackfill(ctx, s.ID, s.Database, colls, ""); err != nil {
		return err
	}
	return c.m.adopt(ctx, s.Database)
}

// connectionSecret leaves the secret to the connection where that has one.
func (c *call) connectionSecret(ctx context.Context, d *Definition) error {
	if d.NewSecret == "" || d.Spec.Connection == "" {
		return nil
	}
	conn, err := c.m.connection(ctx, d.Spec.Database, d.Spec.Connection)
	if err == nil && conn != nil && conn.Credentials.Secret != "" {
		d.NewSecret, d.Spec.Secrets = "", nil
	}
	return err
}
