package agg

import (
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// optimize rewrites a compiled pipeline into one that gives the same result
// with less work: filters move to the front and join, sorts learn their limits.
func optimize(c *compiler, stages []stage) []stage {
	stages = moveMatches(c, stages)
	stages = joinMatches(c, stages)
	stages = absorbUnwinds(stages)
	stages = planHashes(c, stages)
	tellUnwinds(stages)
	return limitSorts(stages)
}

// tellUnwinds tells unwinding stages which fields are read behind them.
func tellUnwinds(stages []stage) {
	for i, s := range stages {
		if u, ok := s.(*unwindStage); ok {
			u.reads = requiredFields(stages[i+1:])
		}
	}
}

// moveMatches moves filters, or those of their parts that can go, before the
// stages that do not change what they look at.
func moveMatches(c *compiler, stages []stage) []stage {
	out := append([]stage(nil), stages...)
	for i := 1; i < len(out); i++ {
		m, ok := out[i].(*matchStage)
		if !ok {
			continue
		}
		before, after := splitFilter(m.filter, out[i-1])
		if len(before) == 0 {
			continue
		}
		moved := matchOf(c, before)
		if moved == nil {
			continue
		}
		var rest []stage
		if len(after) > 0 {
			kept := matchOf(c, after)
			if kept == nil {
				continue
			}
			rest = append(rest, kept)
		}
		rest = append(rest, out[i+1:]...)
		out = append(append(append(out[:i-1:i-1], moved), out[i-1]), rest...)
		// The moved filter may go further: look at its new place next.
		i = max(i-2, 0)
	}
	return out
}

// matchOf compiles a conjunction of filters; nil if that fails, which it
// cannot for parts of a filter that compiled.
func matchOf(c *compiler, parts []bson.Raw) *matchStage {
	filter := parts[0]
	if len(parts) > 1 {
		var b value.Builder
		b.Open(bson.TypeArray, "$and")
		for _, p := range parts {
			b.Item(value.Document(p))
		}
		filter = b.Doc()
	}
	stages, err := c.compileStage(compileMatch, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: filter})
	if err != nil {
		return nil
	}
	return stages[0].(*matchStage)
}

// splitFilter divides a filter into the conjuncts that may go before a stage
// and the others.
func splitFilter(filter bson.Raw, prev stage) (before, after []bson.Raw) {
	passes := passFilter(prev)
	if passes == nil {
		return nil, []bson.Raw{filter}
	}
	for _, part := range Conjuncts(nil, filter) {
		f := fieldSet{}
		movableFields(part, &f)
		if !f.whole && passes(f.names) {
			before = append(before, part)
		} else {
			after = append(after, part)
		}
	}
	return before, after
}

// Conjuncts appends the conditions of a filter that all have to hold.
func Conjuncts(dst []bson.Raw, filter bson.Raw) []bson.Raw {
	for it := value.Walk(filter); it.Next(); {
		if it.Key() == "$and" && it.Value().IsArray() {
			for sub := value.Walk(it.Value().Doc()); sub.Next(); {
				dst = Conjuncts(dst, sub.Value().Doc())
			}
			continue
		}
		start, buf := value.BeginDocument(nil)
		buf = append(buf, it.Element()...)
		dst = append(dst, value.EndDocument(buf, start))
	}
	return dst
}

// movableFields is filterFields, but an $expr, whose fields are not known
// here, counts as reading everything.
func movableFields(filter bson.Raw, f *fieldSet) {
	for it := value.Walk(filter); it.Next(); {
		k, v := it.Key(), it.Value()
		switch {
		case !strings.HasPrefix(k, "$"):
			f.add(k)
		case (k == "$and" || k == "$or" || k == "$nor") && v.IsArray():
			for sub := value.Walk(v.Doc()); sub.Next(); {
				movableFields(sub.Value().Doc(), f)
			}
		default:
			f.whole = true
		}
	}
}

// passFilter gives the test whether a filter on some top-level fields means the
// same before a stage as after it; nil if it never does.
func passFilter(s stage) func(fields []string) bool {
	switch s := s.(type) {
	case *sortStage:
		if s.limit == 0 {
			return func([]string) bool { return true }
		}
	case *projectStage:
		return s.passes
	case *lookupStage:
		return func(fields []string) bool { return s.unwind == nil && !slices.Contains(fields, s.as[0]) }
	case *graphLookupStage:
		return func(fields []string) bool { return !slices.Contains(fields, s.as[0]) }
	case *unwindStage:
		return func(fields []string) bool {
			return !slices.Contains(fields, s.path[0]) && (s.index == nil || !slices.Contains(fields, s.index[0]))
		}
	}
	return nil
}

func (s *projectStage) passes(fields []string) bool {
	for _, name := range fields {
		i := s.p.root.find(name)
		switch {
		case i < 0 && s.kind == projectInclude:
			return false
		case i >= 0 && s.p.root.entries[i].action != actInclude:
			return false
		}
	}
	return true
}

// joinMatches makes one filter of neighbouring ones.
func joinMatches(c *compiler, stages []stage) []stage {
	var out []stage
	for _, s := range stages {
		m, ok := s.(*matchStage)
		if ok && len(out) > 0 {
			if prev, ok := out[len(out)-1].(*matchStage); ok {
				if joined := matchOf(c, []bson.Raw{prev.filter, m.filter}); joined != nil {
					out[len(out)-1] = joined
					continue
				}
			}
		}
		out = append(out, s)
	}
	return out
}

// limitSorts tells every sort how many documents will be taken from it.
func limitSorts(stages []stage) []stage {
	for i, s := range stages {
		sort, ok := s.(*sortStage)
		if !ok {
			continue
		}
		if n := limitAfter(stages[i+1:]); n > 0 {
			limited := *sort
			limited.limit = n
			stages[i] = &limited
		}
	}
	return stages
}

// limitAfter is the bound on the documents that the following stages take;
// 0: none.
func limitAfter(stages []stage) int64 {
	skip := int64(0)
	for _, s := range stages {
		switch s := s.(type) {
		case *projectStage, *replaceRootStage:
		case *skipStage:
			if s.n > math.MaxInt32 || skip > math.MaxInt32 {
				return 0
			}
			skip += s.n
		case *limitStage:
			if s.n > math.MaxInt32 {
				return 0
			}
			return skip + s.n
		default:
			return 0
		}
	}
	return 0
}

// absorbUnwinds lets a $lookup give its matches one by one where an $unwind
// would take its array apart at once.
func absorbUnwinds(stages []stage) []stage {
	var out []stage
	for _, s := range stages {
		u, ok := s.(*unwindStage)
		if ok && len(out) > 0 {
			l, ok := out[len(out)-1].(*lookupStage)
			if ok && l.unwind == nil && slices.Equal(l.as, u.path) && (u.index == nil || u.index[0] != l.as[0]) {
				joined := *l
				joined.unwind = u
				out[len(out)-1] = &joined
				continue
			}
		}
		out = append(out, s)
	}
	return out
}
