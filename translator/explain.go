package translator

import (
	"fmt"
	"sort"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/planner"
)

// Explain describes a bound program line by line: the sources, the exact
// pipelines, where each part runs and why.
func (b *Bound) Explain() []string {
	w := &explainer{b: b}
	p := b.Program
	for i, init := range p.inits {
		w.line(0, "InitPlan %d (%s)", i+1, initKinds[init.Kind])
		w.fetch(1, init.Fetch)
	}
	for _, q := range p.With {
		w.line(0, "With %s%s", q.Name, map[bool]string{true: " (recursive)", false: ""}[q.Recursive != nil])
		w.query(1, &q.Query)
		if q.Recursive != nil {
			w.line(1, "Recursive term, until it yields no rows")
			w.fetch(2, q.Recursive.Term)
		}
	}
	w.query(0, &p.Query)
	for _, name := range sortedNames(p.Fetches) {
		w.line(0, "Source %s, read once when a local stage needs it", name)
		w.fetch(1, p.Fetches[name])
	}
	for _, j := range p.joins {
		w.line(0, "%s", j)
	}
	return w.lines
}

var initKinds = map[planner.SubqueryKind]string{planner.Scalar: "one value", planner.Exists: "whether there are rows", planner.ArrayOf: "all values"}

func sortedNames(m map[string]*Fetch) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

type explainer struct {
	b      *Bound
	lines  []string
	remote bool // the stages to write now run in a store
}

func (w *explainer) line(depth int, format string, args ...any) {
	w.lines = append(w.lines, strings.Repeat("  ", depth)+fmt.Sprintf(format, args...))
}

func (w *explainer) query(depth int, q *Query) {
	if q.Write != nil {
		w.write(depth, q.Write)
		if q.Write.Direct != nil {
			return
		}
		depth++
	}
	w.fetch(depth, q.Root)
}

var writeVerbs = map[WriteKind]string{InsertRows: "Insert on", UpdateRows: "Update on", DeleteRows: "Delete on", MergeRows: "Merge on"}

func (w *explainer) write(depth int, q *Write) {
	w.line(depth, "%s %s", writeVerbs[q.Kind], q.Table.NS)
	if d := q.Direct; d != nil {
		w.line(depth+1, "one operation in MongoDB")
		w.stages(depth+2, "Filter", d.Filter)
		w.stages(depth+2, "Set", d.Set)
		w.stages(depth+2, "Update", d.Pipeline)
	}
	if c := q.Conflict; c != nil {
		w.line(depth+1, "On conflict: %s", map[bool]string{true: "do nothing", false: "update"}[c.Stages == nil])
	}
}

func (w *explainer) fetch(depth int, f *Fetch) {
	switch {
	case f.NS.Coll != "":
		w.line(depth, "MongoDB %s", f.NS)
	case f.Table != nil:
		w.line(depth, "%s %s", map[bool]string{true: "Function", false: "Virtual"}[len(f.Table.Params) > 0 || f.Table.Function != nil], f.Table.Name)
	case f.From != "":
		w.line(depth, "Rows of %s", f.From)
	default:
		w.line(depth, "Constant rows: %d", len(f.Docs))
	}
	w.stages(depth+1, "Remote", f.Remote)
	w.stages(depth+1, "Local", f.Local)
	if len(f.Local) > 0 && f.Reason != "" {
		w.line(depth+1, "Local because %s", f.Reason)
	}
}

func (w *explainer) stages(depth int, title string, in []Stage) {
	if len(in) == 0 {
		return
	}
	w.line(depth, "%s:", title)
	w.remote = title != "Local"
	for _, s := range in {
		w.line(depth+1, "%s", w.text(s))
	}
}

// text is a stage in extended JSON; values that are not known yet show as $n.
func (w *explainer) text(s Stage) string {
	doc := s.Raw
	if s.Bound {
		f := filler{slots: w.known(), conds: w.b.Program.conds}
		doc = w.sent(s, f.doc(nil, s.Raw))
	}
	out, err := bson.MarshalExtJSON(spelledFine(doc), false, false)
	if err != nil {
		return doc.String()
	}
	return string(out)
}

