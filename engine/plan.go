package engine

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/agg"
	"weir/engine/index"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

// access is a way to find the documents of a query: a scan of the collection,
// of ranges of one index, or of several (one per arm of an $or).
type access struct {
	index   *indexState // nil: the collection in natural order
	ranges  []index.Range
	reverse bool
	sorted  bool // yields the order that was asked for
	// given is how many of the first keys of that order it yields, where it does not
	// yield all and few are wanted; they are parts of a key of the index.
	given, parts int
	or           []access
	// exact: all that the ranges hold fulfils the filter, each record once.
	exact bool
	// covered is how many parts of a key are needed to make the documents
	// without reading them; 0: they are read.
	covered int
	counted bool // only counted
	// distinct is how many parts of a key tell the groups that one document
	// each is wanted of; 0: every document.
	distinct int
	nulls    bool // but all that have null there
	// wildcard is the path that is looked for in a wildcard index.
	wildcard string
	conds    []index.Condition // of the leading parts of the key, to explain
}

// wish is what a query asks for, beside the filter.
type wish struct {
	collation *value.Collation
	sort      []agg.SortKey
	limit     int64
	fields    []string // top-level fields that are read; nil: all
	distinct  string   // one document for each value of this path is enough
	nulls     bool     // but all documents without a value
	hint      bson.RawValue
	probe     func(access, int) (n int, all bool, err error) // counts keys up to a number; nil: no probing
	whole     func(access) float64                           // the part of the index that the ranges span; nil: unknown
	runs      func(access) (bool, error)                     // whether the first keys that are alike in given are few; nil: unknown
	count     int64                                          // of all documents, where whole is known
}

// predicate is what a filter says about one path.
type predicate struct {
	cond      index.Condition
	collation *value.Collation
	null      bool // a missing field fulfils it
	strings   bool // the collation matters
	twoSided  bool // both limits, from different comparisons
	inexact   bool // holds more than what fulfils it
}

// codeNoQueryPlans is NoQueryExecutionPlans.
const codeNoQueryPlans = 291

// planner chooses an access for one query.
type planner struct {
	m     *meta
	preds map[string]*predicate
	wish
	// rest tells that the filter says more than preds.
	rest bool
}

// planAccess chooses how to read; filter may be nil. It is called after the
// state to read was fixed, so that an index that became multikey is seen as such.
func planAccess(m *meta, root match.Node, w wish) (access, error) {
	p := &planner{m: m, preds: map[string]*predicate{}, wish: w}
	var ors []*match.Or
	if root != nil {
		ors = p.collect(root, nil)
	}
	if !w.hint.IsZero() {
		return p.hinted(w.hint)
	}
	var all []candidate
	for _, ix := range m.indexes {
		if ix.Hidden {
			continue
		}
		if a, s := p.try(ix); s > 0 {
			all = append(all, candidate{a, s})
		}
	}
	best, err := p.choose(all)
	if err == nil && best.score < scoreCondition && best.access.distinct == 0 {
		for _, or := range ors {
			if a, ok := p.planOr(or); ok {
				return a, nil
			}
		}
	}
	return best.access, err
}

// Scores of an access; the highest wins.
const (
	scoreCovered   = 1
	scoreGiven     = 1
	scoreSort      = 2
	scoreDistinct  = 4
	scoreRange     = 10
	scoreCondition = 10
	scorePoints    = 20
	scoreUnique    = 1000
)

// collect notes the predicates that must all hold, and the $or among them.
func (p *planner) collect(n match.Node, ors []*match.Or) []*match.Or {
	switch n := n.(type) {
	case *match.And:
		for _, sub := range n.Of {
			ors = p.collect(sub, ors)
		}
	case *match.Or:
		ors, p.rest = append(ors, n), true
	case *match.Compare:
		p.compare(n)
	case *match.In:
		p.in(n)
	default:
		p.rest = true
	}
	return ors
}

// plain tells whether an index finds exactly what equals a value.
func plain(v value.Value) bool {
	switch v.Kind() {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return !v.IsNaN()
	case bson.TypeString, bson.TypeBoolean, bson.TypeDateTime, bson.TypeTimestamp, bson.TypeObjectID:
		return true
	}
	return false
}

func indexable(v value.Value) bool {
	switch v.Kind() {
	case bson.TypeArray, bson.TypeUndefined, value.KindMissing:
		return false
	}
	return true
}

func collates(v value.Value) bool {
	switch v.Kind() {
	case bson.TypeString, bson.TypeSymbol, bson.TypeEmbeddedDocument, bson.TypeArray:
		return true
	}
	return false
}

