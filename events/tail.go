package events

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
)

// The columns that SUBSCRIBE puts in front.
func tailColumns(rest []catalog.Column) []catalog.Column {
	cols := append([]catalog.Column{column(fieldPosition, sqltype.Text), column("weir_progressed", sqltype.Bool)}, rest...)
	for i := range cols {
		cols[i].Attr = int16(i + 1)
		if cols[i].Kinds == 0 {
			cols[i].Kinds = catalog.DeclaredKinds(cols[i].Type)
		}
	}
	return cols
}

// describeSubscribe gives the columns of SUBSCRIBE TO a subscription (those of
// CHANGE_STREAM_EVENTS()) or a collection (event_type, document_key and its own).
func (m *Manager) describeSubscribe(ctx context.Context, n *ast.Subscribe, env catalog.Session) ([]catalog.Column, error) {
	if n.Query != nil {
		q, err := m.languageOf(env).TailQuery(ctx, n.Query)
		if err != nil {
			return nil, err
		}
		return tailColumns(q.Columns), nil
	}
	if m.tailed(env, n.Name) != nil {
		cols := eventColumns()
		for i := range cols {
			if cols[i].Name == "event_data" {
				cols[i].Else = dataPaths
			}
		}
		return tailColumns(cols), nil
	}
	own, err := m.collectionColumns(ctx, env, n.Name)
	if err != nil {
		return nil, err
	}
	rest := columns("event_type", text_, "document_key", jsonb)
	for _, c := range own {
		c.Path = append([]string{"full_document"}, c.Path...)
		rest = append(rest, c)
	}
	return tailColumns(rest), nil
}

// tailed finds the subscription that SUBSCRIBE names, nil: it is a collection.
func (m *Manager) tailed(env catalog.Session, name *ast.Name) *found {
	if of := name.Qualifier().Name; of != "" && of != publicSchema && of != env.Database() {
		return nil
	}
	return m.named(env.Database(), name.Last().Name)
}

func (m *Manager) collectionColumns(ctx context.Context, env catalog.Session, name *ast.Name) ([]catalog.Column, error) {
	last := name.Last()
	t, found, err := m.relation(ctx, env, name.Qualifier().Name, last)
	if err != nil {
		return nil, err
	}
	if !found || t.Kind != catalog.Collection {
		return nil, sqlerr.New(sqlerr.UndefinedTable, "there is no subscription and no collection \"%s\"", last.Text).At(name.Pos()).
			WithHint("SHOW EVENT_SUBSCRIPTIONS lists subscriptions, \\dt collections.")
	}
	return t.Columns, mayRead(env, t.NS.DB, name.Pos())
}

// relation finds a collection; one that does not exist yet may be tailed by its
// plain name once it exists.
func (m *Manager) relation(ctx context.Context, env catalog.Session, schema string, name ast.Ident) (*catalog.Table, bool, error) {
	if m.resolve == nil {
		return nil, false, nil
	}
	text := name.Text
	return m.resolve(env).Table(ctx, schema, text, name.Quoted)
}

// tailOptions are the options of SUBSCRIBE.
type tailOptions struct {
	snapshot, progress bool
	from, to           string // first position, and the first one that is not wanted; "": now, none
	span
}

// span bounds the time of events in milliseconds; 0: it does not.
type span struct{ since, until int64 }

// holds tells whether an event of a time is within, both ends inclusive: times
// are kept in milliseconds, and what was written in the one that now() falls
// into was written before it.
func (s span) holds(ms int64) bool { return ms >= s.since && (s.until == 0 || ms <= s.until) }

// bound takes AS OF or UP TO, or an argument that says the same.
func (o *tailOptions) bound(ctx context.Context, lang Language, since, until ast.Expr) error {
	for _, e := range []ast.Expr{since, until} {
		if e == nil {
			continue
		}
		ms, err := moment(ctx, lang, e)
		switch {
		case err != nil:
			return err
		case e == since:
			o.since, o.from = ms, secondOf(ms)
		default:
			o.until, o.to = ms, secondOf(ms+1000)
		}
	}
	return nil
}

