package executor

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
)

// readsLate tells whether a statement reads a field that some rows have elsewhere;
// reads are the fields that it reads, nil: any.
func readsLate(l *catalog.Late, reads []string) bool {
	return reads == nil || slices.ContainsFunc(reads, func(f string) bool { return slices.Contains(l.Fields, f) })
}

// compute puts the stage that computes a field before the first one that asks for it,
// or behind all if the rows themselves are asked for.
func compute(c *catalog.Computed, reads []string, stages []bson.Raw) []bson.Raw {
	if c == nil || reads != nil && !slices.Contains(reads, c.Field) {
		return stages
	}
	asks := &catalog.Late{Fields: []string{c.Field}}
	at := slices.IndexFunc(stages, func(s bson.Raw) bool { return asksFor(asks, value.Document(s)) })
	if at < 0 {
		at = len(stages)
	}
	return slices.Insert(slices.Clone(stages), at, c.Stage)
}

// cutLate splits stages before the first one that asks for fields which some rows
// have elsewhere. A filter goes as far as it can without them: rows that have them
// are held against all of it.
func cutLate(l *catalog.Late, stages []bson.Raw) (before, behind []bson.Raw) {
	at := slices.IndexFunc(stages, func(s bson.Raw) bool { return asksFor(l, value.Document(s)) })
	if at < 0 {
		return stages, nil
	}
	before, behind = slices.Clone(stages[:at]), slices.Clone(stages[at:])
	filter := value.Lookup(behind[0], "$match")
	if !filter.IsDocument() {
		return before, behind
	}
	early, late := splitFilter(l, filter.Doc())
	var lacks, or, exists value.Builder
	exists.Add("$exists", value.Bool(true))
	lacks.Add(l.Mark, exists.DocumentOf())
	or.Add("$or", value.ArrayFrom([]value.Value{lacks.DocumentOf(), value.Document(late)}))
	before = append(before, matchStage(both(early, or.Doc())))
	behind[0] = matchStage(late)
	return before, behind
}

// splitFilter gives the terms of a filter that do not ask for late fields, and the
// others.
func splitFilter(l *catalog.Late, filter bson.Raw) (early, late bson.Raw) {
	var terms [2][]value.Value
	for _, term := range filterTerms(nil, filter) {
		i := 0
		if asksFor(l, value.Document(term)) {
			i = 1
		}
		terms[i] = append(terms[i], value.Document(term))
	}
	and := func(of []value.Value) bson.Raw {
		switch len(of) {
		case 0:
			return nil
		case 1:
			return of[0].Doc()
		}
		var b value.Builder
		b.Add("$and", value.ArrayFrom(of))
		return b.Doc()
	}
	return and(terms[0]), and(terms[1])
}

// filterTerms lists what has to be true of a filter, each as a filter.
func filterTerms(terms []bson.Raw, filter bson.Raw) []bson.Raw {
	for it := value.Walk(filter); it.Next(); {
		if it.Key() == "$and" && it.Value().IsArray() {
			for _, arm := range value.Items(nil, it.Value().Doc()) {
				terms = filterTerms(terms, arm.Doc())
			}
			continue
		}
		var b value.Builder
		b.AddElement(it.Element())
		terms = append(terms, b.Doc())
	}
	return terms
}

func both(early, late bson.Raw) bson.Raw {
	if early == nil {
		return late
	}
	var b value.Builder
	b.Add("$and", value.ArrayFrom([]value.Value{value.Document(early), value.Document(late)}))
	return b.Doc()
}

// asksFor tells whether a stage, or a part of one, may ask for late fields: it names
// one, or the whole row. It may say so of constants that look like them.
func asksFor(l *catalog.Late, v value.Value) bool {
	switch {
	case v.IsString():
		s := v.Str()
		return s == "$$ROOT" || s == "$$CURRENT" || strings.HasPrefix(s, "$$ROOT.") || strings.HasPrefix(s, "$$CURRENT.") || isLate(l, strings.TrimPrefix(s, "$"))
	case v.IsDocument(), v.IsArray():
		for it := value.Walk(v.Doc()); it.Next(); {
			if v.IsDocument() && isLate(l, it.Key()) || asksFor(l, it.Value()) {
				return true
			}
		}
	}
	return false
}

func isLate(l *catalog.Late, path string) bool {
	return slices.ContainsFunc(l.Fields, func(f string) bool { return path == f || strings.HasPrefix(path, f+".") })
}
