package translator

import (
	"context"
	"errors"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqltype"
)

// Moments with microseconds and numbers beyond decimal128, fine values
// (value.IsFine), exist only here: what a store holds has milliseconds and 34
// digits, and so has everything that it computes. A fine value never goes there.
//
// A constant is known when a stage is built: one in a filter's comparison is
// rounded so that the filter tests the same (floorFilter), one anywhere else
// makes the stage local. What parameters and subqueries give is known later.
// Filters' comparisons are rounded when they are filled in; a program in whose
// expressions such a value turns up is translated again, as one in which all
// slots of these types may be fine (Program.forFine).

// MayBeFine tells whether values of a type can be fine or hold what is.
func MayBeFine(t sqltype.Type) bool {
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
		return MayBeFine(sqltype.Type{OID: t.OID.Elem(), Mod: t.Mod})
	}
	if d := t.OID.Def(); d != nil && d.Kind == sqltype.DomainKind {
		return MayBeFine(d.Base)
	}
	return t.OID.IsComposite()
}

// remotely tells whether a stage, or a filter, can be made one without fine
// values that does the same to documents that have none.
func remotely(tree any) bool {
	o, ok := tree.(obj)
	if !ok || len(o) == 0 {
		return false
	}
	raw := encode(o)
	if out, ok := floorStage(raw); ok {
		return !value.Document(out).HoldsFine()
	}
	out, ok := floorFilter(raw)
	return ok && !value.Document(out).HoldsFine()
}

// floorStage rewrites a stage for documents without fine values; ok is false
// where that cannot be done.
func floorStage(stage bson.Raw) (out bson.Raw, ok bool) {
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
		spec, ok = floorFilter(it.Value().Doc())
	case "$lookup", "$unionWith":
		spec, ok = floorPipelines(it.Value().Doc(), func(name string) bool { return name == "pipeline" })
	case "$facet":
		spec, ok = floorPipelines(it.Value().Doc(), func(string) bool { return true })
	}
	if !ok {
		return nil, false
	}
	var b value.Builder
	b.Add(it.Key(), value.Document(spec))
	return b.Doc(), true
}

