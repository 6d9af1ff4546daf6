package session

import (
	"context"
	"errors"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/executor"
	"weir/parser/ast"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
	"weir/translator"
)

// query is a planned statement: SELECT, VALUES, INSERT, UPDATE, DELETE.
type query struct {
	prog     *translator.Program
	cols     []column
	verb     string // INSERT, UPDATE …, as messages name it
	settings string // those that it was planned with
	zeros    []zeroProbe
	stmt     ast.Statement // of one that locks rows
	keys     []column      // where the keys of these rows are, by Plan.RowLocks
}

func (q *query) result() []column { return q.cols }

func (q *query) readOnly() bool { return q.prog.Plan.ReadOnly }

// valid tells whether a plan can be run as it is.
func (s *Session) valid(ctx context.Context, q *query) bool {
	return q.settings == s.planSettings() && s.scoped().Fresh(ctx, q.prog.Plan.Deps)
}

// scoped is the catalog as the session sees it.
func (s *Session) scoped() *catalog.Scoped {
	if s.scope.version != s.set.version || s.scope.catalog == nil {
		s.scope.catalog = s.h.deps.Catalog.In(catalog.Scope{
			Database:   s.start.Database,
			SearchPath: splitNames(s.set.value("search_path")),
			Flatten:    s.set.on("weir.flatten_documents"),
			Temp:       s.temp.db,
			Since:      s.opened,
		})
		s.scope.version = s.set.version
	}
	return s.scope.catalog
}

func (s *Session) planEnv() *planner.Env {
	return &planner.Env{
		Resolver: s.scoped(), Funcs: s.h.deps.Functions, Strict: s.set.on("weir.strict"),
		Types: s.env.types(), Library: s.h.deps.Library,
	}
}

func (s *Session) translateOptions() translator.Options {
	return translator.Options{
		Capabilities: s.access.Store.Capabilities(), Funcs: s.h.deps.Functions, Library: s.h.deps.Library,
		Strict: s.set.on("weir.strict"),
	}
}

func (s *Session) analyzeQuery(ctx context.Context, st *prepared, src source) (*prepared, error) {
	if as := selectInto(src.stmt); as != nil {
		cmd, err := s.analyzeDDL(ctx, as)
		st.cmd, st.params = cmd, st.given
		return st, err
	}
	types := make([]sqltype.OID, len(st.given))
	for i, o := range st.given {
		types[i] = sqltype.OID(o)
	}
	q, err := s.planLocking(ctx, src.stmt, types)
	if err != nil {
		return nil, err
	}
	for _, n := range q.prog.Plan.Notices {
		s.notice(n)
	}
	st.cmd = q
	st.params = make([]uint32, len(q.prog.Plan.Params))
	for i, t := range q.prog.Plan.Params {
		st.params[i] = uint32(t.OID)
	}
	// A plan with warnings, of a column not seen yet for one, is made anew each
	// time: the next document may bring the column.
	if src.alone && len(q.prog.Plan.Notices) == 0 && !q.prog.Plan.Timed {
		s.plans.put(s.planKey(src.text, st.given), st)
	}
	return st, nil
}

func (s *Session) plan(ctx context.Context, stmt ast.Statement, types []sqltype.OID) (*query, error) {
	return s.planIn(ctx, s.planEnv(), stmt, types)
}

func (s *Session) planIn(ctx context.Context, env *planner.Env, stmt ast.Statement, types []sqltype.OID) (*query, error) {
	given := &catalog.Stale{Resolver: env.Resolver}
	env.Resolver = given
	plan, err := planner.Build(ctx, env, stmt, types)
	if err != nil && maybeStale(err) && given.Changed(ctx) {
		plan, err = planner.Build(ctx, env, stmt, types)
	}
	if err != nil {
		return nil, err
	}
	prog, err := translator.Translate(plan, s.translateOptions())
	if err != nil {
		return nil, err
	}
	q := &query{prog: prog, verb: queryVerb(stmt), settings: s.planSettings(), zeros: s.zeroProbes(plan)}
	if plan.Cols == nil {
		return q, nil
	}
	q.cols = make([]column, len(prog.Columns))
	for i, c := range prog.Columns {
		q.cols[i] = column{name: c.Name, path: c.Path, typ: c.Type, table: c.Table, attr: c.Attr}
	}
	return q, nil
}

