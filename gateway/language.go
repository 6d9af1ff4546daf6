package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/agg"
	"weir/engine/expr"
	"weir/engine/value"
	"weir/events"
	"weir/executor"
	"weir/parser"
	"weir/parser/ast"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
	"weir/store"
	"weir/translator"
)

// language is the SQL half as the event runtime needs it. Expressions take the
// way of every query: plan, pipeline, engine.
type language struct {
	funcs   *sqlfunc.Table
	library *expr.Library
	caps    store.Capabilities
	now     func() time.Time
	events  *catalog.Table  // the columns of CHANGE_STREAM_EVENTS(), as rows of the log
	dead    *catalog.Table  // those of DEAD_LETTER_EVENTS()
	client  sqlfunc.Session // of the statement; nil: none
}

// For implements events.Language.
func (l *language) For(client sqlfunc.Session) events.Language {
	own := *l
	own.client = client
	return &own
}

// standing is the language of what outlives its statement.
func (l *language) standing() *language { return l.For(nil).(*language) }

var _ events.Language = (*language)(nil)

// relations makes virtual relations of the rows of the log and of dead letters.
func (l *language) relations(tables []*catalog.Table) {
	l.events, l.dead = l.relation(tables, "change_stream_events"), l.relation(tables, "dead_letter_events")
}

func (l *language) relation(tables []*catalog.Table, name string) *catalog.Table {
	i := slices.IndexFunc(tables, func(t *catalog.Table) bool { return t.Name == name })
	return asRows(tables[i])
}

// asRows makes a relation whose rows are given one at a time.
func asRows(of *catalog.Table) *catalog.Table {
	t := *of
	t.Kind = catalog.Virtual
	t.Function = nil
	t.Rows = func(context.Context, catalog.Session) (store.Cursor, error) { return &oneRow{}, nil }
	return &t
}

func (l *language) env() *planner.Env {
	return &planner.Env{Resolver: noRelations{}, Funcs: l.funcs, Strict: true, Types: l.session().Types(), Library: l.library}
}

// session is what expressions are evaluated in.
func (l *language) session() sqlfunc.Session {
	if l.client != nil {
		return l.client
	}
	return &quiet{now: l.now()}
}

// noRelations is a Resolver without any.
type noRelations struct{}

func (noRelations) Table(context.Context, string, string, bool) (*catalog.Table, bool, error) {
	return nil, false, nil
}
func (noRelations) TableFunction(string, string) (*catalog.Table, bool) { return nil, false }
func (noRelations) Near(context.Context, string) []string               { return nil }
func (noRelations) TypeNamed(context.Context, string, string) (sqltype.OID, error) {
	return sqltype.Invalid, nil
}
func (noRelations) DomainOf(context.Context, sqltype.OID) (*catalog.Domain, error) { return nil, nil }
func (noRelations) References(context.Context, *catalog.Table) (out, in []catalog.Reference, err error) {
	return nil, nil, nil
}
func (n noRelations) Within(*catalog.Table) catalog.Resolver { return n }
func (noRelations) Refresh(_ context.Context, t *catalog.Table) (*catalog.Table, error) {
	return t, nil
}

func (l *language) translate(p *planner.Plan) (*translator.Bound, error) {
	prog, err := translator.Translate(p, translator.Options{Capabilities: l.caps, Funcs: l.funcs, Library: l.library, Strict: true, Standing: true})
	if err != nil {
		return nil, err
	}
	return prog.Bind(context.Background(), nil, l.session())
}