// floorPipelines rewrites the pipelines among a document's fields.
func floorPipelines(doc bson.Raw, is func(name string) bool) (bson.Raw, bool) {
	var b value.Builder
	for it := value.Walk(doc); it.Next(); {
		v := it.Value()
		if v.IsArray() && is(it.Key()) {
			var stages []value.Value
			for st := value.Walk(v.Doc()); st.Next(); {
				s, ok := floorStage(st.Value().Doc())
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

// floorFilter rewrites a filter's comparisons with fine values: a bound is rounded
// towards the stored values that it lets pass, and nothing that is stored equals
// a fine value.
func floorFilter(filter bson.Raw) (bson.Raw, bool) {
	var b value.Builder
	for it := value.Walk(filter); it.Next(); {
		v := plainest(it.Value())
		switch {
		case !v.HoldsFine():
		case it.Key() == "$and" || it.Key() == "$or" || it.Key() == "$nor":
			var arms []value.Value
			for arm := value.Walk(v.Doc()); arm.Next(); {
				f, ok := floorFilter(arm.Value().Doc())
				if !ok {
					return nil, false
				}
				arms = append(arms, value.Document(f))
			}
			v = value.ArrayFrom(arms)
		case strings.HasPrefix(it.Key(), "$") || !v.IsDocument():
			return nil, false
		default:
			cond, ok := floorCondition(v.Doc())
			if !ok {
				return nil, false
			}
			v = value.Document(cond)
		}
		b.Add(it.Key(), v)
	}
	return b.Doc(), true
}

// floorCondition rewrites the operators on one path.
func floorCondition(cond bson.Raw) (bson.Raw, bool) {
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
				v = value.ArrayFrom(withoutFine(value.Items(nil, v.Doc())))
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

func withoutFine(values []value.Value) []value.Value {
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
	return v.EachFine(func(x value.Value) value.Value {
		if p, ok := x.PlainEqual(); ok {
			return p
		}
		return x
	})
}

// floorStages rewrites those stages of a pipeline for a store that hold
// fine constants and nothing that is not known yet.
func floorStages(in []Stage) []Stage {
	for i, s := range in {
		if s.fine && !s.Bound {
			if raw, ok := floorStage(s.Raw); ok {
				in[i] = Stage{Raw: raw}
			}
		}
	}
	return in
}

// Floored is a filter as a store can test it, whose documents hold no fine
// values; ok is false if there is none. What holds none comes back as it is.
func Floored(filter bson.Raw) (out bson.Raw, ok bool) {
	if !value.Document(filter).HoldsFine() {
		return filter, true
	}
	return floorFilter(filter)
}

// variant is the program of a statement with other options, made when it is needed.
type variant struct {
	once sync.Once
	prog *Program
	err  error
}

// of gives the program that p is with options set.
func (v *variant) of(p *Program, set func(*Options)) (*Program, error) {
	v.once.Do(func() {
		opts := p.opts
		set(&opts)
		if v.prog, v.err = Translate(p.Plan, opts); v.err == nil {
			v.err = v.prog.moveColumns(p.Columns)
		}
	})
	return v.prog, v.err
}

// forFine is the program for slots that may hold fine values.
func (p *Program) forFine() (*Program, error) {
	return p.fine.of(p, func(o *Options) { o.fine = true })
}

// forExact is the program that computes here what decimal128 may not hold.
func (p *Program) forExact() (*Program, error) {
	return p.exact.of(p, func(o *Options) { o.exact = true })
}

// Checks tells whether the program may fail with an error of which Rounded tells.
func (b *Bound) Checks() bool { return b.Program.checks && !b.Program.opts.exact }

// Rounded tells of the error of a program whose results have more digits than
// the store has: Exactly gives the one to run instead.
func (b *Bound) Rounded(err error) bool {
	var m *mongoerr.Error
	return b.Checks() && errors.As(err, &m) && strings.Contains(m.Message, numericOutOfRange)
}

// Exactly is the same statement in a program that is exact, which it will be from
// now on.
func (b *Bound) Exactly(ctx context.Context) (*Bound, error) {
	p, err := b.Program.forExact()
	if err != nil {
		return nil, err
	}
	b.Program.rounds.Store(true)
	return p.Bind(ctx, b.args, b.Session)
}

// moveColumns puts the columns of a query where those of another one are.
func (p *Program) moveColumns(to []Column) error {
	if err := p.asColumns(to); err == nil || p.Write != nil {
		return err
	}
	root := obj{}
	for i := range to {
		if !root.place(to[i].Path, fieldRef("", p.Columns[i].Path)) {
			return p.asColumns(to)
		}
		p.Columns[i].Path = to[i].Path
	}
	p.Root.Local = append(p.Root.Local, Stage{Raw: encode(obj{{"$replaceRoot", obj{{"newRoot", root}}}})})
	return nil
}

// place puts an expression at a path of an object; false: something is there.
func (o *obj) place(path []string, x any) bool {
	if !plainName(path[0]) {
		return false
	}
	for i := range *o {
		f := &(*o)[i]
		if f.k != path[0] {
			continue
		}
		if ref, same := f.v.(string); same && len(path) == 1 && ref == x {
			return true
		}
		in, ok := f.v.(obj)
		if !ok || len(path) == 1 || !in.place(path[1:], x) {
			return false
		}
		f.v = in
		return true
	}
	if len(path) > 1 {
		in := obj{}
		if !in.place(path[1:], x) {
			return false
		}
		x = in
	}
	*o = append(*o, field{path[0], x})
	return true
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
	return sqlerr.New(sqlerr.FeatureNotSupported, "the statement is not supported with microseconds or more than 34 digits in its parameters").
		WithHint("Round the parameters: $1::timestamp(3), round($1, 10).")
}

// carriesFine tells whether one of the expressions of the program gets a
// fine value from a slot.
func (b *Bound) carriesFine() bool {
	for _, n := range b.Program.moments {
		if b.slots[n].HoldsFine() {
			return true
		}
	}
	return false
}

// mayBeFine tells whether the slot's value may be fine in a program
// as it is translated now: parameters and constants of the execution only when
// one had, results of subqueries unless they come from the store alone.
func (c *compiler) mayBeFine(n int, t sqltype.Type) bool {
	if !MayBeFine(t) {
		return false
	}
	s := &c.prog.slots[n]
	if s.init == nil && !s.late || t.OID == sqltype.Numeric {
		return c.opts.fine // numerics of subqueries when they are there: Bound.Again
	}
	for _, p := range c.prog.inits {
		if f := p.Fetch; f.NS.Coll == "" || len(f.Local) > 0 {
			return true
		}
	}
	return false
}

// neverFine tells whether an expression gives no fine value in any case. It is for operators of MongoDB that would lose them.
func (s scope) neverFine(e planner.Expr) bool {
	switch e := widened(e).(type) {
	case *planner.Const:
		return !e.Value.HoldsFine()
	case *planner.ColRef:
		if e.Bound {
			return !MayBeFine(e.T)
		}
		if e.T.OID == sqltype.Date || s.f == nil {
			return e.T.OID == sqltype.Date
		}
		l := s.f.cols[e.ID]
		return l != nil && !s.f.local() && !traitsOf(l.ref()).local
	case *planner.Cast:
		return !MayBeFine(e.T) || e.X.Type().OID == sqltype.Date
	case *planner.Call:
		switch e.Func.Impl {
		case "now", "statement_timestamp", "clock_timestamp", "localtimestamp":
			return true
		}
	}
	return !MayBeFine(e.Type())
}
