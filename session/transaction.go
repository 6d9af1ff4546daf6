package session

import (
	"context"
	"errors"
	"time"

	"weir/mongoerr"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/store"
)

// transaction is the state of the block, or of the statements that share one
// implicitly. The store's transaction begins when it is needed: at the first
// write, or at the first read if the isolation level asks for one snapshot.
type transaction struct {
	status     byte // I, T, E
	start      time.Time
	statement  time.Time // when the current one began
	store      store.Tx
	broken     bool // an operation inside failed: the store has ended it
	defined    bool // a statement changed the catalog since the store's transaction began
	writes     int  // statements that wrote
	readOnly   bool
	isolation  string
	savepoints []savepoint
	log        writeLog        // of a block, for ROLLBACK TO
	onCommit   []func()        // LISTEN, NOTIFY
	undo       []ast.Statement // takes away what the block made
	notified   map[[2]string]bool
	locks      []heldLock // advisory ones
	rows       []heldRow  // those of rows, in the order they were taken
	deferred   deferral
}

func (t *transaction) startStatement(now time.Time) {
	t.statement = now
	if t.start.IsZero() {
		t.start = now
	}
}

// noteFailure notices an error that ended the store's transaction too.
func (t *transaction) noteFailure(err error) {
	var m *mongoerr.Error
	if t.store != nil && (errors.As(err, &m) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		t.broken = true
	}
}

func (t *transaction) snapshot() bool {
	return t.isolation == "repeatable read" || t.isolation == "serializable"
}

// queryer gives what a statement runs on. last tells that nothing after it
// shares an implicit transaction.
func (s *Session) queryer(ctx context.Context, write, last bool) (store.Queryer, error) {
	return s.queryerFor(ctx, write, false, last)
}

// queryerFor is queryer for statements that may lock what they read: in a block
// they begin the store's transaction, which others' changes then conflict with.
func (s *Session) queryerFor(ctx context.Context, write, locks, last bool) (store.Queryer, error) {
	t := &s.tx
	if write {
		t.writes++
	}
	if err := s.renew(ctx); err != nil {
		return nil, err
	}
	switch {
	case t.store != nil:
		return t.store, nil
	case t.status == 'I' && (!write || last):
		return s.access.Store, nil
	case t.status != 'I' && !write && !locks && !t.snapshot():
		return s.access.Store, nil
	}
	if !s.access.Store.Capabilities().Transactions {
		return s.withoutTransactions(write)
	}
	tx, err := s.access.Store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	t.store, t.broken, t.defined = &loggingTx{tx, &t.log}, false, false
	return t.store, nil
}

// withoutTransactions is for a server that has none: reads are as they are,
// writes are refused where a rollback could be asked for.
func (s *Session) withoutTransactions(write bool) (store.Queryer, error) {
	if write && s.tx.status != 'I' {
		return nil, sqlerr.Unsupported(0, "Run it outside of BEGIN and COMMIT, or make the MongoDB server a replica set.",
			"this MongoDB server has no transactions")
	}
	return s.access.Store, nil
}

// writable refuses writes in a read-only transaction.
func (s *Session) writable(command string) error {
	readOnly := s.tx.readOnly
	if s.tx.status == 'I' {
		readOnly = s.set.on("default_transaction_read_only") || s.set.on("transaction_read_only")
	}
	if readOnly {
		return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute %s in a read-only transaction", command)
	}
	return nil
}

// outside refuses what cannot run in a transaction block.
func (s *Session) outside(command string) error {
	if s.tx.status != 'I' {
		return sqlerr.New(sqlerr.ActiveSQLTransaction, "%s cannot run inside a transaction block", command)
	}
	return nil
}

// commitImplicit ends what statements outside of a block shared.
func (s *Session) commitImplicit(ctx context.Context) error {
	err := s.checkDeferred(ctx, nil)
	if err == nil {
		err = s.holdCursors(ctx)
	}
	if err != nil {
		s.rollbackAll(ctx)
		return err
	}
	s.closePortals(false)
	if s.tx.store != nil {
		err = s.tx.store.Commit(ctx)
	}
	s.finish(err == nil)
	return err
}

// finish clears the transaction; its settings and notifications take effect or
// are taken back.
func (s *Session) finish(committed bool) {
	run := s.tx.onCommit
	wrote := s.tx.writes > 0
	s.unlock(&s.tx.locks)
	s.h.rows.release(s, s.tx.rows)
	s.tx = transaction{status: 'I'}
	s.endTemporary(committed, wrote)
	if !committed {
		s.set.rollback(0)
		return
	}
	s.set.commit()
	for _, f := range run {
		f()
	}
}

// abortStore ends the store's transaction without keeping anything.
func (s *Session) abortStore(ctx context.Context) {
	if s.tx.store != nil {
		if err := s.tx.store.Abort(context.WithoutCancel(ctx)); err != nil {
			s.h.opts.Logger.Debug("abort a transaction", "error", err)
		}
		s.tx.store = nil
		s.tx.broken = true
	}
}