// Constant implements events.Language.
func (l *language) Constant(ctx context.Context, e ast.Expr) (value.Value, error) {
	x, _, err := planner.BuildExpr(ctx, l.env(), e, nil, sqltype.Type{})
	if err == nil {
		err = l.allowed(x)
	}
	if err != nil {
		return value.Value{}, err
	}
	if c, ok := x.(*planner.Const); ok {
		return (*sqltype.Env)(nil).Stored(c.Value)
	}
	col := planner.Col{ID: 1 << 20, Name: "v", Type: x.Type()}
	plan := &planner.Plan{
		Root: &planner.Project{Input: &planner.Values{Rows: [][]planner.Expr{{}}}, Exprs: []planner.NamedExpr{{Col: col, Expr: x}}},
		Cols: []planner.Col{col}, ReadOnly: true,
	}
	b, err := l.translate(plan)
	if err != nil {
		return value.Value{}, err
	}
	rows, err := executor.Run(ctx, &executor.Stores{Session: l.session()}, b)
	if err != nil {
		return value.Value{}, err
	}
	defer func() { _ = rows.Close() }()
	row, err := rows.Next(ctx)
	if err != nil {
		return value.Value{}, err
	}
	return (*sqltype.Env)(nil).Stored(value.GetPath(slices.Clone(row), b.Program.Columns[0].Path))
}

// Condition implements events.Language.
func (l *language) Condition(ctx context.Context, e ast.Expr) (events.Condition, error) {
	return asCondition(l.kept(ctx, e, l.events))
}

// DeadLetterCondition implements events.Language.
func (l *language) DeadLetterCondition(ctx context.Context, e ast.Expr) (events.Condition, error) {
	return asCondition(l.condition(ctx, e, l.dead))
}

// kept compiles a condition that outlives its statement.
func (l *language) kept(ctx context.Context, e ast.Expr, over *catalog.Table) (*rowProgram, error) {
	p, err := l.standing().condition(ctx, e, over)
	if err != nil {
		return nil, err
	}
	return p, l.settled(func(env *planner.Env) ([]planner.Expr, error) {
		x, _, err := planner.BuildExpr(ctx, env, e, over, sqltype.Of(sqltype.Bool))
		return []planner.Expr{x}, err
	})
}

// settled refuses literals that are other values for the client, or later: '12:00' of
// another time zone, 'tomorrow'. What is kept is read again at each start, in UTC.
func (l *language) settled(build func(*planner.Env) ([]planner.Expr, error)) error {
	if l.client == nil {
		return nil
	}
	kept, client := l.standing().env(), l.env()
	types := *client.Types
	types.Now = kept.Types.Now.AddDate(40, 1, 1)
	client.Types = &types
	here, err := build(kept)
	if err != nil {
		return err
	}
	there, err := build(client)
	if err != nil {
		return err
	}
	for i := range here {
		a, b := planner.Constants(here[i]), planner.Constants(there[i])
		for k := range min(len(a), len(b)) {
			if !value.Identical(a[k].Value, b[k].Value) {
				return sqlerr.Unsupported(a[k].P, "Write dates as '2026-01-31' and times with their zone, as '2026-01-31 12:00+01'; now() and current_date are the present.",
					"what this literal means depends on the session or on the time")
			}
		}
	}
	return nil
}

func (l *language) condition(ctx context.Context, e ast.Expr, over *catalog.Table) (*rowProgram, error) {
	x, scan, err := planner.BuildExpr(ctx, l.env(), e, over, sqltype.Of(sqltype.Bool))
	if err == nil {
		err = l.allowed(x)
	}
	if err != nil {
		return nil, err
	}
	return l.compile(&planner.Plan{Root: &planner.Filter{Input: scan, Cond: x}, Cols: []planner.Col{}, ReadOnly: true})
}

// DocumentCondition implements events.Language.
func (l *language) DocumentCondition(ctx context.Context, e ast.Expr, over *catalog.Table) (events.Condition, error) {
	p, err := l.kept(ctx, e, asRows(over))
	if err != nil {
		return nil, err
	}
	return documentProgram{p}, nil
}

// documentProgram is a rowProgram whose rows are documents.
type documentProgram struct{ *rowProgram }

// Match implements events.Condition.
func (p documentProgram) Match(doc bson.Raw) (bool, error) { return p.matches(doc) }

