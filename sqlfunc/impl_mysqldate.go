package sqlfunc

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// weekMode is the second argument of WEEK(): which day begins a week, what the
// first week of a year is, and whether days before it belong to the year before
// (range 1-53) or to week 0.
type weekMode struct {
	monday   bool
	fourDays bool // week 1 has four days of the year or more; else it begins with the first such weekday
	from1    bool
}

func weekModeOf(mode int) weekMode {
	monday, swap := mode&1 != 0, mode&4 != 0
	return weekMode{monday: monday, fourDays: monday != swap, from1: mode&2 != 0}
}

// weekday counts days since the day that begins a week.
func (m weekMode) weekday(day int64) int64 {
	if m.monday {
		return sqltype.FloorMod(day+3, 7)
	}
	return sqltype.FloorMod(day+4, 7)
}

// firstWeek is the day on which a year's week 1 begins.
func (m weekMode) firstWeek(year int) int64 {
	jan1 := sqltype.DaysFromCivil(year, 1, 1)
	into := m.weekday(jan1)
	if into == 0 || m.fourDays && into <= 3 {
		return jan1 - into
	}
	return jan1 - into + 7
}

func mysqlWeek(c sqltype.Civil, mode int) (year, week int) {
	m, day := weekModeOf(mode), c.DaysSinceEpoch
	year = c.Year
	switch {
	case m.from1 && day < m.firstWeek(year):
		year--
	case m.from1 && day >= m.firstWeek(year+1):
		year++
	case day < m.firstWeek(year):
		return year, 0
	}
	return year, int(day-m.firstWeek(year))/7 + 1
}

func ordinal(n int) string { return strconv.Itoa(n) + ordinalSuffix(strconv.Itoa(n), "th") }

// mysqlFormat is DATE_FORMAT on wall clock time.
func mysqlFormat(m sqltype.Moment, format string) string {
	c := m.Civil()
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		b.WriteString(mysqlField(c, format[i]))
	}
	return b.String()
}

func mysqlField(c sqltype.Civil, f byte) string {
	h12 := (c.Hour+11)%12 + 1
	half := "AM"
	if c.Hour >= 12 {
		half = "PM"
	}
	switch f {
	case 'a':
		return dayNames[c.Weekday()][:3]
	case 'b':
		return monthNames[c.Month-1][:3]
	case 'c':
		return strconv.Itoa(c.Month)
	case 'D':
		return ordinal(c.Day)
	case 'd':
		return fmt.Sprintf("%02d", c.Day)
	case 'e':
		return strconv.Itoa(c.Day)
	case 'f':
		return fmt.Sprintf("%06d", c.Ms*1000+c.Us)
	case 'H':
		return fmt.Sprintf("%02d", c.Hour)
	case 'h', 'I':
		return fmt.Sprintf("%02d", h12)
	case 'i':
		return fmt.Sprintf("%02d", c.Minute)
	case 'j':
		return fmt.Sprintf("%03d", c.YearDay())
	case 'k':
		return strconv.Itoa(c.Hour)
	case 'l':
		return strconv.Itoa(h12)
	case 'M':
		return monthNames[c.Month-1]
	case 'm':
		return fmt.Sprintf("%02d", c.Month)
	case 'p':
		return half
	case 'r':
		return fmt.Sprintf("%02d:%02d:%02d %s", h12, c.Minute, c.Sec, half)
	case 'S', 's':
		return fmt.Sprintf("%02d", c.Sec)
	case 'T':
		return fmt.Sprintf("%02d:%02d:%02d", c.Hour, c.Minute, c.Sec)
	case 'W':
		return dayNames[c.Weekday()]
	case 'w':
		return strconv.Itoa(c.Weekday())
	case 'Y':
		return fmt.Sprintf("%04d", c.Year)
	case 'y':
		return fmt.Sprintf("%02d", c.Year%100)
	}
	return mysqlWeekField(c, f)
}

