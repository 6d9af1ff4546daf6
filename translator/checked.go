package translator

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// opDomain is the local operator (value, then domain, constraint and condition
// of each rule) that gives the value if no condition is false.
const opDomain = "t_domain"

// domainChecked tests the rules of a domain where the value is computed.
func (s scope) domainChecked(e *planner.Checked) any {
	x := s.value(e.X)
	if !e.Each {
		return s.c.once(x, func(v any) any { return s.tested(e, v) })
	}
	return s.c.once(x, func(v any) any {
		name := s.c.name("d")
		item := op1("$map", obj{{"input", v}, {"as", name}, {"in", s.tested(e, "$$"+name)}})
		return cond(isNullish(v), null, item)
	})
}

// tested is a value under its rules; these read nothing but the value.
func (s scope) tested(e *planner.Checked, v any) any {
	f := newFragment(nil)
	f.cols[e.Col.ID] = &loc{expr: v, t: e.Col.Type}
	inner := scope{c: s.c, f: f, slots: s.slots}
	args := list{v}
	for _, r := range e.Rules {
		args = append(args, op1("$literal", r.Domain), op1("$literal", r.Constraint), inner.value(r.Cond))
	}
	return obj{{expr.LocalPrefix + opDomain, args}}
}

func domainOp(_ *expr.Context, a []value.Value) (value.Value, error) {
	for i := 1; i+2 < len(a); i += 3 {
		domain, constraint, ok := a[i].Str(), a[i+1].Str(), a[i+2]
		switch {
		case ok.IsNullish() || ok.AsBool():
		case constraint == "":
			return value.Value{}, sqlerr.New(sqlerr.NotNullViolation, "domain %s does not allow null values", domain)
		default:
			return value.Value{}, sqlerr.New(sqlerr.CheckViolation, "value for domain %s violates check constraint %q", domain, constraint)
		}
	}
	if a[0].IsMissing() {
		return value.Null(), nil
	}
	return a[0], nil
}

// composite is a value of a composite type: a document.
func (s scope) composite(e *planner.Row) any {
	doc := obj{}
	for i, x := range e.Fields {
		doc = append(doc, field{e.Names[i], s.value(x)})
	}
	if len(doc) == 0 {
		return op1("$literal", obj{})
	}
	return doc
}

// enumLabels are the labels of the enum whose OID an argument is.
func enumLabels(e planner.Expr) (list, bool) {
	k, ok := e.(*planner.Const)
	if !ok {
		return nil, false
	}
	d := sqltype.OID(k.Value.AsInt64()).Def()
	if d == nil {
		return nil, false
	}
	out := list{}
	for _, l := range d.Labels {
		out = append(out, l)
	}
	return out, true
}

// pushEnum: places of labels are places in a list.
func pushEnum() map[string]builder {
	return map[string]builder{
		sqlfunc.EnumPosition: func(s scope, e *planner.Call) any {
			labels, ok := enumLabels(e.Args[1])
			if !ok {
				return nil
			}
			return nullSafe(s, e.Args[0], s.value(e.Args[0]), func(x any) any { return enumPlace(labels, x) })
		},
		sqlfunc.EnumLabel: func(s scope, e *planner.Call) any {
			labels, ok := enumLabels(e.Args[1])
			if !ok {
				return nil
			}
			return op("$arrayElemAt", op1("$literal", labels), s.value(e.Args[0]))
		},
	}
}

func enumPlace(labels list, x any) any { return op("$indexOfArray", op1("$literal", labels), x) }
