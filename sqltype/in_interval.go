package sqltype

import (
	"math"
	"strconv"
	"strings"

	"weir/sqlerr"
)

func badInterval(s string) error {
	return sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid input syntax for type interval: \"%s\"", s)
}

func intervalOverflow(s string) error {
	return sqlerr.New(sqlerr.IntervalFieldOverflow, "interval field value out of range: \"%s\"", s)
}

// intervalSum collects the fields of an interval with their fractions.
type intervalSum struct {
	months, days float64
	micros       float64
}

// unit names and what they add: months, days, microseconds of one.
var intervalUnits = map[string]intervalSum{
	"microsecond": {micros: 1}, "microseconds": {micros: 1}, "us": {micros: 1}, "usec": {micros: 1}, "usecs": {micros: 1}, "usecond": {micros: 1}, "useconds": {micros: 1},
	"millisecond": {micros: 1e3}, "milliseconds": {micros: 1e3}, "ms": {micros: 1e3}, "msec": {micros: 1e3}, "msecs": {micros: 1e3}, "msecond": {micros: 1e3}, "mseconds": {micros: 1e3},
	"second": {micros: 1e6}, "seconds": {micros: 1e6}, "s": {micros: 1e6}, "sec": {micros: 1e6}, "secs": {micros: 1e6},
	"minute": {micros: 6e7}, "minutes": {micros: 6e7}, "m": {micros: 6e7}, "min": {micros: 6e7}, "mins": {micros: 6e7},
	"hour": {micros: 36e8}, "hours": {micros: 36e8}, "h": {micros: 36e8}, "hr": {micros: 36e8}, "hrs": {micros: 36e8},
	"day": {days: 1}, "days": {days: 1}, "d": {days: 1},
	"week": {days: 7}, "weeks": {days: 7}, "w": {days: 7},
	"month": {months: 1}, "months": {months: 1}, "mon": {months: 1}, "mons": {months: 1},
	"quarter": {months: 3}, "quarters": {months: 3}, "qtr": {months: 3},
	"year": {months: 12}, "years": {months: 12}, "y": {months: 12}, "yr": {months: 12}, "yrs": {months: 12},
	"decade": {months: 120}, "decades": {months: 120}, "decs": {months: 120}, "dec": {months: 120},
	"century": {months: 1200}, "centuries": {months: 1200}, "cent": {months: 1200}, "c": {months: 1200},
	"millennium": {months: 12000}, "millennia": {months: 12000}, "mil": {months: 12000}, "mils": {months: 12000},
}

// add adds n of a unit; fractions of months go to days, of days to the time.
func (s *intervalSum) add(n float64, unit intervalSum) {
	months := n * unit.months
	if unit.months > 1 {
		whole := math.RoundToEven(months)
		s.months += whole
		return
	}
	whole := math.Trunc(months)
	s.months += whole
	s.addDays(math.Round((months-whole)*30*1e9)/1e9 + n*unit.days)
	// Halves of a microsecond are cut off.
	us := n * unit.micros
	s.micros += math.Copysign(math.Ceil(math.Abs(us)-0.5), us)
}

func (s *intervalSum) addDays(n float64) {
	whole := math.Trunc(n)
	s.days += whole
	s.micros += math.Round((n - whole) * microsPerDay)
}

func (s *intervalSum) span(text string) (Span, error) {
	if !inInt32(s.days) || !inInt32(s.months/12) || math.Abs(s.micros) >= 1<<63 {
		return Span{}, intervalOverflow(text)
	}
	if !inInt32(s.months) {
		return Span{}, sqlerr.New(sqlerr.DatetimeFieldOverflow, "interval out of range")
	}
	return Span{Months: int32(s.months), Days: int32(s.days), Micros: int64(math.RoundToEven(s.micros))}, nil
}

func inInt32(n float64) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }

// unitNamed finds a unit; of longer words PostgreSQL reads ten letters.
func unitNamed(word string) (intervalSum, bool) {
	const read = 10
	u, ok := intervalUnits[word]
	if ok || len(word) < read {
		return u, ok
	}
	for name, u := range intervalUnits {
		if len(name) >= read && name[:read] == word[:read] {
			return u, true
		}
	}
	return u, false
}

// ParseInterval is the input function of interval; the modifier's fields give
// a bare number its unit and cut what is finer.
func ParseInterval(s string, mod int32) (Span, error) {
	t := strings.ToLower(strings.Trim(s, space))
	if t == "" {
		return Span{}, badInterval(s)
	}
	var sp Span
	var err error
	if t[0] == 'p' && len(t) > 1 {
		sp, err = parseISOInterval(t[1:], s)
	} else {
		sp, err = parseUnits(t, s, mod)
	}
	if err != nil {
		return Span{}, err
	}
	return sp.Restrict(mod), nil
}

