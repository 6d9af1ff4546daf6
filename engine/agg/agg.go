package agg

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/store"
)

// DefaultMemoryLimit bounds what one blocking stage keeps in memory.
const DefaultMemoryLimit = 100 << 20

// SortKey is one part of a sort order.
type SortKey struct {
	Path string
	Desc bool
}

// Request is what a pipeline asks of its source. Everything in it is an offer:
// a source may ignore each part, and tells in Satisfied which it took over.
type Request struct {
	Match  *match.Matcher // nil: every document
	Filter bson.Raw       // the filter that Match was compiled from
	// Context holds the variables that Match may use.
	Context *expr.Context
	Sort    []SortKey
	// Limit bounds the result of Match and Sort; 0: no bound. It only counts
	// for a source that satisfies both.
	Limit int64
	// Fields are the top-level fields that the pipeline reads, nil: all. A
	// source may leave the others out.
	Fields []string
	// Distinct is a path of which one document for each value is enough: the
	// first in the order of Sort. "": every document is needed.
	Distinct string
	Hint     bson.RawValue
}

// Satisfied tells which parts of a Request the source's cursor fulfils completely.
type Satisfied struct {
	Match, Sort, Limit bool
	// Given is how many of the first keys of Sort the cursor is ordered by, where it is
	// not by all of them.
	Given int
}

// Source is a collection, view or virtual collection that can be read.
type Source interface {
	Open(ctx context.Context, r Request) (store.Cursor, Satisfied, error)
}

// Counter is a Source that may know how many documents match without reading
// them. ok is false when it does not.
type Counter interface {
	Count(ctx context.Context, r Request) (n int64, ok bool, err error)
}

// Seeker is a Source with indexes that find documents by the value of a path.
type Seeker interface {
	// CanSeek tells whether an index answers equality on path.
	CanSeek(path string, collation *value.Collation) bool
	// Seek yields at least the documents in which path may equal one of the
	// values (null stands for a missing field too); others are filtered out here.
	Seek(ctx context.Context, path string, values []value.Value) (store.Cursor, error)
}

// Writer is what $out and $merge write through.
type Writer interface {
	// Replace makes the documents the whole content of a collection, all or nothing.
	Replace(ctx context.Context, ns store.Namespace, docs store.Cursor) error
	// Write runs operations in order; let holds the variables of pipeline updates.
	Write(ctx context.Context, ns store.Namespace, ops []store.WriteOp, let bson.Raw) (store.WriteResult, error)
	// Unique tells whether a unique index covers exactly these fields.
	Unique(ctx context.Context, ns store.Namespace, fields []string) (bool, error)
}

// Stage is a local-only stage, made by a StageFactory.
type Stage interface {
	Run(ctx context.Context, in store.Cursor) (store.Cursor, error)
}

// StageFactory compiles the specification of a local-only stage.
type StageFactory func(spec bson.RawValue, env *Env) (Stage, error)

// Env is the surroundings of a pipeline. The zero value runs stages that touch
// nothing but their input.
type Env struct {
	NS        store.Namespace
	Library   *expr.Library
	Stages    map[string]StageFactory // {"$weir.NAME": spec}; only with a Library
	Collation *value.Collation
	// Let are the values of the command's let variables, a document of constants.
	Let  bson.Raw
	Hint bson.RawValue

	Collections func(ctx context.Context, ns store.Namespace) (Source, error)
	Writer      Writer // nil refuses $out and $merge
	// ChangeStream opens the events for a $changeStream specification.
	ChangeStream func(ctx context.Context, spec bson.Raw) (store.Cursor, error)
	// Fragments numbers the parts of large events; nil: they have the event's token.
	Fragments Fragments
	// SourceMeta tells that the source adds the fields that $meta reads.
	SourceMeta bool
	// SortedBy is the order of the documents, for {$meta: "sortKey"}; nil: none.
	SortedBy bson.Raw
	// Special opens stages that report about the server, by stage name
	// ($collStats, $indexStats, $currentOp, $listSessions …).
	Special map[string]func(ctx context.Context, spec bson.RawValue) (store.Cursor, error)

	Now          int64 // milliseconds; 0: the time of Run
	ClusterTime  bson.Timestamp
	MemoryLimit  int64 // 0: DefaultMemoryLimit
	AllowDiskUse bool
	TempDir      string // "": the system's
	Session      any    // handed to local functions
}

func (e *Env) memoryLimit() int64 {
	if e.MemoryLimit > 0 {
		return e.MemoryLimit
	}
	return DefaultMemoryLimit
}
