package engine

import (
	"context"
	"os"
	"runtime"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// Version is the server version whose behaviour the engine follows.
const Version = "7.0.14"

const (
	setName        = "weir"
	maxWireVersion = 21
)

var versionArray = [...]int32{7, 0, 14, 0}

func cmdHello(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	return r.hello(ctx, dst, "isWritablePrimary")
}

func cmdIsMaster(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	return r.hello(ctx, dst, "ismaster")
}

func (r *request) hello(ctx context.Context, dst []byte, primary string) ([]byte, error) {
	if err := r.checkHello(); err != nil {
		return dst, err
	}
	host := r.e.host()
	if c := value.Lookup(r.cmd, "client"); c.IsDocument() && r.s != nil {
		if app := value.Lookup(c.Doc(), "application"); app.IsDocument() && value.Lookup(app.Doc(), "name").IsString() {
			r.s.appName = string([]byte(value.Lookup(app.Doc(), "name").Str()))
		}
	}
	if value.Lookup(r.cmd, "helloOk").Truthy() && !value.Lookup(r.cmd, "helloOk").IsMissing() {
		dst = value.AppendElement(dst, "helloOk", value.Bool(true))
	}
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "topologyVersion")
	tv, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "processId", value.ObjectID(r.e.processID))
	dst = value.AppendElement(dst, "counter", value.Int64(6))
	dst = value.EndDocument(dst, tv)
	dst = value.AppendHeader(dst, bson.TypeArray, "hosts")
	hosts, dst := value.BeginDocument(dst)
	dst = value.AppendItem(dst, 0, value.String(host))
	dst = value.EndDocument(dst, hosts)
	dst = value.AppendElement(dst, "setName", value.String(setName))
	dst = value.AppendElement(dst, "setVersion", value.Int32(1))
	dst = value.AppendElement(dst, primary, value.Bool(true))
	dst = value.AppendElement(dst, "secondary", value.Bool(false))
	dst = value.AppendElement(dst, "primary", value.String(host))
	dst = value.AppendElement(dst, "me", value.String(host))
	dst = value.AppendElement(dst, "electionId", value.ObjectID(bson.ObjectID{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1}))
	dst = r.appendLastWrite(dst)
	dst = value.AppendElement(dst, "maxBsonObjectSize", value.Int32(maxDocument))
	dst = value.AppendElement(dst, "maxMessageSizeBytes", value.Int32(48000000))
	dst = value.AppendElement(dst, "maxWriteBatchSize", value.Int32(maxWriteBatch))
	dst = value.AppendElement(dst, "localTime", value.Date(r.e.opts.Now().UnixMilli()))
	dst = value.AppendElement(dst, "logicalSessionTimeoutMinutes", value.Int32(30))
	if r.s != nil {
		dst = value.AppendElement(dst, "connectionId", value.Int32(int32(r.s.ID)))
	}
	dst = value.AppendElement(dst, "minWireVersion", value.Int32(0))
	dst = value.AppendElement(dst, "maxWireVersion", value.Int32(maxWireVersion))
	dst = value.AppendElement(dst, "readOnly", value.Bool(false))
	return r.appendHelloAuth(ctx, r.appendCompression(dst))
}

// checkHello refuses half of an awaitable hello, and a second description of
// the client.
func (r *request) checkHello() error {
	version, wait := value.Lookup(r.cmd, "topologyVersion"), value.Lookup(r.cmd, "maxAwaitTimeMS")
	switch {
	case !version.IsMissing() && wait.IsMissing():
		return mongoerr.New(31368, "A request with a 'topologyVersion' must include 'maxAwaitTimeMS'")
	case version.IsMissing() && !wait.IsMissing():
		return mongoerr.New(31368, "A request with 'maxAwaitTimeMS' must include a 'topologyVersion'")
	case !version.IsMissing() && !version.IsDocument():
		return r.wrongType("topologyVersion", version, "object")
	}
	if r.s == nil {
		return nil
	}
	if !value.Lookup(r.cmd, "client").IsMissing() && r.s.greeted && version.IsMissing() {
		return mongoerr.New(186, "The client metadata document may only be sent in the first hello")
	}
	r.s.greeted = true
	return nil
}

