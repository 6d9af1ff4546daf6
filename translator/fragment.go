package translator

import (
	"strings"

	"weir/catalog"
	"weir/engine/expr"
	"weir/planner"
	"weir/sqltype"
	"weir/store"
)

// fragment is a relation: documents from a source, stages over them, and where
// each column is in the documents that come out. A scan keeps the raw document
// at the root; joins put their right side under a field of its own.
type fragment struct {
	src    source
	stages []stage
	base   int // stages before those of the join that it is the right side of
	cols   map[planner.ColID]*loc
	outer  map[planner.ColID]*loc // columns of outer queries, in variables
	// one tells that there is at most one row.
	one bool
	// order is how the rows are sorted now, nil: unknown.
	order []planner.SortKey
}

// source is where documents come from.
type source struct {
	ns    store.Namespace
	table *catalog.Table // virtual relations and table functions
	args  []any
	docs  []any  // constant documents
	from  string // a named Fetch or With
	scan  *planner.Scan
}

// remote tells whether the source is a collection of the store.
func (s *source) remote() bool { return s.ns.Coll != "" }

// pushable tells whether stages may run where the source is. Table functions
// decide when they are called.
func (s *source) pushable() bool {
	return s.remote() || s.table != nil && s.table.Kind == catalog.Function
}

type stage struct {
	doc obj
	traits
	reason string
}

// loc is where a column's value is: at a path of the document or of a variable,
// or an expression that has not been computed yet.
type loc struct {
	base    string // "" for the document, else "$$v_3"
	path    []string
	us      []string // where the microseconds of the dates at path are; nil: nowhere
	date    []string // where the dates of values with microseconds are that are at path; nil: nowhere
	expr    any      // not nil: computed from the document as it is now
	t       sqltype.Type
	stored  bool // in the form of documents, of the given kinds
	kinds   catalog.Kinds
	narrow  bool // values of other kinds than the type's are NULL
	notNull bool
}

// ref reads the value as it stands.
func (l *loc) ref() any {
	if l.expr != nil {
		return l.expr
	}
	if l.us != nil {
		return op(expr.LocalPrefix+opFine, l.dateRef(), fieldRef(l.base, l.us))
	}
	return fieldRef(l.base, l.path)
}

// fieldRef is the expression that reads a path.
func fieldRef(base string, path []string) any {
	if len(path) == 0 {
		if base == "" {
			return "$$ROOT"
		}
		return base
	}
	for i, name := range path {
		if !plainName(name) {
			return getField(fieldRef(base, path[:i]), path[i:])
		}
	}
	if base == "" {
		return "$" + strings.Join(path, ".")
	}
	return base + "." + strings.Join(path, ".")
}

func getField(e any, path []string) any {
	for _, name := range path {
		e = op1("$getField", obj{{"field", op1("$literal", name)}, {"input", e}})
	}
	return e
}

// plainName tells whether a name can be part of a dotted path.
func plainName(s string) bool {
	return s != "" && !strings.HasPrefix(s, "$") && !strings.ContainsAny(s, ".\x00")
}

// queryPath is the dotted path for the match language and $sort, false if the
// column is not at one.
func (l *loc) queryPath() (string, bool) {
	if l.expr != nil || l.base != "" || l.us != nil || len(l.path) == 0 {
		return "", false
	}
	for _, name := range l.path {
		if !plainName(name) {
			return "", false
		}
	}
	return strings.Join(l.path, "."), true
}

// at gives the location below another field, for the right side of a join.
func (l *loc) at(prefix string) *loc {
	m := *l
	if m.base == "" {
		m.path = append([]string{prefix}, l.path...)
		if l.us != nil {
			m.us = append([]string{prefix}, l.us...)
		}
		if l.date != nil {
			m.date = append([]string{prefix}, l.date...)
		}
	}
	return &m
}

func newFragment(outer map[planner.ColID]*loc) *fragment {
	return &fragment{cols: map[planner.ColID]*loc{}, outer: outer}
}

// add appends a stage.
func (f *fragment) add(name string, spec any) { f.addBecause("", name, spec) }

func (f *fragment) addBecause(reason, name string, spec any) {
	doc := obj{{name, spec}}
	t := traitsOf(doc)
	if t.tooLong() {
		doc = obj{{name, overlong{}}} // nobody may walk it
	}
	f.stages = append(f.stages, stage{doc: doc, traits: t, reason: reason})
}

// addLocal appends a stage that has to run here.
func (f *fragment) addLocal(reason, name string, spec any) {
	f.addBecause(reason, name, spec)
	f.stages[len(f.stages)-1].local = true
}

// local tells whether any part of the fragment cannot run in the store.
func (f *fragment) local() bool {
	if !f.src.remote() {
		return true
	}
	for _, s := range f.stages {
		if s.local {
			return true
		}
	}
	return false
}

// find gives a column of the fragment or of an outer query.
func (f *fragment) find(id planner.ColID) *loc {
	if l, ok := f.cols[id]; ok {
		return l
	}
	return f.outer[id]
}

// settle computes columns that are still expressions into fields, so that
// stages that name fields can use them and nothing is computed twice.
func (c *compiler) settle(f *fragment, ids ...planner.ColID) {
	spec := obj{}
	for _, id := range ids {
		l := f.cols[id]
		if l == nil || l.expr == nil && l.base == "" && l.us == nil {
			continue
		}
		name := c.name("__c")
		spec = append(spec, field{name, computed(l.ref())})
		if l.expr == nil {
			m := *l // the variable stays where it is for others
			if m.us != nil {
				m.us, m.stored = nil, false
				if m.base == "" {
					m.date = m.path
				}
			}
			m.base, m.path = "", []string{name}
			f.cols[id] = &m
			continue
		}
		l.expr, l.path, l.stored = nil, []string{name}, false
	}
	if len(spec) > 0 {
		f.add("$addFields", spec)
	}
}

// settleUsed settles the columns that expressions read, except cheap ones.
func (c *compiler) settleUsed(f *fragment, exprs ...planner.Expr) {
	var ids []planner.ColID
	for _, e := range exprs {
		walkExpr(e, func(x planner.Expr) {
			if r, ok := x.(*planner.ColRef); ok {
				if l := f.cols[r.ID]; l != nil && l.expr != nil && !cheap(l.expr) {
					ids = append(ids, r.ID)
				}
			}
		})
	}
	c.settle(f, ids...)
}

// cheap expressions are written again wherever they are used.
func cheap(e any) bool {
	if simple(e) {
		return true
	}
	o, ok := e.(obj)
	if !ok || len(o) != 1 || o[0].k != "$cond" && o[0].k != "$ifNull" {
		return false
	}
	args, ok := o[0].v.(list)
	for _, a := range args {
		if !ok || !simple(a) && !simpleTest(a) {
			return false
		}
	}
	return ok
}

func simpleTest(e any) bool {
	o, ok := e.(obj)
	if !ok || len(o) != 1 || o[0].k != "$gt" {
		return false
	}
	args, ok := o[0].v.(list)
	return ok && len(args) == 2 && simple(args[0]) && simple(args[1])
}