func mysqlWeekField(c sqltype.Civil, f byte) string {
	modes := map[byte]int{'U': 0, 'u': 1, 'V': 2, 'v': 3, 'X': 2, 'x': 3}
	mode, ok := modes[f]
	if !ok {
		return string(f)
	}
	y, w := mysqlWeek(c, mode)
	if f == 'X' || f == 'x' {
		return fmt.Sprintf("%04d", y)
	}
	return fmt.Sprintf("%02d", w)
}

// strToDate reads a text by a format; what does not match is NULL, as in MySQL.
func strToDate(_ *expr.Context, a []value.Value) (value.Value, error) {
	p := mysqlParser{s: text(a[0]), c: sqltype.Civil{Month: 0, Day: 0}}
	if !p.run(text(a[1])) {
		return null()
	}
	if p.yearDay > 0 && p.c.Year > 0 {
		day := sqltype.DaysFromCivil(p.c.Year, 1, 1) + int64(p.yearDay) - 1
		return sqltype.Moment{Ms: day*sqltype.MsPerDay + p.clock(), Us: p.c.Us}.Value(), nil
	}
	if p.c.Month < 1 || p.c.Month > 12 || p.c.Day < 1 || p.c.Day > sqltype.DaysInMonth(p.c.Year, p.c.Month) || p.c.Hour > 23 || p.c.Minute > 59 || p.c.Sec > 59 {
		return null()
	}
	return timestampRange(sqltype.Moment{Ms: p.c.UnixMs(), Us: p.c.Us})
}

type mysqlParser struct {
	s       string
	c       sqltype.Civil
	yearDay int
	pm, am  bool
}

func (p *mysqlParser) clock() int64 {
	return int64(p.c.Hour)*3600000 + int64(p.c.Minute)*60000 + int64(p.c.Sec)*1000 + int64(p.c.Ms)
}

func (p *mysqlParser) run(format string) bool {
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c == ' ' {
			p.s = strings.TrimLeft(p.s, " ")
			continue
		}
		if c != '%' || i+1 == len(format) {
			if p.s == "" || p.s[0] != c {
				return p.s == "" && i > 0
			}
			p.s = p.s[1:]
			continue
		}
		i++
		if p.s == "" {
			break
		}
		if !p.field(format[i]) {
			return false
		}
	}
	if p.pm && p.c.Hour < 12 {
		p.c.Hour += 12
	} else if p.am && p.c.Hour == 12 {
		p.c.Hour = 0
	}
	return true
}

func (p *mysqlParser) number(width int) (int, bool) {
	p.s = strings.TrimLeft(p.s, " ")
	n := 0
	for n < len(p.s) && n < width && isDigit(p.s[n]) {
		n++
	}
	v, err := strconv.Atoi(p.s[:n])
	p.s = p.s[n:]
	return v, err == nil
}

func (p *mysqlParser) into(dst *int, width int) bool {
	v, ok := p.number(width)
	*dst = v
	return ok
}

func (p *mysqlParser) name(names []string, short bool, dst *int) bool {
	for i, n := range names {
		if short {
			n = n[:3]
		}
		if prefixFold(p.s, n) {
			p.s, *dst = p.s[len(n):], i+1
			return true
		}
	}
	return false
}

func (p *mysqlParser) field(f byte) bool {
	var skip int
	switch f {
	case 'Y':
		return p.into(&p.c.Year, 4)
	case 'y':
		ok := p.into(&p.c.Year, 2)
		p.c.Year = shortYear("YY", p.c.Year, 2)
		return ok
	case 'm', 'c':
		return p.into(&p.c.Month, 2)
	case 'd', 'e':
		return p.into(&p.c.Day, 2)
	case 'D':
		ok := p.into(&p.c.Day, 2)
		p.s = p.s[min(2, len(p.s)):]
		return ok
	case 'H', 'k', 'h', 'I', 'l':
		return p.into(&p.c.Hour, 2)
	case 'i':
		return p.into(&p.c.Minute, 2)
	case 's', 'S':
		return p.into(&p.c.Sec, 2)
	case 'f':
		return p.micros()
	case 'j':
		return p.into(&p.yearDay, 3)
	case 'M':
		return p.name(monthNames[:], false, &p.c.Month)
	case 'b':
		return p.name(monthNames[:], true, &p.c.Month)
	case 'W':
		return p.name(dayNames[:], false, &skip)
	case 'a':
		return p.name(dayNames[:], true, &skip)
	case 'p':
		p.am, p.pm = prefixFold(p.s, "AM"), prefixFold(p.s, "PM")
		p.s = p.s[min(2, len(p.s)):]
		return p.am || p.pm
	case 'T':
		return p.run("%H:%i:%s")
	case 'r':
		return p.run("%h:%i:%s %p")
	case '%':
		ok := strings.HasPrefix(p.s, "%")
		p.s = strings.TrimPrefix(p.s, "%")
		return ok
	}
	return false
}

