package session

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/xdg-go/scram"

	"weir/catalog"
	"weir/engine/expr"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/store"
	"weir/wire"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Deps are what sessions work with.
type Deps struct {
	Store     store.Store
	Catalog   *catalog.Catalog
	Functions *sqlfunc.Table
	Library   *expr.Library
	Events    EventStatements // nil: event statements are refused
	Broker    *Broker         // nil: one of its own
}

// Options of a Handler; the zero value works.
type Options struct {
	// Version is shown in server_version and version(): "15.0 (Weir Version)".
	Version string
	// Settings are defaults of parameters that differ from PostgreSQL's.
	Settings map[string]string
	// Credentials looks up what a user's password is checked against; nil lets
	// everybody in.
	Credentials func(ctx context.Context, user, database string) (*scram.StoredCredentials, error)
	// Authorize tells what a user may do once the password was right; its error
	// ends the connection. nil: everything.
	Authorize func(ctx context.Context, user, database string) (Access, error)
	// HasRole tells whether there is a user who can log in to a database, or to
	// another one. nil: every name may be somebody's.
	HasRole func(ctx context.Context, user, database string) (bool, error)
	// Owner names this gateway in the names of temporary databases, so that
	// others can tell whose they are when it has crashed.
	Owner string
	// TempDir is where rows go that are too many for memory, "": the system's.
	TempDir string
	Logger  *slog.Logger
	Now     func() time.Time
}

// EventStatements runs the statements about event subscriptions.
type EventStatements interface {
	// Describe gives the columns of the rows that a statement gives, nil: none.
	Describe(ctx context.Context, stmt ast.Statement, env catalog.Session) ([]catalog.Column, error)
	// Exec runs a statement. Rows are documents by the described columns' paths.
	Exec(ctx context.Context, stmt ast.Statement, env catalog.Session) (rows []bson.Raw, tag string, notices []*sqlerr.Error, err error)
	// Subscribe opens the live rows of SUBSCRIBE. next gives nil when no row
	// came within wait, and io.EOF at the end of AS OF … UP TO.
	Subscribe(ctx context.Context, stmt *ast.Subscribe, env catalog.Session) (
		next func(ctx context.Context, wait time.Duration) (bson.Raw, error), stop func(), err error)
	// Explain tells in lines what Subscribe would do, or refuses what it would.
	Explain(ctx context.Context, stmt *ast.Subscribe, env catalog.Session) ([]string, error)
}

// The PostgreSQL version that is spoken.
const (
	pgVersion    = "15.0"
	pgVersionNum = "150000"
)

// Handler makes sessions.
type Handler struct {
	deps     Deps
	opts     Options
	params   parameters
	backends *Backends
	locks    *locks
	rows     *rowLocks
	started  time.Time
}

var _ wire.Handler = (*Handler)(nil)

// New makes a handler.
func New(d Deps, o Options) *Handler {
	if o.Version == "" {
		o.Version = "0"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if d.Broker == nil {
		d.Broker = NewBroker()
	}
	defaults := map[string]string{
		"server_version":     pgVersion + " (Weir " + o.Version + ")",
		"server_version_num": pgVersionNum,
	}
	for k, v := range o.Settings {
		defaults[k] = v
	}
	return &Handler{deps: d, opts: o, params: newParameters(defaults), backends: newBackends(), locks: newLocks(), rows: newRowLocks(), started: o.Now()}
}

// Backends gives the sessions that are open.
func (h *Handler) Backends() *Backends { return h.backends }

// Credentials implements wire.Handler.
func (h *Handler) Credentials(ctx context.Context, st *wire.Startup) (*scram.StoredCredentials, error) {
	if h.opts.Credentials == nil {
		return nil, nil
	}
	return h.opts.Credentials(ctx, st.User, st.Database)
}

// NewSession implements wire.Handler.
func (h *Handler) NewSession(ctx context.Context, st *wire.Startup) (wire.Session, error) {
	s, err := h.open(ctx, st)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (h *Handler) open(ctx context.Context, st *wire.Startup) (*Session, error) {
	if err := checkDatabase(st.Database); err != nil {
		return nil, err
	}
	access := Access{Store: h.deps.Store}
	if h.opts.Authorize != nil {
		var err error
		if access, err = h.opts.Authorize(ctx, st.User, st.Database); err != nil {
			return nil, err
		}
	}
	s := &Session{
		h: h, start: st, access: access, set: newSettings(h.params), opened: h.opts.Now(),
		statements: map[string]*prepared{}, portals: map[string]*portal{},
		listening: map[string]bool{}, mail: &mailbox{wake: st.Control.Wake},
		plans: newPlanCache(),
	}
	s.tx.status = 'I'
	s.set.reset["session_authorization"] = st.User
	for _, p := range st.Settings {
		if err := s.set.start(p.Name, p.Value); err != nil {
			return nil, err
		}
	}
	s.env = &env{s: s}
	h.backends.add(s)
	return s, nil
}

// checkDatabase refuses names that MongoDB cannot have. A database that does
// not exist comes to be with its first collection.
func checkDatabase(name string) error {
	if name == "" || len(name) > 63 || strings.ContainsAny(name, "/\\. \"$*<>:|?\x00") {
		return sqlerr.New(sqlerr.InvalidCatalogName, "database \"%s\" does not exist", name).
			WithHint("A MongoDB database name has at most 63 bytes and none of /\\. \"$*<>:|?")
	}
	return nil
}
