package engine

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
)

// Sequence is a document sequence of an OP_MSG: an array argument that
// travels beside the command document.
type Sequence struct {
	Name string
	Docs []bson.Raw
}

// handler runs one command and appends the fields of its reply, without ok.
type handler func(ctx context.Context, r *request, dst []byte) ([]byte, error)

// command is one entry of the table.
type command struct {
	run   handler
	admin bool // only on the admin database
	inTxn bool // allowed in transactions
	retry bool // may be a retryable write
	write bool
	test  bool // only with Options.TestCommands
}

// request is one command on its way.
type request struct {
	e    *Engine
	s    *Session
	db   string
	name string
	cmd  bson.Raw
	seqs []Sequence
	arg  value.Value // of the first field

	lsid       []byte
	hasTxn     bool
	txnNumber  int64
	autocommit bool    // the field is there, so it is false
	start      bool    // startTransaction
	stmtID     int32   // of the first statement
	stmtIDs    []int32 // of all of them
	maxTime    time.Duration
	comment    value.Value
	lazy       bool // writeConcern w: 0 or j: false

	session *logicalSession
	tx      *transaction
	retry   *retryWrite
	hasTurn bool     // of the retryable writes of its session
	concern bson.Raw // writeConcernError of the reply
	labels  []string // errorLabels beside it
	level   string   // readConcern
	// onView: count and distinct of a view answer an ok of another type.
	onView bool
	// hasConcern: a readConcern was given.
	hasConcern bool
	atTime     value.Value
	past       *storage.Snapshot // the state that the command reads, if of the past
}

// generic are the fields that every command takes.
var generic = map[string]bool{
	"$db": true, "lsid": true, "txnNumber": true, "autocommit": true, "startTransaction": true, "maxTimeMS": true,
	"comment": true, "readConcern": true, "writeConcern": true, "$readPreference": true, "$clusterTime": true,
	"apiVersion": true, "apiStrict": true, "apiDeprecationErrors": true, "stmtId": true, "stmtIds": true,
	"$client": true, "$configServerState": true, "$audit": true, "$oplogQueryData": true, "$queryOptions": true,
	"clientOperationKey": true, "maxTimeMSOpOnly": true, "$replData": true, "databaseVersion": true, "shardVersion": true,
	"mayBypassWriteBlocking": true, "$traceCtx": true, "rawData": true, "serialization_context": true, "$tenant": true, "expectPrefix": true,
}

// RunCommand runs a database command and returns its reply. An error is a *mongoerr.Error.
func (e *Engine) RunCommand(ctx context.Context, s *Session, db string, cmd bson.Raw, seqs []Sequence) (bson.Raw, error) {
	reply, err := e.runCommand(ctx, s, db, cmd, seqs)
	if err == nil {
		return reply, nil
	}
	if errors.Is(err, ErrCloseConnection) {
		return nil, err
	}
	return nil, asServerError(err)
}

func asServerError(err error) *mongoerr.Error {
	var m *mongoerr.Error
	if errors.As(err, &m) {
		return m
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		errors.As(interrupted(err), &m)
		return m
	}
	if errors.Is(err, storage.ErrClosed) { // the transaction ended under the statement
		return mongoerr.New(mongoerr.NoSuchTransaction, "Transaction has been aborted.").WithLabels("TransientTransactionError")
	}
	return mongoerr.New(mongoerr.InternalError, "%v", err)
}

func (e *Engine) runCommand(ctx context.Context, s *Session, db string, cmd bson.Raw, seqs []Sequence) (bson.Raw, error) {
	it := value.Walk(cmd)
	if !it.Next() {
		return nil, mongoerr.New(mongoerr.CommandNotFound, "no such command: ''")
	}
	r := &request{e: e, s: s, db: db, name: it.Key(), cmd: cmd, seqs: seqs, arg: it.Value()}
	if err := checkAPI(cmd, r.name); err != nil {
		return nil, err
	}
	c, ok := e.commands[r.name]
	if !ok || c.test && !e.opts.TestCommands {
		return nil, mongoerr.New(mongoerr.CommandNotFound, "no such command: '%s'", r.name)
	}
	if err := checkDatabase(db); err != nil {
		return nil, err
	}
	if c.admin && db != "admin" {
		return nil, mongoerr.New(mongoerr.Unauthorized, "%s may only be run against the admin database.", r.name)
	}
	if err := r.authorize(ctx); err != nil {
		return nil, err
	}
	if err := r.parseGeneric(); err != nil {
		return nil, err
	}
	if s != nil {
		var op *operation
		ctx, op = e.operations.begin(ctx, r, e.opts.Now())
		defer e.operations.end(op)
	}
	if err := e.fail.check(ctx, r); err != nil {
		return nil, err
	}
	e.counters.command.Add(1)
	if r.maxTime > 0 && r.name != "getMore" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.maxTime)
		defer cancel()
	}
	defer r.leave()
	if err := r.enter(ctx, c); err != nil {
		return nil, err
	}
	start, dst := value.BeginDocument(make([]byte, 0, 512))
	dst, err := r.runIn(ctx, c, dst)
	if r.past != nil {
		_ = r.past.Close()
	}
	if err != nil {
		return nil, err
	}
	if s != nil && (c.write && r.tx == nil || r.name == "commitTransaction") {
		e.past.keep(e, false)
	}
	ok1 := value.Double(1)
	if r.onView {
		ok1 = value.Int32(1)
	}
	dst = value.AppendElement(dst, "ok", ok1)
	dst = e.fail.appendConcern(r, dst)
	dst = r.appendTimes(dst)
	return value.EndDocument(dst, start), nil
}

