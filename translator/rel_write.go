package translator

import (
	"strings"

	"weir/catalog"
	"weir/engine/value"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
)

// Write is a writing statement: what happens with the rows of the query's Root.
//
// Rows of an Insert hold the targets' values as c0, c1 …; those of an Update or
// Delete hold the key as k, the new values as c0 …, and the columns that
// RETURNING reads from other tables as o.
type Write struct {
	Kind     WriteKind
	Table    *catalog.Table
	Targets  []WriteTarget
	Document bool // Insert: c0 is the whole document
	// Flat tells that all targets are different fields of the document itself,
	// whose names take NameBytes.
	Flat      bool
	NameBytes int
	Conflict  *Conflict
	// Direct writes with one operation: Root has only filters, which Direct repeats.
	Direct *Direct
	// Returning makes the result's rows from documents {n: the row written or
	// deleted, o: other columns}; nil: none.
	Returning []Stage
	// Checks name the constraints; CheckStages give {r: [true, null, false …]}
	// for documents {n: row}.
	Checks      []Check
	CheckStages []Stage
	// Moments tells that values of Targets may have microseconds; Fine are the
	// columns of Table that have or may get some.
	Moments bool
	Fine    []string
	// Actions are MERGE's: rows hold the number of theirs as w, their key as k,
	// and the values of all actions' targets as c0, c1 ….
	Actions []MergeAction
	// Keys are the foreign keys that the write may break; nil: none.
	Keys *Keys
}

// MergeAction is a WHEN clause: an InsertRows, UpdateRows or DeleteRows of one
// row. Its values start at the slot First; Skip does nothing.
type MergeAction struct {
	Write
	Skip  bool
	First int
}

// WriteKind is what a Write does.
type WriteKind uint8

// The kinds of writes.
const (
	InsertRows WriteKind = iota
	UpdateRows
	DeleteRows
	MergeRows
)

// WriteTarget is a place that gets a value.
type WriteTarget struct {
	Path []string
	Type sqltype.Type
	OID  bool // text of 24 hex digits is stored as ObjectId
	// Elems marks the names that are indexes of array items, the first at bit 0.
	Elems uint64
	// Fine tells that fine values can be stored, Marked that the column is
	// marked as holding some.
	Fine, Marked bool
}

// Check is a constraint of the written row.
type Check struct {
	Name   string // "" for NOT NULL
	Column string
	View   bool // WITH CHECK OPTION of the view Name
	// Field, if there is one, must hold a value; CheckStages leave the check out.
	Field string
	// Partition and Relation are those of planner.CheckExpr.
	Partition bool
	Relation  string
}

// Direct is an update or delete in one operation. Set are documents {v: value}
// by target, or Pipeline is the update.
type Direct struct {
	Filter   []Stage // $match stages, all to be fulfilled
	Set      []Stage
	Pipeline []Stage
	// Single tells that at most one document matches, so that no transaction is needed.
	Single bool
}

// Conflict is ON CONFLICT. Without Stages it does nothing.
type Conflict struct {
	Target []WriteTarget // the unique fields, nil: any
	Sets   []WriteTarget
	// Stages give {c0 …: new values} for a document {n: the row there, o: {c0 …:
	// the row to insert}}, or nothing where WHERE is false.
	Stages []Stage
	Keys   *Keys
}

func (c *compiler) insert(n *planner.Insert) Query {
	f := c.relation(n.Input, nil)
	w := &Write{Kind: InsertRows, Table: n.Table, Document: n.Document}
	cols := n.Input.Cols()
	for _, t := range n.Targets {
		w.Targets = append(w.Targets, writeTarget(n.Table, t))
	}
	s := scope{c: c, f: f}
	var out []outColumn
	for i, col := range cols {
		out = append(out, outColumn{slotName("c", i), col.ID})
	}
	for i, d := range n.Defaults {
		id := planner.ColID(-1 - i)
		f.cols[id] = &loc{expr: s.value(d.Expr), t: d.Field.Type}
		out = append(out, outColumn{slotName("c", len(cols)+i), id})
		w.Targets = append(w.Targets, writeTarget(n.Table, d.Field))
	}
	if len(out) == 0 {
		out = nil
	}
	w.flatten()
	w.moments()
	c.project(f, out)
	if n.Conflict != nil {
		w.Conflict = c.conflict(n)
	}
	q := Query{Root: c.fetch(f), Write: w}
	w.Checks, w.CheckStages = c.checks(&n.Target, n.Checks)
	w.Keys = c.foreignKeys(n.Foreign)
	q.Columns, w.Returning = c.returning(&n.Target, n.Returning, nil)
	return q
}

// moments finds out where the write meets microseconds.
func (w *Write) moments() {
	w.Fine = fineTargets(w.Table)
	for _, t := range w.Targets {
		w.Moments = w.Moments || MayBeFine(t.Type)
	}
}

func (w *Write) flatten() {
	seen := map[string]bool{}
	for _, t := range w.Targets {
		if len(t.Path) != 1 || seen[t.Path[0]] {
			return
		}
		seen[t.Path[0]] = true
		w.NameBytes += len(t.Path[0])
	}
	w.Flat = true
}

