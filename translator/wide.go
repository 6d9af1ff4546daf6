package translator

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// Numerics beyond decimal128 (value.Value.IsWide) go the way of moments with
// microseconds, see fine.go. MongoDB's operators round to 34 digits what they
// compute; ours are exact where an operand is wide. So in programs that meet
// wide numbers numerics are computed by the SQL functions, which are exact for
// all of them; other programs compute as if there were none.

// meetsWide tells whether a plan has constants that are wide or reads columns
// that may hold some.
func meetsWide(n planner.Node) bool {
	u := newUse()
	u.node(n)
	return u.wide
}

func (u *use) scan(n *planner.Scan) {
	for i, fd := range n.Fields {
		u.wide = u.wide || fd.Fine && (fd.Type.OID == sqltype.Numeric || i < len(n.Out) && n.Out[i].Type.OID == sqltype.Numeric)
	}
}

// wideIn tells whether a tree holds a wide numeric.
func wideIn(v any) bool {
	switch v := v.(type) {
	case obj:
		return slices.ContainsFunc(v, func(f field) bool { return wideIn(f.v) })
	case list:
		return slices.ContainsFunc(v, wideIn)
	case value.Value:
		return v.IsWide()
	}
	return false
}

// mayBeWide tells whether a numeric may be wide, in programs that meet such.
func (s scope) mayBeWide(e planner.Expr) bool {
	if !s.c.wide || e.Type().OID != sqltype.Numeric || !MayBeFine(e.Type()) {
		return false
	}
	switch e := widened(e).(type) {
	case *planner.Const:
		return e.Value.IsWide()
	case *planner.ColRef:
		if s.f == nil {
			return true
		}
		l := s.f.find(e.ID)
		return l == nil || !l.stored || l.us != nil
	case *planner.Cast:
		return !isInteger(e.X.Type().OID) && !isFloat(e.X.Type().OID)
	case *planner.Call:
		for _, a := range e.Args {
			if s.mayBeWide(a) {
				return true
			}
		}
		return len(e.Args) == 0 || numericOps[e.Func.Impl] == "" || s.c.opts.exact && !s.c.digitsOf(e).fit()
	}
	return true
}

// anyWide is mayBeWide of one of several.
func (s scope) anyWide(es []planner.Expr) bool {
	for _, e := range es {
		if s.mayBeWide(e) {
			return true
		}
	}
	return false
}

// JoinFine is the value of what a field holds and of what stands beside it for
// the same column: of a date the microseconds since 1970, of a decimal the
// number in full. That counts while the field is what it was then.
func JoinFine(field, beside value.Value) value.Value {
	if field.Kind() != bson.TypeDecimal128 || !beside.IsString() {
		return JoinMicros(field, beside)
	}
	d, err := sqltype.ParseAPD(beside.Str())
	if err != nil {
		return field
	}
	v, err := sqltype.NumericValue(d)
	if err != nil || !value.Identical(v.Floor(), field) {
		return field
	}
	return v
}

// Divided is the field to store of a value that is fine and what stands beside it.
func Divided(v value.Value) (field, beside value.Value) {
	if v.IsWide() {
		return v.Floor(), value.String(string(sqltype.AppendNumeric(nil, v)))
	}
	return v.Floor(), value.Int64(v.AsDateMicros())
}
