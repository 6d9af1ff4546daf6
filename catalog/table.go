// Package catalog shows MongoDB's collections as SQL's tables: schemas, tables
// with columns from validators, declarations and samples, views, functions and
// roles. pg_catalog and information_schema are virtual collections made of it
// (pgcatalog*.go, infoschema*.go).
//
// It plans and runs nothing. Start with Resolver.
package catalog

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqltype"
	"weir/store"
)

// Kinds is the set of BSON types seen at a path: the OR of what KindOf gives.
type Kinds uint32

// TableKind is what a relation is.
type TableKind uint8

// The kinds of relations.
const (
	Collection TableKind = iota // documents of a collection
	View                        // a SQL view: Definition is planned in its place
	MaterializedView
	MongoView // a view of MongoDB's own
	Virtual   // rows made here: pg_catalog, information_schema
	Function  // a table function over live state, with Params
	Sequence
)

// Table is a relation.
type Table struct {
	OID     uint32
	Schema  string
	Name    string // stored spelling
	Kind    TableKind
	Columns []Column
	// NS is where the documents are (Collection, MaterializedView, MongoView).
	NS store.Namespace
	// Definition is a view's SELECT.
	Definition string
	// Deps are the OIDs of the relations that a view reads.
	Deps []uint32
	// Partition is set for partitions (Kind View) and partitioned tables.
	Partition *Partition
	// Children are the tables that inherit from this one, in the same schema.
	Children []string
	// CheckOption is a view's: "", LOCAL or CASCADED.
	CheckOption string
	// Below is the table that errors name where rows of this one, a view, are
	// written; nil: this one.
	Below *Table
	// Rows makes the documents of a Virtual relation; it may use the filter
	// hints but need not (the plan filters again).
	Rows RowSource
	// Function makes the source of a table function's rows from its arguments.
	Function TableFunction
	Params   []Param
	// Indexes are the collection's, for constraints, planning and pg_index.
	Indexes []Index
	// Estimate is the number of documents at the last sample; of system relations
	// it is a guess.
	Estimate int64
	// Lenient relations may have columns that the catalog does not know
	// (collections: documents may hold any field); others are 42703 in every mode.
	Open    bool
	Comment string
	Version uint64
	// Constraints beyond indexes.
	Checks      []Check
	ForeignKeys []ForeignKey
	// ReferencedFrom are the databases whose tables may refer to this one;
	// References moves when one begins to.
	ReferencedFrom []string
	References     int64
	// IndexAliases are further names of Indexes.
	IndexAliases []IndexAlias
	PrimaryKey   []string // column names; collections without a declared one: _id
	// SequenceID is the _id of a sequence's document in NS.
	SequenceID string
	// SystemView tells that PostgreSQL has a view where this is Virtual.
	SystemView bool
}

// Column is a column of a relation.
type Column struct {
	Name string
	Attr int16 // attnum, stable
	Type sqltype.Type
	Path []string // in the documents
	// Else are where a row of SUBSCRIBE has the value if Path leads to none, the first
	// that leads to one.
	Else  [][]string
	Kinds Kinds
	// Domain is the domain, or the type of arrays of one, that the column was
	// declared as; 0 if it was not. Type is what its values are.
	Domain  sqltype.OID
	NotNull bool
	Default string // SQL text, "": none
	// Generated is the SQL text of GENERATED ALWAYS AS (…) STORED, "": none.
	Generated string
	Identity  byte // 'a', 'd', 0
	Comment   string
	Hidden    bool // not in SELECT *
	// Distinct is about how many values a column of a system relation has, 0: unknown.
	Distinct int64
	// Fields are what the embedded documents of a jsonb column hold, as far as
	// they have been seen; their Path is from the top.
	Fields []Column
	// Declared columns were written in a CREATE or ALTER TABLE or a validator.
	Declared bool
	// Fine tells that microseconds of it can be stored, Marked that documents may
	// have some in FineField.
	Fine, Marked bool
}

// Index is an index of a collection.
type Index struct {
	OID     uint32
	Name    string
	Keys    []IndexKey
	Unique  bool
	Primary bool
	Sparse  bool
	Partial bson.Raw
	TTL     *int32
}