// lastUnit is the unit of a bare number under a modifier.
func lastUnit(mod int32) string {
	if mod < 0 {
		return "second"
	}
	switch fields := mod >> 16 & 0x7fff; {
	case fields == intervalFullRange, fields&(1<<12) != 0:
		return "second"
	case fields&(1<<11) != 0:
		return "minute"
	case fields&(1<<10) != 0:
		return "hour"
	case fields&(1<<3) != 0:
		return "day"
	case fields&(1<<1) != 0:
		return "month"
	}
	return "year"
}

func parseUnits(t, text string, mod int32) (Span, error) {
	var sum intervalSum
	ago, negative := false, false
	fields, seen := intervalTokens(t), unitsSeen{}
	for i := 0; i < len(fields); i++ {
		f := fields[i]
		switch {
		case f == "@":
			continue
		case f == "ago" && i == len(fields)-1:
			ago = true
			continue
		case isAlpha(f[0]):
			return Span{}, badInterval(text)
		case strings.ContainsRune(f, ':'):
			us, ok := parseHours(f, mod, negative && !strings.HasPrefix(f, "+"))
			if !ok || !seen.mark("hour", "minute", "second") {
				return Span{}, badInterval(text)
			}
			sum.micros += us
			continue
		case strings.LastIndexByte(f, '-') > 0:
			if !seen.mark("month") || !sum.yearMonth(f) {
				return Span{}, badInterval(text)
			}
			continue
		}
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return Span{}, badInterval(text)
		}
		unit := lastUnit(mod)
		if i+1 < len(fields) && isAlpha(fields[i+1][0]) && fields[i+1] != "ago" {
			i++
			unit = fields[i]
		} else if i+1 < len(fields) && strings.ContainsRune(fields[i+1], ':') {
			unit = "day" // SQL's '1 12:00:00'
			negative = false
		} else if i+2 == len(fields) && unit == "hour" && mod >= 0 && !isAlpha(fields[i+1][0]) {
			unit = "day" // '1 12' DAY TO HOUR
		}
		u, ok := unitNamed(unit)
		if ok = ok && seen.mark(unit); ok && u.micros == 1e6 && n != math.Trunc(n) {
			ok = seen.mark("millisecond", "microsecond")
		}
		if !ok {
			return Span{}, badInterval(text)
		}
		sum.add(n, u)
	}
	if len(fields) == 0 || len(fields) == 1 && (ago || fields[0] == "@") {
		return Span{}, badInterval(text)
	}
	if ago {
		sum.months, sum.days, sum.micros = -sum.months, -sum.days, -sum.micros
	}
	return sum.span(text)
}

// unitsSeen are the units that an interval has already: each may come once.
type unitsSeen map[intervalSum]bool

// mark tells whether none of the units came before.
func (s unitsSeen) mark(units ...string) bool {
	ok := true
	for _, u := range units {
		ok = ok && !s[intervalUnits[u]]
		s[intervalUnits[u]] = true
	}
	return ok
}

// intervalTokens parts numbers, words and times; 1d and 1 d are alike.
func intervalTokens(t string) []string {
	var out []string
	for i := 0; i < len(t); {
		start, sign := i, ""
		if c := t[i]; c == '-' || c == '+' {
			if rest := strings.TrimLeft(t[i+1:], space); len(rest) < len(t)-i-1 && rest != "" && (isDigit(rest[0]) || rest[0] == '.') {
				start, sign = len(t)-len(rest), t[i:i+1]
				i = start
			}
		}
		switch c := t[i]; {
		case strings.IndexByte(space, c) >= 0 || c == ',':
			i++
			continue
		case isAlpha(c):
			for i < len(t) && isAlpha(t[i]) {
				i++
			}
		case c == '@':
			i++
		default:
			i++
			for i < len(t) && (isDigit(t[i]) || strings.IndexByte(".:-", t[i]) >= 0) {
				i++
			}
		}
		out = append(out, sign+t[start:i])
	}
	return out
}

func (s *intervalSum) yearMonth(f string) bool {
	sign := 1.0
	if f[0] == '-' || f[0] == '+' {
		if f[0] == '-' {
			sign = -1
		}
		f = f[1:]
	}
	a, b, ok := strings.Cut(f, "-")
	y, err1 := strconv.Atoi(a)
	m, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || m > 11 {
		return false
	}
	s.months += sign * float64(y*12+m)
	return true
}