// ConditionText implements events.Language.
func (l *language) ConditionText(ctx context.Context, sql string) (events.Condition, error) {
	e, err := parser.ParseExpr(sql)
	if err != nil {
		return nil, err
	}
	return l.Condition(ctx, e)
}

// Projection implements events.Language.
func (l *language) Projection(ctx context.Context, list string) (events.Projection, error) {
	if _, err := parser.Parse("SELECT " + list); err != nil { // in words of the list alone
		return nil, err
	}
	stmts, err := parser.Parse("SELECT " + list + "\nFROM change_stream_events")
	if err != nil {
		return nil, err
	}
	if len(stmts) != 1 {
		return nil, sqlerr.New(sqlerr.SyntaxError, "a single SELECT list is needed")
	}
	build := func(env *planner.Env) (*planner.Plan, []planner.Expr, error) {
		env.Resolver = oneRelation{table: l.events}
		plan, err := planner.Build(ctx, env, stmts[0], nil)
		if err != nil {
			return nil, nil, err
		}
		if !oneByOne(plan.Root) {
			return nil, nil, sqlerr.Unsupported(0, "Use columns of the event, constants and functions, each row by itself.", "aggregates, DISTINCT, subqueries and functions that return sets are not supported here")
		}
		var list []planner.Expr
		for _, e := range plan.Root.(*planner.Project).Exprs {
			list = append(list, e.Expr)
		}
		return plan, list, nil
	}
	kept := l.standing()
	plan, exprs, err := build(kept.env())
	if err != nil {
		return nil, err
	}
	for _, e := range exprs {
		if err := kept.allowed(e); err != nil {
			return nil, err
		}
	}
	if err := l.settled(func(env *planner.Env) ([]planner.Expr, error) { _, list, err := build(env); return list, err }); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, c := range plan.Cols {
		if seen[c.Name] {
			return nil, sqlerr.New(sqlerr.DuplicateColumn, "column name \"%s\" is given more than once", c.Name).WithHint("Name it with AS: the columns become the fields of a document.")
		}
		seen[c.Name] = true
	}
	return kept.compile(plan)
}

// allowed refuses what asks for the session of a client where there is none.
func (l *language) allowed(x planner.Expr) error {
	if l.client != nil {
		return nil
	}
	c := planner.SessionCall(x)
	if c == nil {
		return nil
	}
	return sqlerr.Unsupported(c.P, "Event subscriptions have no session of their own: use columns of the event, constants and functions of them; now() is the time at which it is asked.",
		"function %s() cannot be used in an event subscription", c.Func.Name)
}

// oneByOne tells whether a plan makes one row of each row that it scans.
func oneByOne(n planner.Node) bool {
	p, ok := n.(*planner.Project)
	if !ok {
		return false
	}
	_, ok = p.Input.(*planner.Scan)
	return ok
}

// oneRelation is a Resolver of a single relation.
type oneRelation struct {
	noRelations
	table *catalog.Table
}

func (r oneRelation) Within(*catalog.Table) catalog.Resolver { return r }

func (r oneRelation) Table(_ context.Context, _, name string, _ bool) (*catalog.Table, bool, error) {
	return r.table, strings.EqualFold(name, r.table.Name), nil
}

// Print implements events.Language.
func (l *language) Print(e ast.Expr) string { return ast.Print(e) }

// compile makes a plan over the rows of the log ready to be run row by row.
func (l *language) compile(p *planner.Plan) (*rowProgram, error) {
	b, err := l.translate(p)
	if err != nil {
		return nil, err
	}
	root := b.Program.Root
	if len(b.Program.Fetches) > 0 || len(b.Program.With) > 0 || len(b.Program.InitPlans()) > 0 || len(root.Remote) > 0 {
		return nil, sqlerr.Unsupported(0, "Use columns of the event, constants and functions.", "subqueries are not supported here")
	}
	stages, err := b.Stages(root.Local)
	if err != nil {
		return nil, err
	}
	own := l.session()
	pipe, err := agg.Compile(stages, &agg.Env{Library: b.Program.Library(), Stages: translator.Stages(), Session: own, Now: own.StatementTime().UnixMilli()})
	if err != nil {
		return nil, err
	}
	computed := slices.ContainsFunc(stages, func(s bson.Raw) bool { return bytes.Contains(s, []byte("event_data")) })
	standing, _ := own.(*quiet)
	return &rowProgram{pipe: pipe, each: pipe.MapsEach(), computed: computed, columns: b.Program.Columns, standing: standing, now: l.now}, nil
}