func (p *mysqlParser) micros() bool {
	n := 0
	for n < len(p.s) && n < 6 && isDigit(p.s[n]) {
		n++
	}
	v, err := strconv.Atoi((p.s[:n] + "000000")[:6])
	p.s = p.s[n:]
	p.c.Ms, p.c.Us = v/1000, v%1000
	return err == nil && n > 0
}

// wholeMonths counts the full months from a to b, signed.
func wholeMonths(a, b sqltype.Moment) int64 {
	if b.Compare(a) < 0 {
		return -wholeMonths(b, a)
	}
	x, y := a.Civil(), b.Civil()
	n := int64(y.Year-x.Year)*12 + int64(y.Month-x.Month)
	dx := int64(x.Day)*microsPerDay + a.OfDay()
	dy := int64(y.Day)*microsPerDay + b.OfDay()
	if dy < dx {
		n--
	}
	return n
}

// unitMs are the units of TIMESTAMPDIFF that have a fixed length.
var unitMs = map[string]int64{"second": 1000, "minute": 60000, "hour": 3600000, "day": sqltype.MsPerDay, "week": 7 * sqltype.MsPerDay}

var unitMonths = map[string]int64{"month": 1, "quarter": 3, "year": 12}

func mysqlUnit(v value.Value) string {
	u := strings.ToLower(text(v))
	return strings.TrimPrefix(strings.TrimSuffix(u, "s"), "sql_tsi_")
}

func badUnit(u string) error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "unit \"%s\" not recognized", u).
		WithHint("Use MICROSECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR.")
}

func timestampDiff(zoned bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		u, x, y := mysqlUnit(a[0]), momentOf(a[1]), momentOf(a[2])
		if x.Infinite() || y.Infinite() {
			return failf(sqlerr.DatetimeFieldOverflow, "cannot subtract infinite timestamps")
		}
		us, ok := y.Sub(x)
		if !ok {
			return failf(sqlerr.DatetimeFieldOverflow, "interval out of range")
		}
		switch {
		case u == "microsecond":
			return int8(us)
		case u == "millisecond":
			return int8(us / 1000)
		case unitMs[u] > 0:
			return int8(us / 1000 / unitMs[u])
		case unitMonths[u] > 0:
			if zoned {
				x, y = toLocal(x, zoneOf(c)), toLocal(y, zoneOf(c))
			}
			return int8(wholeMonths(x, y) / unitMonths[u])
		}
		return fail(badUnit(u))
	}
}

func timestampAdd(zoned bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		u, n := mysqlUnit(a[0]), a[1].AsInt64()
		var s sqltype.Span
		switch {
		case u == "microsecond":
			s.Micros = n
		case u == "day" || u == "week":
			s.Days = int32(n * unitMs[u] / sqltype.MsPerDay)
		case unitMs[u] > 0:
			s.Micros = n * unitMs[u] * 1000
		case unitMonths[u] > 0:
			s.Months = int32(n * unitMonths[u])
		default:
			return fail(badUnit(u))
		}
		if math.Abs(float64(n)) > 1e15 {
			return failf(sqlerr.DatetimeFieldOverflow, "timestamp out of range")
		}
		if zoned {
			return timestampRange(addSpanZoned(c, momentOf(a[2]), s))
		}
		return timestampRange(addSpan(momentOf(a[2]), s))
	}
}

