package translator

import (
	"weir/catalog"
	"weir/engine/expr"
	"weir/planner"
	"weir/sqlerr"
	"weir/store"
)

// compiler is the state of one translation. The first error sticks; what is
// built after it is thrown away.
type compiler struct {
	opts      Options
	prog      *Program
	seq       int
	err       error
	initSlots map[initKey]int
	// paramSlots and exprSlots find the slots of parameters and expressions.
	paramSlots map[int]int
	exprSlots  map[string]int
	working    map[int]bool // recursive CTEs whose term is being compiled
	ctes       map[int]*cte
	most       map[planner.Node]int64 // rows that are read of those of functions
	push       map[string]builder
	aggs       map[string]aggBuilder
	wide       bool                     // the program may meet numerics beyond decimal128
	digits     map[planner.ColID]digits // of computed numerics
	spent      int                      // expressions that were compiled
}

// cte is a compiled query of a WITH clause: where its columns are.
type cte struct {
	name string
	cols map[planner.ColID]*loc
}

func (c *compiler) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Translate compiles a plan.
func Translate(p *planner.Plan, opts Options) (*Program, error) {
	c := newCompiler(p, opts)
	c.wide = opts.fine || opts.exact || meetsWide(p.Root)
	c.prog.Query = c.query(p.Root)
	if c.err != nil {
		return nil, c.err
	}
	return c.prog, nil
}

func newCompiler(p *planner.Plan, opts Options) *compiler {
	prog := &Program{Plan: p, opts: opts, Fetches: map[string]*Fetch{}, Collections: map[string]store.Namespace{}, lib: Library(opts.Library)}
	return &compiler{opts: opts, prog: prog, initSlots: map[initKey]int{}, paramSlots: map[int]int{}, exprSlots: map[string]int{}, working: map[int]bool{}, digits: map[planner.ColID]digits{}, most: map[planner.Node]int64{}, ctes: map[int]*cte{},
		push: pushTable(), aggs: aggTable()}
}

// Library is the local operators of a program: sqlfunc's and the translator's own.
func (p *Program) Library() *expr.Library { return p.lib }

// query compiles a statement: rows, or a write with the rows that it returns.
func (c *compiler) query(n planner.Node) Query {
	if w, ok := n.(*planner.With); ok {
		c.with(w)
		return c.query(w.Body)
	}
	switch n := n.(type) {
	case *planner.Insert:
		return c.insert(n)
	case *planner.Update:
		return c.update(n)
	case *planner.Delete:
		return c.delete(n)
	case *planner.Merge:
		return c.merge(n)
	}
	f := c.relation(n, nil)
	cols := c.output(f, n.Cols())
	return Query{Root: c.fetch(f), Columns: cols}
}

// relation compiles a node; outer holds the columns of outer queries.
func (c *compiler) relation(n planner.Node, outer map[planner.ColID]*loc) *fragment {
	switch n := n.(type) {
	case *planner.Scan:
		return c.scan(n, outer)
	case *planner.Values:
		return c.values(n, outer)
	case *planner.FuncScan:
		return c.funcScan(n, outer)
	case *planner.Filter:
		return c.filter(n, outer)
	case *planner.Project:
		return c.projection(n, outer)
	case *planner.Join:
		return c.join(n, outer)
	case *planner.Aggregate:
		return c.aggregate(n, outer)
	case *planner.Window:
		return c.window(n, outer)
	case *planner.Sort:
		return c.sort(n, outer)
	case *planner.Limit:
		return c.limit(n, outer)
	case *planner.Distinct:
		return c.distinct(n, outer)
	case *planner.SetOp:
		return c.setOp(n, outer)
	case *planner.With:
		c.with(n)
		return c.relation(n.Body, outer)
	case *planner.CTEScan:
		return c.cteScan(n, outer)
	}
	c.fail(sqlerr.New(sqlerr.FeatureNotSupported, "a writing statement is not supported here").
		WithHint("Put it in a WITH query of the outermost statement."))
	return newFragment(outer)
}

