package translator

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
)

// Moments with microseconds exist only here: what a store holds has
// milliseconds, and so has everything that it computes. Such a moment never
// goes there.
//
// A constant is known when a stage is built: one in a filter's comparison is
// rounded so that the filter tests the same (millisFilter), one anywhere else
// makes the stage local. What parameters and subqueries give is known later.
// Filters' comparisons are rounded when they are filled in; a program in whose
// expressions such a value turns up is translated again, as one in which all
// slots of these types may have microseconds (Program.forMicros).

// MayCarryMicros tells whether values of a type can be moments with
// microseconds or hold them.
func MayCarryMicros(t sqltype.Type) bool {
	switch t.OID {
	case sqltype.Timestamp, sqltype.Timestamptz:
		return t.Mod < 0 || t.Mod > 3
	case sqltype.Numeric:
		precision, _, bounded := sqltype.NumericModifier(t.Mod)
		return !bounded || precision > sqltype.MaxDigits
	case sqltype.Record, sqltype.JSONB, sqltype.Unknown:
		return true
	}
	if t.OID.IsArray() {
		return MayCarryMicros(sqltype.Type{OID: t.OID.Elem(), Mod: t.Mod})
	}
	if d := t.OID.Def(); d != nil && d.Kind == sqltype.DomainKind {
		return MayCarryMicros(d.Base)
	}
	return t.OID.IsComposite()
}

// remotely tells whether a stage, or a filter, can be made one without
// microseconds that does the same to documents that have none.
func remotely(tree any) bool {
	o, ok := tree.(obj)
	if !ok || len(o) == 0 {
		return false
	}
	raw := encode(o)
	if out, ok := millisStage(raw); ok {
		return !value.Document(out).HoldsFine()
	}
	out, ok := millisFilter(raw)
	return ok && !value.Document(out).HoldsFine()
}

// millisStage rewrites a stage for documents without microseconds; ok is false
// where that cannot be done.
func millisStage(stage bson.Raw) (out bson.Raw, ok bool) {
	if !value.Document(stage).HoldsFine() {
		return stage, true
	}
	it := value.Walk(stage)
	if !it.Next() || !it.Value().IsDocument() {
		return nil, false
	}
	var spec bson.Raw
	switch it.Key() {
	case "$match":
		spec, ok = millisFilter(it.Value().Doc())
	case "$lookup", "$unionWith":
		spec, ok = millisPipelines(it.Value().Doc(), func(name string) bool { return name == "pipeline" })
	case "$facet":
		spec, ok = millisPipelines(it.Value().Doc(), func(string) bool { return true })
	}
	if !ok {
		return nil, false
	}
	var b value.Builder
	b.Add(it.Key(), value.Document(spec))
	return b.Doc(), true
}

// millisPipelines rewrites the pipelines among a document's fields.
func millisPipelines(doc bson.Raw, is func(name string) bool) (bson.Raw, bool) {
	var b value.Builder
	for it := value.Walk(doc); it.Next(); {
		v := it.Value()
		if v.IsArray() && is(it.Key()) {
			var stages []value.Value
			for st := value.Walk(v.Doc()); st.Next(); {
				s, ok := millisStage(st.Value().Doc())
				if !ok {
					return nil, false
				}
				stages = append(stages, value.Document(s))
			}
			v = value.ArrayFrom(stages)
		}
		if v.HoldsFine() {
			return nil, false
		}
		b.Add(it.Key(), v)
	}
	return b.Doc(), true
}

// millisFilter rewrites a filter's comparisons with moments: a bound is rounded
// towards the milliseconds that it lets pass, and nothing that is stored equals
// a moment with microseconds.
func millisFilter(filter bson.Raw) (bson.Raw, bool) {
	var b value.Builder
	for it := value.Walk(filter); it.Next(); {
		v := plainest(it.Value())
		switch {
		case !v.HoldsFine():
		case it.Key() == "$and" || it.Key() == "$or" || it.Key() == "$nor":
			var arms []value.Value
			for arm := value.Walk(v.Doc()); arm.Next(); {
				f, ok := millisFilter(arm.Value().Doc())
				if !ok {
					return nil, false
				}
				arms = append(arms, value.Document(f))
			}
			v = value.ArrayFrom(arms)
		case strings.HasPrefix(it.Key(), "$") || !v.IsDocument():
			return nil, false
		default:
			cond, ok := millisCondition(v.Doc())
			if !ok {
				return nil, false
			}
			v = value.Document(cond)
		}
		b.Add(it.Key(), v)
	}
	return b.Doc(), true
}

