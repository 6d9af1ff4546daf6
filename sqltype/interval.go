package sqltype

import (
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Span is an interval: months, days and microseconds are kept apart.
type Span struct {
	Months int32
	Days   int32
	Micros int64
}

// SpanOf reads an interval's BSON form. A number counts microseconds.
func SpanOf(v value.Value) Span {
	if v.Kind() != bson.TypeEmbeddedDocument {
		return Span{Micros: v.AsInt64()}
	}
	var s Span
	for it := value.Walk(v.Doc()); it.Next(); {
		switch it.Key() {
		case "m":
			s.Months = int32(it.Value().AsInt64())
		case "d":
			s.Days = int32(it.Value().AsInt64())
		case "u":
			s.Micros = it.Value().AsInt64()
		}
	}
	return s
}

// Value is the interval's BSON form.
func (s Span) Value() value.Value {
	start, b := value.BeginDocument(make([]byte, 0, 40))
	b = value.AppendElement(b, "m", value.Int32(s.Months))
	b = value.AppendElement(b, "d", value.Int32(s.Days))
	b = value.AppendElement(b, "u", value.Int64(s.Micros))
	return value.Document(value.EndDocument(b, start))
}

// Compare orders intervals taking a month as 30 days and a day as 24 hours.
func (s Span) Compare(o Span) int {
	da, ua := s.linear()
	db, ub := o.linear()
	switch {
	case da < db || da == db && ua < ub:
		return -1
	case da == db && ua == ub:
		return 0
	}
	return 1
}

const microsPerDay = 86400000000

func (s Span) linear() (days, micros int64) {
	d := FloorDiv(s.Micros, microsPerDay)
	return int64(s.Months)*30 + int64(s.Days) + d, s.Micros - d*microsPerDay
}

// AppendInterval prints an interval in the environment's IntervalStyle.
func AppendInterval(dst []byte, s Span, e *Env) []byte {
	style := IntervalPostgres
	if e != nil {
		style = e.Interval
	}
	switch style {
	case IntervalISO:
		return appendISOInterval(dst, s)
	case IntervalSQL:
		return appendSQLInterval(dst, s)
	case IntervalVerbose:
		return appendVerboseInterval(dst, s)
	}
	return appendPostgresInterval(dst, s)
}

func plural(dst []byte, n int64, unit string) []byte {
	dst = append(append(strconv.AppendInt(dst, n, 10), ' '), unit...)
	if n != 1 {
		dst = append(dst, 's')
	}
	return dst
}

func appendPostgresInterval(dst []byte, s Span) []byte {
	start, before := len(dst), false // before: the previous field was negative
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if before && n > 0 {
			dst = append(dst, '+')
		}
		dst = plural(dst, n, unit)
		before = n < 0
	}
	part(int64(s.Months/12), "year")
	part(int64(s.Months%12), "mon")
	part(int64(s.Days), "day")
	if s.Micros == 0 && len(dst) > start {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	switch {
	case s.Micros < 0:
		dst = append(dst, '-')
	case before:
		dst = append(dst, '+')
	}
	return appendHours(dst, s.Micros, 2)
}

// appendHours prints hours that may exceed 24, without sign.
func appendHours(dst []byte, us int64, width int) []byte {
	u := abs64(us)
	dst = appendUnsignedPadded(dst, u/3600000000, width)
	dst = append2(append(dst, ':'), int(u/60000000%60))
	dst = append2(append(dst, ':'), int(u/1000000%60))
	return appendFraction(dst, int(u%1000000))
}

func abs64(n int64) uint64 {
	if n < 0 {
		return uint64(-(n + 1)) + 1
	}
	return uint64(n)
}

func appendUnsignedPadded(dst []byte, n uint64, width int) []byte {
	for limit := uint64(math.Pow10(width - 1)); limit > n && limit > 1; limit /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendUint(dst, n, 10)
}

func appendISOInterval(dst []byte, s Span) []byte {
	if s == (Span{}) {
		return append(dst, "PT0S"...)
	}
	dst = append(dst, 'P')
	part := func(n int64, unit byte) {
		if n != 0 {
			dst = append(strconv.AppendInt(dst, n, 10), unit)
		}
	}
	part(int64(s.Months/12), 'Y')
	part(int64(s.Months%12), 'M')
	part(int64(s.Days), 'D')
	if s.Micros == 0 {
		return dst
	}
	dst = append(dst, 'T')
	part(s.Micros/3600000000, 'H')
	part(s.Micros/60000000%60, 'M')
	if us := s.Micros % 60000000; us != 0 {
		dst = append(appendSeconds(dst, us, 1), 'S')
	}
	return dst
}

func appendSeconds(dst []byte, us int64, width int) []byte {
	if us < 0 {
		dst = append(dst, '-')
	}
	u := abs64(us)
	return appendFraction(appendUnsignedPadded(dst, u/1000000, width), int(u%1000000))
}

func appendSQLInterval(dst []byte, s Span) []byte {
	neg := s.Months < 0 || s.Days < 0 || s.Micros < 0
	pos := s.Months > 0 || s.Days > 0 || s.Micros > 0
	hasYM, hasDay, hasTime := s.Months != 0, s.Days != 0, s.Micros != 0
	switch {
	case !neg && !pos:
		return append(dst, '0')
	case neg && pos || hasYM && (hasDay || hasTime):
		dst = appendSigned(dst, int64(s.Months))
		dst = append(strconv.AppendInt(dst, int64(abs64(int64(s.Months))/12), 10), '-')
		dst = strconv.AppendInt(dst, int64(abs64(int64(s.Months))%12), 10)
		dst = appendSigned(append(dst, ' '), int64(s.Days))
		dst = strconv.AppendUint(dst, abs64(int64(s.Days)), 10)
		dst = appendSigned(append(dst, ' '), s.Micros)
		return appendHours(dst, s.Micros, 1)
	}
	if neg {
		dst = append(dst, '-')
	}
	switch {
	case hasYM:
		m := abs64(int64(s.Months))
		dst = append(strconv.AppendUint(dst, m/12, 10), '-')
		return strconv.AppendUint(dst, m%12, 10)
	case hasDay:
		dst = append(strconv.AppendUint(dst, abs64(int64(s.Days)), 10), ' ')
	}
	return appendHours(dst, s.Micros, 1)
}

func appendSigned(dst []byte, n int64) []byte {
	if n < 0 {
		return append(dst, '-')
	}
	return append(dst, '+')
}

func appendVerboseInterval(dst []byte, s Span) []byte {
	dst = append(dst, '@')
	start := len(dst)
	first, ago := true, false
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if first {
			first, ago = false, n < 0
		}
		if ago {
			n = -n
		}
		dst = plural(append(dst, ' '), n, unit)
	}
	part(int64(s.Months/12), "year")
	part(int64(s.Months%12), "mon")
	part(int64(s.Days), "day")
	part(s.Micros/3600000000, "hour")
	part(s.Micros/60000000%60, "min")
	if us := s.Micros % 60000000; us != 0 {
		if first {
			first, ago = false, us < 0
		}
		if ago {
			us = -us
		}
		dst = append(appendSeconds(append(dst, ' '), us, 1), " sec"...)
		if us != 1000000 {
			dst = append(dst, 's')
		}
	}
	if len(dst) == start {
		return append(dst, " 0"...)
	}
	if ago {
		dst = append(dst, " ago"...)
	}
	return dst
}