// secondOf gives the first position of the second that a time is in.
func secondOf(ms int64) string {
	return string(appendPosition(nil, bson.Timestamp{T: uint32(max(1, ms/1000))}, 0))
}

// readTailOptions reads WITH (SNAPSHOT, PROGRESS); each may have a boolean behind it.
func readTailOptions(ctx context.Context, lang Language, n *ast.Subscribe) (o tailOptions, err error) {
	seen := map[string]bool{}
	for _, opt := range n.Options {
		name := strings.ToLower(opt.Name.Name)
		on := map[string]*bool{"snapshot": &o.snapshot, "progress": &o.progress}[name]
		switch {
		case on == nil:
			return o, sqlerr.New(sqlerr.UndefinedObject, "unrecognized SUBSCRIBE option %q", name).At(opt.Name.Pos()).WithHint("The options are SNAPSHOT and PROGRESS.")
		case seen[name]:
			return o, sqlerr.New(sqlerr.SyntaxError, "option %q is given more than once", name).At(opt.Name.Pos())
		}
		seen[name], *on = true, true
		if opt.Value == nil {
			continue
		}
		v, err := optionConstant(ctx, lang, opt.Value)
		if err != nil {
			return o, err
		}
		if *on, err = (&OptionValue{Name: name, ValuePos: opt.Value.Pos(), Value: v}).boolean(); err != nil {
			return o, err
		}
	}
	return o, nil
}

// Subscribe opens the live rows of SUBSCRIBE, from now on or AS OF a time.
func (m *Manager) Subscribe(ctx context.Context, n *ast.Subscribe, env catalog.Session) (func(context.Context, time.Duration) (bson.Raw, error), func(), error) {
	if err := m.wait(ctx); err != nil {
		return nil, nil, err
	}
	p, err := m.planTail(ctx, n, env)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case p.query != nil:
		return m.tailQuery(ctx, p.query, p.tailOptions)
	case p.sub != nil:
		return m.tailLog(ctx, p.sub.Spec.Database, p.sub.ID, p.sub.Spec.Retention, p.tailOptions, nil)
	}
	return m.tailCollection(ctx, p.coll, n.Pos(), p.tailOptions)
}

// tailPlan is a SUBSCRIBE whose names are found and whose options are read: one of
// sub, coll and query is what it follows.
type tailPlan struct {
	tailOptions
	sub   *found
	coll  store.Namespace
	query *queryPlan
}

// planTail refuses what cannot be followed. It opens nothing.
func (m *Manager) planTail(ctx context.Context, n *ast.Subscribe, env catalog.Session) (*tailPlan, error) {
	lang := m.languageOf(env)
	o, err := readTailOptions(ctx, lang, n)
	if err != nil {
		return nil, err
	}
	if err := o.bound(ctx, lang, n.AsOf, n.UpTo); err != nil {
		return nil, err
	}
	p := &tailPlan{tailOptions: o}
	if n.Query != nil {
		p.query, err = m.planQuery(ctx, n, env, &p.tailOptions)
		return p, err
	}
	if p.sub = m.tailed(env, n.Name); p.sub != nil {
		return p, usable(p.sub, env, n.Name.Pos())
	}
	p.coll, err = m.followed(ctx, n, env)
	return p, err
}

// followed finds the collection that SUBSCRIBE names.
func (m *Manager) followed(ctx context.Context, n *ast.Subscribe, env catalog.Session) (store.Namespace, error) {
	t, found, err := m.relation(ctx, env, n.Name.Qualifier().Name, n.Name.Last())
	if err != nil {
		return store.Namespace{}, err
	}
	if !found {
		_, err := m.collectionColumns(ctx, env, n.Name)
		return store.Namespace{}, err
	}
	return t.NS, mayRead(env, t.NS.DB, n.Name.Pos())
}

func progressRow(position string) bson.Raw {
	var b value.Builder
	b.Add(fieldPosition, value.String(position))
	b.Add("weir_progressed", value.Bool(true))
	return b.Doc()
}
