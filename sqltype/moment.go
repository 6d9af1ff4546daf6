package sqltype

import (
	"cmp"

	"weir/engine/value"
	"weir/sqlerr"
)

// Moment is a timestamp: milliseconds since 1970, rounded down, and 0 to 999
// microseconds beyond them. Infinite ones have none. It is an instant, or wall
// clock time as if it was UTC.
type Moment struct {
	Ms int64
	Us int
}

// MomentOf reads a date.
func MomentOf(v value.Value) Moment { return Moment{v.AsDate(), v.Micros()} }

// Value is the moment as a date.
func (m Moment) Value() value.Value { return value.DateMicros(m.Ms, m.Us) }

// Infinite tells whether the moment is one of the infinities.
func (m Moment) Infinite() bool { return IsInfinite(m.Ms) }

// Add adds microseconds to a finite moment.
func (m Moment) Add(us int64) Moment {
	us += int64(m.Us)
	return Moment{m.Ms + FloorDiv(us, 1000), int(FloorMod(us, 1000))}
}

// Sub is the microseconds from o to m; ok is false when they are too many for
// 64 bits.
func (m Moment) Sub(o Moment) (us int64, ok bool) {
	us, ok = value.MulInt64(m.Ms-o.Ms, 1000)
	if !ok {
		return 0, false
	}
	return value.AddInt64(us, int64(m.Us-o.Us))
}

// At is the moment with other milliseconds and the same microseconds beyond.
func (m Moment) At(ms int64) Moment {
	if IsInfinite(ms) {
		return Moment{Ms: ms}
	}
	return Moment{ms, m.Us}
}

// Compare is -1, 0 or 1.
func (m Moment) Compare(o Moment) int {
	return cmp.Or(cmp.Compare(m.Ms, o.Ms), cmp.Compare(m.Us, o.Us))
}

// OfDay is the microseconds since midnight.
func (m Moment) OfDay() int64 { return FloorMod(m.Ms, MsPerDay)*1000 + int64(m.Us) }

// Civil takes the moment apart as if it was UTC.
func (m Moment) Civil() Civil {
	c := CivilOf(m.Ms)
	c.Us = m.Us
	return c
}

// Round applies timestamp(p): p digits of the second, halves away from 2000.
func (m Moment) Round(mod int32) Moment {
	if mod < 0 || mod >= 6 || m.Infinite() || !InTimestampRange(m.Ms) {
		return m
	}
	us, _ := m.Sub(Moment{Ms: PgEpochMs})
	return Moment{Ms: PgEpochMs}.Add(RoundMicros(us, mod))
}

// Stored is a value as documents can hold it: dates in it, at any depth, lose
// their microseconds by rounding, of which e.Rounded is told. Numbers that are
// none of decimal128's are an error (22003).
func (e *Env) Stored(v value.Value) (value.Value, error) {
	return v.MapFine(func(x value.Value) (value.Value, error) {
		if x.IsMicros() {
			if e != nil && e.Rounded != nil {
				e.Rounded()
			}
			return x.RoundMillis(), nil
		}
		p, ok := x.PlainEqual()
		if !ok {
			return x, sqlerr.New(sqlerr.NumericValueOutOfRange, "value overflows numeric format").
				WithDetail("\"%s\" has more than %d significant digits.", clip(string(AppendNumeric(nil, x))), MaxDigits).
				WithHint("MongoDB's decimals hold %d digits. Columns that CREATE TABLE declares numeric keep more, unless they are unique.", MaxDigits)
		}
		return p, nil
	})
}

// Nearest is a value as documents can hold it, with what is finer rounded: dates
// in it, at any depth, to milliseconds, numbers to 34 digits.
func Nearest(v value.Value) value.Value {
	return v.EachFine(func(x value.Value) value.Value {
		if x.IsWide() {
			return value.FromAPD(x.APD())
		}
		return x.RoundMillis()
	})
}
