package planner

// mapExpr rebuilds an expression bottom up; f gets every node with its parts
// already replaced. Plans of subqueries are changed in place.
func mapExpr(e Expr, f func(Expr) Expr) Expr {
	return (&mapper{post: f}).expr(e)
}

// mapDown rebuilds an expression top down: what f answers with true stands as
// it is, else the parts are visited.
func mapDown(e Expr, f func(Expr) (Expr, bool)) Expr {
	return (&mapper{pre: f}).expr(e)
}

type mapper struct {
	pre  func(Expr) (Expr, bool)
	post func(Expr) Expr
}

func (m *mapper) expr(e Expr) Expr {
	if e == nil {
		return nil
	}
	if m.pre != nil {
		if r, done := m.pre(e); done {
			return r
		}
	}
	e = m.parts(e)
	if m.post != nil {
		e = m.post(e)
	}
	return e
}

func (m *mapper) list(in []Expr) []Expr {
	if in == nil {
		return nil
	}
	out := make([]Expr, len(in))
	for i := range in {
		out[i] = m.expr(in[i])
	}
	return out
}

// parts copies a node with its parts replaced.
func (m *mapper) parts(e Expr) Expr {
	switch x := e.(type) {
	case *Call:
		c := *x
		c.Args = m.list(x.Args)
		return &c
	case *Cast:
		c := *x
		c.X = m.expr(x.X)
		return &c
	case *Logic:
		c := *x
		c.Args = m.list(x.Args)
		return &c
	case *Test:
		c := *x
		c.X = m.expr(x.X)
		return &c
	case *DistinctFrom:
		c := *x
		c.L, c.R = m.expr(x.L), m.expr(x.R)
		return &c
	case *Case:
		c := *x
		c.Whens = make([]When, len(x.Whens))
		for i, w := range x.Whens {
			c.Whens[i] = When{Cond: m.expr(w.Cond), Then: m.expr(w.Then)}
		}
		c.Else = m.expr(x.Else)
		return &c
	case *Variadic:
		c := *x
		c.Args = m.list(x.Args)
		return &c
	case *InList:
		c := *x
		c.X, c.List = m.expr(x.X), m.list(x.List)
		return &c
	case *AnyAll:
		c := *x
		c.X, c.Array = m.expr(x.X), m.expr(x.Array)
		return &c
	case *Subquery:
		c := *x
		c.X = m.list(x.X)
		m.node(c.Plan)
		return &c
	case *Array:
		c := *x
		c.Elems = m.list(x.Elems)
		return &c
	case *Row:
		c := *x
		c.Fields = m.list(x.Fields)
		return &c
	case *Checked: // the rules are over its own column alone
		c := *x
		c.X = m.expr(x.X)
		return &c
	case *Let:
		c := *x
		c.X, c.In = m.expr(x.X), m.expr(x.In)
		return &c
	case *Path:
		c := *x
		c.X = m.expr(x.X)
		return &c
	case *Subscript:
		c := *x
		c.X, c.Lo, c.Hi = m.expr(x.X), m.expr(x.Lo), m.expr(x.Hi)
		return &c
	}
	return e
}

func (m *mapper) node(n Node) {
	eachExpr(n, func(e *Expr) {
		if *e != nil {
			*e = m.expr(*e)
		}
	})
	for _, in := range Inputs(n) {
		m.node(*in)
	}
}

// mapNode replaces every expression of a plan, in place.
func mapNode(n Node, f func(Expr) Expr) { (&mapper{post: f}).node(n) }

func eachKey(keys []SortKey, f func(*Expr)) {
	for i := range keys {
		f(&keys[i].Expr)
	}
}

func eachOf(list []Expr, f func(*Expr)) {
	for i := range list {
		f(&list[i])
	}
}

func eachNamed(list []NamedExpr, f func(*Expr)) {
	for i := range list {
		f(&list[i].Expr)
	}
}

func eachField(list []FieldExpr, f func(*Expr)) {
	for i := range list {
		f(&list[i].Expr)
	}
}

// eachExpr visits the places of a node's own expressions, not its inputs'.
func eachExpr(n Node, f func(*Expr)) {
	switch x := n.(type) {
	case *Scan:
		eachOf(x.Args, f)
	case *Values:
		for i := range x.Rows {
			eachOf(x.Rows[i], f)
		}
	case *FuncScan:
		for i := range x.Calls {
			eachOf(x.Calls[i].Args, f)
		}
	case *Filter:
		f(&x.Cond)
	case *Project:
		eachNamed(x.Exprs, f)
	case *Join:
		f(&x.On)
	case *Aggregate:
		eachNamed(x.Groups, f)
		for i := range x.Aggs {
			eachOf(x.Aggs[i].Args, f)
			eachKey(x.Aggs[i].OrderBy, f)
			f(&x.Aggs[i].Filter)
			f(&x.Aggs[i].Limit)
		}
	case *Window:
		for i := range x.Calls {
			eachWindowExpr(&x.Calls[i], f)
		}
	case *Sort:
		eachKey(x.Keys, f)
	case *Limit:
		f(&x.Count)
		f(&x.Offset)
		eachKey(x.WithTies, f)
	case *Distinct:
		eachOf(x.On, f)
	case *Insert:
		eachField(x.Defaults, f)
		if x.Conflict != nil {
			eachField(x.Conflict.Set, f)
			f(&x.Conflict.Where)
		}
		eachNamed(x.Returning, f)
		eachCheck(x.Checks, f)
	case *Update:
		eachField(x.Set, f)
		eachNamed(x.Returning, f)
		eachCheck(x.Checks, f)
	case *Delete:
		eachNamed(x.Returning, f)
	case *Merge:
		mergeFields(x, f)
	}
}

