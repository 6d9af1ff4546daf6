package match

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/mongoerr"
)

// Explain tells why a document does not match a filter: the details of a
// failed validation, one document per operator that failed, as
//
//	{operatorName, specifiedAs, reason, consideredValue …}      predicates
//	{operatorName, clausesNotSatisfied: [{index, details}]}     logic
//	{operatorName: "$jsonSchema", schemaRulesNotSatisfied: […]} schemas
//
// The filter must be one that Compile takes.
func Explain(c *expr.Context, filter, doc bson.Raw, opts *expr.CompileOptions) bson.Raw {
	if opts == nil {
		opts = &expr.CompileOptions{}
	}
	f := &failure{c: c, doc: doc, p: &parser{opts: opts}}
	d, _ := f.filter(filter, false)
	return d
}

// failure walks a filter as it is written, beside the document.
type failure struct {
	c   *expr.Context
	doc bson.Raw
	p   *parser
}

// clause is one condition of a filter: an operator at the top, or one operator
// of one field.
type clause struct {
	field, op string // no field: an operator at the top; no op: equality as written
	arg       value.Value
	options   value.Value // of $regex
}

// spec is the clause as a filter of its own.
func (k clause) spec() bson.Raw {
	var b value.Builder
	switch {
	case k.field == "" && k.op != "":
		b.Add(k.op, k.arg)
	case k.op == "":
		b.Add(k.field, k.arg)
	default:
		b.Open(bson.TypeEmbeddedDocument, k.field)
		b.Add(k.op, k.arg)
		b.Add("$options", k.options)
		b.Close()
	}
	return b.Doc()
}

func clauses(filter bson.Raw) (out []clause) {
	for it := value.Walk(filter); it.Next(); {
		k, v := it.Key(), it.Value()
		switch {
		case k == "$comment":
		case len(k) > 0 && k[0] == '$':
			out = append(out, clause{op: k, arg: v})
		case !v.IsDocument() || !isOperators(v.Doc()):
			out = append(out, clause{field: k, arg: v})
		default:
			for ops := value.Walk(v.Doc()); ops.Next(); {
				if ops.Key() != "$options" {
					out = append(out, clause{k, ops.Key(), ops.Value(), value.Value{}})
				}
				if ops.Key() == "$regex" {
					out[len(out)-1].options = value.Lookup(v.Doc(), "$options")
				}
			}
		}
	}
	return out
}

// holds tells whether the document matches a filter; a failing one does not.
func (f *failure) holds(filter bson.Raw) bool {
	m, err := Compile(filter, f.p.opts)
	if err != nil {
		return false
	}
	ok, err := m.Match(f.c, f.doc)
	return ok && err == nil
}

// filter explains why a filter does not hold, or with inverted why it does;
// false when it does not do what is to be explained.
func (f *failure) filter(filter bson.Raw, inverted bool) (bson.Raw, bool) {
	if f.holds(filter) != inverted {
		return nil, false
	}
	all := clauses(filter)
	if len(all) == 1 {
		return f.clause(all[0], inverted), true
	}
	specs := make([]bson.Raw, len(all))
	for i, k := range all {
		specs[i] = k.spec()
	}
	return f.logic("$and", specs, inverted), true
}

// logic explains $and, $or and $nor by those of their clauses that are to blame.
func (f *failure) logic(op string, specs []bson.Raw, inverted bool) bson.Raw {
	inner := inverted != (op == "$nor")
	var b value.Builder
	b.Add("operatorName", value.String(op))
	b.Open(bson.TypeArray, map[bool]string{true: "clausesSatisfied", false: "clausesNotSatisfied"}[inner])
	for i, s := range specs {
		if d, ok := f.filter(s, inner); ok {
			b.OpenItem(bson.TypeEmbeddedDocument)
			b.Add("index", value.Int64(int64(i)))
			b.Add("details", value.Document(d))
			b.Close()
		}
	}
	b.Close()
	return b.Doc()
}

func (f *failure) clause(k clause, inverted bool) bson.Raw {
	switch k.op {
	case "$and", "$or", "$nor":
		var specs []bson.Raw
		for it := value.Walk(k.arg.Doc()); it.Next(); {
			specs = append(specs, it.Value().Doc())
		}
		return f.logic(k.op, specs, inverted)
	case "$jsonSchema":
		return f.schema(k.arg.Doc(), inverted)
	case "$expr":
		return f.expr(k, inverted)
	case "$not":
		return f.not(k, inverted)
	}
	return f.predicate(k, inverted)
}

func (f *failure) not(k clause, inverted bool) bson.Raw {
	inner := clause{field: k.field, arg: k.arg}.spec()
	var b value.Builder
	b.Add("operatorName", value.String("$not"))
	if d, ok := f.filter(inner, !inverted); ok {
		b.Add("details", value.Document(d))
	}
	return b.Doc()
}

func (f *failure) expr(k clause, inverted bool) bson.Raw {
	var b value.Builder
	b.Add("operatorName", value.String("$expr"))
	b.Add("specifiedAs", value.Document(k.spec()))
	e, err := expr.CompileValue(k.arg, f.p.opts)
	var v value.Value
	if err == nil {
		f.c.Root = f.doc
		v, err = e.Eval(f.c)
	}
	if err != nil {
		b.Add("reason", value.String("failed to evaluate aggregation expression"))
		b.Open(bson.TypeEmbeddedDocument, "details")
		b.Add("code", value.Int32(mongoerr.CodeOf(err)))
		b.Add("codeName", value.String(mongoerr.CodeName(mongoerr.CodeOf(err))))
		b.Add("errmsg", value.String(err.Error()))
		b.Close()
		return b.Doc()
	}
	reason := "expression did not match"
	if inverted {
		reason = "expression did match"
	}
	b.Add("reason", value.String(reason))
	b.Add("expressionResult", v)
	return b.Doc()
}