// runIn runs the command, in its transaction if it has one. A failed statement
// ends the transaction.
func (r *request) runIn(ctx context.Context, c command, dst []byte) ([]byte, error) {
	run := func() ([]byte, error) { return c.run(ctx, r, dst) }
	if r.tx == nil {
		return r.runChecked(run, dst)
	}
	r.tx.run.Lock()
	defer r.tx.run.Unlock()
	at := len(dst)
	dst, err := r.runChecked(run, dst)
	if err != nil || hasWriteErrors(dst[at:]) {
		r.tx.abort()
		r.session.finish(r.tx, txnAborted)
	}
	var m *mongoerr.Error
	if errors.As(err, &m) && (m.Code == mongoerr.WriteConflict || m.Code == mongoerr.NoSuchTransaction) && !m.HasLabel("TransientTransactionError") {
		m.WithLabels("TransientTransactionError")
	}
	return dst, err
}

// hasWriteErrors looks for writeErrors among appended elements.
func hasWriteErrors(elems []byte) bool {
	doc := append(make([]byte, 4, len(elems)+5), elems...)
	return !value.Lookup(value.EndDocument(doc, 0), "writeErrors").IsMissing()
}

// appendTimes appends what a replica set member adds to every reply.
func (r *request) appendTimes(dst []byte) []byte {
	return r.e.AppendTimes(dst)
}

// AppendTimes appends $clusterTime and operationTime to a reply in the making.
func (e *Engine) AppendTimes(dst []byte) []byte {
	ts := e.log.Durable()
	now := value.Timestamp(uint32(ts>>32), uint32(ts))
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "$clusterTime")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "clusterTime", now)
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "signature")
	sig, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "hash", value.Binary(0, make([]byte, 20)))
	dst = value.AppendElement(dst, "keyId", value.Int64(0))
	dst = value.EndDocument(dst, sig)
	dst = value.EndDocument(dst, start)
	return value.AppendElement(dst, "operationTime", now)
}

