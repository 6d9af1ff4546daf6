package agg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// scanPlan is what of a pipeline's beginning is offered to its source.
type scanPlan struct {
	match  *matchStage // stages[0]
	sort   *sortStage  // the stage after match
	limit  int64       // of the documents after match and sort
	fields []string
	count  *groupStage // the stage after match only counts
	// distinct is the path whose first documents alone the stage after match
	// and sort looks at, by the order of the sort.
	distinct string
	// begun are the first keys of the sort behind a stage that only adds fields, which it
	// sorts by then: the source may be in their order, but not cut.
	begun []SortKey
}

func planScan(stages []stage) scanPlan {
	p := scanPlan{fields: requiredFields(stages)}
	rest := stages
	if len(rest) > 0 {
		if m, ok := rest[0].(*matchStage); ok {
			p.match, rest = m, rest[1:]
		}
	}
	if len(rest) == 0 {
		return p
	}
	switch s := rest[0].(type) {
	case *sortStage:
		p.sort, p.limit = s, s.limit
		if g, ok := next(rest[1:]).(*groupStage); ok && s.limit == 0 && g.onlyFirst() {
			p.distinct = g.plainID()
		}
	case *projectStage:
		if sort, ok := next(rest[1:]).(*sortStage); ok && s.kind == projectAdd && sort.limit > 0 && sort.limit <= maxTopK {
			if p.begun = s.untouched(sort.pattern.keys); p.begun != nil {
				p.limit = sort.limit
			}
		}
	case *limitStage:
		p.limit = s.n
	case *skipStage:
		if len(rest) > 1 {
			if l, ok := rest[1].(*limitStage); ok && s.n < 1<<40 && l.n < 1<<40 {
				p.limit = s.n + l.n
			}
		}
	case *groupStage:
		if s.onlyCounts() {
			p.count = s
		}
		if len(s.accs) == 0 {
			p.distinct = s.plainID()
		}
	}
	return p
}

// moreKeys stands for the keys of an order that a source cannot know.
const moreKeys = "\x00"

// untouched gives the first keys of an order that are none of the fields which a stage
// adds, with moreKeys behind them; nil: there are none.
func (s *projectStage) untouched(keys []SortKey) []SortKey {
	for i, k := range keys {
		root, _, _ := strings.Cut(k.Path, ".")
		if !slices.ContainsFunc(s.p.root.entries, func(e projEntry) bool { return e.name == root }) {
			continue
		}
		if i == 0 {
			return nil
		}
		return append(slices.Clone(keys[:i]), SortKey{Path: moreKeys})
	}
	return nil
}

func next(stages []stage) stage {
	if len(stages) == 0 {
		return nil
	}
	return stages[0]
}

// plainID is the path that a $group has as its _id; "": something else.
func (s *groupStage) plainID() string {
	if s.id.names != nil || len(s.id.parts) != 1 || s.id.parts[0].slot < 0 {
		return ""
	}
	in := &s.id.parts[0]
	return strings.Join(append([]string{s.plain.names[in.slot]}, in.rest...), ".")
}

// onlyFirst tells whether the first document of each group is all that is used.
func (s *groupStage) onlyFirst() bool {
	for i := range s.accs {
		if !s.accs[i].first {
			return false
		}
	}
	return true
}

func (p *Pipeline) openSource(ctx context.Context, r *run, src Source) (store.Cursor, []stage, error) {
	q := p.request(r)
	if docs, ok, err := p.countOnly(ctx, r, src, q); ok || err != nil {
		return docs, p.after(true, true)[1:], err
	}
	in, done, err := src.Open(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	rest := p.after(done.Match, done.Match && done.Sort)
	if done.Match && !done.Sort && done.Given > 0 {
		rest = p.begunBy(done.Given, rest)
	}
	if p.scan.fields != nil && (anyLookup(rest) || readsOften(rest)) {
		in = &trimCursor{piped: piped{in}, trimmer: trimmer{keep: p.scan.fields}}
	}
	return &checked{piped: piped{in}}, rest, nil
}

func (p *Pipeline) request(r *run) Request {
	q := Request{Context: r.x, Fields: p.scan.fields, Distinct: p.scan.distinct, Limit: p.scan.limit, Hint: p.env.Hint}
	if m := p.scan.match; m != nil {
		q.Match, q.Filter = m.m, m.filter
	}
	if s := p.scan.sort; s != nil {
		q.Sort = s.pattern.keys
	} else {
		q.Sort = p.scan.begun
	}
	return q
}

// begunBy tells the sort among the stages that are left that its input is ordered by the
// first keys.
func (p *Pipeline) begunBy(given int, rest []stage) []stage {
	at := 0
	if p.scan.sort == nil {
		at = 1
	}
	rest = slices.Clone(rest)
	s := rest[at].(*sortStage)
	rest[at] = &sortStage{pattern: s.pattern, limit: s.limit, given: given}
	return rest
}

// after is the stages that are left when the source did the match and the sort.
func (p *Pipeline) after(match, sort bool) []stage {
	rest := p.stages
	if p.scan.match != nil && match {
		rest = rest[1:]
	}
	if s := p.scan.sort; s != nil && sort {
		rest = rest[1:]
		if s.limit > 0 {
			rest = append([]stage{&limitStage{s.limit}}, rest...)
		}
	}
	return rest
}

// countOnly answers a pipeline that only counts from the source's own count.
func (p *Pipeline) countOnly(ctx context.Context, r *run, src Source, q Request) (store.Cursor, bool, error) {
	counter, ok := src.(Counter)
	if p.scan.count == nil || !ok {
		return nil, false, nil
	}
	n, ok, err := counter.Count(ctx, q)
	if err != nil || !ok {
		return nil, false, err
	}
	if n == 0 {
		return Documents(nil), true, nil
	}
	doc, err := p.scan.count.counted(r, n)
	return Documents([]bson.Raw{doc}), true, err
}

// onlyCounts tells whether a $group makes one group and counts it.
func (s *groupStage) onlyCounts() bool {
	if s.id.names != nil || s.id.parts[0].slot >= 0 {
		return false
	}
	if _, ok := exprConstant(s.id.parts[0].expr); !ok {
		return false
	}
	for i := range s.accs {
		if !s.accs[i].counts {
			return false
		}
	}
	return true
}

// counted is the only group of a $group that only counts.
func (s *groupStage) counted(r *run, n int64) (bson.Raw, error) {
	id, err := s.id.parts[0].expr.Eval(r.x)
	if err != nil {
		return nil, fmt.Errorf("evaluate a constant: %w", err)
	}
	var b value.Builder
	b.Add("_id", orNull(id))
	for i := range s.accs {
		b.Add(s.accs[i].field, value.IntOrLong(n))
	}
	return b.Doc(), nil
}
