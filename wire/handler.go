package wire

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/xdg-go/scram"

	"weir/sqlerr"
)

// Handler makes the sessions of a server.
type Handler interface {
	// Credentials gives what a user's password is checked against by
	// SCRAM-SHA-256; nil lets the user in without a password. For a user that
	// does not exist it gives made-up credentials, so that both look alike.
	Credentials(ctx context.Context, s *Startup) (*scram.StoredCredentials, error)
	// NewSession opens a session after authentication. Its error ends the connection.
	NewSession(ctx context.Context, s *Startup) (Session, error)
}

// Parameter is a name and a value of the startup packet or a reported setting.
type Parameter struct{ Name, Value string }

// Startup is what a client said when it connected, and the connection's handle.
type Startup struct {
	User      string
	Database  string      // the user's name if none was given
	Settings  []Parameter // the others in their order; those inside "options" come first
	ProcessID uint32      // of BackendKeyData, pg_backend_pid()
	Remote    net.Addr
	TLS       *tls.ConnectionState // nil: plaintext
	Control   Control
}

// Control acts on a connection from any goroutine.
type Control interface {
	// Cancel ends the statement that runs now, if any.
	Cancel()
	// Terminate ends the connection, nil for the reason: 57P01.
	Terminate(reason *sqlerr.Error)
	// Wake makes the connection ask its session for notifications.
	Wake()
}

// Session is the state of one connection. Its methods are never called
// concurrently; a context is cancelled when the client cancels the statement.
// Errors are shown to the client as sqlerr.As makes them.
type Session interface {
	// Simple parses the text of a Query message.
	Simple(ctx context.Context, sql string) (Script, error)

	// Prepare makes a statement, "" replaces the unnamed one.
	Prepare(ctx context.Context, name, sql string, paramOIDs []uint32) error
	Statement(name string) (Statement, error)
	CloseStatement(name string)

	// Bind makes a portal of a statement, "" replaces the unnamed one. The
	// values are valid until Bind returns.
	Bind(ctx context.Context, portal string, s Statement, args Args) error
	Portal(name string) (Portal, error)
	ClosePortal(name string)

	// Fail tells that an error was sent: it aborts the transaction.
	Fail(ctx context.Context, err error)
	// EndBatch is called before each ReadyForQuery: it commits what was
	// implicit and closes the portals that end with it.
	EndBatch(ctx context.Context) error

	// TxStatus is I (idle), T (in a transaction block) or E (in a failed one).
	TxStatus() byte
	// Reports gives the settings to report that changed since the last call;
	// the first call gives all of them.
	Reports() []Parameter
	// Notices and Notifications give what came up since the last call.
	Notices() []*sqlerr.Error
	Notifications() []Notification
	Close()
}

// Notification is what NOTIFY sent.
type Notification struct {
	ProcessID        uint32
	Channel, Payload string
}

// Script is the statements of a simple Query.
type Script interface {
	// Next plans the next statement; nil ends the script.
	Next(ctx context.Context) (Portal, error)
}

// Statement is a prepared statement.
type Statement interface {
	ParamOIDs() []uint32
	// Columns describes the result; nil: the statement gives no rows.
	Columns() []Column
}

// Args are a Bind's parameters and formats. ParamFormats has an entry for each
// value, ResultFormats one for each column.
type Args struct {
	Values        [][]byte // nil: NULL
	ParamFormats  []int16
	ResultFormats []int16
}

// The formats of values.
const (
	Text   int16 = 0
	Binary int16 = 1
)

// Column is a column of a RowDescription.
type Column struct {
	Name   string
	Table  uint32 // OID, 0: not a plain column
	Attr   int16
	Type   uint32
	Len    int16
	Mod    int32
	Format int16
}

// Portal is a statement ready to run, or suspended.
type Portal interface {
	// Columns describes the rows; nil: there are none.
	Columns() []Column
	// Fetch runs the portal, or goes on with it, until max rows are written
	// (0: no limit) or it ends.
	Fetch(ctx context.Context, w *Writer, max int) (Result, error)
}

// Result is how a Fetch ended.
type Result struct {
	Suspended bool   // max rows were written; Fetch goes on
	Empty     bool   // the statement was empty
	Tag       string // CommandComplete
}
