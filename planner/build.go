package planner

import (
	"context"
	"slices"

	"weir/catalog"
	"weir/engine/expr"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// Env is what planning depends on beside the statement.
type Env struct {
	Resolver catalog.Resolver
	Funcs    *sqlfunc.Table
	// Strict is weir.strict: PostgreSQL's rules without the lenient ways.
	Strict bool
	// Maintenance allows writing what users may not: REFRESH fills materialized views.
	Maintenance bool
	// LockRows has the result tell the keys of the rows that FOR UPDATE names.
	LockRows bool
	// Types reads the literals: time zone, styles of dates. nil: the defaults.
	Types *sqltype.Env
	// Library holds the local operators for folding constants; nil: no folding.
	Library *expr.Library
}

// Build plans a query, INSERT, UPDATE or DELETE. paramTypes are the types that
// the client gave for $1 …, 0 where it left them to us.
func Build(ctx context.Context, env *Env, stmt ast.Statement, paramTypes []sqltype.OID) (*Plan, error) {
	b := newBuilder(ctx, env, paramTypes)
	var n Node
	var err error
	switch s := stmt.(type) {
	case *ast.Query:
		n, err = b.topQuery(s)
	case *ast.Insert:
		n, err = b.insert(s, nil)
	case *ast.Update:
		n, err = b.update(s, nil)
	case *ast.Delete:
		n, err = b.delete(s, nil)
	case *ast.Merge:
		n, err = b.merge(s)
	default:
		err = sqlerr.New(sqlerr.InternalError, "the planner was given a statement that is no query")
	}
	if err != nil {
		return nil, err
	}
	return b.finish(n)
}

// topQuery plans a query whose rows go to the client.
func (b *builder) topQuery(q *ast.Query) (Node, error) {
	q, err := b.lockedRows(q)
	if err != nil {
		return nil, err
	}
	n, err := b.query(q, nil)
	if err != nil {
		return nil, err
	}
	return b.settleUnknown(b.bareTids(b.typedRecords(n)))
}

// typedRecords makes rows of the records that functions gave, whose fields
// carry their types for the client.
func (b *builder) typedRecords(n Node) Node {
	cols := n.Cols()
	if !slices.ContainsFunc(cols, func(c Col) bool { return c.Type.OID == sqltype.Record && b.records[c.ID] != nil }) {
		return n
	}
	p := &Project{Input: n}
	for _, c := range cols {
		var e Expr = colRef(c, 0)
		if fields := b.records[c.ID]; c.Type.OID == sqltype.Record && fields != nil {
			r := &Row{}
			for i, f := range fields {
				r.Fields = append(r.Fields, recordField(e, i, f.Type))
			}
			e = &Case{Whens: []When{{Cond: &Test{X: e, Is: IsNotNull}, Then: r}}, T: recordType}
		}
		col := b.newCol(c.Name, c.Type)
		col.Table, col.Attr = c.Table, c.Attr
		p.Exprs = append(p.Exprs, NamedExpr{Col: col, Expr: e})
	}
	return p
}

// finish checks parameters, applies the rules and fills in the plan.
func (b *builder) finish(n Node) (*Plan, error) {
	for i, t := range b.params {
		if t.OID == sqltype.Invalid {
			return nil, sqlerr.New("42P18", "could not determine data type of parameter $%d", i+1).At(b.paramPos[i])
		}
	}
	n = b.fixParams(n)
	n, err := b.rewrite(n)
	if err != nil {
		return nil, err
	}
	p := &Plan{Root: n, Params: b.params, Notices: b.notices, Deps: b.deps, Locking: b.locking, RowLocks: b.rowLocks, ReadOnly: !b.writes, Strict: b.env.Strict, Timed: b.timed}
	if p.Cols = n.Cols(); p.Cols == nil {
		body := n
		if w, ok := n.(*With); ok {
			body = w.Body
		}
		switch body.(type) {
		case *Insert, *Update, *Delete, *Merge:
		default:
			p.Cols = []Col{}
		}
	}
	return p, nil
}

// builder is the state of planning one statement.
type builder struct {
	viewTargets map[*catalog.Table]*viewTarget // views that the statement writes
	env         *Env
	resolver    boundResolver
	lastCol     ColID
	lastCTE     int
	params      []sqltype.Type
	paramPos    []int
	notices     []*sqlerr.Error
	deps        []catalog.Dep
	locking     string
	rowLocks    []RowLock
	writes      bool
	timed       bool // a literal was read that means the time of planning
	depth       int
	// inView is the depth of views: positions in their text mean nothing to the client.
	inView int
	// inChildren tells that tables are read that inherit from the one that is named.
	inChildren int
	// strictNames refuses unknown names whatever the mode (subscriptions, defaults, checks).
	strictNames bool
	// scanDefs tell what the catalog knows of columns of scans.
	scanDefs map[ColID]scanDef
	// noSlices is an expression whose subscripts are known to hold no slice of an array.
	noSlices ast.Expr
	// records are the columns of records by the column that holds them.
	records map[ColID][]Col
}

const maxDepth = 2000

func newBuilder(ctx context.Context, env *Env, paramTypes []sqltype.OID) *builder {
	b := &builder{env: env, scanDefs: map[ColID]scanDef{}, records: map[ColID][]Col{}, resolver: bindResolver(ctx, env.Resolver)}
	for _, oid := range paramTypes {
		t := sqltype.Type{}
		if oid != sqltype.Invalid && oid != sqltype.Unknown {
			t = sqltype.Of(oid)
		}
		b.params = append(b.params, t)
		b.paramPos = append(b.paramPos, 0)
	}
	return b
}

func (b *builder) newCol(name string, t sqltype.Type) Col {
	b.lastCol++
	return Col{ID: b.lastCol, Name: name, Type: t}
}

func (b *builder) strict() bool { return b.env.Strict || b.strictNames }

// warn adds a WARNING once for each place.
func (b *builder) warn(code string, pos int, hint, format string, args ...any) {
	if b.inView > 0 {
		return
	}
	n := sqlerr.Notice("WARNING", code, format, args...).At(pos)
	if hint != "" {
		n = n.WithHint("%s", hint)
	}
	for _, o := range b.notices {
		if o.Position == n.Position && o.Message == n.Message {
			return
		}
	}
	b.notices = append(b.notices, n)
}

func (b *builder) depend(t *catalog.Table) {
	d := catalog.Dep{OID: t.OID, Version: t.Version, Implied: b.inChildren > 0}
	if d.OID != 0 && !slices.Contains(b.deps, d) {
		b.deps = append(b.deps, d)
	}
	for i := range t.Columns {
		if oid := t.Columns[i].Type.OID; oid.Involves() {
			b.dependType(oid)
		}
	}
}

// enter counts nesting, so that no statement can exhaust the stack.
func (b *builder) enter(pos int) error {
	if b.depth++; b.depth > maxDepth {
		return sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded").At(pos)
	}
	return nil
}

func (b *builder) leave() { b.depth-- }

// settleUnknown makes text of result columns that stayed literals without type.
func (b *builder) settleUnknown(n Node) (Node, error) {
	cols := n.Cols()
	if !slices.ContainsFunc(cols, func(c Col) bool { return c.Type.OID == sqltype.Unknown }) {
		return n, nil
	}
	types := make([]sqltype.Type, len(cols))
	for i, c := range cols {
		types[i] = c.Type
		if c.Type.OID == sqltype.Unknown {
			types[i] = textType
		}
	}
	return b.castColumns(n, types, assignmentNone)
}

// fixParams gives every parameter the type that was found for it.
func (b *builder) fixParams(n Node) Node {
	if len(b.params) == 0 {
		return n
	}
	mapNode(n, func(e Expr) Expr {
		if p, ok := e.(*Param); ok && p.T.OID == sqltype.Unknown {
			return &Param{N: p.N, T: b.params[p.N-1], P: p.P}
		}
		return e
	})
	return n
}

// boundResolver is the catalog within one call of Build.
type boundResolver struct {
	table   func(schema, name string, quoted bool) (*catalog.Table, bool, error)
	near    func(name string) []string
	refresh func(t *catalog.Table) (*catalog.Table, error)
	typed   func(schema, name string) (sqltype.OID, error)
	domain  func(oid sqltype.OID) (*catalog.Domain, error)
	within  func(view *catalog.Table) boundResolver
	foreign func(t *catalog.Table) (out, in []catalog.Reference, err error)
}

func bindResolver(ctx context.Context, r catalog.Resolver) boundResolver {
	return boundResolver{
		table: func(schema, name string, quoted bool) (*catalog.Table, bool, error) {
			return r.Table(ctx, schema, name, quoted)
		},
		near:    func(name string) []string { return r.Near(ctx, name) },
		refresh: func(t *catalog.Table) (*catalog.Table, error) { return r.Refresh(ctx, t) },
		typed:   func(schema, name string) (sqltype.OID, error) { return r.TypeNamed(ctx, schema, name) },
		domain:  func(oid sqltype.OID) (*catalog.Domain, error) { return r.DomainOf(ctx, oid) },
		within:  func(view *catalog.Table) boundResolver { return bindResolver(ctx, r.Within(view)) },
		foreign: func(t *catalog.Table) (out, in []catalog.Reference, err error) { return r.References(ctx, t) },
	}
}
