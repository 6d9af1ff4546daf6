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
	o.Sequence = &objectSequence{Type: int64(sqltype.Int8), Increment: 1}
	q := o.Sequence
	q.Min, q.Max = 1, math.MaxInt64
	if err := applySequence(q, x.Options); err != nil {
		return err
	}
	if err := d.save(ctx, o); err != nil {
		return err
	}
	d.made(ast.KindSequence, p.schema, p.name)
	return nil
}

// applySequence applies options; the start follows the bounds unless it is given.
func applySequence(q *objectSequence, opts []*ast.SequenceOption) error {
	given := map[string]bool{}
	for _, o := range opts {
		if given[o.Name] {
			return sqlerr.New(sqlerr.SyntaxError, "conflicting or redundant options").At(o.Pos())
		}
		given[o.Name] = true
		if err := applySequenceOption(q, o); err != nil {
			return err
		}
	}
	if q.Increment < 0 && !given["minvalue"] && !given["maxvalue"] && given["increment"] {
		q.Min, q.Max = math.MinInt64, -1
	}
	if given["as"] && !given["maxvalue"] && q.Increment > 0 {
		q.Max = maxOf(sqltype.OID(q.Type))
	}
	q.unbound(opts)
	if q.Min >= q.Max {
		return sqlerr.New(sqlerr.InvalidParameterValue, "MINVALUE (%d) must be less than MAXVALUE (%d)", q.Min, q.Max)
	}
	if !given["start"] && q.Start == 0 {
		if q.Start = q.Min; q.Increment < 0 {
			q.Start = q.Max
		}
	}
	if q.Start < q.Min {
		return sqlerr.New(sqlerr.InvalidParameterValue, "START value (%d) cannot be less than MINVALUE (%d)", q.Start, q.Min)
	}
	if q.Start > q.Max {
		return sqlerr.New(sqlerr.InvalidParameterValue, "START value (%d) cannot be greater than MAXVALUE (%d)", q.Start, q.Max)
	}
	if !q.Called && !given["restart"] {
		q.Last = q.Start
	}
	return nil
}

// unbound sets the limits that NO MINVALUE and NO MAXVALUE stand for.
func (q *objectSequence) unbound(opts []*ast.SequenceOption) {
	for _, o := range opts {
		if o.Value != nil && !o.No {
			continue
		}
		top := maxOf(sqltype.OID(q.Type))
		switch {
		case o.Name == "maxvalue" && q.Increment > 0:
			q.Max = top
		case o.Name == "maxvalue":
			q.Max = -1
		case o.Name == "minvalue" && q.Increment > 0:
			q.Min = 1
		case o.Name == "minvalue":
			q.Min = -top - 1
		}
	}
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
		if o.Value == nil {
			n = q.Start
		}
		q.Last, q.Called = n, false
	case "cycle":
		if !o.No {
			return unsupported(o.Pos(), "Leave CYCLE out.", "cycling sequences are not supported")
		}
	case "owned by":
		q.OwnedBy = ""
		if o.Owner != nil && len(o.Owner.Parts) > 1 {
			q.OwnedBy = o.Owner.Qualifier().Name + "." + o.Owner.Last().Name
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
	o, err := d.objectOf(ctx, t)
	if err != nil {
		return err
	}
	if err := applySequence(o.Sequence, x.Options); err != nil {
		return err
	}
	return d.save(ctx, o)
}