// maybeStale tells whether a statement may have a meaning with the documents
// as they are now although it had none with what the catalog knew.
func maybeStale(err error) bool {
	switch sqlerr.As(err).Code {
	case sqlerr.UndefinedFunction, sqlerr.UndefinedColumn, sqlerr.AmbiguousColumn, sqlerr.DatatypeMismatch,
		sqlerr.InvalidTextRepresentation, sqlerr.CannotCoerce, sqlerr.InvalidDatetimeFormat:
		return true
	}
	return false
}

func queryVerb(stmt ast.Statement) string {
	switch stmt.(type) {
	case *ast.Insert:
		return "INSERT"
	case *ast.Update:
		return "UPDATE"
	case *ast.Delete:
		return "DELETE"
	case *ast.Merge:
		return "MERGE"
	}
	return "SELECT"
}

func (q *query) open(ctx context.Context, s *Session, c *call) (rows, string, error) {
	if !q.readOnly() {
		if err := s.writable(q.verb); err != nil {
			return nil, "", err
		}
	}
	if lock := q.prog.Plan.Locking; lock != "" {
		if err := s.writable("SELECT FOR " + lock); err != nil {
			return nil, "", err
		}
	}
	if len(q.keys) > 0 {
		if err := s.writable(q.prog.Plan.RowLocks[0].Command); err != nil {
			return nil, "", err
		}
		if r, err := s.lockRows(ctx, q, c.args, c.last); r != nil || err != nil {
			if err != nil {
				return nil, "", err
			}
			return r, "", nil
		}
	}
	r, err := s.execute(ctx, q, c.args, c.last)
	if err != nil {
		return nil, "", err
	}
	if q.cols == nil {
		defer r.close()
		if _, err := r.next(ctx); err != nil && !isEnd(err) {
			return nil, "", err
		}
		return nil, r.tag(0), nil
	}
	return r, "", nil
}

// execute binds and runs a program.
func (s *Session) execute(ctx context.Context, q *query, args []value.Value, last bool) (*queryRows, error) {
	on, err := s.queryerFor(ctx, !q.readOnly(), q.prog.Plan.Locking != "", last)
	if err != nil {
		return nil, err
	}
	if !q.readOnly() {
		s.warnOfZeros(ctx, q, args, 0) // before it changes what it reads
	}
	start := time.Now()
	r, err := s.run(ctx, q, args, on)
	if err != nil {
		return nil, err
	}
	s.touch(&q.prog.Query)
	for _, w := range q.prog.With {
		s.touch(&w.Query)
	}
	out := &queryRows{s: s, q: q, rows: r, args: args, start: start}
	if q.readOnly() && s.tx.store != nil && on == store.Queryer(s.tx.store) {
		out.log = s.tx.log.noteRead(q, args)
	}
	return out, nil
}

// run starts a program; one that writes is run again after conflicts.
func (s *Session) run(ctx context.Context, q *query, args []value.Value, on store.Queryer) (*executor.Rows, error) {
	inBlock := s.tx.store != nil && on == store.Queryer(s.tx.store) && !q.readOnly() && s.readCommitted()
	a := s.attempt()
	if inBlock {
		if err := s.tx.log.guard(ctx, s.access.Store); err != nil {
			return nil, err
		}
	}
	for {
		bound, err := q.prog.Bind(ctx, args, s.env)
		if err != nil {
			return nil, err
		}
		st := s.stores(on)
		if inBlock {
			s.tx.log.noteComputed(q)
		}
		r, err := executor.Run(ctx, st, bound)
		switch {
		case err == nil:
			return r, nil
		case inBlock:
			if on, err = s.resume(ctx, a, err); err != nil {
				return nil, err
			}
		case st.Begin == nil || q.readOnly() || !isConflict(err):
			return nil, err
		default:
			if err := s.wait(ctx, a, err); err != nil {
				return nil, err
			}
			s.notices = s.notices[:min(a.notices, len(s.notices))]
		}
	}
}

// stores is what a program runs against: a statement of its own has a
// transaction of its own if it needs one.
func (s *Session) stores(on store.Queryer) *executor.Stores {
	st := &executor.Stores{Main: s.guard(on), Session: s.env, Catalog: relationEnv{s.env}, WorkMemory: s.workMemory(), TempDir: s.h.opts.TempDir,
		HoldFine: s.h.deps.Catalog.HoldFine, Copy: s.copying}
	if s.access.Store.Capabilities().Transactions {
		st.Keys = keySession{s}
	}
	if on == store.Queryer(s.access.Store) && s.access.Store.Capabilities().Transactions {
		st.Begin = s.beginGuarded
	}
	return st
}