func writeTarget(table *catalog.Table, f planner.Field) WriteTarget {
	t := WriteTarget{Path: f.Path, Type: f.Type, Elems: f.Elems}
	t.fineTarget(table)
	t.OID = f.Type.OID.IsString() && f.Kinds.Only(catalog.KindObjectID)
	return t
}

// written is a fragment of documents {n: row, o: other columns}.
func (c *compiler) written(target *planner.Scan, other []planner.ColID) *fragment {
	f := newFragment(nil)
	for i, col := range target.Out {
		l := scanLoc(target, i)
		l.us = nil // rows as they are written have whole values
		f.cols[col.ID] = l.at("n")
	}
	for i, id := range other {
		f.cols[id] = &loc{path: []string{"o", slotName("c", i)}}
	}
	return f
}

func (c *compiler) returning(target *planner.Scan, exprs []planner.NamedExpr, other []planner.ColID) ([]Column, []Stage) {
	if exprs == nil {
		return nil, nil
	}
	f := c.written(target, other)
	s := scope{c: c, f: f}
	var cols []planner.Col
	for _, e := range exprs {
		f.cols[e.Col.ID] = &loc{expr: s.value(e.Expr), t: e.Col.Type}
		cols = append(cols, e.Col)
	}
	c.normalise(f, cols)
	out := make([]Column, len(cols))
	for i, col := range cols {
		out[i] = Column{Name: col.Name, Type: col.Type, Path: []string{slotName("c", i)}, Table: col.Table, Attr: col.Attr}
	}
	return out, c.encodeStages(f.stages)
}

func (c *compiler) checks(target *planner.Scan, checks []planner.CheckExpr) ([]Check, []Stage) {
	if len(checks) == 0 {
		return nil, nil
	}
	f := c.written(target, nil)
	s := scope{c: c, f: f}
	var out []Check
	results := list{}
	for _, k := range checks {
		check := Check{Name: k.Name, Column: k.Column, View: k.View, Partition: k.Partition, Relation: k.Relation}
		if check.Field = notNullField(f, k); check.Field == "" {
			results = append(results, op("$not", s.isFalse(k.Expr)))
		}
		out = append(out, check)
	}
	if len(results) == 0 {
		return out, nil
	}
	f.add("$project", obj{{"_id", 0}, {"r", results}})
	return out, c.encodeStages(f.stages)
}

// notNullField is the field that a NOT NULL is about; "" if it takes more than
// a look.
func notNullField(f *fragment, k planner.CheckExpr) string {
	test, ok := k.Expr.(*planner.Test)
	if !ok || test.Is != planner.IsNotNull || k.Name != "" || k.View || k.Partition {
		return ""
	}
	if col, ok := test.X.(*planner.ColRef); ok {
		if l := f.cols[col.ID]; l != nil && l.expr == nil && !l.narrow && len(l.path) == 2 {
			return l.path[1]
		}
	}
	return ""
}

func (c *compiler) conflict(n *planner.Insert) *Conflict {
	out := &Conflict{}
	for _, t := range n.Conflict.Target {
		out.Target = append(out.Target, writeTarget(n.Table, t))
	}
	if n.Conflict.Set == nil {
		return out
	}
	other := colIDs(n.Conflict.Excluded)
	f := c.written(&n.Target, other)
	if n.Conflict.Where != nil {
		c.addFilter(f, n.Conflict.Where)
	}
	out.Sets = c.setTargets(n.Table, n.Conflict.Set)
	c.projectSets(f, n.Conflict.Set, obj{{"_id", 0}, {"k", op1("$literal", 1)}})
	out.Stages = c.encodeStages(f.stages)
	out.Keys = c.foreignKeys(n.Conflict.Foreign)
	return out
}

func (c *compiler) setTargets(table *catalog.Table, set []planner.FieldExpr) []WriteTarget {
	var out []WriteTarget
	for _, s := range set {
		out = append(out, writeTarget(table, s.Field))
	}
	return out
}

// projectSets computes new values as c0, c1 … beside what spec has.
func (c *compiler) projectSets(f *fragment, set []planner.FieldExpr, spec obj) {
	var es []planner.Expr
	for _, x := range set {
		es = append(es, x.Expr)
	}
	c.settleUsed(f, es...)
	s := scope{c: c, f: f}
	for i, x := range set {
		spec = append(spec, field{slotName("c", i), computed(s.value(x.Expr))})
	}
	f.add("$project", spec)
}

func (c *compiler) update(n *planner.Update) Query {
	f := c.relation(n.Input, nil)
	w := &Write{Kind: UpdateRows, Table: n.Table, Targets: c.setTargets(n.Table, n.Set), Keys: c.foreignKeys(n.Foreign)}
	w.moments()
	q := Query{Write: w}
	w.Checks, w.CheckStages = c.checks(&n.Target, n.Checks)
	other := otherColumns(&n.Target, n.Returning)
	q.Columns, w.Returning = c.returning(&n.Target, n.Returning, other)
	if w.Keys == nil && c.directly(f, n.Returning, n.Checks) {
		w.Direct = c.directUpdate(f, n)
	}
	if w.Direct == nil {
		spec := c.keySpec(f, n.Key, other)
		c.projectSets(f, n.Set, spec)
	}
	q.Root = c.fetch(f)
	return q
}

