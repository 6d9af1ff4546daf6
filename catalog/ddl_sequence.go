package catalog

import (
	"context"
	"math"
	"strconv"

	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
)

func maxOf(t sqltype.OID) int64 {
	switch t {
	case sqltype.Int2:
		return math.MaxInt16
	case sqltype.Int4:
		return math.MaxInt32
	}
	return math.MaxInt64
}

func (d *ddl) createSequence(ctx context.Context, x *ast.CreateSequence) error {
	if err := d.temporary(x.Persistence, ast.OnCommitDefault, x.Pos()); err != nil {
		return err
	}
	p, err := d.placeOf(ctx, x.Name)
	if err != nil {
		return err
	}
	if skip, err := d.free(ctx, p, x.IfNotExists); skip || err != nil {
		return err
	}
	o := d.newObject(p, "sequence")
	o.Sequence = newSequence(sqltype.Int8)
	if err := applySequence(o.Sequence, x.Options, true); err != nil {
		return err
	}
	if err := d.ownedSequence(ctx, o, x.Options); err != nil {
		return err
	}
	if err := d.save(ctx, o); err != nil {
		return err
	}
	d.made(ast.KindSequence, p.schema, p.name)
	return nil
}

func newSequence(t sqltype.OID) *objectSequence {
	return &objectSequence{Type: int64(t), Start: 1, Increment: 1, Min: 1, Max: maxOf(t), Last: 1}
}

// ownedSequence tests that OWNED BY names a column of a table.
func (d *ddl) ownedSequence(ctx context.Context, o *object, opts []*ast.SequenceOption) error {
	for _, opt := range opts {
		if opt.Name != "owned by" || opt.Owner == nil {
			continue
		}
		name := &ast.Name{Span: opt.Owner.Span, Parts: opt.Owner.Parts[:len(opt.Owner.Parts)-1]}
		t, err := d.find(ctx, name, "relation", false)
		if err != nil {
			return err
		}
		if t.Kind != Collection && t.Kind != View {
			return sqlerr.New(sqlerr.WrongObjectType, "sequence cannot be owned by relation %q", t.Name).At(opt.Pos())
		}
		c := foldColumn(t.Columns, opt.Owner.Last())
		if c == nil {
			return sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", opt.Owner.Last().Text, t.Name).At(opt.Pos())
		}
		o.Sequence.OwnedBy = t.Name + "." + c.Name
	}
	return nil
}

// applySequence applies options. Of a new sequence the start follows the
// bounds, and these its type, unless they are given.
func applySequence(q *objectSequence, opts []*ast.SequenceOption, fresh bool) error {
	given := map[string]*ast.SequenceOption{}
	before := *q
	for _, o := range opts {
		if given[o.Name] != nil {
			return sqlerr.New(sqlerr.SyntaxError, "conflicting or redundant options").At(o.Pos())
		}
		given[o.Name] = o
		if err := applySequenceOption(q, o); err != nil {
			return err
		}
	}
	if err := q.bounds(given["minvalue"], given["maxvalue"], before, fresh); err != nil {
		return err
	}
	if given["start"] == nil && fresh {
		if q.Start = q.Min; q.Increment < 0 {
			q.Start = q.Max
		}
	}
	if err := q.inside("START", q.Start); err != nil {
		return err
	}
	switch r := given["restart"]; {
	case r != nil && r.Value == nil, fresh:
		q.Last, q.Called = q.Start, false
	}
	return q.inside("RESTART", q.Last)
}

func (q *objectSequence) inside(what string, n int64) error {
	switch {
	case n < q.Min:
		return sqlerr.New(sqlerr.InvalidParameterValue, "%s value (%d) cannot be less than MINVALUE (%d)", what, n, q.Min)
	case n > q.Max:
		return sqlerr.New(sqlerr.InvalidParameterValue, "%s value (%d) cannot be greater than MAXVALUE (%d)", what, n, q.Max)
	}
	return nil
}