// rowProgram runs a pipeline over one row at a time.
type rowProgram struct {
	mu       sync.Mutex
	pipe     *agg.Pipeline
	each     bool // the pipeline needs no cursor
	computed bool // it reads columns that are computed
	columns  []translator.Column
	standing *quiet // nil: it has a client's session
	now      func() time.Time
}

// run gives the document that the pipeline makes of a row, nil: none, while p.mu is held.
func (p *rowProgram) run(row bson.Raw) (bson.Raw, error) {
	if p.standing != nil {
		p.standing.now = p.now() // each row is a statement
	}
	if p.each {
		doc, err := p.pipe.RunOne(nil, row)
		return doc, translator.MapError(err)
	}
	ctx := context.Background()
	cur, err := p.pipe.Run(ctx, rowSource{row})
	if err != nil {
		return nil, translator.MapError(err)
	}
	defer func() { _ = cur.Close() }()
	doc, err := cur.Next(ctx)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	return slices.Clone(doc), translator.MapError(err)
}

func (p *rowProgram) matches(row bson.Raw) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	doc, err := p.run(row)
	return doc != nil && err == nil, err
}

// seen is a row of the log with the columns that the program reads.
func (p *rowProgram) seen(row bson.Raw) bson.Raw {
	if p.computed {
		return events.Computed(row)
	}
	return row
}

// Match implements events.Condition.
func (p *rowProgram) Match(row bson.Raw) (bool, error) { return p.matches(p.seen(row)) }

// Apply implements events.Projection: a document of the columns by their names.
func (p *rowProgram) Apply(row bson.Raw) (bson.Raw, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	doc, err := p.run(p.seen(row))
	if err != nil {
		return nil, err
	}
	// what subscribers get has milliseconds and 34 digits, as all events have
	doc = sqltype.Nearest(value.Document(slices.Clone(doc))).Doc()
	var b value.Builder
	for _, c := range p.columns {
		b.Add(c.Name, field(c.Type.OID, value.GetPath(doc, c.Path)))
	}
	return b.Doc(), nil
}

// field is a column's value in a document for others: a null is there whether it
// is SQL's or JSON's, which only columns of jsonb keep apart, and a time of day or an
// interval is its text.
func field(t sqltype.OID, v value.Value) value.Value {
	if v.IsMissing() || v.Kind() == bson.TypeSymbol && v.Str() == sqltype.JSONNull().Str() {
		return value.Null()
	}
	switch t {
	case sqltype.Interval, sqltype.Time, sqltype.Timetz:
		if text, err := sqltype.AppendText(nil, v, sqltype.Type{OID: t, Mod: -1}, &sqltype.Env{}); err == nil {
			return value.String(string(text))
		}
	}
	return v
}

// rowSource is an agg.Source of one row.
type rowSource struct{ row bson.Raw }

func (s rowSource) Open(context.Context, agg.Request) (store.Cursor, agg.Satisfied, error) {
	return &oneRow{row: s.row}, agg.Satisfied{}, nil
}

// oneRow is a cursor over a row, or over none.
type oneRow struct{ row bson.Raw }

func (c *oneRow) Next(context.Context) (bson.Raw, error) {
	if c.row == nil {
		return nil, io.EOF
	}
	r := c.row
	c.row = nil
	return r, nil
}

func (c *oneRow) Close() error { return nil }

func asCondition(p *rowProgram, err error) (events.Condition, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}
