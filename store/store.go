// Package store is the document database as the rest of Weir sees it: a few
// interfaces with two implementations, the embedded engine (package engine)
// and a remote MongoDB (store/remote). Both pass store/storetest.
//
// Documents go in and come out as raw BSON. Errors that a MongoDB server would
// answer are *mongoerr.Error, whichever implementation made them.
package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Namespace names a collection of a database. An empty Coll stands for the
// database itself (collectionless aggregate, database-wide Watch).
type Namespace struct{ DB, Coll string }

func (n Namespace) String() string { return n.DB + "." + n.Coll }

// Queryer is what can be done inside and outside of a transaction.
type Queryer interface {
	// Aggregate runs a pipeline. The stages are raw documents in order.
	Aggregate(ctx context.Context, ns Namespace, pipeline []bson.Raw, opts AggregateOptions) (Cursor, error)
	// Write runs the operations in order on one collection. An error of the
	// whole command comes as err; errors of single operations in WriteResult.
	Write(ctx context.Context, ns Namespace, ops []WriteOp, opts WriteOptions) (WriteResult, error)
}

// Store is a document database.
type Store interface {
	Queryer
	// Databases lists the names of the databases that exist, sorted.
	Databases(ctx context.Context) ([]string, error)
	// Collections lists the collections and views of a database, sorted by name.
	Collections(ctx context.Context, db string) ([]Collection, error)
	// Watch opens a change stream. The pipeline comes after $changeStream.
	Watch(ctx context.Context, scope Namespace, pipeline []bson.Raw, opts WatchOptions) (ChangeStream, error)
	// Begin starts a multi-document transaction with snapshot reads and
	// majority, journaled commit.
	Begin(ctx context.Context) (Tx, error)
	// Command runs any database command and returns its reply document. It is
	// for single replies (create, createIndexes, findAndModify, hello …), not for cursors.
	Command(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error)
	Capabilities() Capabilities
	Close() error
}

// Changes is what a Store may know without asking anybody: whether something
// changed. A number that is as it was says that nothing did; what changes
// after it was read makes it another one before the writer is answered.
type Changes interface {
	// SchemaVersion moves with collections, views, indexes and their options.
	SchemaVersion() uint64
	// DataVersion moves with the documents of a collection and is another one
	// for each collection that had the name. Count is how many there are.
	DataVersion(ns Namespace) (version uint64, count int64)
}

// Sessions is a Store whose transactions outlive the process that began them, until
// their server ends them: it begins them in sessions with names, by which another
// process can end what is open in them.
type Sessions interface {
	// Session gives a new session for transactions, one after the other. Nobody else
	// ever has its id.
	Session() (Session, error)
	// KillSessions ends what is open in the sessions with these ids, of which there
	// is at least one. Unknown ones are no error.
	KillSessions(ctx context.Context, ids [][]byte) error
	// EndSessions gives sessions back that nothing is open in.
	EndSessions(ctx context.Context, ids [][]byte) error
}

// Session is used by one goroutine at a time.
type Session interface {
	ID() []byte // 16 bytes of UUID
	// Begin is Store.Begin; the last transaction has ended.
	Begin(ctx context.Context) (Tx, error)
}

// Tx is a transaction. It is used by one goroutine at a time and ended once by
// Commit or Abort; Abort after the end does nothing.
type Tx interface {
	Queryer
	Commit(ctx context.Context) error
	Abort(ctx context.Context) error
}

// Cursor yields raw documents. Next returns io.EOF at the end. A document is
// valid until the following call of Next; copy what is to be kept. A cursor is
// never used concurrently with itself; Close may be called more than once.
type Cursor interface {
	Next(ctx context.Context) (bson.Raw, error)
	Close() error
}

// AggregateOptions are the options of the aggregate command.
type AggregateOptions struct {
	BatchSize    int32 // documents per reply; 0: the implementation's default
	AllowDiskUse bool
	MaxTime      time.Duration // 0: no limit
	Let          bson.Raw      // variables, nil: none
	Hint         bson.RawValue // index name or key pattern, zero: none
	Collation    bson.Raw      // nil: the collection's
	Comment      string
	// Primary reads from the primary whatever the connection prefers: what was written
	// before is there. The engine always does.
	Primary bool
	// After reads what a majority has, at this time of the cluster or later: no older
	// than an event of that time, wherever it is read. Zero: as the connection does.
	After bson.Timestamp
}

// Collection describes a collection or view as listCollections does.
type Collection struct {
	Name     string
	View     bool
	ViewOn   string     // View only
	Pipeline []bson.Raw // View only
	Options  bson.Raw   // validator, capped, collation, changeStreamPreAndPostImages …
	UUID     [16]byte
}