func parseHours(f string, mod int32, negative bool) (float64, bool) {
	if f[0] == '-' {
		negative = true
	}
	parts := strings.Split(strings.TrimLeft(f, "+-"), ":")
	if len(parts) > 3 {
		return 0, false
	}
	v := [3]float64{}
	for i, s := range parts {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || i < len(parts)-1 && strings.ContainsRune(s, '.') || i > 0 && n >= 60 {
			return 0, false
		}
		v[i] = n
	}
	minutesFirst := len(parts) == 2 && (strings.ContainsRune(parts[1], '.') || mod >= 0 && mod>>16&0x7fff == 1<<11|1<<12)
	if minutesFirst {
		v[0], v[1], v[2] = 0, v[0], v[1]
	}
	us := v[0]*36e8 + v[1]*6e7 + math.Round(v[2]*1e6)
	if negative {
		us = -us
	}
	return us, true
}

// isoReader reads what follows P: 1Y2M3DT4H5M6S, 1W, or the alternative formats
// 0001-02-03T04:05:06 and 00010203T040506.
type isoReader struct {
	t   string
	i   int
	sum intervalSum
}

func (r *isoReader) number() (n float64, width int, ok bool) {
	start := r.i
	for r.i < len(r.t) && (isDigit(r.t[r.i]) || strings.IndexByte("+-.", r.t[r.i]) >= 0 && (r.i == start || r.t[r.i] == '.')) {
		r.i++
	}
	text := r.t[start:r.i]
	n, err := strconv.ParseFloat(text, 64)
	text = strings.TrimPrefix(text, "-")
	for width < len(text) && isDigit(text[width]) {
		width++
	}
	return n, width, err == nil
}

func (r *isoReader) at() byte {
	if r.i < len(r.t) {
		return r.t[r.i]
	}
	return 0
}

func parseISOInterval(t, text string) (Span, error) {
	r := &isoReader{t: t}
	inTime, seen := false, false
	for r.i < len(t) {
		if !inTime && t[r.i] == 't' {
			inTime, seen = true, false
			r.i++
			continue
		}
		n, width, ok := r.number()
		if !ok {
			return Span{}, badInterval(text)
		}
		unit := map[bool]map[byte]string{false: {'y': "year", 'm': "month", 'w': "week", 'd': "day"}, true: {'h': "hour", 'm': "minute", 's': "second"}}[inTime][r.at()]
		switch {
		case unit != "":
			r.sum.add(n, intervalUnits[unit])
			r.i++
		case seen || !r.alternative(n, width, inTime):
			return Span{}, badInterval(text)
		}
		seen = true
	}
	if !seen {
		return Span{}, badInterval(text)
	}
	return r.sum.span(text)
}

// alternative goes on after the first number of YYYY-MM-DD, YYYYMMDD, HH:MM:SS or HHMMSS.
func (r *isoReader) alternative(n float64, width int, inTime bool) bool {
	units, sep, whole, part := []string{"year", "month", "day"}, byte('-'), 8, 10000.0
	if inTime {
		units, sep, whole = []string{"hour", "minute", "second"}, ':', 6
	}
	if c := r.at(); c != sep && width == whole {
		v := math.Trunc(n)
		for i, u := range units {
			r.sum.add(math.Mod(math.Trunc(v/(part/math.Pow(100, float64(i)))), map[bool]float64{true: 1e9, false: 100}[i == 0]), intervalUnits[u])
		}
		r.sum.micros += math.Round((n - v) * 1e6)
		return true
	}
	r.sum.add(n, intervalUnits[units[0]])
	for _, u := range units[1:] {
		switch c := r.at(); {
		case c == 0 || c == 't' && !inTime:
			return true
		case c != sep:
			return false
		}
		r.i++
		n, _, ok := r.number()
		if !ok {
			return false
		}
		r.sum.add(n, intervalUnits[u])
	}
	return r.at() == 0 || r.at() == 't' && !inTime
}

// Restrict cuts what is finer than a modifier's last field and rounds to its
// precision.
func (s Span) Restrict(mod int32) Span {
	if mod < 0 {
		return s
	}
	switch lastUnit(mod) {
	case "year":
		return Span{Months: s.Months / 12 * 12}
	case "month":
		return Span{Months: s.Months}
	case "day":
		return Span{Months: s.Months, Days: s.Days}
	case "hour":
		s.Micros -= s.Micros % 3600000000
	case "minute":
		s.Micros -= s.Micros % 60000000
	default:
		if p := mod & 0xffff; p < 6 {
			s.Micros = RoundMicros(s.Micros, p)
		}
	}
	return s
}

// RoundMicros rounds microseconds to p digits of the second, half away from zero.
func RoundMicros(us int64, p int32) int64 {
	unit := int64(math.Pow10(6 - int(p)))
	if us < 0 {
		return -((-us + unit/2) / unit * unit)
	}
	return (us + unit/2) / unit * unit
}