func (p *planner) compare(n *match.Compare) {
	if !indexable(n.Value) {
		p.rest = true
		return
	}
	if n.Op == match.Eq {
		p.points(n.Path.Text, []value.Value{n.Value}, n.Collation)
		return
	}
	if n.Value.Kind() == bson.TypeNull {
		p.rest = true // what is missing fulfils $gte and $lte
		return
	}
	low, high, ok := index.ClassLimits(n.Value)
	old := p.preds[n.Path.Text]
	if !ok || old != nil && old.cond.Points != nil {
		p.rest = true
		return
	}
	if old == nil {
		old = &predicate{cond: index.Condition{Low: low, High: high}, collation: n.Collation}
		p.preds[n.Path.Text] = old
	} else if value.Class(old.cond.Low.Value.Kind()) != value.Class(low.Value.Kind()) {
		p.rest = true
		return
	}
	old.strings = old.strings || collates(n.Value)
	old.inexact = old.inexact || !plain(n.Value)
	p.narrow(old, n, low, high)
}

// narrow moves a limit. When both come from the query, only an index without
// arrays can use both.
func (p *planner) narrow(pr *predicate, n *match.Compare, classLow, classHigh index.Limit) {
	atLow := value.Compare(pr.cond.Low.Value, classLow.Value) == 0
	atHigh := value.Compare(pr.cond.High.Value, classHigh.Value) == 0
	inclusive := n.Op == match.Lte || n.Op == match.Gte
	if n.Op == match.Gt || n.Op == match.Gte {
		if c := value.CompareCollated(n.Value, pr.cond.Low.Value, n.Collation); atLow || c > 0 || c == 0 && !inclusive {
			pr.cond.Low = index.Limit{Value: n.Value, Inclusive: inclusive}
		}
		pr.twoSided = pr.twoSided || !atHigh
		return
	}
	if c := value.CompareCollated(n.Value, pr.cond.High.Value, n.Collation); atHigh || c < 0 || c == 0 && !inclusive {
		pr.cond.High = index.Limit{Value: n.Value, Inclusive: inclusive}
	}
	if atLow && n.Value.IsNumber() && !n.Value.IsNaN() {
		pr.cond.Low.Inclusive = false // of the numbers, only NaN is not less than any
	}
	pr.twoSided = pr.twoSided || !atLow
}

func (p *planner) in(n *match.In) {
	if len(n.Patterns) > 0 || slices.ContainsFunc(n.Values, func(v value.Value) bool { return !indexable(v) }) {
		p.rest = true
		return
	}
	p.points(n.Path.Text, n.Values, n.Collation)
}

func (p *planner) points(path string, values []value.Value, c *value.Collation) {
	old := p.preds[path]
	p.rest = p.rest || old != nil // one of the two is left to the filter
	if old != nil && old.cond.Points != nil && len(old.cond.Points) <= len(values) {
		return
	}
	pr := &predicate{collation: c, cond: index.Condition{Points: []value.Value{}}}
	for _, v := range values {
		pr.cond.Points = append(pr.cond.Points, v)
		pr.strings = pr.strings || collates(v)
		pr.inexact = pr.inexact || !plain(v)
		if v.Kind() == bson.TypeNull {
			pr.null = true
			pr.cond.Points = append(pr.cond.Points, value.Undefined())
		}
	}
	p.preds[path] = pr
}

// try plans a scan of one index and rates it; 0: it is of no use.
func (p *planner) try(ix *indexState) (access, int) {
	if ix.Wildcard != nil {
		return p.tryWildcard(ix)
	}
	conds, score, safe := p.conditions(ix)
	if !safe && ix.Sparse || !p.impliesPartial(ix) {
		return access{}, 0
	}
	a := access{index: ix}
	var used int
	a.ranges, used = ix.Ranges(conds)
	a.conds = conds[:used]
	if used < len(conds) {
		score = used * scorePoints
	}
	if ix.Unique && used == len(ix.Fields) && points(conds) {
		score += scoreUnique
	}
	if p.ordered(ix, conds[:used], &a) {
		score += scoreSort
	} else if a.given > 0 {
		score += scoreGiven
	}
	multikey := ix.multikey.Load()
	a.exact = !p.rest && !multikey && used == len(p.preds) && p.exactly(ix, used)
	if p.fields != nil && !multikey && ix.Restores(p.fields) {
		a.covered = p.parts(ix, p.fields)
		if score > 0 {
			score += scoreCovered
		}
	}
	if p.distinct != "" && !multikey && (a.exact || a.covered > 0) && p.groups(ix, conds[:used], &a) {
		score += scoreDistinct
	}
	return a, score
}

// exactly tells whether the first conditions hold nothing beside what
// fulfils the predicates.
func (p *planner) exactly(ix *indexState, used int) bool {
	for i := range used {
		if pr := p.preds[ix.Fields[i].Name]; ix.Fields[i].Hashed || pr.inexact || pr.null {
			return false
		}
	}
	return true
}

// parts is how many parts of a key hold all these fields; at least one.
func (p *planner) parts(ix *indexState, fields []string) int {
	n := 1
	for i := range ix.Fields {
		if slices.Contains(fields, ix.Fields[i].Name) {
			n = i + 1
		}
	}
	return n
}

// groups tells whether the documents of each value of the distinct path come
// together, in the order that was asked for, so that the first will do.
func (p *planner) groups(ix *indexState, conds []index.Condition, a *access) bool {
	if !sameCollation(ix.Collation, p.collation) || ix.Sparse && len(conds) == 0 || len(p.sort) > 0 && !a.sorted {
		return false
	}
	for i := range ix.Fields {
		if ix.Fields[i].Hashed {
			return false
		}
		if ix.Fields[i].Name == p.distinct {
			a.distinct, a.nulls = i+1, p.nulls
			return true
		}
		if i >= len(conds) || len(conds[i].Points) != 1 {
			return false
		}
	}
	return false
}