// WriteKind says what a WriteOp does.
type WriteKind uint8

// The kinds of write operations.
const (
	Insert WriteKind = iota
	Update           // by update operators, a replacement document, or a pipeline
	Delete
)

// WriteOp is one operation of a Write.
type WriteOp struct {
	Kind         WriteKind
	Document     bson.Raw      // Insert
	Filter       bson.Raw      // Update, Delete
	Update       bson.RawValue // Update: a document (operators or replacement) or an array (pipeline)
	Multi        bool
	Upsert       bool
	ArrayFilters []bson.Raw
	Hint         bson.RawValue
	Collation    bson.Raw
}

// WriteOptions are the options of a Write.
type WriteOptions struct {
	// Unordered lets operations after a failed one run.
	Unordered bool
	// Durable asks for w: majority with j: true. Without it the write concern
	// is the store's default, which is acknowledged and journaled too on the engine.
	Durable bool
	// Ahead asks of a store whose Capabilities say OrderedJournal to acknowledge
	// the write when it is visible: a durable write that follows makes it durable,
	// too, and is never durable without it. Other stores do not know it.
	Ahead bool
	// Within lets a store take so long to make the write durable: it need not ask
	// for the disk if others do before. 0: at once. It may be ignored.
	Within time.Duration
	// Later asks of a store whose Capabilities say OrderedJournal not to wait for
	// the disk: the result's Wait does. Other stores do not know it.
	Later   bool
	Let     bson.Raw
	Comment string
}

// WriteResult counts what a Write did.
type WriteResult struct {
	Inserted, Matched, Modified, Deleted int64
	Upserted                             []Upserted
	Errors                               []WriteError
	// Wait waits until the write is durable. It must be called once; nil: the write
	// is durable, as far as it was asked for.
	Wait func() error
}

// Err returns the first operation's error, or nil.
func (r *WriteResult) Err() error {
	if len(r.Errors) == 0 {
		return nil
	}
	return r.Errors[0].Err
}

// Upserted tells the _id that an upserting operation made.
type Upserted struct {
	Index int
	ID    bson.RawValue
}

// WriteError is the failure of one operation.
type WriteError struct {
	Index int
	Err   error // *mongoerr.Error
}

// ImageMode is a change stream's fullDocument or fullDocumentBeforeChange option.
type ImageMode string

// The modes; Default is for the post-image, Off for the pre-image.
const (
	ImageDefault       ImageMode = ""
	ImageOff           ImageMode = "off"
	ImageUpdateLookup  ImageMode = "updateLookup"
	ImageWhenAvailable ImageMode = "whenAvailable"
	ImageRequired      ImageMode = "required"
)

// WatchOptions are the options of $changeStream.
type WatchOptions struct {
	ResumeAfter              bson.Raw
	StartAfter               bson.Raw
	StartAtOperationTime     *bson.Timestamp
	FullDocument             ImageMode
	FullDocumentBeforeChange ImageMode
	ShowExpandedEvents       bool
	BatchSize                int32
	// Cluster watches all databases; scope is then ignored.
	Cluster bool
}

// ChangeStream yields change events. It does not resume by itself: after an
// error it is closed, and the caller opens another after its last token.
type ChangeStream interface {
	// Next waits for an event up to maxAwait and returns nil, nil when none
	// came. The document is valid until the following call.
	Next(ctx context.Context, maxAwait time.Duration) (bson.Raw, error)
	// Buffered tells how many events Next will return without asking the server.
	Buffered() int
	// ResumeToken is the postBatchResumeToken when the batch is consumed, else
	// the token of the last event returned.
	ResumeToken() bson.Raw
	// OperationTime is the server's operationTime of the last reply.
	OperationTime() bson.Timestamp
	Close() error
}

// Capabilities are what a server can do, probed when the store is opened.
type Capabilities struct {
	Version            [3]int // from buildInfo
	Embedded           bool   // the engine in this process: local operators run in its pipelines
	Transactions       bool
	ChangeStreams      bool
	ExpandedEvents     bool // showExpandedEvents
	PreAndPostImages   bool
	SplitLargeEvents   bool // $changeStreamSplitLargeEvent
	SetWindowFields    bool
	DensifyFill        bool
	DateTrunc          bool
	TopN               bool // $topN family
	Percentile         bool
	LookupWithPipeline bool // localField with pipeline in one $lookup (5.0)
	BulkWriteCommand   bool
	OrderedJournal     bool // what is durable is so with all that was written before
	Sharded            bool
}

// AtLeast tells whether the server's version is at least major.minor.
func (c Capabilities) AtLeast(major, minor int) bool {
	return c.Version[0] > major || c.Version[0] == major && c.Version[1] >= minor
}
