package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// operation is a command that is running: what currentOp shows and killOp stops.
type operation struct {
	id      int64
	r       *request
	started time.Time
	stop    context.CancelFunc
	killed  bool // guarded by the table
}

// operationTable holds the running commands of network clients.
type operationTable struct {
	mu      sync.Mutex
	last    int64
	running map[int64]*operation
}

// begin registers a command. The context that it gives ends with the command
// or when somebody kills it.
func (t *operationTable) begin(ctx context.Context, r *request, now time.Time) (context.Context, *operation) {
	ctx, stop := context.WithCancel(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	op := &operation{id: t.last, r: r, started: now, stop: stop}
	if t.running == nil {
		t.running = map[int64]*operation{}
	}
	t.running[op.id] = op
	return ctx, op
}

func (t *operationTable) end(op *operation) {
	t.mu.Lock()
	delete(t.running, op.id)
	t.mu.Unlock()
	op.stop()
}

// kill stops the operations that f picks.
func (t *operationTable) kill(f func(*operation) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, op := range t.running {
		if f(op) {
			op.killed = true
			op.stop()
		}
	}
}

// killSession stops what runs in a session, but not the command that asks for it.
func (t *operationTable) killSession(id string, asking *request) {
	t.kill(func(op *operation) bool { return op.r != asking && len(op.r.lsid) > 0 && string(op.r.lsid) == id })
}

// list describes the running operations, the oldest first.
func (t *operationTable) list(now time.Time) []bson.Raw {
	t.mu.Lock()
	defer t.mu.Unlock()
	ops := make([]*operation, 0, len(t.running))
	for _, op := range t.running {
		ops = append(ops, op)
	}
	slices.SortFunc(ops, func(a, b *operation) int { return cmp.Compare(a.id, b.id) })
	docs := make([]bson.Raw, len(ops))
	for i, op := range ops {
		docs[i] = op.describe(now)
	}
	return docs
}

// describe is an operation as currentOp shows it; the caller holds the table's lock.
func (op *operation) describe(now time.Time) bson.Raw {
	r := op.r
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "type", value.String("op"))
	d = value.AppendElement(d, "host", value.String(r.e.host()))
	d = r.s.appendClient(d)
	d = value.AppendElement(d, "active", value.Bool(true))
	d = value.AppendElement(d, "currentOpTime", value.String(now.UTC().Format("2006-01-02T15:04:05.000Z07:00")))
	d = value.AppendElement(d, "opid", value.Int64(op.id))
	if op.killed {
		d = value.AppendElement(d, "killPending", value.Bool(true))
	}
	running := now.Sub(op.started)
	d = value.AppendElement(d, "secs_running", value.Int64(int64(running/time.Second)))
	d = value.AppendElement(d, "microsecs_running", value.Int64(running.Microseconds()))
	d = value.AppendElement(d, "op", value.String(opKind(r.name)))
	d = value.AppendElement(d, "ns", value.String(r.operationNS()))
	if r.lsid != nil {
		d = value.AppendElement(d, "lsid", value.Document(lsidDocument(r.lsid)))
	}
	d = value.AppendElement(d, "command", value.Document(r.shown()))
	d = value.AppendElement(d, "numYields", value.Int32(0))
	d = value.AppendElement(d, "waitingForLock", value.Bool(false))
	return value.EndDocument(d, start)
}

// appendClient appends the fields that tell which connection it is.
func (s *Session) appendClient(d []byte) []byte {
	d = value.AppendElement(d, "desc", value.String(fmt.Sprintf("conn%d", s.ID)))
	d = value.AppendElement(d, "connectionId", value.Int64(s.ID))
	d = value.AppendElement(d, "client", value.String(s.Remote))
	if s.appName != "" {
		d = value.AppendElement(d, "appName", value.String(s.appName))
	}
	return d
}

func opKind(command string) string {
	switch command {
	case "insert", "update":
		return command
	case "delete":
		return "remove"
	case "find":
		return "query"
	case "getMore":
		return "getmore"
	}
	return "command"
}

func (r *request) operationNS() string {
	switch {
	case r.name == "getMore":
		return r.db + "." + value.Lookup(r.cmd, "collection").Str()
	case r.arg.IsString() && r.arg.Str() != "" && !strings.HasPrefix(r.name, "sasl"):
		return r.db + "." + r.arg.Str()
	case r.name == "aggregate":
		return r.db + ".$cmd.aggregate"
	}
	return r.db + ".$cmd"
}

// maxShownCommand bounds the bytes of a command in currentOp.
const maxShownCommand = 1 << 20

// shown is the command without secrets and cut when it is large.
func (r *request) shown() bson.Raw {
	switch r.name {
	case "saslStart", "saslContinue", "createUser", "updateUser", "authenticate":
		return stageDoc(r.name, value.String("xxx"))
	}
	if len(r.cmd) > maxShownCommand {
		return stageDoc("$truncated", value.String(r.name))
	}
	return r.cmd
}