// sent is a filled stage as a store gets it, which is what there is to see of
// comparisons with microseconds; a stage that runs here stays as it is.
func (w *explainer) sent(s Stage, doc bson.Raw) bson.Raw {
	if out, ok := floorStage(doc); ok && w.remote {
		return out
	}
	return doc
}

// spelledFine writes fine values as extended JSON has dates and decimals.
func spelledFine(doc bson.Raw) bson.Raw {
	return value.Document(doc).EachFine(func(v value.Value) value.Value {
		if v.IsWide() {
			return value.Document(encode(obj{{"$numberDecimal", value.String(v.String())}}))
		}
		return value.Document(encode(obj{{"$date", value.String(v.String())}}))
	}).Doc()
}

// known is the slots' values; results of subqueries that did not run have names.
func (w *explainer) known() []value.Value {
	out := make([]value.Value, len(w.b.slots))
	for i, v := range w.b.slots {
		if out[i] = v; !v.IsMissing() {
			continue
		}
		s := w.b.Program.slots[i]
		switch {
		case s.init != nil:
			for n, p := range w.b.Program.inits {
				if p == s.init {
					out[i] = value.String(fmt.Sprintf("<InitPlan %d>", n+1))
				}
			}
		default:
			out[i] = value.String("<computed>")
		}
	}
	return out
}

// ExplainDocument is the same as one document, for FORMAT JSON.
func (b *Bound) ExplainDocument() bson.Raw {
	w := &explainer{b: b}
	p := b.Program
	doc := obj{}
	if p.Write != nil {
		doc = append(doc, field{"write", writeVerbs[p.Write.Kind] + " " + p.Write.Table.NS.String()})
		if d := p.Write.Direct; d != nil {
			doc = append(doc, field{"filter", w.documents(d.Filter, true)}, field{"set", w.documents(d.Set, true)}, field{"update", w.documents(d.Pipeline, true)})
		}
	}
	doc = append(doc, field{"root", w.document(p.Root)})
	if len(p.Fetches) > 0 {
		sources := obj{}
		for _, name := range sortedNames(p.Fetches) {
			sources = append(sources, field{name, w.document(p.Fetches[name])})
		}
		doc = append(doc, field{"sources", sources})
	}
	if len(p.joins) > 0 {
		joins := list{}
		for _, j := range p.joins {
			joins = append(joins, j)
		}
		doc = append(doc, field{"joins", joins})
	}
	if len(p.inits) > 0 {
		inits := list{}
		for _, i := range p.inits {
			inits = append(inits, w.document(i.Fetch))
		}
		doc = append(doc, field{"init_plans", inits})
	}
	if len(p.With) > 0 {
		withs := obj{}
		for _, q := range p.With {
			withs = append(withs, field{q.Name, w.document(q.Root)})
		}
		doc = append(doc, field{"with", withs})
	}
	return encode(doc)
}

func (w *explainer) document(f *Fetch) obj {
	doc := obj{}
	switch {
	case f.NS.Coll != "":
		doc = append(doc, field{"source", f.NS.String()})
	case f.Table != nil:
		doc = append(doc, field{"source", f.Table.Name})
	case f.From != "":
		doc = append(doc, field{"source", f.From})
	default:
		doc = append(doc, field{"constant_rows", len(f.Docs)})
	}
	doc = append(doc, field{"remote", w.documents(f.Remote, true)}, field{"local", w.documents(f.Local, false)})
	if f.Reason != "" {
		doc = append(doc, field{"local_because", f.Reason})
	}
	return doc
}

func (w *explainer) documents(in []Stage, remote bool) list {
	w.remote = remote
	out := list{}
	for _, s := range in {
		f := filler{slots: w.known(), conds: w.b.Program.conds}
		out = append(out, value.Document(spelledFine(w.sent(s, f.doc(nil, s.Raw)))))
	}
	return out
}