func (c *compiler) delete(n *planner.Delete) Query {
	f := c.relation(n.Input, nil)
	w := &Write{Kind: DeleteRows, Table: n.Table, Keys: c.foreignKeys(n.Foreign)}
	w.moments()
	q := Query{Write: w}
	other := otherColumns(&n.Target, n.Returning)
	q.Columns, w.Returning = c.returning(&n.Target, n.Returning, other)
	if w.Keys == nil && c.directly(f, n.Returning, nil) {
		w.Direct = &Direct{Filter: c.encodeStages(f.stages), Single: c.byID(f)}
	} else {
		f.add("$project", c.keySpec(f, n.Key, other))
	}
	q.Root = c.fetch(f)
	return q
}

// otherColumns are the columns of RETURNING that are not the written table's.
func otherColumns(target *planner.Scan, exprs []planner.NamedExpr) []planner.ColID {
	u := newUse()
	u.makes(target.Out)
	u.named(exprs)
	return u.free()
}

// keySpec projects the key as it is stored, and other columns under o.
func (c *compiler) keySpec(f *fragment, key planner.ColID, other []planner.ColID) obj {
	l := f.cols[key]
	if l == nil {
		c.fail(sqlerr.New(sqlerr.InternalError, "the rows to write have no key"))
		return obj{}
	}
	spec := obj{{"_id", 0}, {"k", computed(l.ref())}}
	if len(other) > 0 {
		o := obj{}
		for i, id := range other {
			if l := f.cols[id]; l != nil {
				o = append(o, field{slotName("c", i), canonical(l)})
			}
		}
		spec = append(spec, field{"o", op("$mergeObjects", o)})
	}
	return spec
}

// directly tells whether a write can be one operation: rows of the collection
// itself, chosen by filters that the store tests.
func (c *compiler) directly(f *fragment, returning []planner.NamedExpr, checks []planner.CheckExpr) bool {
	return returning == nil && len(checks) == 0 && !f.local() && filtersOnly(f.stages) && firstOuter(f.stages) == len(f.stages)
}

// byID tells whether the filter asks for one _id.
func (c *compiler) byID(f *fragment) bool {
	for _, s := range f.stages {
		spec, _ := s.doc[0].v.(obj)
		for _, x := range spec {
			if x.k != "_id" {
				continue
			}
			switch v := x.v.(type) {
			case placeholder:
				return v.kind == condition && c.prog.conds[v.n].op == "$eq" && c.prog.conds[v.n].oid != oidAndText
			case value.Value:
				return v.IsDocument() && !value.Lookup(v.Doc(), "$eq").IsMissing()
			}
		}
	}
	return false
}

func (c *compiler) directUpdate(f *fragment, n *planner.Update) *Direct {
	d := &Direct{Filter: c.encodeStages(f.stages), Single: c.byID(f)}
	constant, marked := true, false
	for _, x := range n.Set {
		constant = constant && c.constant(x.Expr)
		for _, name := range x.Field.Path {
			if !plainName(name) || strings.Trim(name, "0123456789") == "" {
				return nil
			}
		}
		if x.Field.Elems != 0 || len(x.Field.Path) == 0 || x.Field.Path[0] == "_id" {
			return nil
		}
		marked = marked || writeTarget(n.Table, x.Field).Marked
	}
	if constant {
		for _, x := range n.Set {
			d.Set = append(d.Set, c.encodeStage(obj{{"v", c.bare(x.Expr)}}))
		}
		return d
	}
	if marked {
		return nil // their microseconds go with the values
	}
	s := scope{c: c, f: f}
	spec := obj{}
	for _, x := range n.Set {
		if x.Field.Type.OID == sqltype.JSONB || len(x.Field.Path) > 1 || writeTarget(n.Table, x.Field).OID {
			return nil
		}
		v := op("$ifNull", inStoredForm(s.value(x.Expr), x.Field.Type), null)
		spec = append(spec, field{strings.Join(x.Field.Path, "."), computed(v)})
	}
	stage := obj{{"$set", spec}}
	if t := traitsOf(stage); t.local || c.hasLookups(n) {
		return nil
	}
	d.Pipeline = []Stage{c.encodeStage(stage)}
	return d
}

func (c *compiler) hasLookups(n *planner.Update) bool {
	for _, x := range n.Set {
		if c.hasLookup(x.Expr) {
			return true
		}
	}
	return false
}

// inStoredForm converts a number to the one type that documents get.
func inStoredForm(x any, t sqltype.Type) any {
	switch t.OID {
	case sqltype.Int8:
		return op1("$toLong", x)
	case sqltype.Float8:
		return op1("$toDouble", x)
	case sqltype.Numeric:
		return op1("$toDecimal", x)
	}
	return x
}