// parseGeneric reads the fields that every command takes.
func (r *request) parseGeneric() error {
	for it := value.Walk(r.cmd); it.Next(); {
		key, v := it.Key(), it.Value()
		var err error
		switch key {
		case "lsid":
			err = r.parseSession(v)
		case "txnNumber":
			if v.Kind() != bson.TypeInt64 {
				return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'OperationSessionInfo.txnNumber' is the wrong type '%s', expected type 'long'", value.TypeName(v.Kind()))
			}
			r.hasTxn, r.txnNumber = true, v.AsInt64()
		case "autocommit":
			r.autocommit = true
			if v.Kind() != bson.TypeBoolean || v.AsBool() {
				err = mongoerr.New(mongoerr.InvalidOptions, "autocommit field may only be specified as false in a transaction or retryable write")
			}
		case "startTransaction":
			if r.start = v.AsBool(); !r.start {
				err = mongoerr.New(mongoerr.InvalidOptions, "Specifying startTransaction=false is not allowed.")
			}
		case "maxTimeMS":
			r.maxTime, err = parseMaxTime(v)
		case "comment":
			r.comment = v
		case "writeConcern":
			switch r.name {
			case "find", "count", "distinct", "getMore", "listCollections", "listIndexes", "listDatabases":
				err = mongoerr.New(mongoerr.InvalidOptions, "Command does not support writeConcern")
			default:
				err = r.parseWriteConcern(v)
			}
		case "readConcern":
			err = r.parseReadConcern(v)
		case "stmtId":
			r.stmtID = int32(v.AsInt64())
		case "stmtIds":
			r.stmtIDs = nil
			if !v.IsArray() {
				return r.wrongType(key, v, "array")
			}
			for a := value.Walk(v.Doc()); a.Next(); {
				r.stmtIDs = append(r.stmtIDs, int32(a.Value().AsInt64()))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *request) parseSession(v value.Value) error {
	if !v.IsDocument() {
		return r.wrongType("lsid", v, "object")
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		switch it.Key() {
		case "id", "uid", "txnNumber", "txnUUID":
		default:
			return mongoerr.New(40415, "BSON field 'OperationSessionInfo.lsid.%s' is an unknown field.", it.Key())
		}
	}
	uuid := value.Lookup(v.Doc(), "id")
	if uuid.Kind() != bson.TypeBinary {
		return r.wrongType("lsid.id", uuid, "binData")
	}
	sub, id := uuid.AsBinary()
	if sub != 4 || len(id) != 16 {
		return mongoerr.New(207, "BSON field 'OperationSessionInfo.lsid.id' must be a UUID")
	}
	r.lsid = id
	return nil
}

func parseMaxTime(v value.Value) (time.Duration, error) {
	n, ok := v.Integral()
	if !v.IsNumber() {
		return 0, mongoerr.New(mongoerr.BadValue, "maxTimeMS must be a number")
	}
	if !ok {
		return 0, mongoerr.New(mongoerr.BadValue, "maxTimeMS has non-integral value")
	}
	if n < 0 || n > 1<<31-1 {
		return 0, mongoerr.New(mongoerr.BadValue, "%d value for maxTimeMS is out of range", n)
	}
	return time.Duration(n) * time.Millisecond, nil
}

func (r *request) parseWriteConcern(v value.Value) error {
	if !v.IsDocument() {
		return r.wrongType("writeConcern", v, "object")
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		switch w := it.Value(); it.Key() {
		case "w":
			switch {
			case w.IsNumber():
				if n := w.AsInt64(); n < 0 || n > 50 {
					return mongoerr.New(mongoerr.FailedToParse, "w has to be a non-negative number and not greater than 50")
				} else if n > 1 {
					r.concern = concernError(100, "Not enough data-bearing nodes")
				} else if n == 0 {
					r.lazy = true
				}
			case w.IsString():
				if w.Str() != "majority" {
					r.concern = concernError(79, "No write concern mode named '"+w.Str()+"' found in replica set configuration")
				}
			case w.IsDocument():
			default:
				return mongoerr.New(mongoerr.FailedToParse, "w has to be a number, string, or object")
			}
		case "j":
			if !w.IsNumber() && w.Kind() != bson.TypeBoolean {
				return mongoerr.New(mongoerr.TypeMismatch, "Field 'j' must be numeric or boolean")
			}
			if !w.Truthy() && value.Lookup(v.Doc(), "w").Kind() != bson.TypeString {
				r.lazy = true
			}
		case "wtimeout", "wtimeoutMS":
			if !w.IsNumber() {
				return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'writeConcern.wtimeout' is the wrong type '%s', expected types '[long, int, decimal, double']", value.TypeName(w.Kind()))
			}
		case "fsync", "provenance", "getLastError", "wElectionId", "wOpTime":
		default:
			return mongoerr.New(40415, "BSON field 'writeConcern.%s' is an unknown field.", it.Key())
		}
	}
	return nil
}

// concernError is the writeConcernError of a write that was done, but not as asked.
func concernError(code int32, text string) bson.Raw {
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "code", value.Int32(code))
	d = value.AppendElement(d, "codeName", value.String(mongoerr.CodeName(code)))
	d = value.AppendElement(d, "errmsg", value.String(text))
	return value.EndDocument(d, start)
}

func (r *request) parseReadConcern(v value.Value) error {
	if !v.IsDocument() {
		return mongoerr.New(mongoerr.FailedToParse, "readConcern field should be an object")
	}
	r.hasConcern = true
	for it := value.Walk(v.Doc()); it.Next(); {
		f := it.Value()
		switch key := it.Key(); key {
		case "level":
			if !f.IsString() {
				return mongoerr.New(mongoerr.TypeMismatch, "\"level\" had the wrong type. Expected string, found %s", value.TypeName(f.Kind()))
			}
			switch f.Str() {
			case "local", "majority", "available", "linearizable", "snapshot":
				r.level = f.Str()
			default:
				return mongoerr.New(mongoerr.FailedToParse, "readConcern.level must be either 'local', 'majority', 'linearizable', 'available', or 'snapshot'")
			}
		case "afterClusterTime", "atClusterTime":
			if f.Kind() != bson.TypeTimestamp {
				return mongoerr.New(mongoerr.TypeMismatch, "\"%s\" had the wrong type. Expected timestamp, found %s", key, value.TypeName(f.Kind()))
			}
			if key == "atClusterTime" {
				r.atTime = f
			} else if t, i := f.AsTimestamp(); t == 0 && i == 0 {
				return mongoerr.New(mongoerr.InvalidOptions, "afterClusterTime cannot be a null timestamp")
			} else if uint64(t)<<32|uint64(i) > r.e.log.Last() {
				return mongoerr.New(mongoerr.InvalidOptions, "readConcern afterClusterTime value must not be greater than the current clusterTime. Requested clusterTime: %s", f)
			}
		case "provenance", "afterOpTime", "allowTransactionTableSnapshot", "waitLastStableRecoveryTimestamp":
		default:
			return mongoerr.New(mongoerr.InvalidOptions, "Unrecognized option in readConcern: %s", key)
		}
	}
	return r.checkAtClusterTime(v.Doc())
}

func (r *request) checkAtClusterTime(concern bson.Raw) error {
	ts, ok := r.atClusterTime()
	switch {
	case !ok:
		return nil
	case r.level != "snapshot":
		return mongoerr.New(mongoerr.InvalidOptions, "readConcern.level must be snapshot, but atClusterTime field can be set only if level is equal to snapshot")
	case !value.Lookup(concern, "afterClusterTime").IsMissing():
		return mongoerr.New(mongoerr.InvalidOptions, "Specifying a timestamp for readConcern snapshot with afterClusterTime is not allowed: can not set both atClusterTime and afterClusterTime")
	case ts == 0:
		return mongoerr.New(mongoerr.InvalidOptions, "atClusterTime cannot be a null timestamp")
	case ts > r.e.log.Last():
		return mongoerr.New(mongoerr.InvalidOptions, "readConcern atClusterTime value must not be greater than the current clusterTime. Requested clusterTime: %s", r.atTime)
	}
	return nil
}

// checkReadConcern refuses levels that the command does not have.
func (r *request) checkReadConcern(c command) error {
	if r.level == "" || r.level == "local" || r.autocommit {
		return nil
	}
	reads := r.name == "find" || r.name == "aggregate" || r.name == "distinct" || r.name == "count" || r.name == "explain"
	if !reads || r.level == "snapshot" && (r.name == "count" || r.name == "explain") {
		return mongoerr.New(mongoerr.InvalidOptions, "Command %s does not support { readConcern: { level: \"%s\", provenance: \"clientSupplied\" } } :: caused by :: read concern not supported", r.name, r.level)
	}
	return nil
}

// appendSnapshotTime tells a snapshot read's time.
func (r *request) appendSnapshotTime(dst []byte) []byte {
	if r.level != "snapshot" || r.autocommit {
		return dst
	}
	r.e.past.keep(r.e, true)
	ts, ok := r.atClusterTime()
	if !ok {
		ts = r.e.log.Durable()
	}
	return value.AppendElement(dst, "atClusterTime", value.Timestamp(uint32(ts>>32), uint32(ts)))
}

// enter finds the session, transaction or retryable write of the command.
func (r *request) enter(ctx context.Context, c command) error {
	if err := r.checkReadConcern(c); err != nil {
		return err
	}
	if r.lsid == nil {
		if r.hasTxn {
			return mongoerr.New(mongoerr.InvalidOptions, "Transaction number requires a session ID to also be specified")
		}
		if r.autocommit {
			return mongoerr.New(mongoerr.InvalidOptions, "'autocommit' field requires a session ID to also be specified")
		}
		return nil
	}
	r.session = r.e.sessions.get(r.lsid, r.e.opts.Now())
	if !r.hasTxn {
		if r.autocommit || r.start {
			return mongoerr.New(mongoerr.InvalidOptions, "'autocommit' field requires a transaction number to also be specified")
		}
		return nil
	}
	if r.txnNumber < 0 {
		return mongoerr.New(mongoerr.InvalidOptions, "Transaction number cannot be negative")
	}
	if r.autocommit {
		return r.enterTransaction(c)
	}
	if r.start {
		return mongoerr.New(mongoerr.InvalidOptions, "'startTransaction' field requires 'autocommit' field to also be specified")
	}
	if !c.retry {
		return mongoerr.New(50768, "txnNumber may only be provided for multi-document transactions and retryable write commands. autocommit:false was not provided, and %s is not a retryable write command.", r.name)
	}
	return r.enterRetry(ctx)
}