// millisCondition rewrites the operators on one path.
func millisCondition(cond bson.Raw) (bson.Raw, bool) {
	var b value.Builder
	for it := value.Walk(cond); it.Next(); {
		name, v := it.Key(), plainest(it.Value())
		if v.HoldsFine() {
			switch {
			case name == "$gt" || name == "$gte":
				name = "$gt"
			case name == "$lt" || name == "$lte":
				name = "$lte"
			case name == "$eq":
				name, v = "$in", value.ArrayFrom(nil)
			case (name == "$in" || name == "$nin") && v.IsArray():
				v = value.ArrayFrom(withoutMicros(value.Items(nil, v.Doc())))
			default:
				return nil, false
			}
			if v = v.Floor(); v.HoldsFine() {
				return nil, false
			}
		}
		b.Add(name, v)
	}
	return b.Doc(), true
}

func withoutMicros(values []value.Value) []value.Value {
	out := values[:0:0]
	for _, v := range values {
		if !v.IsFine() {
			out = append(out, v)
		}
	}
	return out
}

// plainest writes numbers with nothing but a scale that BSON has not as it has them.
func plainest(v value.Value) value.Value {
	switch {
	case v.IsWide():
		if p, ok := v.PlainEqual(); ok {
			return p
		}
	case v.IsArray() && v.HoldsFine():
		items := value.Items(nil, v.Doc())
		for i := range items {
			items[i] = plainest(items[i])
		}
		return value.ArrayFrom(items)
	}
	return v
}

// millisStages rewrites those stages of a pipeline for a store that hold
// constants with microseconds and nothing that is not known yet.
func millisStages(in []Stage) []Stage {
	for i, s := range in {
		if s.micros && !s.Bound {
			if raw, ok := millisStage(s.Raw); ok {
				in[i] = Stage{Raw: raw}
			}
		}
	}
	return in
}

// Millis is a filter as a store can test it, whose documents hold milliseconds;
// ok is false if there is none. What holds no microseconds comes back as it is.
func Millis(filter bson.Raw) (out bson.Raw, ok bool) {
	if !value.Document(filter).HoldsFine() {
		return filter, true
	}
	return millisFilter(filter)
}

// forMicros is the program for slots that may hold microseconds.
func (p *Program) forMicros() (*Program, error) {
	p.micros.Do(func() {
		opts := p.opts
		opts.micros = true
		p.variant, p.variantErr = Translate(p.Plan, opts)
		if p.variantErr == nil {
			p.variantErr = p.variant.asColumns(p.Columns)
		}
	})
	return p.variant, p.variantErr
}

// asColumns has the program yield its columns where another one does.
func (p *Program) asColumns(as []Column) error {
	same := len(as) == len(p.Columns)
	for i := range p.Columns {
		same = same && strings.Join(as[i].Path, "\x00") == strings.Join(p.Columns[i].Path, "\x00")
	}
	if same {
		return nil
	}
	return sqlerr.New(sqlerr.FeatureNotSupported, "the statement is not supported with microseconds in its parameters").
		WithHint("Round the parameters to milliseconds: $1::timestamp(3).")
}

// carriesMicros tells whether one of the expressions of the program gets a
// value with microseconds from a slot.
func (b *Bound) carriesMicros() bool {
	for _, n := range b.Program.moments {
		if b.slots[n].HoldsFine() {
			return true
		}
	}
	return false
}

// mayBeMicros tells whether the slot's value may have microseconds in a program
// as it is translated now: parameters and constants of the execution only when
// one had, results of subqueries unless they come from the store alone.
func (c *compiler) mayBeMicros(n int, t sqltype.Type) bool {
	if !MayCarryMicros(t) {
		return false
	}
	s := &c.prog.slots[n]
	if s.init == nil && !s.late || t.OID == sqltype.Numeric {
		return c.opts.micros // numerics of subqueries when they are there: Bound.Again
	}
	for _, p := range c.prog.inits {
		if f := p.Fetch; f.NS.Coll == "" || len(f.Local) > 0 {
			return true
		}
	}
	return false
}

// wholeMillis tells whether an expression gives a moment without microseconds
// in any case. It is for operators of MongoDB that would lose them.
func (s scope) wholeMillis(e planner.Expr) bool {
	switch e := widened(e).(type) {
	case *planner.Const:
		return !e.Value.HoldsFine()
	case *planner.ColRef:
		if e.T.OID == sqltype.Date || s.f == nil {
			return e.T.OID == sqltype.Date
		}
		l := s.f.cols[e.ID]
		return l != nil && !s.f.local() && !traitsOf(l.ref()).local
	case *planner.Cast:
		return !MayCarryMicros(e.T) || e.X.Type().OID == sqltype.Date
	case *planner.Call:
		switch e.Func.Impl {
		case "now", "statement_timestamp", "clock_timestamp", "localtimestamp":
			return true
		}
	}
	return !MayCarryMicros(e.Type())
}
