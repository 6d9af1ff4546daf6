package planner

import (
	"strings"

	"weir/catalog"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

// groupBy is GROUP BY as it is bound: distinct expressions, and sets of them.
type groupBy struct {
	exprs []Expr
	keys  map[string]int
	sets  [][]int // nil: one set of all
	given bool
}

func (g *groupBy) add(x Expr) int {
	key := exprKey(x)
	if i, ok := g.keys[key]; ok {
		return i
	}
	g.keys[key] = len(g.exprs)
	g.exprs = append(g.exprs, x)
	return len(g.exprs) - 1
}

func (s *selectQuery) bindGroupBy() error {
	s.group.keys = map[string]int{}
	if len(s.ast.GroupBy) == 0 {
		return nil
	}
	s.group.given = true
	product := [][]int{{}}
	plain := true
	for _, e := range s.ast.GroupBy {
		sets, err := s.groupingSets(e)
		if err != nil {
			return err
		}
		if _, ok := e.(*ast.GroupingSet); ok {
			plain = false
		}
		product = cross(product, sets)
		if len(product) > 4096 {
			return sqlerr.New(sqlerr.StatementTooComplex, "too many grouping sets present (maximum 4096)").At(e.Pos())
		}
	}
	if plain {
		return nil
	}
	if s.ast.GroupDistinct {
		product = distinctSets(product)
	}
	s.group.sets = product
	return nil
}

func cross(a, b [][]int) [][]int {
	var out [][]int
	for _, x := range a {
		for _, y := range b {
			out = append(out, union(x, y))
		}
	}
	return out
}

func union(a, b []int) []int {
	out := append([]int(nil), a...)
	for _, i := range b {
		if !containsInt(out, i) {
			out = append(out, i)
		}
	}
	return out
}

func containsInt(list []int, n int) bool {
	for _, i := range list {
		if i == n {
			return true
		}
	}
	return false
}

func distinctSets(sets [][]int) [][]int {
	var out [][]int
	for _, a := range sets {
		dup := false
		for _, o := range out {
			dup = dup || len(o) == len(a) && len(union(o, a)) == len(a)
		}
		if !dup {
			out = append(out, a)
		}
	}
	return out
}

// groupingSets gives the sets that one item of GROUP BY stands for.
func (s *selectQuery) groupingSets(e ast.Expr) ([][]int, error) {
	g, ok := e.(*ast.GroupingSet)
	if !ok {
		set, err := s.groupItem(e)
		return [][]int{set}, err
	}
	if g.Kind == ast.GroupingEmpty {
		return [][]int{{}}, nil
	}
	var parts [][]int
	var all [][]int
	for _, it := range g.Items {
		if g.Kind == ast.GroupingSets {
			sets, err := s.groupingSets(it)
			if err != nil {
				return nil, err
			}
			all = append(all, sets...)
			continue
		}
		set, err := s.groupItem(it)
		if err != nil {
			return nil, err
		}
		parts = append(parts, set)
	}
	switch g.Kind {
	case ast.GroupingRollup:
		for n := len(parts); n >= 0; n-- {
			all = append(all, flat(parts[:n]))
		}
	case ast.GroupingCube:
		if len(parts) > 12 {
			return nil, sqlerr.New(sqlerr.StatementTooComplex, "CUBE is limited to 12 elements").At(g.Pos())
		}
		for mask := 1<<len(parts) - 1; mask >= 0; mask-- {
			var set []int
			for i, p := range parts {
				if mask&(1<<(len(parts)-1-i)) != 0 {
					set = union(set, p)
				}
			}
			all = append(all, set)
		}
	}
	return all, nil
}

func flat(parts [][]int) []int {
	var out []int
	for _, p := range parts {
		out = union(out, p)
	}
	return out
}

// groupItem binds an expression, a position or an alias; a row in parentheses
// is several.
func (s *selectQuery) groupItem(e ast.Expr) ([]int, error) {
	if r, ok := e.(*ast.RowExpr); ok && !r.Explicit {
		var set []int
		for _, it := range r.Items {
			one, err := s.groupItem(it)
			if err != nil {
				return nil, err
			}
			set = union(set, one)
		}
		return set, nil
	}
	x, err := s.groupExpr(e)
	if err != nil {
		return nil, err
	}
	if x, err = s.b.known(x); err != nil {
		return nil, err
	}
	if x.Type().OID == sqltype.JSON {
		return nil, sqlerr.New(sqlerr.UndefinedFunction, "could not identify an equality operator for type json").At(e.Pos())
	}
	return []int{s.group.add(x)}, nil
}

func (s *selectQuery) groupExpr(e ast.Expr) (Expr, error) {
	i, err := s.ordinal(e, "GROUP BY")
	if err != nil {
		return nil, err
	}
	sc := *s.sc
	sc.noAgg, sc.noWindow = "GROUP BY", "GROUP BY"
	if c, ok := e.(*ast.ColumnRef); ok && len(c.Parts) == 1 {
		// PostgreSQL takes an input column before an output column here.
		x, err := s.b.unqualified(&scope{ns: s.sc.ns}, c.Parts[0])
		if x != nil || err != nil {
			return x, err
		}
		if i, err = s.outputNamed(c.Parts[0], "GROUP BY"); err != nil {
			return nil, err
		}
	}
	if i < 0 {
		return s.b.expr(&sc, e)
	}
	if s.hasAggregate(s.outs[i].expr) {
		return nil, sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in GROUP BY").At(s.outs[i].expr.Pos())
	}
	return s.output(i)
}

func (s *selectQuery) hasAggregate(x Expr) bool {
	cols := map[ColID]bool{}
	columnsOf(x, cols)
	for _, a := range s.sel.aggs {
		if cols[a.Col.ID] {
			return true
		}
	}
	return false
}

// placeGroups puts the Aggregate and HAVING below, and makes the expressions
// above read its columns.
func (s *selectQuery) placeGroups() error {
	if !s.group.given && !s.sel.grouped && len(s.sel.aggs) == 0 {
		return nil
	}
	r := &regroup{s: s, input: map[ColID]bool{}, agg: &Aggregate{Input: s.node, Sets: s.group.sets}, any: map[ColID]Col{}}
	makes(s.node, r.input)
	for _, x := range s.group.exprs {
		name := "group"
		if c, ok := x.(*ColRef); ok {
			name = c.Name
		}
		col := s.b.newCol(name, x.Type())
		if c, ok := x.(*ColRef); ok {
			col.Table, col.Attr = s.b.origin(s.node, c.ID)
		}
		r.agg.Groups = append(r.agg.Groups, NamedExpr{Col: col, Expr: x})
	}
	if s.sel.srf {
		s.groupSets(r.agg)
	}
	r.dependent()
	r.agg.Aggs = s.sel.aggs
	if err := s.settleGroupings(r); err != nil {
		return err
	}
	for i := range s.outs {
		s.outs[i].expr = r.rewrite(s.outs[i].expr)
	}
	s.hav = r.rewrite(s.hav)
	for i := range s.keys {
		s.keys[i].Expr = r.rewrite(s.keys[i].Expr)
	}
	for i := range s.on {
		s.on[i] = r.rewrite(s.on[i])
	}
	for i := range s.sel.windows {
		eachWindowExpr(&s.sel.windows[i], func(e *Expr) { *e = r.rewrite(*e) })
	}
	s.node = r.agg
	if len(r.agg.Groups)+len(r.agg.Aggs)+len(r.agg.Grouping) == 0 && r.agg.Sets == nil {
		s.node = emptyRow() // one row, whatever there is
	}
	if s.hav != nil {
		s.node = &Filter{Input: s.node, Cond: s.hav}
	}
	return r.err
}

// groupSets has the set-returning functions of GROUP BY computed before it.
func (s *selectQuery) groupSets(agg *Aggregate) {
	exprs := make([]*Expr, len(agg.Groups))
	for i := range agg.Groups {
		exprs[i] = &agg.Groups[i].Expr
	}
	s.liftSets(exprs)
	agg.Input = s.node
}

func (s *selectQuery) settleGroupings(r *regroup) error {
	for _, g := range s.sel.groupings {
		call := GroupingCall{Col: g.col}
		for _, a := range g.args {
			i, ok := s.group.keys[exprKey(a)]
			if !ok {
				return sqlerr.New(sqlerr.GroupingError, "arguments to GROUPING must be grouping expressions of the associated query level").At(a.Pos())
			}
			call.Args = append(call.Args, i)
		}
		r.agg.Grouping = append(r.agg.Grouping, call)
	}
	return nil
}

// regroup replaces expressions over the input by the Aggregate's columns.
type regroup struct {
	s     *selectQuery
	agg   *Aggregate
	input map[ColID]bool
	any   map[ColID]Col // ungrouped columns that are taken from any row
	free  []*Scan       // whose primary key is grouped: their columns are one per group
	err   error
}

// dependent finds the scans of which GROUP BY has the whole primary key.
func (r *regroup) dependent() {
	paths := map[*Scan]map[string]bool{}
	for _, g := range r.agg.Groups {
		c, ok := g.Expr.(*ColRef)
		if !ok {
			continue
		}
		if scan, def := r.s.b.scanOf(c.ID); scan != nil {
			if paths[scan] == nil {
				paths[scan] = map[string]bool{}
			}
			paths[scan][def.Name] = true
		}
	}
	for scan, names := range paths {
		if len(scan.Table.PrimaryKey) == 0 || scan.Table.Kind == catalog.MongoView {
			continue
		}
		all := true
		for _, k := range scan.Table.PrimaryKey {
			all = all && names[k]
		}
		if all {
			r.free = append(r.free, scan)
		}
	}
}

func (r *regroup) rewrite(e Expr) Expr {
	if e == nil {
		return nil
	}
	return mapDown(e, func(e Expr) (Expr, bool) {
		if i, ok := r.s.group.keys[exprKey(e)]; ok {
			c := colRef(r.agg.Groups[i].Col, e.Pos())
			return c, true
		}
		c, ok := e.(*ColRef)
		if !ok || !r.input[c.ID] {
			return e, false
		}
		return r.ungrouped(c), true
	})
}

// ungrouped is a column that is neither grouped nor aggregated.
func (r *regroup) ungrouped(c *ColRef) Expr {
	b := r.s.b
	if col, ok := r.any[c.ID]; ok {
		return colRef(col, c.P)
	}
	scan, _ := b.scanOf(c.ID)
	depends := false
	for _, f := range r.free {
		depends = depends || f == scan
	}
	if !depends {
		name := r.qualifiedName(c)
		if b.strict() {
			if r.err == nil {
				r.err = sqlerr.New(sqlerr.GroupingError,
					"column %q must appear in the GROUP BY clause or be used in an aggregate function", name).At(c.P)
			}
			return c
		}
		b.warn(sqlerr.GroupingError, c.P, "Group by it or aggregate it; SET weir.strict = on refuses it.",
			"column %q is neither grouped nor aggregated, any value of the group is taken", name)
	}
	col := b.newCol(c.Name, c.T)
	col.Table, col.Attr = b.origin(r.s.node, c.ID)
	r.any[c.ID] = col
	r.agg.Aggs = append(r.agg.Aggs, AggCall{Col: col, Args: []Expr{c}, AnyValue: true, Pos: c.P})
	return colRef(col, c.P)
}

func (r *regroup) qualifiedName(c *ColRef) string {
	for _, src := range r.s.sc.ns.srcs {
		for _, col := range src.cols {
			if col.col.ID == c.ID && src.text != "" {
				return src.text + "." + c.Name
			}
		}
	}
	return strings.TrimPrefix(c.Name, ".")
}
