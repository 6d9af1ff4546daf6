package engine

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// explanation is a command to explain.
type explanation struct {
	of        *request // the command
	ns        store.Namespace
	pipeline  []bson.Raw // what it reads
	o         pipelineOptions
	verbosity string

	report   scanReport
	returned int64
	took     time.Duration
}

// explain runs the command's reading part and tells how it went.
func (r *request) explain(ctx context.Context, dst []byte, x explanation) ([]byte, error) {
	x.o.report = &x.report
	began := time.Now()
	op, err := r.e.aggregate(ctx, x.ns, x.pipeline, x.o)
	if err != nil {
		return dst, err
	}
	for x.verbosity != "queryPlanner" {
		doc, err := op.cur.Next(ctx)
		if isEOF(err) || isIdle(err) {
			break
		} else if err != nil {
			_ = op.cur.Close()
			return dst, err
		}
		if x.returned++; x.of.name == "count" {
			x.returned = value.Lookup(doc, "n").AsInt64()
		}
	}
	if err := op.cur.Close(); err != nil {
		return dst, err
	}
	x.took = time.Since(began)
	dst = value.AppendElement(dst, "explainVersion", value.String("1"))
	if rest := x.beyondFind(); len(rest) > 0 {
		start, inner := value.BeginDocument(nil)
		cursor := value.Document(value.EndDocument(x.append(inner), start))
		items := []value.Value{value.Document(stageDoc("$cursor", cursor))}
		for _, s := range rest {
			items = append(items, value.Document(s))
		}
		dst = value.AppendElement(dst, "stages", value.ArrayFrom(items))
	} else {
		dst = x.append(dst)
	}
	dst = value.AppendElement(dst, "command", value.Document(x.of.cmd))
	return r.appendServerInfo(dst), nil
}

// beyondFind are the stages of an aggregate that a find could not do.
func (x *explanation) beyondFind() []bson.Raw {
	if x.of.name != "aggregate" {
		return nil
	}
	for i, s := range x.pipeline {
		switch firstKey(s) {
		case "$match", "$sort", "$skip", "$limit", "$project":
		default:
			return x.pipeline[i:]
		}
	}
	return nil
}

// append adds queryPlanner and executionStats.
func (x *explanation) append(dst []byte) []byte {
	c := x.of.e.catalog.get(x.ns)
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "queryPlanner")
	start, dst := value.BeginDocument(dst)
	dst = value.AppendElement(dst, "namespace", value.String(x.ns.String()))
	dst = value.AppendElement(dst, "indexFilterSet", value.Bool(false))
	filter := emptyDoc
	if len(x.pipeline) > 0 && firstKey(x.pipeline[0]) == "$match" {
		filter = value.Lookup(x.pipeline[0], "$match").Doc()
	}
	filter = parsedQuery(filter)
	plan := x.plan(c, filter)
	dst = value.AppendElement(dst, "parsedQuery", value.Document(filter))
	dst = value.AppendElement(dst, "maxIndexedOrSolutionsReached", value.Bool(false))
	dst = value.AppendElement(dst, "maxIndexedAndSolutionsReached", value.Bool(false))
	dst = value.AppendElement(dst, "maxScansToExplodeReached", value.Bool(false))
	dst = value.AppendElement(dst, "winningPlan", value.Document(plan))
	dst = value.AppendElement(dst, "rejectedPlans", value.Array(emptyDoc))
	dst = value.EndDocument(dst, start)
	if x.verbosity == "queryPlanner" {
		return dst
	}
	n := x.returned
	switch x.of.name {
	case "update", "delete", "count":
		n = 0
	case "findAndModify", "findandmodify":
		n = min(n, 1)
	}
	dst = value.AppendHeader(dst, bson.TypeEmbeddedDocument, "executionStats")
	start, dst = value.BeginDocument(dst)
	dst = value.AppendElement(dst, "executionSuccess", value.Bool(true))
	dst = value.AppendElement(dst, "nReturned", value.IntOrLong(n))
	dst = value.AppendElement(dst, "executionTimeMillis", value.IntOrLong(x.took.Milliseconds()))
	dst = value.AppendElement(dst, "totalKeysExamined", value.IntOrLong(x.report.keys))
	dst = value.AppendElement(dst, "totalDocsExamined", value.IntOrLong(x.report.docs))
	dst = value.AppendElement(dst, "executionStages", value.Document(x.executed(plan, n)))
	if x.verbosity == "allPlansExecution" {
		dst = value.AppendElement(dst, "allPlansExecution", value.Array(emptyDoc))
	}
	return value.EndDocument(dst, start)
}

