// Package translator turns a logical plan into a Program: aggregation pipelines,
// where each part of them runs, and the shape of the rows that come out.
//
// It runs nothing. Start with Translate, then fragment.go (how a relation is
// represented), then the rel_*.go file of a node or the push_*.go file of a
// family of functions. What MongoDB does exactly as SQL asks is written with
// MongoDB's operators; everything else is a local operator `$weir.NAME`, and a
// pipeline is cut before the first stage that holds one: what comes before runs
// in the store, the rest here.
package translator

import (
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/expr"
	"weir/planner"
	"weir/sqlfunc"
	"weir/sqltype"
	"weir/store"
)

// Program is a translated statement. It is made once and bound many times; what
// it does is not changed by Bind or by running.
type Program struct {
	Plan *planner.Plan
	// Query is the statement's own; its Fetches may name others.
	Query
	// Fetches are the sources that local stages name in `from`, run on demand
	// and once.
	Fetches map[string]*Fetch
	// Collections are those that local stages read directly, by the name there.
	Collections map[string]store.Namespace
	// With are the queries that run once before the others, in order.
	With []*With

	opts    Options
	moments []int   // slots of moments that expressions read
	fine    variant // for slots that hold fine values

	checks bool        // the pipelines fail where they may have rounded a numeric
	rounds atomic.Bool // one of them did, see Bound.Exactly
	exact  variant     // computes here what decimal128 may not hold

	joins []string // how each $lookup finds its rows and why, for EXPLAIN
	slots []slot
	conds []matchCond
	inits []*InitPlan
	lib   *expr.Library
}

// Query is rows and what to do with them.
type Query struct {
	Root *Fetch
	// Columns tell where each result column is in the documents that Root yields.
	Columns []Column
	// Write is what to do with the rows of Root, nil for queries.
	Write *Write
}

// Fetch is a pipeline: a source, stages that run in the store that holds it, and
// stages that run locally on what comes back.
type Fetch struct {
	NS     store.Namespace // a collection; empty for the others
	Table  *catalog.Table  // a virtual relation or a table function
	Args   []Stage         // of the table function: documents {v: value}
	Reads  []string        // of the rows of the table function: the fields at their top, nil: all
	Docs   []Stage         // constant rows
	From   string          // another Fetch or a With by name
	Remote []Stage
	Local  []Stage
	Reason string // why Local is not remote, for EXPLAIN
	// Single tells that at most one document comes.
	Single bool
	// Key is the path of a joined column that an index finds: instead of all rows
	// those with certain values can be fetched. Rows is how many there are about.
	// "": all are fetched.
	Key   string
	Index string // its name
	Rows  int64
}

// Stage is a stage or a constant document; Bound tells that it holds placeholders.
type Stage struct {
	Raw   bson.Raw
	Bound bool
	fine  bool // holds fine constants
}

// Column is a result column: its place in the documents and its type.
type Column struct {
	Name  string
	Type  sqltype.Type
	Path  []string
	Table uint32
	Attr  int16
}

// InitPlan is a subquery that does not depend on rows: it runs before the
// pipelines and its result takes the place of a constant.
type InitPlan struct {
	Kind  planner.SubqueryKind // Scalar, Exists or ArrayOf
	Fetch *Fetch
	Path  []string // of the value in its rows
	slot  int
}

// With is a query of a WITH clause that runs once; others read its rows by Name.
type With struct {
	Name string
	Query
	Recursive *Recursive
}

// Recursive is the recursive term: Term reads the rows of the last round by the
// With's name.
type Recursive struct {
	Term *Fetch
	All  bool
	// Keys adds the field k by which equal rows are recognised, unless All.
	Keys Stage
}

// Options are what a translation depends on.
type Options struct {
	Capabilities store.Capabilities
	Funcs        *sqlfunc.Table
	Library      *expr.Library // sqlfunc's; the translator adds its own operators
	// Strict makes division by zero an error; otherwise it gives NULL.
	Strict bool
	// Standing tells that the program outlives the statement: what depends on the
	// time of its execution is evaluated with each document, not by Bind.
	Standing bool
	// fine tells that parameters may be fine wherever their types can.
	fine bool
	// exact tells that some result has more digits than decimal128 has.
	exact bool
}