// fetch makes a fragment's pipeline, cut where it has to be.
func (c *compiler) fetch(f *fragment) *Fetch {
	out := &Fetch{NS: f.src.ns, Table: f.src.table, From: f.src.from, Single: f.one}
	out.Reads = f.src.reads()
	for _, a := range f.src.args {
		out.Args = append(out.Args, c.encodeStage(obj{{"v", a}}))
	}
	for _, d := range f.src.docs {
		out.Docs = append(out.Docs, c.encodeStage(d.(obj)))
	}
	cut := len(f.stages)
	for i, s := range f.stages {
		if s.local {
			cut = i
			out.Reason = reasonOf(s)
			break
		}
	}
	if !f.src.pushable() {
		cut = 0
		out.Reason = f.src.reason()
	}
	remote, local := f.stages[:cut:cut], f.stages[cut:]
	if f.src.pushable() {
		remote = keepRead(remote, local)
	}
	out.Remote, out.Local = floorStages(c.encodeStages(remote)), c.encodeStages(c.localise(local, f.src.ns.DB))
	return out
}

// reads lists the fields that are read of a table function's rows, nil: any may be.
func (s *source) reads() []string {
	if s.scan == nil || s.table == nil || s.table.Kind != catalog.Function {
		return nil
	}
	names := []string{}
	for _, fd := range s.scan.Fields {
		if len(fd.Path) == 0 {
			return nil
		}
		names = append(names, fd.Path[0])
	}
	return names
}

func (s *source) reason() string {
	switch {
	case s.table != nil:
		return "the rows of " + s.table.Name + " are made here"
	case s.from != "":
		return "the rows of a WITH query are here"
	}
	return "the rows are constants"
}

// reasonOf says why a stage is local.
func reasonOf(s stage) string {
	if s.reason != "" {
		return s.reason
	}
	switch {
	case s.fine && wideIn(s.doc):
		return "MongoDB's decimals have 34 digits"
	case s.fine:
		return "MongoDB's dates have no microseconds"
	}
	if name := localName(s.doc); name == opFine {
		return "MongoDB's dates have no microseconds"
	} else if name != "" {
		return name + " has no exact counterpart in MongoDB"
	}
	return "the stage reads rows that are here"
}

// localName finds the first local operator in a tree.
func localName(v any) string {
	switch v := v.(type) {
	case obj:
		for _, f := range v {
			if len(f.k) > len(expr.LocalPrefix) && f.k[:len(expr.LocalPrefix)] == expr.LocalPrefix {
				return f.k[len(expr.LocalPrefix):]
			}
			if n := localName(f.v); n != "" {
				return n
			}
		}
	case list:
		for _, x := range v {
			if n := localName(x); n != "" {
				return n
			}
		}
	}
	return ""
}

func (c *compiler) encodeStage(o obj) Stage {
	t := traitsOf(o)
	if t.tooLong() {
		c.fail(tooComplex())
		return Stage{}
	}
	return Stage{Raw: encode(o), Bound: t.bound, fine: t.fine}
}

func (c *compiler) encodeStages(in []stage) []Stage {
	out := make([]Stage, len(in))
	for i, s := range in {
		if s.tooLong() {
			c.fail(tooComplex())
			return nil
		}
		out[i] = Stage{Raw: encode(s.doc), Bound: s.bound, fine: s.fine}
	}
	return out
}

// named makes a Fetch that local stages can name.
func (c *compiler) named(f *fragment) string {
	name := c.name("__f")
	c.prog.Fetches[name] = c.fetch(f)
	return name
}

// pipelineOf is the stages as the value of a pipeline field.
func pipelineOf(stages []stage) list {
	out := list{}
	for _, s := range stages {
		out = append(out, s.doc)
	}
	return out
}