// bounds sets the limits that are not given: those of the type and direction
// for a new sequence and for NO MINVALUE and NO MAXVALUE; those of the new type
// where they were the old type's.
func (q *objectSequence) bounds(lower, upper *ast.SequenceOption, before objectSequence, fresh bool) error {
	top, old := maxOf(sqltype.OID(q.Type)), maxOf(sqltype.OID(before.Type))
	retyped := !fresh && q.Type != before.Type
	topMoves, bottomMoves := retyped && before.Max == old, retyped && before.Min == -old-1
	if unset := upper != nil && upper.Value == nil; upper == nil && (fresh || topMoves) || unset {
		if q.Max = -1; q.Increment > 0 || topMoves {
			q.Max = top
		}
	}
	if unset := lower != nil && lower.Value == nil; lower == nil && (fresh || bottomMoves) || unset {
		if q.Min = 1; q.Increment < 0 || bottomMoves {
			q.Min = -top - 1
		}
	}
	word := sqltype.Of(sqltype.OID(q.Type)).String()
	switch {
	case q.Max > top || q.Max < -top-1:
		return sqlerr.New(sqlerr.InvalidParameterValue, "MAXVALUE (%d) is out of range for sequence data type %s", q.Max, word)
	case q.Min > top || q.Min < -top-1:
		return sqlerr.New(sqlerr.InvalidParameterValue, "MINVALUE (%d) is out of range for sequence data type %s", q.Min, word)
	case q.Min >= q.Max:
		return sqlerr.New(sqlerr.InvalidParameterValue, "MINVALUE (%d) must be less than MAXVALUE (%d)", q.Min, q.Max)
	}
	return nil
}

func applySequenceOption(q *objectSequence, o *ast.SequenceOption) error {
	n, err := sequenceNumber(o)
	if err != nil {
		return err
	}
	switch o.Name {
	case "as":
		t, err := TypeName(o.Type)
		if err != nil {
			return err
		}
		if t.OID != sqltype.Int2 && t.OID != sqltype.Int4 && t.OID != sqltype.Int8 {
			return sqlerr.New(sqlerr.InvalidParameterValue, "sequence type must be smallint, integer, or bigint").At(o.Pos())
		}
		q.Type = int64(t.OID)
	case "increment":
		if n == 0 {
			return sqlerr.New(sqlerr.InvalidParameterValue, "INCREMENT must not be zero").At(o.Pos())
		}
		q.Increment = n
	case "minvalue":
		if !o.No && o.Value != nil {
			q.Min = n
		}
	case "maxvalue":
		if !o.No && o.Value != nil {
			q.Max = n
		}
	case "start":
		q.Start = n
	case "restart":
		if o.Value != nil {
			q.Last = n
		}
		q.Called = false
	case "cache":
		if n <= 0 {
			return sqlerr.New(sqlerr.InvalidParameterValue, "CACHE (%d) must be greater than zero", n).At(o.Pos())
		}
		q.Cache = n
	case "cycle":
		q.Cycle = !o.No
	case "owned by":
		q.OwnedBy = ""
		if o.Owner != nil && len(o.Owner.Parts) == 1 {
			return sqlerr.New(sqlerr.SyntaxError, "invalid OWNED BY option").At(o.Pos()).
				WithHint("Specify OWNED BY table.column or OWNED BY NONE.")
		}
	}
	return nil
}

func sequenceNumber(o *ast.SequenceOption) (int64, error) {
	sign, e := "", o.Value
	if u, ok := e.(*ast.UnaryExpr); ok && u.Op.Symbol == "-" {
		sign, e = "-", u.Operand
	}
	lit, ok := e.(*ast.NumberLiteral)
	if !ok {
		if e == nil {
			return 0, nil
		}
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "%s must be a whole number", o.Name).At(o.Pos())
	}
	n, err := strconv.ParseInt(sign+lit.Text, 10, 64)
	if err != nil {
		return 0, sqlerr.New(sqlerr.NumericValueOutOfRange, "value %q is out of range for type bigint", sign+lit.Text).At(o.Pos())
	}
	return n, nil
}

func (d *ddl) alterSequence(ctx context.Context, x *ast.AlterSequence) error {
	t, err := d.find(ctx, x.Name, "relation", x.IfExists)
	if err != nil || t == nil {
		return err
	}
	if t.Kind != Sequence {
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a sequence", t.Name).At(x.Name.Pos())
	}
	known, err := d.objectOf(ctx, t)
	if err != nil {
		return err
	}
	o, err := d.storedObject(ctx, known.ID) // its last value as it is now
	if err != nil || o == nil || o.Sequence == nil {
		return err
	}
	d.oids.keep("relation", o.DB, o.Name, uint32(o.OID))
	if err := applySequence(o.Sequence, x.Options, false); err != nil {
		return err
	}
	if err := d.ownedSequence(ctx, o, x.Options); err != nil {
		return err
	}
	return d.save(ctx, o)
}