// civilPart is a function of the wall clock time.
func civilPart(f func(c sqltype.Civil, a []value.Value) value.Value) (plain, zoned evaluator) {
	at := func(m sqltype.Moment, a []value.Value) (value.Value, error) {
		if m.Infinite() {
			return null()
		}
		return f(m.Civil(), a), nil
	}
	return func(_ *expr.Context, a []value.Value) (value.Value, error) { return at(momentOf(a[0]), a) },
		func(c *expr.Context, a []value.Value) (value.Value, error) {
			return at(toLocal(momentOf(a[0]), zoneOf(c)), a)
		}
}

func i4(n int) value.Value { return value.Int32(int32(n)) }

var civilParts = map[string]func(c sqltype.Civil, a []value.Value) value.Value{
	"year":        func(c sqltype.Civil, _ []value.Value) value.Value { return i4(c.Year) },
	"month":       func(c sqltype.Civil, _ []value.Value) value.Value { return i4(c.Month) },
	"day":         func(c sqltype.Civil, _ []value.Value) value.Value { return i4(c.Day) },
	"hour":        func(c sqltype.Civil, _ []value.Value) value.Value { return i4(c.Hour) },
	"minute":      func(c sqltype.Civil, _ []value.Value) value.Value { return i4(c.Minute) },
	"second":      func(c sqltype.Civil, _ []value.Value) value.Value { return i4(c.Sec) },
	"microsecond": func(c sqltype.Civil, _ []value.Value) value.Value { return i4(c.Ms*1000 + c.Us) },
	"quarter":     func(c sqltype.Civil, _ []value.Value) value.Value { return i4((c.Month-1)/3 + 1) },
	"dayofyear":   func(c sqltype.Civil, _ []value.Value) value.Value { return i4(c.YearDay()) },
	"dayofweek":   func(c sqltype.Civil, _ []value.Value) value.Value { return i4(c.Weekday() + 1) },
	"weekday":     func(c sqltype.Civil, _ []value.Value) value.Value { return i4((c.Weekday() + 6) % 7) },
	"dayname":     func(c sqltype.Civil, _ []value.Value) value.Value { return value.String(dayNames[c.Weekday()]) },
	"monthname":   func(c sqltype.Civil, _ []value.Value) value.Value { return value.String(monthNames[c.Month-1]) },
	"weekofyear": func(c sqltype.Civil, _ []value.Value) value.Value {
		_, w := mysqlWeek(c, 3)
		return i4(w)
	},
	"week": func(c sqltype.Civil, a []value.Value) value.Value {
		_, w := mysqlWeek(c, int(optional(a, 1, 0)))
		return i4(w)
	},
	"yearweek": func(c sqltype.Civil, a []value.Value) value.Value {
		y, w := mysqlWeek(c, int(optional(a, 1, 0))|2)
		return i4(y*100 + w)
	},
	"last_day": func(c sqltype.Civil, _ []value.Value) value.Value {
		return value.Date(sqltype.DaysFromCivil(c.Year, c.Month, sqltype.DaysInMonth(c.Year, c.Month)) * sqltype.MsPerDay)
	},
}

func clockPart(unit, mod int64) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return int4(int(a[0].AsInt64() / unit % mod))
	}
}

// toDaysOffset is day 0 of TO_DAYS, the year 0.
const toDaysOffset = 719528

func unixTimestamp(c *expr.Context, a []value.Value) (value.Value, error) {
	if len(a) == 0 {
		return int8(sqltype.FloorDiv(transactionMs(c), 1000))
	}
	return int8(sqltype.FloorDiv(a[0].AsDate(), 1000))
}

// unixMoment is a number of seconds since 1970, to microseconds as MySQL's are.
func unixMoment(v value.Value) sqltype.Moment {
	whole, frac := math.Modf(v.AsDouble())
	return atMs(int64(whole) * 1000).Add(int64(math.RoundToEven(frac * 1e6)))
}