func eachCheck(list []CheckExpr, f func(*Expr)) {
	for i := range list {
		f(&list[i].Expr)
	}
}

func eachWindowExpr(w *WindowCall, f func(*Expr)) {
	eachOf(w.Args, f)
	f(&w.Filter)
	eachOf(w.PartitionBy, f)
	eachKey(w.OrderBy, f)
	f(&w.Frame.Start.Offset)
	f(&w.Frame.End.Offset)
}

// Inputs gives the places of a node's inputs.
func Inputs(n Node) []*Node {
	switch x := n.(type) {
	case *Filter:
		return []*Node{&x.Input}
	case *Project:
		return []*Node{&x.Input}
	case *Join:
		return []*Node{&x.Left, &x.Right}
	case *Aggregate:
		return []*Node{&x.Input}
	case *Window:
		return []*Node{&x.Input}
	case *Sort:
		return []*Node{&x.Input}
	case *Limit:
		return []*Node{&x.Input}
	case *Distinct:
		return []*Node{&x.Input}
	case *SetOp:
		return []*Node{&x.Left, &x.Right}
	case *With:
		var in []*Node
		for i := range x.CTEs {
			in = append(in, &x.CTEs[i].Plan)
			if r := x.CTEs[i].Recursive; r != nil {
				in = append(in, &r.Term)
			}
		}
		return append(in, &x.Body)
	case *Insert:
		return []*Node{&x.Input}
	case *Update:
		return []*Node{&x.Input}
	case *Delete:
		return []*Node{&x.Input}
	case *Merge:
		return []*Node{&x.Input}
	}
	return nil
}

// walkExpr visits an expression and its parts, those of subqueries' plans too,
// top down, as long as f says so.
func walkExpr(e Expr, f func(Expr) bool) {
	if e == nil || !f(e) {
		return
	}
	for _, c := range parts(e) {
		walkExpr(c, f)
	}
	if s, ok := e.(*Subquery); ok {
		walkNode(s.Plan, f)
	}
}

// walkNode visits the expressions of a plan.
func walkNode(n Node, f func(Expr) bool) {
	eachExpr(n, func(e *Expr) { walkExpr(*e, f) })
	for _, in := range Inputs(n) {
		walkNode(*in, f)
	}
}

// parts are the direct parts of an expression.
func parts(e Expr) []Expr {
	switch x := e.(type) {
	case *Call:
		return x.Args
	case *Cast:
		return []Expr{x.X}
	case *Logic:
		return x.Args
	case *Test:
		return []Expr{x.X}
	case *DistinctFrom:
		return []Expr{x.L, x.R}
	case *Case:
		var out []Expr
		for _, w := range x.Whens {
			out = append(out, w.Cond, w.Then)
		}
		return append(out, x.Else)
	case *Variadic:
		return x.Args
	case *InList:
		return append([]Expr{x.X}, x.List...)
	case *AnyAll:
		return []Expr{x.X, x.Array}
	case *Subquery:
		return x.X
	case *Array:
		return x.Elems
	case *Row:
		return x.Fields
	case *Checked:
		return []Expr{x.X}
	case *Let:
		return []Expr{x.X, x.In}
	case *Path:
		return []Expr{x.X}
	case *Subscript:
		return []Expr{x.X, x.Lo, x.Hi}
	}
	return nil
}

// columnsOf collects the columns that an expression reads.
func columnsOf(e Expr, into map[ColID]bool) {
	walkExpr(e, func(e Expr) bool {
		if c, ok := e.(*ColRef); ok && !c.Bound {
			into[c.ID] = true
		}
		return true
	})
}

func colSet(cols []Col) map[ColID]bool {
	s := make(map[ColID]bool, len(cols))
	for _, c := range cols {
		s[c.ID] = true
	}
	return s
}

// within tells whether all columns that e reads are in set.
func within(e Expr, set map[ColID]bool) bool {
	ok := true
	walkExpr(e, func(e Expr) bool {
		if c, is := e.(*ColRef); is && !c.Bound && !set[c.ID] {
			ok = false
		}
		return ok
	})
	return ok
}

// makes collects the columns that are made anywhere in a plan.
func makes(n Node, into map[ColID]bool) {
	for _, c := range n.Cols() {
		into[c.ID] = true
	}
	switch x := n.(type) {
	case *Aggregate:
		for _, g := range x.Groups {
			into[g.Col.ID] = true
		}
	case *With:
		for _, c := range x.CTEs {
			if c.Recursive != nil {
				for _, o := range c.Recursive.Out {
					into[o.ID] = true
				}
			}
		}
	}
	for _, in := range Inputs(n) {
		makes(*in, into)
	}
}

// outerColumns are the columns that a plan reads and does not make.
func outerColumns(n Node) map[ColID]bool {
	made, outer := map[ColID]bool{}, map[ColID]bool{}
	makesDeep(n, made)
	walkNode(n, func(e Expr) bool {
		if c, ok := e.(*ColRef); ok && !c.Bound && !made[c.ID] {
			outer[c.ID] = true
		}
		return true
	})
	return outer
}

// makesDeep is makes with the plans of subqueries inside of expressions.
func makesDeep(n Node, into map[ColID]bool) {
	makes(n, into)
	walkNode(n, func(e Expr) bool {
		if s, ok := e.(*Subquery); ok {
			makes(s.Plan, into)
		}
		return true
	})
}