// plan is the access with the steps of the command above it.
func (x *explanation) plan(c *collection, filter bson.Raw) bson.Raw {
	cmd := x.of.cmd
	p := x.report.plan(c == nil, filter)
	limit := value.Lookup(cmd, "limit")
	switch x.of.name {
	case "find":
		sort := value.Lookup(cmd, "sort")
		blocking := sort.IsDocument() && value.Len(sort.Doc()) > 0 && !x.report.access.sorted && value.Lookup(sort.Doc(), "$natural").IsMissing()
		if blocking {
			p = planStep("SORT", p, "sortPattern", sort)
		}
		if f := value.Lookup(cmd, "projection"); f.IsDocument() && value.Len(f.Doc()) > 0 {
			step := projectionStep(f.Doc())
			if x.report.access.covered > 0 && x.report.access.or == nil {
				step = "PROJECTION_COVERED"
			}
			p = planStep(step, p, "transformBy", f)
		}
		if n := value.Lookup(cmd, "skip"); n.IsNumber() && n.Sign() > 0 {
			p = planStep("SKIP", p, "skipAmount", n)
		}
		if limit.IsNumber() && limit.Sign() != 0 && !blocking {
			p = planStep("LIMIT", p, "limitAmount", limit)
		}
	case "count":
		p = planStep("COUNT", p, "", value.Value{})
	case "distinct":
		if x.report.access.covered > 0 {
			p = planStep("PROJECTION_COVERED", p, "transformBy", value.Document(stageDoc(value.Lookup(cmd, "key").Str(), value.Int32(1))))
		}
	case "aggregate":
		if x.report.access.covered > 0 && x.report.access.or == nil && !x.report.access.counted {
			p = planStep("PROJECTION_COVERED", p, "transformBy", value.Document(x.coveredFields()))
		}
	case "update":
		p = planStep("UPDATE", p, "", value.Value{})
	case "delete":
		p = planStep("DELETE", p, "", value.Value{})
	case "findAndModify", "findandmodify":
		name := "UPDATE"
		if v := value.Lookup(cmd, "remove"); !v.IsMissing() && v.Truthy() {
			name = "DELETE"
		}
		p = planStep(name, p, "", value.Value{})
	}
	return p
}

// coveredFields are the fields that the keys of the index give.
func (x *explanation) coveredFields() bson.Raw {
	start, d := value.BeginDocument(nil)
	for i := range x.report.access.covered {
		d = value.AppendElement(d, x.report.access.index.Fields[i].Name, value.Int32(1))
	}
	return value.EndDocument(d, start)
}

func projectionStep(p bson.Raw) string {
	for it := value.Walk(p); it.Next(); {
		if v := it.Value(); strings.Contains(it.Key(), ".") || !v.IsNumber() && v.Kind() != bson.TypeBoolean {
			return "PROJECTION_DEFAULT"
		}
	}
	return "PROJECTION_SIMPLE"
}

func planStep(name string, input bson.Raw, key string, v value.Value) bson.Raw {
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "stage", value.String(name))
	if key != "" {
		d = value.AppendElement(d, key, v)
	}
	return value.EndDocument(value.AppendElement(d, "inputStage", value.Document(input)), start)
}

func stepNamed(plan bson.Raw, name string) bson.Raw {
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "stage", value.String(name))
	for it := value.Walk(plan); it.Next(); {
		if it.Key() != "stage" {
			d = append(d, it.Element()...)
		}
	}
	return value.EndDocument(d, start)
}

// parsedQuery writes a filter with an operator for every predicate.
func parsedQuery(filter bson.Raw) bson.Raw {
	all := predicates(filter)
	switch len(all) {
	case 0:
		return emptyDoc
	case 1:
		return all[0].Doc()
	}
	return stageDoc("$and", value.ArrayFrom(all))
}

func predicates(filter bson.Raw) []value.Value {
	var all []value.Value
	for it := value.Walk(filter); it.Next(); {
		key, v := it.Key(), it.Value()
		switch {
		case (key == "$and" || key == "$or" || key == "$nor") && v.IsArray():
			var arms []value.Value
			for sub := value.Walk(v.Doc()); sub.Next(); {
				if sub.Value().IsDocument() {
					arms = append(arms, value.Document(parsedQuery(sub.Value().Doc())))
				}
			}
			if key == "$and" {
				all = append(all, arms...)
				continue
			}
			all = append(all, value.Document(stageDoc(key, value.ArrayFrom(arms))))
		case strings.HasPrefix(key, "$"):
			all = append(all, value.Document(stageDoc(key, v)))
		case v.IsDocument() && strings.HasPrefix(firstKey(v.Doc()), "$"):
			for op := value.Walk(v.Doc()); op.Next(); {
				all = append(all, value.Document(stageDoc(key, value.Document(stageDoc(op.Key(), op.Value())))))
			}
		case v.Kind() == bson.TypeRegex:
			all = append(all, value.Document(stageDoc(key, value.Document(stageDoc("$regex", v)))))
		default:
			all = append(all, value.Document(stageDoc(key, value.Document(stageDoc("$eq", v)))))
		}
	}
	return all
}