func fromUnixtime(_ *expr.Context, a []value.Value) (value.Value, error) {
	return timestampRange(unixMoment(a[0]))
}

func convertTZ(_ *expr.Context, a []value.Value) (value.Value, error) {
	from, ok1 := sqltype.ZoneNamed(text(a[1]))
	to, ok2 := sqltype.ZoneNamed(text(a[2]))
	if !ok1 || !ok2 {
		return null()
	}
	return timestampRange(toLocal(toUTC(momentOf(a[0]), from), to))
}

func makeYearDate(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[1].AsInt64() < 1 {
		return null()
	}
	return dateRange((sqltype.DaysFromCivil(int(a[0].AsInt64()), 1, 1) + a[1].AsInt64() - 1) * sqltype.MsPerDay)
}

var mysqlDateFuncs = func() map[string]evaluator {
	m := map[string]evaluator{
		"date_format_timestamp": func(_ *expr.Context, a []value.Value) (value.Value, error) {
			return str(mysqlFormat(momentOf(a[0]), text(a[1])))
		},
		"date_format_timestamptz": func(c *expr.Context, a []value.Value) (value.Value, error) {
			return str(mysqlFormat(toLocal(momentOf(a[0]), zoneOf(c)), text(a[1])))
		},
		"time_format": func(_ *expr.Context, a []value.Value) (value.Value, error) {
			return str(mysqlFormat(atMs(0).Add(a[0].AsInt64()), text(a[1])))
		},
		"str_to_date": strToDate, "timestampdiff": timestampDiff(false), "timestampdiff_timestamptz": timestampDiff(true),
		"timestampadd": timestampAdd(false), "timestampadd_timestamptz": timestampAdd(true),
		"datediff": subDates,
		"datediff_timestamptz": func(c *expr.Context, a []value.Value) (value.Value, error) {
			loc := zoneOf(c)
			return subDates(c, []value.Value{value.Date(sqltype.ToLocal(a[0].AsDate(), loc)), value.Date(sqltype.ToLocal(a[1].AsDate(), loc))})
		},
		"unix_timestamp": unixTimestamp, "from_unixtime": fromUnixtime,
		"from_unixtime_format": func(c *expr.Context, a []value.Value) (value.Value, error) {
			return str(mysqlFormat(toLocal(unixMoment(a[0]), zoneOf(c)), text(a[1])))
		},
		"utc_date": func(c *expr.Context, _ []value.Value) (value.Value, error) {
			return instant(midnight(transactionMs(c)))
		},
		"utc_time":      func(c *expr.Context, _ []value.Value) (value.Value, error) { return int8(micros(transactionMs(c))) },
		"utc_timestamp": now, "makedate": makeYearDate,
		"to_days": func(_ *expr.Context, a []value.Value) (value.Value, error) {
			return int4(int(sqltype.FloorDiv(a[0].AsDate(), sqltype.MsPerDay)) + toDaysOffset)
		},
		"from_days": func(_ *expr.Context, a []value.Value) (value.Value, error) {
			return dateRange((a[0].AsInt64() - toDaysOffset) * sqltype.MsPerDay)
		},
		"time_to_sec": func(_ *expr.Context, a []value.Value) (value.Value, error) {
			return int4(int(a[0].AsInt64() / 1000000))
		},
		"sec_to_time": func(_ *expr.Context, a []value.Value) (value.Value, error) {
			us := int64(math.Round(a[0].AsDouble() * 1e6))
			if us < 0 || us >= microsPerDay {
				return failf(sqlerr.DatetimeFieldOverflow, "time out of range")
			}
			return int8(us)
		},
		"convert_tz": convertTZ,
		"hour_time":  clockPart(microsPerHour, 1<<40), "minute_time": clockPart(60000000, 60), "second_time": clockPart(1000000, 60),
		"microsecond_time": clockPart(1, 1000000),
	}
	for name, f := range civilParts {
		m[name], m[name+"_timestamptz"] = civilPart(f)
	}
	return m
}()
