// Package executor runs bound programs: it opens the pipelines in the store,
// runs their local part with the engine's pipeline executor, works WITH queries
// and subqueries that come first, and does the writes of statements.
//
// It translates nothing and knows no wire protocol: rows come out as raw BSON.
// Start with Run.
package executor

import (
	"context"
	"io"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/agg"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/store"
	"weir/translator"
)

// DefaultMemoryLimit bounds what a statement keeps here where it cannot go to
// disk, in bytes.
const DefaultMemoryLimit = 512 << 20

// DefaultWorkMemory is how much of the rows of one source of a join, one WITH
// query, one sort or one table of hashes is kept in memory, in bytes; more goes
// to temporary files.
const DefaultWorkMemory = 100 << 20

// Stores is what programs run against.
type Stores struct {
	// Main reads and writes: the store, or the session's transaction.
	Main store.Queryer
	// Begin starts a transaction for one statement; nil inside of one, and where
	// the store has none.
	Begin   func(ctx context.Context) (store.Tx, error)
	Session sqlfunc.Session
	// Keys keeps foreign keys; nil: they are not kept.
	Keys KeySession
	// Catalog is the session as virtual relations see it.
	Catalog catalog.Session
	// HoldFine marks columns of a declared table, before the first rows with
	// microseconds of them are written.
	HoldFine func(ctx context.Context, ns store.Namespace, columns []string) error
	// Copy tells that the rows are a COPY's; nil: they are not.
	Copy *Copying
	// ReadOnly refuses writes (25006).
	ReadOnly    bool
	MemoryLimit int64 // 0: DefaultMemoryLimit
	WorkMemory  int64 // 0: DefaultWorkMemory
	// TempDir is where rows go that are too many for memory, "": the system's.
	TempDir string
}

// Copying is rows of a COPY: they are tested one by one, but written many at once.
type Copying struct {
	Failed error // what is wrong with the row behind them; they are tested, not written
}

// Rows are the rows of a result, or the outcome of a write.
type Rows struct {
	exec     *execution
	ahead    []bson.Raw   // rows that were read before they were asked for
	cur      store.Cursor // nil: no rows
	kind     string
	affected int64
	done     bool
}

// Run starts a bound program. Writes are done when it returns; rows of queries
// are pulled by Next.
func Run(ctx context.Context, st *Stores, b *translator.Bound) (*Rows, error) {
	e := newExecution(st, b)
	rows, err := e.run(ctx)
	if err == nil {
		if err = rows.readAhead(ctx); err == nil {
			return rows, nil
		}
		_ = rows.Close()
	} else {
		e.abort(ctx)
		e.release()
	}
	if exact := e.exactly(ctx, err); exact != nil {
		return Run(ctx, st, exact)
	}
	return nil, translator.MapError(err)
}

// Next gives the next row, valid until the following call; io.EOF ends.
func (r *Rows) Next(ctx context.Context) (bson.Raw, error) {
	if r.cur == nil || r.done {
		return nil, io.EOF
	}
	doc, err := r.next(ctx)
	switch {
	case err == io.EOF:
		r.done = true
		return nil, io.EOF
	case err != nil:
		r.done = true
		return nil, translator.MapError(err)
	}
	if r.kind == "SELECT" {
		r.affected++
	}
	return doc, nil
}

func (r *Rows) next(ctx context.Context) (bson.Raw, error) {
	if len(r.ahead) == 0 {
		return r.cur.Next(ctx)
	}
	doc := r.ahead[0]
	r.ahead = r.ahead[1:]
	return doc, nil
}

// Close ends the pipelines. It may be called more than once.
func (r *Rows) Close() error {
	r.done = true
	var err error
	if r.cur != nil {
		err = r.cur.Close()
		r.cur = nil
	}
	r.exec.release()
	return err
}

// Affected is the command of the tag and its number: rows read so far, or written.
func (r *Rows) Affected() (kind string, n int64) { return r.kind, r.affected }

// execution is one run of a program.
type execution struct {
	st    *Stores
	b     *translator.Bound
	prog  *translator.Program
	q     store.Queryer
	tx    store.Tx
	env   *agg.Env
	fine  []string // columns to mark before the next write
	wrote bool     // something was sent to be written

	fetched map[string]*agg.Spool // Fetches and WITH queries by name
	sides   map[string]*joinSide  // sides of joins of which not all rows were needed yet
	sought  map[string]int64      // rows that system relations have made for look-ups
	working map[string]*agg.Spool
	// touched tells that a working table was read since it was last cleared.
	touched bool

	parts   bool            // WITH queries write, too: writes wait
	staged  []staged        // those that wait
	changed map[string]bool // rows that the statement has changed

	keys   *keyQueue // what foreign keys ask for when the statement is done
	nested bool      // the statement is one of those
}

func newExecution(st *Stores, b *translator.Bound) *execution {
	e := &execution{st: st, b: b, prog: b.Program, q: st.Main}
	return e
}