// workMemory is work_mem in bytes, 0: the executor's default.
func (s *Session) workMemory() int64 {
	n, err := s.set.table["work_mem"].integer(s.set.value("work_mem"))
	if err != nil {
		return 0
	}
	return int64(n) << 10
}

// touch tells the catalog that a collection's documents changed.
func (s *Session) touch(q *translator.Query) {
	if q.Write != nil && q.Write.Table != nil {
		s.h.deps.Catalog.Touch(q.Write.Table.NS)
	}
}

// queryRows are the rows of a program.
type queryRows struct {
	s     *Session
	q     *query
	rows  *executor.Rows
	args  []value.Value
	start time.Time
	ended bool
	log   *loggedRead // in a transaction; nil: nobody has to know
}

func (r *queryRows) next(ctx context.Context) (bson.Raw, error) {
	doc, err := r.rows.Next(ctx)
	if err == io.EOF && !r.ended {
		r.ended = true
		if r.q.readOnly() {
			r.s.warnOfZeros(ctx, r.q, r.args, time.Since(r.start))
		}
	}
	switch {
	case r.log == nil:
	case err == nil:
		r.log.row(doc)
	case err == io.EOF:
		r.log.open, r.log.all = false, true
	}
	return doc, err
}

func (r *queryRows) tag(n int) string {
	if r.q.verb == "SELECT" {
		return "SELECT " + itoa(n)
	}
	_, affected := r.rows.Affected()
	if r.q.verb == "INSERT" {
		return "INSERT 0 " + itoa(int(affected))
	}
	return r.q.verb + " " + itoa(int(affected))
}

func (r *queryRows) close() {
	if r.log != nil {
		r.log.open = false
	}
	_ = r.rows.Close()
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// evaluate computes constant expressions, such as the arguments of EXECUTE, as
// values of the given types.
func (s *Session) evaluate(ctx context.Context, exprs []ast.Expr, oids []uint32) ([]value.Value, error) {
	if len(exprs) == 0 {
		return nil, nil
	}
	items := make([]*ast.SelectItem, len(exprs))
	for i, e := range exprs {
		items[i] = &ast.SelectItem{Expr: castTo(e, sqltype.OID(oids[i]))}
	}
	stmt := &ast.Query{Body: &ast.Select{Items: items}}
	q, err := s.plan(ctx, stmt, nil)
	if err != nil {
		if e := sqlerr.As(err); e.Code == sqlerr.CannotCoerce {
			cp := *e
			cp.Code = sqlerr.DatatypeMismatch
			return nil, &cp
		}
		return nil, err
	}
	r, err := s.execute(ctx, q, nil, false)
	if err != nil {
		return nil, err
	}
	defer r.close()
	doc, err := r.next(ctx)
	if err != nil {
		return nil, err
	}
	found := encoder(q.cols, nil, nil).Values(append(bson.Raw(nil), doc...))
	return append([]value.Value(nil), found...), nil
}

// castTo casts an expression to a built-in type.
func castTo(e ast.Expr, oid sqltype.OID) ast.Expr {
	info := sqltype.Lookup(oid)
	if info == nil || oid == sqltype.Unknown {
		return e
	}
	t := &ast.TypeName{Name: ast.MakeIdent(info.Name), Builtin: true}
	if info.Elem != 0 && info.Len == -1 && info.Name[0] == '_' {
		t.Name, t.Dims = ast.MakeIdent(info.Name[1:]), []int{-1}
	}
	return &ast.CastExpr{Operand: e, Type: t}
}

// selectInto makes a SELECT … INTO the CREATE TABLE … AS that it is.
func selectInto(stmt ast.Statement) *ast.CreateTableAs {
	q, ok := stmt.(*ast.Query)
	if !ok {
		return nil
	}
	sel, ok := q.Body.(*ast.Select)
	if !ok || sel.Into == nil {
		return nil
	}
	body, inner := *sel, *q
	body.Into, inner.Body = nil, &body
	return &ast.CreateTableAs{Stmt: q.Stmt, Persistence: sel.Into.Persistence, Name: sel.Into.Table, Query: &inner}
}
