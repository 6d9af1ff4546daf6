package ast

// Begin is BEGIN [WORK | TRANSACTION] [mode, …] | START TRANSACTION [mode, …]
type Begin struct {
	Stmt
	Start bool
	Modes TransactionModes
}

// TransactionModes are ISOLATION LEVEL …, READ ONLY | READ WRITE, [NOT] DEFERRABLE
type TransactionModes struct {
	Isolation  string // "", "read uncommitted", "read committed", "repeatable read", "serializable"
	ReadOnly   *bool
	Deferrable *bool
}

// Commit is COMMIT | END [WORK | TRANSACTION] [AND [NO] CHAIN]
type Commit struct {
	Stmt
	Chain bool
}

// Rollback is ROLLBACK | ABORT [WORK | TRANSACTION] [AND [NO] CHAIN]
type Rollback struct {
	Stmt
	Chain bool
}

// Savepoint is SAVEPOINT name
type Savepoint struct {
	Stmt
	Name Ident
}

// Release is RELEASE [SAVEPOINT] name
type Release struct {
	Stmt
	Name Ident
}

// RollbackTo is ROLLBACK [WORK | TRANSACTION] TO [SAVEPOINT] name
type RollbackTo struct {
	Stmt
	Name Ident
}

// SetTransaction is SET TRANSACTION mode, … | SET TRANSACTION SNAPSHOT 'id' | SET SESSION CHARACTERISTICS AS TRANSACTION mode, …
type SetTransaction struct {
	Stmt
	Session  bool
	Modes    TransactionModes
	Snapshot string
}

// PrepareTransaction is PREPARE TRANSACTION 'id' | COMMIT PREPARED 'id' | ROLLBACK PREPARED 'id'
type PrepareTransaction struct {
	Stmt
	Command string // "PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED"
	ID      string
}

// LockTable is LOCK [TABLE] name, … [IN mode MODE] [NOWAIT]
type LockTable struct {
	Stmt
	Tables []*TableRef
	Mode   string // upper case: "ACCESS EXCLUSIVE"
	NoWait bool
}

// SetConstraints is SET CONSTRAINTS ALL | name, … DEFERRED | IMMEDIATE
type SetConstraints struct {
	Stmt
	Names    []*Name // nil: ALL
	Deferred bool
}

func (n *LockTable) children(visit func(Node)) {
	visitAll(visit, n.Tables)
}

func (n *SetConstraints) children(visit func(Node)) {
	visitAll(visit, n.Names)
}
