package translator

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqlerr"
	"weir/sqlfunc"
)

// Bound is a Program with its parameters.
type Bound struct {
	Program *Program
	Session sqlfunc.Session
	Now     int64 // milliseconds, the statement's
	args    []value.Value
	slots   []value.Value
	fine    bool // some slot holds fine values

	eval expr.Context // of compute, and the document that it reads
	doc  []byte
}

// Bind gives the parameters and computes what depends on nothing else; args are
// in the BSON forms of the parameters' types.
//
// Arguments with microseconds may need another program, which the Bound then is of.
func (p *Program) Bind(ctx context.Context, args []value.Value, sess sqlfunc.Session) (*Bound, error) {
	if p.rounds.Load() {
		return p.exact.prog.Bind(ctx, args, sess)
	}
	b, err := p.bind(args, sess)
	if err != nil || p.opts.fine || !b.fine || !b.carriesFine() {
		return b, err
	}
	if p, err = p.forFine(); err != nil {
		return nil, err
	}
	return p.Bind(ctx, args, sess)
}

func (p *Program) bind(args []value.Value, sess sqlfunc.Session) (*Bound, error) {
	b := &Bound{Program: p, Session: sess, args: args, slots: make([]value.Value, len(p.slots))}
	b.Now = now(sess)
	for i := range p.slots {
		s := &p.slots[i]
		switch {
		case s.init != nil || s.late:
			continue
		case s.param > 0:
			if s.param > len(args) {
				return nil, sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $%d", s.param).At(s.pos)
			}
			b.slots[i] = args[s.param-1]
			if b.slots[i].IsMissing() {
				b.slots[i] = value.Null()
			}
			b.fine = b.fine || b.slots[i].HoldsFine()
		default:
			if err := b.compute(i); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

func now(sess sqlfunc.Session) int64 {
	if sess == nil {
		return time.Now().UnixMilli()
	}
	return sess.StatementTime().UnixMilli()
}

// compute evaluates the expression of a slot over the slots before it.
func (b *Bound) compute(i int) error {
	s := &b.Program.slots[i]
	if s.fail != nil {
		return s.fail
	}
	b.eval.Root, b.eval.Now = b.root(s.reads), b.Now
	if b.Session != nil {
		b.eval.Session = b.Session
	}
	v, err := s.code.Eval(&b.eval)
	if err != nil {
		return sqlerr.As(MapError(err)).At(s.pos)
	}
	if v.IsMissing() {
		v = value.Null()
	}
	b.slots[i] = v.Clone()
	b.fine = b.fine || v.HoldsFine()
	return nil
}

// root is the document whose fields are the given slots, until the next call.
func (b *Bound) root(slots []int) bson.Raw {
	start, doc := value.BeginDocument(b.doc[:0])
	for _, i := range slots {
		doc = value.AppendElement(doc, slotField(i), b.slots[i])
	}
	b.doc = value.EndDocument(doc, start)
	return b.doc
}

// InitPlans are the subqueries to run before the rest, in order. After each,
// SetInit stores its result.
func (p *Program) InitPlans() []*InitPlan { return p.inits }

// SetInit gives the result of a subquery, and computes the constants that were
// waiting for it.
func (b *Bound) SetInit(p *InitPlan, v value.Value) error {
	b.slots[p.slot] = v.Clone()
	b.fine = b.fine || v.HoldsFine()
	for i := p.slot + 1; i < len(b.slots); i++ {
		s := &b.Program.slots[i]
		if s.init != nil {
			break
		}
		if s.late {
			if err := b.compute(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// Again is another program to run when the results of the subqueries are ones
// that this one cannot send to the store; nil: it can.
func (b *Bound) Again(ctx context.Context) (*Bound, error) {
	if b.Program.opts.fine || !b.fine || !b.carriesFine() {
		return nil, nil
	}
	p, err := b.Program.forFine()
	if err != nil {
		return nil, err
	}
	return p.Bind(ctx, b.args, b.Session)
}

// Stages fills the placeholders of stages.
func (b *Bound) Stages(in []Stage) ([]bson.Raw, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make([]bson.Raw, len(in))
	f := filler{slots: b.slots, conds: b.Program.conds}
	for i, s := range in {
		if out[i] = s.Raw; s.Bound {
			out[i] = f.doc(make([]byte, 0, len(s.Raw)+64), s.Raw)
		}
	}
	return out, f.err
}

// Remote fills the placeholders of stages for a store: comparisons with moments
// are rounded to what it holds.
func (b *Bound) Remote(in []Stage) ([]bson.Raw, error) {
	out, err := b.Stages(in)
	if err != nil {
		return nil, err
	}
	for i, s := range in {
		if !s.fine && (!b.fine || !s.Bound) {
			continue
		}
		var ok bool
		if out[i], ok = floorStage(out[i]); !ok {
			return nil, sqlerr.New(sqlerr.FeatureNotSupported, "values finer than MongoDB's are not supported here").
				WithHint("Round timestamps to milliseconds, x::timestamp(3), and numerics to 34 digits.")
		}
	}
	return out, nil
}

// Stage fills the placeholders of one stage or document.
func (b *Bound) Stage(s Stage) (bson.Raw, error) {
	out, err := b.Stages([]Stage{s})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// Result makes the value of a subquery from its rows.
func (p *InitPlan) Result(rows []value.Value) (value.Value, error) {
	switch p.Kind {
	case planner.Exists:
		return value.Bool(len(rows) > 0), nil
	case planner.ArrayOf:
		return value.ArrayFrom(rows), nil
	}
	switch len(rows) {
	case 0:
		return value.Null(), nil
	case 1:
		return rows[0], nil
	}
	return value.Value{}, sqlerr.New(sqlerr.CardinalityViolation, "more than one row returned by a subquery used as an expression")
}