// environment is made when something runs locally: point queries need none.
func (e *execution) environment(ns store.Namespace) *agg.Env {
	if e.env == nil {
		e.env = &agg.Env{Library: e.prog.Library(), Stages: translator.Stages(), Collections: e.source,
			Now: e.b.Now, AllowDiskUse: true, MemoryLimit: e.memory(), TempDir: e.st.TempDir}
		if e.st.Session != nil {
			e.env.Session = e.st.Session
		}
	}
	if ns.DB != "" && e.env.NS != ns {
		env := *e.env
		env.NS = ns
		return &env
	}
	return e.env
}

func (e *execution) run(ctx context.Context) (*Rows, error) {
	if err := e.begin(ctx); err != nil {
		return nil, err
	}
	if err := e.initPlans(ctx); err != nil {
		return nil, err
	}
	rows, err := e.query(ctx, &e.prog.Query)
	if err != nil {
		return nil, err
	}
	if e.parts {
		if rows, err = e.otherParts(ctx, rows); err != nil {
			return nil, err
		}
	}
	if !e.nested {
		if err := e.settleKeys(ctx); err != nil {
			return nil, err
		}
	}
	if e.tx != nil {
		if rows, err = e.keep(ctx, rows); err != nil {
			return nil, err
		}
		if err := e.tx.Commit(ctx); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// initPlans runs the subqueries that come first. They may give what needs
// another program, which begins with them again.
func (e *execution) initPlans(ctx context.Context) error {
	for _, p := range e.prog.InitPlans() {
		if err := e.initPlan(ctx, p); err != nil {
			return err
		}
	}
	if len(e.prog.InitPlans()) == 0 {
		return nil
	}
	b, err := e.b.Again(ctx)
	if b == nil || err != nil {
		return err
	}
	e.release()
	e.b, e.prog, e.env = b, b.Program, nil
	e.fetched, e.sides, e.sought, e.working = nil, nil, nil, nil
	e.staged, e.changed = nil, nil
	if !e.nested {
		e.keys = nil
	}
	return e.initPlans(ctx)
}

// otherParts reads the rows of the statement, runs the WITH queries that write and
// whose rows nobody asked for, the last first as PostgreSQL does, and writes.
func (e *execution) otherParts(ctx context.Context, rows *Rows) (*Rows, error) {
	rows, err := e.keep(ctx, rows)
	if err != nil {
		return nil, err
	}
	for _, w := range slices.Backward(e.prog.With) {
		if w.Write != nil {
			if _, err := e.with(ctx, w); err != nil {
				return nil, err
			}
		}
	}
	return rows, e.flush(ctx)
}

// keep reads all rows before the transaction ends.
func (e *execution) keep(ctx context.Context, r *Rows) (*Rows, error) {
	if r.cur == nil {
		return r, nil
	}
	docs, err := drain(ctx, r.cur, e.limit())
	if err != nil {
		return nil, err
	}
	r.cur = agg.Documents(docs)
	return r, nil
}

// begin starts a transaction if the statement writes in more than one operation.
func (e *execution) begin(ctx context.Context) error {
	writes := e.prog.Write != nil
	one := writes && single(e.prog.Write)
	for _, w := range e.prog.With {
		if w.Write != nil {
			writes, one, e.parts = true, false, true
		}
	}
	if !writes {
		return nil
	}
	if e.st.ReadOnly {
		return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute %s in a read-only transaction", writeName(e.prog))
	}
	if one || e.st.Begin == nil {
		return nil
	}
	tx, err := e.st.Begin(ctx)
	if err != nil {
		return err
	}
	e.tx, e.q = tx, tx
	return nil
}

func writeName(p *translator.Program) string {
	if p.Write != nil {
		return writeKinds[p.Write.Kind]
	}
	return "WITH"
}

var writeKinds = map[translator.WriteKind]string{
	translator.InsertRows: "INSERT", translator.UpdateRows: "UPDATE", translator.DeleteRows: "DELETE", translator.MergeRows: "MERGE",
}

// single tells whether a write is one operation on one document, which is
// atomic by itself.
func single(w *translator.Write) bool {
	return w.Direct != nil && w.Direct.Single
}

func (e *execution) abort(ctx context.Context) {
	if e.tx != nil {
		_ = e.tx.Abort(context.WithoutCancel(ctx))
	}
}

// release gives back the files of kept rows.
func (e *execution) release() {
	for _, r := range e.fetched {
		r.Close()
	}
}

func (e *execution) memory() int64 {
	if e.st.WorkMemory > 0 {
		return e.st.WorkMemory
	}
	return DefaultWorkMemory
}

func (e *execution) limit() int64 {
	if e.st.MemoryLimit > 0 {
		return e.st.MemoryLimit
	}
	return DefaultMemoryLimit
}

func (e *execution) query(ctx context.Context, q *translator.Query) (*Rows, error) {
	if q.Write != nil {
		return e.write(ctx, q)
	}
	cur, err := e.open(ctx, q.Root)
	if err != nil {
		return nil, err
	}
	return &Rows{exec: e, cur: cur, kind: "SELECT"}, nil
}