func (s *Session) rollbackAll(ctx context.Context) {
	s.abortStore(ctx)
	made := s.tx.undo
	s.finish(false)
	s.undo(ctx, made)
}

func (s *Session) beginBlock(stmt *ast.Begin) (string, error) {
	tag := "BEGIN"
	if stmt.Start {
		tag = "START TRANSACTION"
	}
	if s.tx.status == 'T' {
		s.warn(sqlerr.ActiveSQLTransaction, "there is already a transaction in progress")
	} else {
		// What came before in the same batch belongs to the block.
		s.tx.status = 'T'
		s.tx.start = s.tx.statement
		s.tx.isolation = s.set.value("default_transaction_isolation")
		s.tx.readOnly = s.set.on("default_transaction_read_only")
		s.showModes()
	}
	return tag, s.setModes(stmt.Modes)
}

// showModes makes SHOW transaction_isolation and the like tell the block's modes.
func (s *Session) showModes() {
	s.set.put("transaction_isolation", s.tx.isolation, true, true)
	s.set.put("transaction_read_only", onOff(s.tx.readOnly), true, true)
}

func (s *Session) setModes(m ast.TransactionModes) error {
	if m.Isolation != "" && m.Isolation != s.tx.isolation {
		if s.tx.store != nil {
			return sqlerr.New(sqlerr.ActiveSQLTransaction, "SET TRANSACTION ISOLATION LEVEL must be called before any query")
		}
		s.tx.isolation = m.Isolation
	}
	if m.ReadOnly != nil {
		if !*m.ReadOnly && s.tx.readOnly && s.tx.store != nil {
			return sqlerr.New(sqlerr.ActiveSQLTransaction, "transaction read-write mode must be set before any query")
		}
		s.tx.readOnly = *m.ReadOnly
	}
	s.showModes()
	return nil
}

func (s *Session) commitBlock(ctx context.Context, stmt *ast.Commit) (string, error) {
	switch s.tx.status {
	case 'I':
		return "COMMIT", s.noBlock(stmt.Chain, "COMMIT AND CHAIN")
	case 'E':
		s.closePortals(false)
		modes := s.tx
		s.rollbackAll(ctx)
		s.chain(stmt.Chain, modes)
		return "ROLLBACK", nil
	}
	if err := s.checkDeferred(ctx, nil); err != nil {
		s.closePortals(false)
		s.rollbackAll(ctx)
		return "", err
	}
	if err := s.holdCursors(ctx); err != nil {
		return "", err
	}
	modes := s.tx
	s.closePortals(false)
	var err error
	if s.tx.store != nil {
		err = s.tx.store.Commit(ctx)
	}
	if err != nil {
		made := s.tx.undo
		s.finish(false)
		s.undo(ctx, made)
		return "", err
	}
	s.finish(true)
	s.chain(stmt.Chain, modes)
	return "COMMIT", nil
}

func (s *Session) rollbackBlock(ctx context.Context, stmt *ast.Rollback) (string, error) {
	if s.tx.status == 'I' {
		return "ROLLBACK", s.noBlock(stmt.Chain, "ROLLBACK AND CHAIN")
	}
	modes := s.tx
	s.closePortals(false)
	s.rollbackAll(ctx)
	s.chain(stmt.Chain, modes)
	return "ROLLBACK", nil
}

func (s *Session) noBlock(chain bool, command string) error {
	if chain {
		return sqlerr.New(sqlerr.NoActiveSQLTransaction, "%s can only be used in transaction blocks", command)
	}
	s.warn(sqlerr.NoActiveSQLTransaction, "there is no transaction in progress")
	return nil
}

// chain begins a new block with the modes of the last.
func (s *Session) chain(chain bool, last transaction) {
	if !chain {
		return
	}
	s.tx = transaction{status: 'T', isolation: last.isolation, readOnly: last.readOnly, start: s.h.opts.Now(), statement: s.h.opts.Now()}
	s.showModes()
}

// setTransaction is SET TRANSACTION and SET SESSION CHARACTERISTICS.
func (s *Session) setTransaction(stmt *ast.SetTransaction) (string, error) {
	switch {
	case stmt.Snapshot != "":
		return "", sqlerr.Unsupported(0, "Read through one connection: pg_dump without --jobs, or with --no-synchronized-snapshots.", "importing snapshots is not supported")
	case stmt.Session:
		if m := stmt.Modes; m.Isolation != "" {
			s.set.put("default_transaction_isolation", m.Isolation, true, false)
		}
		if m := stmt.Modes; m.ReadOnly != nil {
			s.set.put("default_transaction_read_only", onOff(*m.ReadOnly), true, false)
		}
	case s.tx.status == 'I':
		s.warn(sqlerr.NoActiveSQLTransaction, "SET TRANSACTION can only be used in transaction blocks")
		if m := stmt.Modes; m.ReadOnly != nil {
			// Statements that follow in the same batch are bound by it.
			s.set.put("transaction_read_only", onOff(*m.ReadOnly), true, true)
		}
	default:
		return "SET", s.setModes(stmt.Modes)
	}
	return "SET", nil
}
