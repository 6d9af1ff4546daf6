package events

import (
	"context"
	"io"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// queryPlan is SUBSCRIBE TO (SELECT … FROM CHANGE_STREAM_EVENTS(…) …).
type queryPlan struct {
	*TailQuery
	of         tailSource
	hidden     bson.A // ids of subscriptions whose rows the role may not read
	skip, most int64  // most is -1 without a limit
}

// planQuery plans a query. Its arguments since and until say the same as AS OF and UP TO.
func (m *Manager) planQuery(ctx context.Context, n *ast.Subscribe, env catalog.Session, o *tailOptions) (*queryPlan, error) {
	lang := m.languageOf(env)
	q, err := lang.TailQuery(ctx, n.Query)
	if err != nil {
		return nil, err
	}
	if err := onceGiven(n, q); err != nil {
		return nil, err
	}
	if err := o.bound(ctx, lang, q.Since, q.Until); err != nil {
		return nil, err
	}
	p := &queryPlan{TailQuery: q}
	if p.of, err = m.tailSource(ctx, q.Source, env); err != nil {
		return nil, err
	}
	p.hidden = m.hidden(p.of.database, env.User())
	if slices.Contains(p.hidden, any(p.of.id)) {
		return nil, usable(m.named(p.of.database, p.of.id), env, n.Query.Pos())
	}
	p.skip, p.most, err = tailBounds(ctx, lang, q)
	return p, err
}

// tailQuery follows what a query makes of the rows of the log.
func (m *Manager) tailQuery(ctx context.Context, q *queryPlan, o tailOptions) (func(context.Context, time.Duration) (bson.Raw, error), func(), error) {
	of, hidden := q.of, q.hidden
	next, stop, err := m.tailLog(ctx, of.database, of.id, of.retained, o, func(row bson.Raw) ([]bson.Raw, error) {
		if len(hidden) > 0 && slices.Contains(hidden, any(text(value.Lookup(row, "subscription_id")))) {
			return nil, nil
		}
		if of.coll != "" && text(value.Lookup(row, "collection_name")) != of.coll {
			return nil, nil
		}
		rows, err := q.Apply(row)
		for i := range rows {
			rows[i] = positioned(rows[i], position(row))
		}
		return rows, err
	})
	if err != nil {
		return nil, nil, err
	}
	return bounded(next, q.skip, q.most), stop, nil
}

// tailBounds evaluates OFFSET and LIMIT; most is -1 without a limit.
func tailBounds(ctx context.Context, lang Language, q *TailQuery) (skip, most int64, err error) {
	if skip, err = countOf(ctx, lang, q.Offset, sqlerr.InvalidRowCountInOffset, "OFFSET", 0); err != nil {
		return 0, 0, err
	}
	most, err = countOf(ctx, lang, q.Limit, sqlerr.InvalidRowCountInLimit, "LIMIT", -1)
	return skip, most, err
}

// countOf evaluates a number of rows; none is that of a clause that is not given or NULL.
func countOf(ctx context.Context, lang Language, e ast.Expr, negative, clause string, none int64) (int64, error) {
	if e == nil {
		return none, nil
	}
	v, err := lang.Constant(ctx, e)
	if err != nil || v.IsNullish() {
		return none, err
	}
	if v.IsString() {
		if v, err = sqltype.ParseText(v.Str(), sqltype.Of(sqltype.Int8), nil); err != nil {
			return 0, sqlerr.As(err).At(e.Pos())
		}
	}
	n, ok := v.Integral()
	switch {
	case !ok:
		return 0, sqlerr.New(sqlerr.DatatypeMismatch, "argument of %s must be a whole number", clause).At(e.Pos())
	case n < 0:
		return 0, sqlerr.New(negative, "%s must not be negative", clause).At(e.Pos())
	}
	return n, nil
}

// bounded leaves the first rows out and ends after so many others, -1: never. Rows
// of progress do not count.
func bounded(next func(context.Context, time.Duration) (bson.Raw, error), skip, most int64) func(context.Context, time.Duration) (bson.Raw, error) {
	return func(ctx context.Context, wait time.Duration) (bson.Raw, error) {
		for {
			if most == 0 {
				return nil, io.EOF
			}
			row, err := next(ctx, wait)
			if row == nil || err != nil || value.Lookup(row, "weir_progressed").AsBool() {
				return row, err
			}
			if skip > 0 {
				skip--
				continue
			}
			if most > 0 {
				most--
			}
			return row, nil
		}
	}
}

func onceGiven(n *ast.Subscribe, q *TailQuery) error {
	for _, twice := range []struct{ clause, argument ast.Expr }{{n.AsOf, q.Since}, {n.UpTo, q.Until}} {
		if twice.clause != nil && twice.argument != nil {
			return sqlerr.New(sqlerr.SyntaxError, "since and AS OF, or until and UP TO, are given together").At(twice.clause.Pos()).
				WithHint("They say the same; leave one out.")
		}
	}
	return nil
}

// tailSource is what a source argument names: a subscription, else a collection
// that subscriptions log, else a database; none: the session's database.
type tailSource struct {
	database, id, coll string
	retained           time.Duration
}

func (m *Manager) tailSource(ctx context.Context, e ast.Expr, env catalog.Session) (tailSource, error) {
	database := env.Database()
	of := tailSource{database: database, retained: m.shortestRetention(database)}
	if e == nil {
		return of, nil
	}
	v, err := m.languageOf(env).Constant(ctx, e)
	if err != nil || v.IsNullish() {
		return of, err
	}
	name, err := m.sourceName(ctx, env, text(v))
	if err != nil {
		return of, sqlerr.As(err).At(e.Pos())
	}
	s := m.named(database, name)
	switch {
	case s != nil:
		of.id, of.retained = s.ID, s.Spec.Retention
	case m.watched(database, name) && name != database:
		of.coll = name
	case name == database || len(m.of(name)) > 0:
		of.database, of.retained = name, m.shortestRetention(name)
		return of, mayRead(env, name, e.Pos())
	default:
		return of, sqlerr.New(sqlerr.UndefinedObject, "no event subscription logs \"%s\"", name).At(e.Pos()).
			WithHint("SUBSCRIBE TO the collection itself, or create an event subscription on it.")
	}
	return of, nil
}

// shortestRetention is how long all rows of a database's log are kept at least.
func (m *Manager) shortestRetention(database string) time.Duration {
	shortest := 365 * Day
	for _, s := range m.found(database) {
		shortest = min(shortest, s.Spec.Retention)
	}
	return shortest
}

// positioned puts the columns of SUBSCRIBE in front.
func positioned(row bson.Raw, at string) bson.Raw {
	var b value.Builder
	b.Add(fieldPosition, value.String(at))
	b.Add("weir_progressed", value.Bool(false))
	for it := value.Walk(row); it.Next(); {
		b.AddElement(it.Element())
	}
	return b.Doc()
}