// appendCompression answers the compressors that both sides know.
func (r *request) appendCompression(dst []byte) []byte {
	asked := value.Lookup(r.cmd, "compression")
	if !asked.IsArray() {
		return dst
	}
	dst = value.AppendHeader(dst, bson.TypeArray, "compression")
	start, dst := value.BeginDocument(dst)
	n := 0
	for it := value.Walk(asked.Doc()); it.Next(); {
		if v := it.Value(); v.IsString() && slices.Contains([]string{"snappy", "zlib", "zstd"}, v.Str()) {
			dst = value.AppendItem(dst, n, v)
			n++
		}
	}
	return value.EndDocument(dst, start)
}

func (r *request) appendLastWrite(dst []byte) []byte {
	ts := r.e.log.Durable()
	now := r.e.opts.Now().UnixMilli()
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "lastWrite")
	start, dst := value.BeginDocument(dst)
	for _, k := range [...][2]string{{"opTime", "lastWriteDate"}, {"majorityOpTime", "majorityWriteDate"}} {
		dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, k[0])
		op, d := value.BeginDocument(dst)
		d = value.AppendElement(d, "ts", value.Timestamp(uint32(ts>>32), uint32(ts)))
		d = value.AppendElement(d, "t", value.Int64(1))
		dst = value.EndDocument(d, op)
		dst = value.AppendElement(dst, k[1], value.Date(now))
	}
	return value.EndDocument(dst, start)
}

func cmdPing(_ context.Context, _ *request, dst []byte) ([]byte, error) { return dst, nil }

func cmdBuildInfo(_ context.Context, _ *request, dst []byte) ([]byte, error) {
	dst = value.AppendElement(dst, "version", value.String(Version))
	dst = value.AppendElement(dst, "gitVersion", value.String("weir"))
	dst = value.AppendElement(dst, "modules", value.Array(emptyDoc))
	dst = value.AppendElement(dst, "allocator", value.String("go"))
	dst = value.AppendElement(dst, "javascriptEngine", value.String("none"))
	dst = value.AppendElement(dst, "sysInfo", value.String("deprecated"))
	dst = value.AppendHeader(dst, bson.TypeArray, "versionArray")
	start, dst := value.BeginDocument(dst)
	for i, n := range versionArray {
		dst = value.AppendItem(dst, i, value.Int32(n))
	}
	dst = value.EndDocument(dst, start)
	dst = value.AppendElement(dst, "bits", value.Int32(64))
	dst = value.AppendElement(dst, "debug", value.Bool(false))
	dst = value.AppendElement(dst, "maxBsonObjectSize", value.Int32(maxDocument))
	dst = value.AppendHeader(dst, bson.TypeArray, "storageEngines")
	start, dst = value.BeginDocument(dst)
	dst = value.AppendItem(dst, 0, value.String("pebble"))
	return value.EndDocument(dst, start), nil
}

