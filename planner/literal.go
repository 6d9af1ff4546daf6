package planner

import (
	"strings"

	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// literal gives a string literal or NULL of unknown type its type, reading it
// as the type's input function does. A bad literal is an error at its place.
func (b *builder) literal(c *Const, to sqltype.Type, ctx sqlfunc.CastContext) (Expr, error) {
	if c.Value.IsNullish() {
		return &Const{T: to, Value: c.Value, P: c.P, Missing: c.Missing}, nil
	}
	switch {
	case to.OID == sqltype.Unknown:
		return c, nil
	case to.OID.IsReg(), to.OID == sqltype.Any:
		// Names of objects are looked up when the statement runs.
		t := &Const{T: textType, Value: c.Value, P: c.P}
		return &Cast{X: t, T: to, Explicit: true, P: c.P}, nil
	}
	in := sqltype.Of(to.OID)
	if to.OID == sqltype.Interval {
		in = to // INTERVAL '1' YEAR: the modifier gives a bare number its unit
	}
	b.timed = b.timed || readsClock(c.Value.Str(), to.OID)
	v, err := sqltype.ParseText(c.Value.Str(), in, b.env.Types)
	if err != nil {
		return nil, sqlerr.As(err).At(c.P)
	}
	x := &Const{T: sqltype.Of(to.OID), Value: v, P: c.P}
	if to.Mod == -1 {
		return x, nil
	}
	return &Cast{X: x, T: to, Explicit: ctx == explicit, P: c.P}, nil
}

// readsClock tells whether a literal may mean a time by the clock.
func readsClock(text string, t sqltype.OID) bool {
	if e := t.Elem(); e != sqltype.Invalid {
		t = e
	}
	if t.Category() != 'D' && !t.Involves() {
		return false
	}
	text = strings.ToLower(text)
	for _, word := range []string{"now", "today", "tomorrow", "yesterday"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}