// OnlyTypes tells whether an index's filter does no more than leave out missing
// and null keys, which SQL's unique indexes do by themselves.
func (ix *Index) OnlyTypes() bool {
	if ix.Partial == nil {
		return false
	}
	for it := value.Walk(ix.Partial); it.Next(); {
		v, isKey := it.Value(), false
		for _, k := range ix.Keys {
			isKey = isKey || k.Path == it.Key()
		}
		if !isKey || !v.IsDocument() || value.Lookup(v.Doc(), "$type").IsMissing() && !value.Lookup(v.Doc(), "$exists").AsBool() {
			return false
		}
	}
	return true
}

// IndexKey is a part of an index: a path and 1, -1 or a kind such as hashed.
type IndexKey struct {
	Path string
	Desc bool
	Kind string
	// Fine tells that the index has the column's microseconds as a further part.
	Fine bool
}

// Check is a CHECK constraint in SQL.
type Check struct {
	OID  uint32
	Name string
	SQL  string
}

// Param is a parameter of a table function; all are optional unless Required.
type Param struct {
	Name     string
	Type     sqltype.Type
	Required bool
}

// RowSource yields the documents of a virtual relation for a session. The filter
// that they go through may be in the context (WithFilter).
type RowSource func(ctx context.Context, s Session) (store.Cursor, error)

// TableFunction gives the rows of a call. Arguments are BSON values by Params,
// zero where not given. Either NS with Pipeline (run in the store, so that the
// statement's own stages can follow), or Rows, is set in the answer.
type TableFunction func(ctx context.Context, s Session, args []bson.RawValue) (FunctionRows, error)

// FunctionRows is where a table function's rows come from.
type FunctionRows struct {
	NS       store.Namespace
	From     store.Store // that has NS, where it is another one than the statement's
	Pipeline []bson.Raw
	Rows     store.Cursor
	// Ordered are fields that all rows of NS have and that indexes order, also of what
	// Pipeline leaves of them.
	Ordered []string
	// Computed is a field of the rows of NS, nil: all are stored.
	Computed *Computed
	// Late tells what the rows of NS lack, nil: nothing.
	Late *Late
}

// Computed is a field that a stage computes of a row, where a statement asks for it:
// behind its stages that do not, so that these reach the indexes of the store.
type Computed struct {
	Field string // at the top of a row
	Stage bson.Raw
}

// Late are fields that some rows of NS have elsewhere. They are read where a
// statement asks for them, behind its stages that do not.
type Late struct {
	Fields []string // at the top of a row
	Mark   string   // the field of a row that lacks some
	Fill   func(q store.Queryer, rows store.Cursor) store.Cursor
}

// Session is what virtual relations may know of the asking session.
type Session interface {
	User() string
	Database() string
	Setting(name string) string
	BackendPID() uint32
}

// Dep is a catalog object that a plan relies on; a changed Version makes the plan stale.
type Dep struct {
	OID     uint32
	Version uint64
	// Implied relations inherit from one that is named: they can be dropped alone.
	Implied bool
}

// Resolver is what the planner asks.
type Resolver interface {
	// Table finds a relation: schema "" means the search path. The second
	// result is false when there is none; near lists names to suggest.
	Table(ctx context.Context, schema, name string, quoted bool) (t *Table, found bool, err error)
	// TableFunction finds a table function by name.
	TableFunction(schema, name string) (*Table, bool)
	Near(ctx context.Context, name string) []string
	// Refresh looks at the documents of a table again, for a column that it
	// does not have. It gives the table itself when it was looked at just now.
	Refresh(ctx context.Context, t *Table) (*Table, error)
	// TypeNamed finds a type that was made here; Invalid if there is none.
	TypeNamed(ctx context.Context, schema, name string) (sqltype.OID, error)
	// DomainOf tells what a domain asks for; nil if it is none.
	DomainOf(ctx context.Context, oid sqltype.OID) (*Domain, error)
	// References gives the foreign keys of a table and those of others that refer
	// to it, each in the order in which they were made.
	References(ctx context.Context, t *Table) (out, in []Reference, err error)
	// Within resolves the names in a view's text as they were meant when the
	// view was made.
	Within(view *Table) Resolver
}

// Written is the table that rows of this one are rows of.
func (t *Table) Written() *Table {
	if t.Below != nil {
		return t.Below
	}
	return t
}