func points(conds []index.Condition) bool {
	for _, c := range conds {
		if c.Points == nil {
			return false
		}
	}
	return true
}

// conditions are the predicates on the leading fields of an index. safe tells
// that one of them needs the field to exist.
func (p *planner) conditions(ix *indexState) (conds []index.Condition, score int, safe bool) {
	multikey := ix.multikey.Load()
	roots := map[string]bool{}
	for _, f := range ix.Fields {
		pr := p.preds[f.Name]
		if pr == nil || f.Positional || pr.strings && !sameCollation(pr.collation, ix.Collation) {
			break
		}
		if multikey && roots[f.Path[0]] {
			break // the values may come from different items of an array
		}
		roots[f.Path[0]] = true
		cond := pr.cond
		if cond.Points == nil && f.Hashed {
			break
		}
		if cond.Points == nil && multikey && pr.twoSided {
			_, high, _ := index.ClassLimits(cond.Low.Value)
			cond.High = high
		}
		conds = append(conds, cond)
		safe = safe || !pr.null
		if cond.Points == nil {
			return conds, score + scoreRange, safe
		}
		score += scorePoints
	}
	return conds, score, safe
}

// ordered tells whether the scan yields the sort order, forwards or backwards. Where it
// does so for the first keys alone it notes them.
func (p *planner) ordered(ix *indexState, conds []index.Condition, a *access) bool {
	if len(p.sort) == 0 || ix.multikey.Load() || !sameCollation(ix.Collation, p.collation) || len(a.ranges) > 1 {
		return false
	}
	if ix.Sparse && len(conds) == 0 {
		return false
	}
	i, direction := 0, 0
	for n, key := range p.sort {
		if fixed(ix, conds, key.Path) {
			continue
		}
		for i < len(conds) && conds[i].Points != nil && ix.Fields[i].Name != key.Path {
			i++
		}
		d := 1
		if i < len(ix.Fields) && ix.Fields[i].Desc != key.Desc {
			d = -1
		}
		if i >= len(ix.Fields) || ix.Fields[i].Name != key.Path || ix.Fields[i].Hashed || ix.Fields[i].Positional || direction != 0 && d != direction {
			if direction != 0 && p.limit > 0 {
				a.given, a.parts, a.reverse = n, i, direction < 0
			}
			return false
		}
		direction = d
		i++
	}
	a.sorted, a.reverse = true, direction < 0
	return true
}

// fixed tells whether all documents of the scan have the same value in a field.
func fixed(ix *indexState, conds []index.Condition, path string) bool {
	for i, c := range conds {
		if ix.Fields[i].Name == path && len(c.Points) == 1 {
			return true
		}
	}
	return false
}

func (p *planner) planOr(or *match.Or) (access, bool) {
	var a access
	for _, arm := range or.Of {
		sub := &planner{m: p.m, preds: map[string]*predicate{}, wish: wish{collation: p.collation}}
		sub.collect(arm, nil)
		best, score := access{}, 0
		for _, ix := range p.m.indexes {
			if ix.Hidden {
				continue
			}
			if x, s := sub.try(ix); s > score {
				best, score = x, s
			}
		}
		if score < scoreCondition {
			return a, false
		}
		a.or = append(a.or, best)
	}
	return a, true
}

// hinted plans a scan of the index that the query names.
func (p *planner) hinted(hint bson.RawValue) (access, error) {
	if doc, ok := hint.DocumentOK(); ok {
		if n := value.Lookup(doc, "$natural"); !n.IsMissing() {
			return access{reverse: n.Sign() < 0}, nil
		}
	}
	ix := p.m.hintedIndex(hint)
	if ix == nil || ix.Counted {
		return access{}, mongoerr.New(mongoerr.BadValue,
			"error processing query: planner returned error: hint provided does not correspond to an existing index")
	}
	a, _ := p.try(ix)
	if a.index == nil && ix.Wildcard != nil {
		return a, mongoerr.New(codeNoQueryPlans, "error processing query: planner returned error :: caused by :: No indexed plans available, and running with 'notablescan' or the hinted index cannot answer the query")
	}
	if a.index == nil { // sparse or partial, and not implied: what the index holds, and no more
		a = access{index: ix}
		a.ranges, _ = ix.Ranges(nil)
	}
	return a, nil
}

func (m *meta) hintedIndex(hint bson.RawValue) *indexState {
	if name, ok := hint.StringValueOK(); ok {
		if m.clustered && name == m.clusteredName() {
			return m.indexes[0]
		}
		return m.index(name)
	}
	doc, ok := hint.DocumentOK()
	if !ok {
		return nil
	}
	for _, ix := range m.indexes {
		if value.Equal(value.Document(doc), value.Document(ix.Key)) {
			return ix
		}
	}
	return nil
}
