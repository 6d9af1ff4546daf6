package engine

import (
	"context"
	"io"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// A pipeline that filters by the fields of a counted index and groups by them runs over
// the entries of the index in place of the documents: an entry comes as a document with
// the fields and, as cellCount, how many such documents there are.

const cellCount = "weirDocuments"

// overCells gives the documents of a counted index and the pipeline over them that say what
// a pipeline says over the documents of its collection; false: there is no such index.
func (e *Engine) overCells(ns store.Namespace, pipeline []bson.Raw, o pipelineOptions) (cur store.Cursor, over []bson.Raw, ok bool, err error) {
	c := e.catalog.get(ns)
	if c == nil || o.tx != nil || o.collationSpec != nil || o.report != nil || !o.hint.IsZero() || o.min != nil || o.max != nil || o.recordID || o.indexKey {
		return nil, nil, false, nil
	}
	m := c.load()
	if m.view != nil || m.collation != nil || !slices.ContainsFunc(m.indexes, func(ix *indexState) bool { return ix.Counted }) {
		return nil, nil, false, nil
	}
	for _, ix := range m.indexes {
		if !ix.Counted {
			continue
		}
		if over, ok = (&cellPlan{fields: ix.fieldNames()}).pipeline(pipeline); !ok {
			continue
		}
		all, err := ix.present(e.db, pipeline[0].Index(0).Key() == "$count")
		if err != nil {
			return nil, nil, false, err
		}
		// Asked only now: an array may have come meanwhile, or the index gone.
		if ix.multikey.Load() || c.load() != m || slices.ContainsFunc(all, func(of countedCell) bool { return of.doc == nil || of.n < 0 }) {
			continue
		}
		return &cellCursor{cells: all}, over, true, nil
	}
	return nil, nil, false, nil
}

func (ix *indexState) fieldNames() []string {
	names := make([]string, len(ix.Fields))
	for i := range ix.Fields {
		names[i] = ix.Fields[i].Name
	}
	return names
}

// cellCursor gives the entries as documents.
type cellCursor struct {
	cells []countedCell
	doc   []byte // valid until the next one
}

// Next implements store.Cursor.
func (c *cellCursor) Next(context.Context) (bson.Raw, error) {
	if len(c.cells) == 0 {
		return nil, io.EOF
	}
	of := c.cells[0]
	c.cells = c.cells[1:]
	doc := append(c.doc[:0], of.doc[:len(of.doc)-1]...)
	c.doc = value.EndDocument(value.AppendElement(doc, cellCount, value.IntOrLong(of.n)), 0)
	return c.doc, nil
}

// Close implements store.Cursor.
func (c *cellCursor) Close() error { return nil }

// cellPlan makes a pipeline over the entries of a counted index.
type cellPlan struct{ fields []string }

// pipeline rewrites one that reads nothing but the index's fields, up to where it groups.
func (p *cellPlan) pipeline(stages []bson.Raw) ([]bson.Raw, bool) {
	projected := false
	for i, s := range stages {
		it := value.Walk(s)
		if !it.Next() || it.Value().IsMissing() {
			return nil, false
		}
		name, spec := strings.Clone(it.Key()), it.Value()
		switch name {
		case "$match":
			if !spec.IsDocument() || projected || !p.isMatch(spec.Doc()) {
				return nil, false
			}
		case "$project":
			if projected = true; !spec.IsDocument() || !p.isProject(spec.Doc()) {
				return nil, false
			}
		case "$group":
			if !spec.IsDocument() {
				return nil, false
			}
			group, ok := p.group(spec.Doc(), projected)
			if !ok {
				return nil, false
			}
			out := append(slices.Clone(stages[:i]), group)
			return append(out, stages[i+1:]...), true
		case "$count":
			if !spec.IsString() || projected {
				return nil, false
			}
			return append(append(slices.Clone(stages[:i]), countCells(spec.Str())...), stages[i+1:]...), true
		default:
			return nil, false
		}
	}
	return nil, false
}

// countCells is {$count: name}.
func countCells(name string) []bson.Raw {
	var sum, group, stage, hide, project value.Builder
	sum.Add("$sum", value.String("$"+cellCount))
	group.Add("_id", value.Null())
	group.Add(name, sum.DocumentOf())
	stage.Add("$group", group.DocumentOf())
	hide.Add("_id", value.Int32(0))
	project.Add("$project", hide.DocumentOf())
	return []bson.Raw{stage.Doc(), project.Doc()}
}

// isMatch tells whether a filter is over the fields.
func (p *cellPlan) isMatch(filter bson.Raw) bool {
	for it := value.Walk(filter); it.Next(); {
		switch key, v := it.Key(), it.Value(); {
		case key == "$and" || key == "$or" || key == "$nor":
			if !v.IsArray() {
				return false
			}
			for _, term := range value.Items(nil, v.Doc()) {
				if !term.IsDocument() || !p.isMatch(term.Doc()) {
					return false
				}
			}
		case key == "$expr":
			if !p.isExpr(v) {
				return false
			}
		case !slices.Contains(p.fields, key):
			return false
		}
	}
	return true
}

// isProject tells whether a $project keeps nothing but what the fields tell.
func (p *cellPlan) isProject(spec bson.Raw) bool {
	noID := false
	for it := value.Walk(spec); it.Next(); {
		switch key, v := it.Key(), it.Value(); {
		case key == "_id":
			if v.IsDocument() || v.IsString() || v.Truthy() {
				return false
			}
			noID = true
		case strings.Contains(key, "."):
			return false
		case v.IsNumber() || v.Kind() == bson.TypeBoolean:
			if !v.Truthy() || !slices.Contains(p.fields, key) {
				return false
			}
		case !p.isExpr(v):
			return false
		}
	}
	return noID
}

// group rewrites a $group. Behind a $project, whose rows are counted no more, those
// accumulators remain that are told a value once as well as often.
func (p *cellPlan) group(spec bson.Raw, projected bool) (bson.Raw, bool) {
	var group, stage value.Builder
	for it := value.Walk(spec); it.Next(); {
		key, v := strings.Clone(it.Key()), it.Value()
		switch {
		case projected:
			if key != "_id" && !isAlike(v) {
				return nil, false
			}
		case key == "_id":
			if !p.isExpr(v) {
				return nil, false
			}
		default:
			of, ok := p.accumulator(v)
			if !ok {
				return nil, false
			}
			v = of
		}
		group.Add(key, v)
	}
	stage.Add("$group", group.DocumentOf())
	return stage.Doc(), true
}

// isAlike tells whether an accumulator says the same of some rows however often each comes.
func isAlike(v value.Value) bool {
	switch firstKeyOf(v) {
	case "$first", "$last", "$min", "$max", "$addToSet":
		return true
	}
	return false
}

func firstKeyOf(v value.Value) string {
	if !v.IsDocument() {
		return ""
	}
	return firstKey(v.Doc())
}

// accumulator rewrites one; false: it is none that the entries answer.
func (p *cellPlan) accumulator(v value.Value) (value.Value, bool) {
	if !v.IsDocument() || value.Len(v.Doc()) != 1 || !p.isExpr(v) {
		return v, false
	}
	switch firstKeyOf(v) {
	case "$min", "$max", "$addToSet":
		return v, true
	case "$sum":
		of := value.Lookup(v.Doc(), "$sum")
		if !isNumeric(of) {
			return v, false
		}
		var times, sum value.Builder
		times.Add("$multiply", value.ArrayFrom([]value.Value{value.String("$" + cellCount), of}))
		sum.Add("$sum", times.DocumentOf())
		return sum.DocumentOf(), true
	}
	return v, false
}

// isNumeric tells whether an expression is a number whatever it is computed of: a constant,
// or a choice between some.
func isNumeric(v value.Value) bool {
	if v.IsNumber() {
		return true
	}
	if firstKeyOf(v) != "$cond" || value.Len(v.Doc()) != 1 {
		return false
	}
	switch of := value.Lookup(v.Doc(), "$cond"); {
	case of.IsArray():
		parts := value.Items(nil, of.Doc())
		return len(parts) == 3 && isNumeric(parts[1]) && isNumeric(parts[2])
	case of.IsDocument():
		return isNumeric(value.Lookup(of.Doc(), "then")) && isNumeric(value.Lookup(of.Doc(), "else"))
	}
	return false
}

// isExpr tells whether an expression is computed of the fields alone, and always the same.
func (p *cellPlan) isExpr(v value.Value) bool {
	switch {
	case v.IsString():
		return p.isPath(v.Str())
	case v.IsArray():
		for _, x := range value.Items(nil, v.Doc()) {
			if !p.isExpr(x) {
				return false
			}
		}
	case v.IsDocument():
		for it := value.Walk(v.Doc()); it.Next(); {
			switch it.Key() {
			case "$rand", "$sampleRate", "$function", "$accumulator", "$meta", "$getField", "$setField", "$unsetField":
				return false
			}
			if strings.HasPrefix(it.Key(), "$weir.") || !p.isExpr(it.Value()) {
				return false
			}
		}
	}
	return true
}

// isPath tells whether a text of an expression is none that reads other fields.
func (p *cellPlan) isPath(s string) bool {
	if !strings.HasPrefix(s, "$") {
		return true
	}
	if s, of := strings.CutPrefix(s, "$$"); of {
		name, _, _ := strings.Cut(s, ".")
		return name != "ROOT" && name != "CURRENT"
	}
	name, _, _ := strings.Cut(s[1:], ".")
	return slices.Contains(p.fields, name)
}