func cmdServerStatus(_ context.Context, r *request, dst []byte) ([]byte, error) {
	e := r.e
	up := e.opts.Now().Sub(e.started)
	dst = value.AppendElement(dst, "host", value.String(e.host()))
	dst = value.AppendElement(dst, "version", value.String(Version))
	dst = value.AppendElement(dst, "process", value.String("weir"))
	dst = value.AppendElement(dst, "pid", value.Int64(int64(os.Getpid())))
	dst = value.AppendElement(dst, "uptime", value.Double(up.Seconds()))
	dst = value.AppendElement(dst, "uptimeMillis", value.Int64(up.Milliseconds()))
	dst = value.AppendElement(dst, "localTime", value.Date(e.opts.Now().UnixMilli()))
	dst = appendCounts(dst, "connections", "current", e.counters.connections.Load(), "totalCreated", e.counters.connectionsTotal.Load())
	dst = appendCounts(dst, "logicalSessionRecordCache", "activeSessionsCount", int64(e.sessions.len()))
	dst = appendCounts(dst, "opcounters", "insert", e.counters.insert.Load(), "query", e.counters.query.Load(),
		"update", e.counters.update.Load(), "delete", e.counters.delete.Load(), "getmore", e.counters.getmore.Load(), "command", e.counters.command.Load())
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	dst = appendCounts(dst, "mem", "resident", int64(mem.Sys>>20), "virtual", int64(mem.Sys>>20))
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "repl")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "setName", value.String(setName))
	dst = value.AppendElement(dst, "isWritablePrimary", value.Bool(true))
	dst = value.AppendElement(dst, "me", value.String(e.host()))
	dst = value.EndDocument(dst, start)
	dst = appendCounts(dst, "oplog", "bytes", int64(e.log.Size()))
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "metrics")
	start, dst = value.BeginDocument(dst)
	dst = appendCounts(dst, "abortExpiredTransactions", "passes", e.counters.expiries.Load())
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "cursor")
	cur, dst := value.BeginDocument(dst)
	dst = appendCounts(dst, "open", "total", int64(e.cursors.len()))
	dst = value.EndDocument(dst, cur)
	dst = value.EndDocument(dst, start)
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "storageEngine")
	start, dst = value.BeginDocument(dst)
	dst = value.AppendElement(dst, "name", value.String("pebble"))
	dst = value.AppendElement(dst, "persistent", value.Bool(true))
	dst = value.AppendElement(dst, "supportsCommittedReads", value.Bool(true))
	return value.EndDocument(dst, start), nil
}

// appendCounts appends a document of names and numbers.
func appendCounts(dst []byte, key string, pairs ...any) []byte {
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, key)
	start, dst := value.BeginDocument(dst)
	for i := 0; i+1 < len(pairs); i += 2 {
		dst = value.AppendElement(dst, pairs[i].(string), value.Int64(pairs[i+1].(int64)))
	}
	return value.EndDocument(dst, start)
}

func cmdHostInfo(_ context.Context, r *request, dst []byte) ([]byte, error) {
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "system")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "currentTime", value.Date(r.e.opts.Now().UnixMilli()))
	dst = value.AppendElement(dst, "hostname", value.String(r.e.host()))
	dst = value.AppendElement(dst, "cpuAddrSize", value.Int32(64))
	dst = value.AppendElement(dst, "numCores", value.Int32(int32(runtime.NumCPU())))
	dst = value.AppendElement(dst, "cpuArch", value.String(runtime.GOARCH))
	dst = value.EndDocument(dst, start)
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "os")
	start, dst = value.BeginDocument(dst)
	dst = value.AppendElement(dst, "type", value.String(runtime.GOOS))
	return value.EndDocument(dst, start), nil
}

func cmdGetCmdLineOpts(_ context.Context, _ *request, dst []byte) ([]byte, error) {
	dst = value.AppendHeader(dst, bson.TypeArray, "argv")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendItem(dst, 0, value.String("weir"))
	dst = value.EndDocument(dst, start)
	return value.AppendElement(dst, "parsed", value.Document(emptyDoc)), nil
}

// appendLogin appends who the connection is.
func (r *request) appendLogin(dst []byte) []byte {
	users, roles := emptyDoc, emptyDoc
	if r.s != nil && r.s.login != nil {
		l := r.s.login
		start, d := value.BeginDocument(nil)
		d = value.AppendElement(d, "user", value.String(l.user))
		d = value.AppendElement(d, "db", value.String(l.db))
		users = bson.Raw(value.ArrayFrom([]value.Value{value.Document(value.EndDocument(d, start))}).Doc())
		var items []value.Value
		for _, ref := range l.roles {
			start, d := value.BeginDocument(nil)
			d = value.AppendElement(d, "role", value.String(ref.role))
			d = value.AppendElement(d, "db", value.String(ref.db))
			items = append(items, value.Document(value.EndDocument(d, start)))
		}
		roles = value.ArrayFrom(items).Doc()
	}
	dst = value.AppendElement(dst, "authenticatedUsers", value.Array(users))
	return value.AppendElement(dst, "authenticatedUserRoles", value.Array(roles))
}

