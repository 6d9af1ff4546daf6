package engine

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"weir/engine/agg"
	"weir/engine/expr"
)

// Options of Open. The zero value works.
type Options struct {
	Logger *slog.Logger     // nil: discard
	Now    func() time.Time // nil: time.Now
	// FS replaces the file system, for tests of its failures.
	FS        vfs.FS
	CacheSize int64 // bytes of block cache; 0: 256 MiB
	OplogSize int64 // bytes of change history; 0: 1 GiB
	// TTLInterval is how often expired documents are looked for; 0: 60 s,
	// negative: only when SweepExpired is called.
	TTLInterval         time.Duration
	TransactionLifetime time.Duration // 0: 60 s
	CursorTimeout       time.Duration // 0: 10 min
	SessionTimeout      time.Duration // 0: 30 min
	TempDir             string        // for sorts and groups that spill
	// Library and Stages are local-only operators and stages, for pipelines
	// that run in process.
	Library *expr.Library
	Stages  map[string]agg.StageFactory
	// Auth demands a login of network clients. Without it users can be made and
	// log in, but nobody has to.
	Auth bool
	// TestCommands allows configureFailPoint.
	TestCommands bool
	// InternalDatabases are what the host of the engine keeps for itself. They have
	// no change streams, as admin, config and local have none, and the changes of
	// their documents are not in the oplog, which spares a second copy of each.
	InternalDatabases []string
	// CountedNotes is after how many notes the entries of a counted index are written;
	// 0: 4096.
	CountedNotes int
	// Host is the address that hello names; opmsg sets it to the listener's.
	Host string
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	setDefault(&o.OplogSize, 1<<30)
	setDefault(&o.CountedNotes, 4096)
	setDefault(&o.TTLInterval, time.Minute)
	setDefault(&o.TransactionLifetime, time.Minute)
	setDefault(&o.CursorTimeout, 10*time.Minute)
	setDefault(&o.SessionTimeout, 30*time.Minute)
	setDefault(&o.Host, "127.0.0.1:27017")
	return o
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
