package sqltype

import (
	"strconv"
	"time"

	"weir/sqlerr"
)

func append2(dst []byte, n int) []byte { return append(dst, byte('0'+n/10%10), byte('0'+n%10)) }

// appendYear prints a year with at least four digits; BC is printed at the end.
func appendYear(dst []byte, y int) []byte {
	if y <= 0 {
		y = 1 - y
	}
	if y < 10000 {
		return append2(append2(dst, y/100), y%100)
	}
	return strconv.AppendInt(dst, int64(y), 10)
}

func appendEra(dst []byte, y int) []byte {
	if y <= 0 {
		return append(dst, " BC"...)
	}
	return dst
}

func appendInfinity(dst []byte, ms int64) []byte {
	if ms == NegInfinity {
		return append(dst, "-infinity"...)
	}
	return append(dst, "infinity"...)
}

func (e *Env) dates() (DateFormat, DateOrder) {
	if e == nil {
		return ISO, MDY
	}
	return e.Dates, e.Order
}

// AppendDate prints a date in the environment's DateStyle.
func AppendDate(dst []byte, ms int64, e *Env) []byte {
	if IsInfinite(ms) {
		return appendInfinity(dst, ms)
	}
	c := CivilOf(ms)
	return appendEra(appendDay(dst, c, e), c.Year)
}

func appendDay(dst []byte, c Civil, e *Env) []byte {
	style, order := e.dates()
	a, b, sep := c.Month, c.Day, byte('-')
	switch style {
	case ISO:
		dst = append(appendYear(dst, c.Year), '-')
		dst = append(append2(dst, c.Month), '-')
		return append2(dst, c.Day)
	case SQL:
		sep = '/'
	case German:
		sep, order = '.', DMY
	}
	if order == DMY {
		a, b = b, a
	}
	dst = append(append2(dst, a), sep)
	dst = append(append2(dst, b), sep)
	return appendYear(dst, c.Year)
}

func appendClock(dst []byte, c Civil) []byte {
	dst = append(append2(dst, c.Hour), ':')
	dst = append(append2(dst, c.Minute), ':')
	dst = append2(dst, c.Sec)
	return appendFraction(dst, c.Ms*1000+c.Us)
}

// appendFraction prints microseconds after the second, without trailing zeros.
func appendFraction(dst []byte, us int) []byte {
	if us == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := 100000; us > 0; unit /= 10 {
		dst = append(dst, byte('0'+us/unit))
		us %= unit
	}
	return dst
}

// AppendTimestamp prints a timestamp without time zone.
func AppendTimestamp(dst []byte, m Moment, e *Env) ([]byte, error) {
	if err := checkTimestamp(m.Ms); err != nil {
		return dst, err
	}
	return appendStamp(dst, m, e, nil, 0, ""), nil
}

func checkTimestamp(ms int64) error {
	if !IsInfinite(ms) && !InTimestampRange(ms) {
		return sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range")
	}
	return nil
}

// AppendTimestamptz prints a timestamp with time zone in the session's zone.
func AppendTimestamptz(dst []byte, m Moment, e *Env) ([]byte, error) {
	loc := e.zone()
	if m.Infinite() {
		return appendInfinity(dst, m.Ms), nil
	}
	if err := checkTimestamp(m.Ms); err != nil {
		return dst, err
	}
	off, abbrev := Offset(m.Ms, loc)
	return appendStamp(dst, m.At(m.Ms+int64(off)*1000), e, loc, off, abbrev), nil
}

var (
	dayNames   = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
	monthNames = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
)

func appendStamp(dst []byte, m Moment, e *Env, loc *time.Location, off int, abbrev string) []byte {
	if m.Infinite() {
		return appendInfinity(dst, m.Ms)
	}
	c := m.Civil()
	if style, order := e.dates(); style == Postgres {
		dst = appendPostgresStamp(dst, c, order, loc, off, abbrev)
		return appendEra(dst, c.Year)
	} else if style != ISO && loc != nil {
		dst = appendClock(append(appendDay(dst, c, e), ' '), c)
		dst = appendZoneName(dst, off, abbrev)
		return appendEra(dst, c.Year)
	}
	dst = appendClock(append(appendDay(dst, c, e), ' '), c)
	if loc != nil {
		dst = AppendOffset(dst, off)
	}
	return appendEra(dst, c.Year)
}

func appendPostgresStamp(dst []byte, c Civil, order DateOrder, loc *time.Location, off int, abbrev string) []byte {
	dst = append(append(dst, dayNames[c.Weekday()][:3]...), ' ')
	if order == DMY {
		dst = append(append2(dst, c.Day), ' ')
		dst = append(dst, monthNames[c.Month-1][:3]...)
	} else {
		dst = append(append(dst, monthNames[c.Month-1][:3]...), ' ')
		dst = append2(dst, c.Day)
	}
	dst = appendClock(append(dst, ' '), c)
	dst = appendYear(append(dst, ' '), c.Year)
	if loc != nil {
		dst = appendZoneName(dst, off, abbrev)
	}
	return dst
}

func appendZoneName(dst []byte, off int, abbrev string) []byte {
	if abbrev != "" && abbrev[0] != '+' && abbrev[0] != '-' {
		return append(append(dst, ' '), abbrev...)
	}
	return AppendOffset(dst, off)
}

// AppendOffset prints seconds east of UTC as +hh[:mm[:ss]].
func AppendOffset(dst []byte, off int) []byte {
	sign := byte('+')
	if off < 0 {
		sign, off = '-', -off
	}
	dst = append2(append(dst, sign), off/3600)
	if off%3600 != 0 {
		dst = append2(append(dst, ':'), off/60%60)
		if off%60 != 0 {
			dst = append2(append(dst, ':'), off%60)
		}
	}
	return dst
}

// AppendTime prints microseconds since midnight.
func AppendTime(dst []byte, us int64) []byte {
	s := int(us / 1000000)
	dst = append(append2(dst, s/3600), ':')
	dst = append(append2(dst, s/60%60), ':')
	dst = append2(dst, s%60)
	return appendFraction(dst, int(us%1000000))
}

// AppendISO prints an instant the way JSON carries it: 2024-01-01T00:00:00.5Z.
func AppendISO(dst []byte, m Moment) []byte {
	if m.Infinite() {
		return appendInfinity(dst, m.Ms)
	}
	c := m.Civil()
	dst = append(appendYear(dst, c.Year), '-')
	dst = append(append2(dst, c.Month), '-')
	dst = append(append2(dst, c.Day), 'T')
	dst = append(appendClock(dst, c), 'Z')
	return appendEra(dst, c.Year)
}