func cmdConnectionStatus(_ context.Context, r *request, dst []byte) ([]byte, error) {
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "authInfo")
	start, dst := value.BeginDocument(dst)
	dst = r.appendLogin(dst)
	if v := value.Lookup(r.cmd, "showPrivileges"); !v.IsMissing() && v.Truthy() {
		dst = value.AppendElement(dst, "authenticatedUserPrivileges", value.Array(emptyDoc))
	}
	return value.EndDocument(dst, start), nil
}

func cmdWhatsMyURI(_ context.Context, r *request, dst []byte) ([]byte, error) {
	you := "127.0.0.1:0"
	if r.s != nil && r.s.Remote != "" {
		you = r.s.Remote
	}
	return value.AppendElement(dst, "you", value.String(you)), nil
}

func cmdGetLog(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if !r.arg.IsString() {
		return dst, mongoerr.New(mongoerr.TypeMismatch, "Argument to getLog must be of type String; found %s of type %s", r.arg, value.TypeName(r.arg.Kind()))
	}
	switch r.arg.Str() {
	case "*":
		dst = value.AppendHeader(dst, bson.TypeArray, "names")
		start, d := value.BeginDocument(dst)
		d = value.AppendItem(d, 0, value.String("global"))
		d = value.AppendItem(d, 1, value.String("startupWarnings"))
		return value.EndDocument(d, start), nil
	case "global", "startupWarnings":
		dst = value.AppendElement(dst, "totalLinesWritten", value.Int32(0))
		return value.AppendElement(dst, "log", value.Array(emptyDoc)), nil
	}
	return dst, mongoerr.New(mongoerr.OperationFailed, "No log named '%s'", r.arg.Str())
}

func cmdFsync(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	if v := value.Lookup(r.cmd, "lock"); !v.IsMissing() && v.Truthy() {
		return dst, mongoerr.New(mongoerr.CommandNotSupported, "fsync with lock is not supported; weirBackup copies the data while it is written to")
	}
	if err := r.e.sync(); err != nil {
		return dst, err
	}
	return value.AppendElement(dst, "numFiles", value.Int32(1)), r.e.db.Flush(ctx)
}

func cmdListCommands(_ context.Context, r *request, dst []byte) ([]byte, error) {
	var names []string
	for n := range r.e.commands {
		names = append(names, n)
	}
	slices.Sort(names)
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "commands")
	start, dst := value.BeginDocument(dst)
	for _, n := range names {
		s, d := value.BeginDocument(nil)
		d = value.AppendElement(d, "adminOnly", value.Bool(r.e.commands[n].admin))
		dst = value.AppendElement(dst, n, value.Document(value.EndDocument(d, s)))
	}
	return value.EndDocument(dst, start), nil
}

func cmdGetDefaultRWConcern(_ context.Context, r *request, dst []byte) ([]byte, error) {
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "defaultReadConcern")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "level", value.String("local"))
	dst = value.EndDocument(dst, start)
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "defaultWriteConcern")
	start, dst = value.BeginDocument(dst)
	dst = value.AppendElement(dst, "w", value.String("majority"))
	dst = value.AppendElement(dst, "wtimeout", value.Int32(0))
	dst = value.EndDocument(dst, start)
	dst = value.AppendElement(dst, "defaultWriteConcernSource", value.String("implicit"))
	dst = value.AppendElement(dst, "defaultReadConcernSource", value.String("implicit"))
	return value.AppendElement(dst, "localUpdateWallClockTime", value.Date(r.e.opts.Now().UnixMilli())), nil
}
