package sqlfunc

import (
	"math"
	"time"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

const (
	microsPerDay  = 86400000000
	microsPerHour = 3600000000
)

func span(v value.Value) sqltype.Span { return sqltype.SpanOf(v) }

func interval(s sqltype.Span) (value.Value, error) { return s.Value(), nil }

func timestampRange(m sqltype.Moment) (value.Value, error) {
	if !m.Infinite() && !sqltype.InTimestampRange(m.Ms) {
		return failf(sqlerr.DatetimeFieldOverflow, "timestamp out of range")
	}
	return m.Value(), nil
}

func momentOf(v value.Value) sqltype.Moment { return sqltype.MomentOf(v) }

func atMs(ms int64) sqltype.Moment { return sqltype.Moment{Ms: ms} }

// toLocal is the wall clock time of an instant, toUTC the instant of a wall
// clock time; zones are off by whole seconds.
func toLocal(m sqltype.Moment, loc *time.Location) sqltype.Moment {
	return m.At(sqltype.ToLocal(m.Ms, loc))
}

func toUTC(m sqltype.Moment, loc *time.Location) sqltype.Moment {
	return m.At(sqltype.ToUTC(m.Ms, loc))
}

func intervalRange(months, days float64, micros int64) (value.Value, error) {
	if math.Abs(months) > math.MaxInt32 || math.Abs(days) > math.MaxInt32 {
		return failf(sqlerr.DatetimeFieldOverflow, "interval out of range")
	}
	return interval(sqltype.Span{Months: int32(months), Days: int32(days), Micros: micros})
}

func negatedSpan(s sqltype.Span) sqltype.Span {
	return sqltype.Span{Months: -s.Months, Days: -s.Days, Micros: -s.Micros}
}

// addMonths moves a wall clock time by months; the day is cut to the month's last.
func addMonths(ms int64, months int32) int64 {
	c := sqltype.CivilOf(ms)
	total := int64(c.Year)*12 + int64(c.Month-1) + int64(months)
	c.Year, c.Month = int(sqltype.FloorDiv(total, 12)), int(sqltype.FloorMod(total, 12))+1
	c.Day = min(c.Day, sqltype.DaysInMonth(c.Year, c.Month))
	return c.UnixMs()
}

// addSpan adds an interval to wall clock time.
func addSpan(m sqltype.Moment, s sqltype.Span) sqltype.Moment {
	if m.Infinite() {
		return m
	}
	if s.Months != 0 {
		m.Ms = addMonths(m.Ms, s.Months)
	}
	m.Ms += int64(s.Days) * sqltype.MsPerDay
	return m.Add(s.Micros)
}

// addSpanZoned adds an interval to an instant: months and days in the session's
// wall clock, the rest as elapsed time.
func addSpanZoned(c *expr.Context, m sqltype.Moment, s sqltype.Span) sqltype.Moment {
	if m.Infinite() {
		return m
	}
	if s.Months != 0 || s.Days != 0 {
		loc := zoneOf(c)
		m = toUTC(addSpan(toLocal(m, loc), sqltype.Span{Months: s.Months, Days: s.Days}), loc)
	}
	return m.Add(s.Micros)
}

func spanArg(negate bool, v value.Value) sqltype.Span {
	if negate {
		return negatedSpan(span(v))
	}
	return span(v)
}

// plusSpan is timestamp ± interval; swapped has the interval first.
func plusSpan(negate, swapped bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x, s := a[0], a[1]
		if swapped {
			x, s = s, x
		}
		return timestampRange(addSpan(momentOf(x), spanArg(negate, s)))
	}
}

func plusSpanZoned(negate, swapped bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		x, s := a[0], a[1]
		if swapped {
			x, s = s, x
		}
		return timestampRange(addSpanZoned(c, momentOf(x), spanArg(negate, s)))
	}
}

func dateRange(ms int64) (value.Value, error) {
	if !sqltype.IsInfinite(ms) && (ms < -210866803200000 || ms >= 185331707078400000) {
		return failf(sqlerr.DatetimeFieldOverflow, "date out of range")
	}
	return instant(ms)
}

func plusDays(sign int64, swapped bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		d, n := a[0], a[1]
		if swapped {
			d, n = n, d
		}
		ms := d.AsDate()
		if sqltype.IsInfinite(ms) {
			return d, nil
		}
		return dateRange(ms + sign*n.AsInt64()*sqltype.MsPerDay)
	}
}

func subDates(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, y := a[0].AsDate(), a[1].AsDate()
	if sqltype.IsInfinite(x) || sqltype.IsInfinite(y) {
		return failf(sqlerr.DatetimeFieldOverflow, "cannot subtract infinite dates")
	}
	return int4(int(sqltype.FloorDiv(x, sqltype.MsPerDay) - sqltype.FloorDiv(y, sqltype.MsPerDay)))
}

func subTimestamps(_ *expr.Context, a []value.Value) (value.Value, error) {
	x, y := momentOf(a[0]), momentOf(a[1])
	if x.Infinite() || y.Infinite() {
		return failf(sqlerr.DatetimeFieldOverflow, "cannot subtract infinite timestamps")
	}
	ms, us := x.Ms-y.Ms, int64(x.Us-y.Us)
	days := ms / sqltype.MsPerDay
	us += (ms - days*sqltype.MsPerDay) * 1000
	if days > 0 && us < 0 {
		days, us = days-1, us+microsPerDay
	} else if days < 0 && us > 0 {
		days, us = days+1, us-microsPerDay
	}
	return intervalRange(0, float64(days), us)
}

func subTimestampHours(_ *expr.Context, a []value.Value) (value.Value, error) {
	us, ok := momentOf(a[0]).Sub(momentOf(a[1]))
	if !ok {
		return failf(sqlerr.DatetimeFieldOverflow, "interval out of range")
	}
	return interval(sqltype.Span{Micros: us})
}

func plusTime(negate, swapped bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		t, s := a[0], a[1]
		if swapped {
			t, s = s, t
		}
		return int8(sqltype.FloorMod(t.AsInt64()+spanArg(negate, s).Micros, microsPerDay))
	}
}

func plusTimetz(negate, swapped bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		t, s := a[0], a[1]
		if swapped {
			t, s = s, t
		}
		us, west := sqltype.TimetzOf(t)
		return sqltype.TimetzValue(sqltype.FloorMod(us+spanArg(negate, s).Micros, microsPerDay), west), nil
	}
}

func dateTime(swapped bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		d, t := a[0], a[1]
		if swapped {
			d, t = t, d
		}
		if sqltype.IsInfinite(d.AsDate()) {
			return d, nil
		}
		return timestampRange(momentOf(d).Add(t.AsInt64()))
	}
}

func dateTimetz(swapped bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		d, t := a[0], a[1]
		if swapped {
			d, t = t, d
		}
		us, west := sqltype.TimetzOf(t)
		return timestampRange(atMs(d.AsDate() + int64(west)*1000).Add(us))
	}
}

func addSpans(sign int64) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		x, y := span(a[0]), span(a[1])
		us, ok := value.AddInt64(x.Micros, sign*y.Micros)
		if !ok {
			return failf(sqlerr.DatetimeFieldOverflow, "interval out of range")
		}
		return intervalRange(float64(x.Months)+float64(sign)*float64(y.Months), float64(x.Days)+float64(sign)*float64(y.Days), us)
	}
}

// scaleSpan multiplies; fractions of months go to days, of days to the time.
func scaleSpan(s sqltype.Span, f float64) (value.Value, error) {
	months := float64(s.Months) * f
	days := float64(s.Days) * f
	if math.IsNaN(f) || math.IsInf(months, 0) || math.IsInf(days, 0) || math.Abs(float64(s.Micros)*f) > 9.2e18 {
		return failf(sqlerr.DatetimeFieldOverflow, "interval out of range")
	}
	wholeMonths, wholeDays := math.Trunc(months), math.Trunc(days)
	monthDays := round6((months - wholeMonths) * 30)
	sec := (days - wholeDays) + (monthDays - math.Trunc(monthDays))
	sec = round6(sec * 86400)
	wholeDays += math.Trunc(monthDays)
	if math.Abs(sec) >= 86400 {
		wholeDays += math.Trunc(sec / 86400)
		sec -= math.Trunc(sec/86400) * 86400
	}
	return intervalRange(wholeMonths, wholeDays, int64(math.RoundToEven(float64(s.Micros)*f+sec*1e6)))
}

func round6(f float64) float64 { return math.RoundToEven(f*1e6) / 1e6 }

func divSpan(_ *expr.Context, a []value.Value) (value.Value, error) {
	f := a[1].AsDouble()
	if f == 0 {
		return divisionByZero()
	}
	return scaleSpan(span(a[0]), 1/f)
}

// justifyHours and justifyDays carry full days and months over.
func justifyHours(s sqltype.Span) sqltype.Span {
	whole := s.Micros / microsPerDay
	s.Days += int32(whole)
	s.Micros -= whole * microsPerDay
	if s.Days > 0 && s.Micros < 0 {
		s.Micros += microsPerDay
		s.Days--
	} else if s.Days < 0 && s.Micros > 0 {
		s.Micros -= microsPerDay
		s.Days++
	}
	return s
}

func justifyDays(s sqltype.Span) sqltype.Span {
	whole := s.Days / 30
	s.Months += whole
	s.Days -= whole * 30
	if s.Months > 0 && s.Days < 0 {
		s.Days += 30
		s.Months--
	} else if s.Months < 0 && s.Days > 0 {
		s.Days -= 30
		s.Months++
	}
	return s
}

func justifyInterval(s sqltype.Span) sqltype.Span {
	// Months first where days and time go one way: the days' sum may not fit.
	if s.Days > 0 && s.Micros > 0 || s.Days < 0 && s.Micros < 0 {
		s.Months += s.Days / 30
		s.Days %= 30
	}
	whole := s.Micros / microsPerDay
	s.Days += int32(whole)
	s.Micros -= whole * microsPerDay
	months := s.Days / 30
	s.Months += months
	s.Days -= months * 30
	if s.Months > 0 && (s.Days < 0 || s.Days == 0 && s.Micros < 0) {
		s.Days += 30
		s.Months--
	} else if s.Months < 0 && (s.Days > 0 || s.Days == 0 && s.Micros > 0) {
		s.Days -= 30
		s.Months++
	}
	if s.Days > 0 && s.Micros < 0 {
		s.Micros += microsPerDay
		s.Days--
	} else if s.Days < 0 && s.Micros > 0 {
		s.Micros -= microsPerDay
		s.Days++
	}
	return s
}

func spanFunc(f func(sqltype.Span) sqltype.Span) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) { return interval(f(span(a[0]))) }
}

// ageOf is the difference by calendar: years, months and days first.
func ageOf(x, y sqltype.Moment) sqltype.Span {
	sign := int32(1)
	if x.Compare(y) < 0 {
		x, y, sign = y, x, -1
	}
	a, b := x.Civil(), y.Civil()
	months := int32(a.Year-b.Year)*12 + int32(a.Month-b.Month)
	days := int32(a.Day - b.Day)
	us := x.OfDay() - y.OfDay()
	if us < 0 {
		us += microsPerDay
		days--
	}
	if days < 0 {
		days += int32(sqltype.DaysInMonth(b.Year, b.Month)) // the earlier date's month
		months--
	}
	return sqltype.Span{Months: sign * months, Days: sign * days, Micros: int64(sign) * us}
}

// age takes one argument too: the age at midnight of the current day.
func age(zoned bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		loc := time.UTC
		if zoned {
			loc = zoneOf(c)
		}
		x, y := atMs(midnight(localNow(c))), toLocal(momentOf(a[len(a)-1]), loc)
		if len(a) == 2 {
			x = toLocal(momentOf(a[0]), loc)
		}
		if x.Infinite() || y.Infinite() {
			return failf(sqlerr.DatetimeFieldOverflow, "timestamp out of range")
		}
		return interval(ageOf(x, y))
	}
}

// transactionMs is now().
func transactionMs(c *expr.Context) int64 {
	if s, ok := c.Session.(Session); ok && s != nil {
		return s.TransactionTime().UnixMilli()
	}
	return c.Now
}

func now(c *expr.Context, _ []value.Value) (value.Value, error) { return instant(transactionMs(c)) }

// localNow is now() as wall clock time of the session.
func localNow(c *expr.Context) int64 { return sqltype.ToLocal(transactionMs(c), zoneOf(c)) }

func statementTimestamp(c *expr.Context, _ []value.Value) (value.Value, error) {
	s, err := sessionOf(c)
	if err != nil {
		return instant(c.Now)
	}
	return instant(s.StatementTime().UnixMilli())
}

func midnight(ms int64) int64 { return ms - sqltype.FloorMod(ms, sqltype.MsPerDay) }

func micros(ms int64) int64 { return sqltype.FloorMod(ms, sqltype.MsPerDay) * 1000 }

// atTimeZone is timezone(zone, x): zone is a name or an interval.
func zoneArg(v value.Value) (*time.Location, error) {
	if v.IsDocument() {
		s := span(v)
		if s.Months != 0 || s.Days != 0 {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "interval time zone \"%s\" must not include months or days", sqltype.AppendInterval(nil, s, nil))
		}
		off := int(s.Micros / 1000000)
		return time.FixedZone(string(sqltype.AppendOffset(nil, off)), off), nil
	}
	loc, ok := sqltype.ZoneNamed(text(v))
	if !ok {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "time zone \"%s\" not recognized", text(v))
	}
	return loc, nil
}

func timezone(f func(v value.Value, loc *time.Location) (value.Value, error)) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		loc, err := zoneArg(a[0])
		if err != nil {
			return fail(err)
		}
		return f(a[1], loc)
	}
}

func zoneTimestamp(v value.Value, loc *time.Location) (value.Value, error) {
	return timestampRange(toUTC(momentOf(v), loc))
}

func zoneTimestamptz(v value.Value, loc *time.Location) (value.Value, error) {
	return timestampRange(toLocal(momentOf(v), loc))
}

func zoneTimetz(v value.Value, loc *time.Location) (value.Value, error) {
	us, west := sqltype.TimetzOf(v)
	off, _ := sqltype.Offset(time.Now().UnixMilli(), loc)
	return sqltype.TimetzValue(sqltype.FloorMod(us+(int64(west)+int64(off))*1000000, microsPerDay), int32(-off)), nil
}

// dateBin rounds down to a multiple of an interval from an origin.
func dateBin(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, x, origin := span(a[0]), momentOf(a[1]), momentOf(a[2])
	if x.Infinite() {
		return a[1], nil
	}
	if origin.Infinite() {
		return failf(sqlerr.DatetimeFieldOverflow, "origin out of range")
	}
	if s.Months != 0 {
		return failf(sqlerr.FeatureNotSupported, "timestamps cannot be binned into intervals containing months or years")
	}
	days, fits := value.MulInt64(int64(s.Days), microsPerDay)
	stride, sums := value.AddInt64(days, s.Micros)
	if !fits || !sums {
		return failf(sqlerr.DatetimeFieldOverflow, "interval out of range")
	}
	if stride <= 0 {
		return failf(sqlerr.DatetimeFieldOverflow, "stride must be greater than zero")
	}
	diff, ok := x.Sub(origin)
	if !ok {
		return failf(sqlerr.DatetimeFieldOverflow, "interval out of range")
	}
	return timestampRange(origin.Add(sqltype.FloorDiv(diff, stride) * stride))
}

// overlaps is (start, end) OVERLAPS (start, end); ends may be lengths.
func overlaps(end func(c *expr.Context, start, v value.Value) sqltype.Moment) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		s1, e1, ok1 := period(c, a[0], a[1], end)
		s2, e2, ok2 := period(c, a[2], a[3], end)
		if !ok1 || !ok2 {
			return null()
		}
		if s1.Compare(s2) > 0 {
			s1, e1, s2, e2 = s2, e2, s1, e1
		}
		_ = e2
		return boolean(s1 == s2 || s2.Compare(e1) < 0)
	}
}

func period(c *expr.Context, x, y value.Value, end func(c *expr.Context, start, v value.Value) sqltype.Moment) (from, to sqltype.Moment, ok bool) {
	switch {
	case x.IsNullish() && y.IsNullish():
		return from, to, false
	case x.IsNullish():
		x = y
	case y.IsNullish():
		y = x
	}
	from, to = end(c, x, x), end(c, x, y)
	if from.Compare(to) > 0 {
		from, to = to, from
	}
	return from, to, true
}

// pointOf is an end of a period: a timestamp, or a time as a moment after 1970.
func pointOf(c *expr.Context, start, v value.Value) sqltype.Moment {
	if v.IsDocument() {
		if value.Lookup(v.Doc(), "z").IsMissing() {
			if start.IsNumber() {
				return atMs(0).Add(start.AsInt64() + span(v).Micros)
			}
			return addSpanZoned(c, momentOf(start), span(v))
		}
		us, west := sqltype.TimetzOf(v)
		return atMs(0).Add(us + int64(west)*1000000)
	}
	if v.IsNumber() {
		return atMs(0).Add(v.AsInt64())
	}
	return momentOf(v)
}

// localPointOf is pointOf for timestamps without zone.
func localPointOf(c *expr.Context, start, v value.Value) sqltype.Moment {
	if v.IsDocument() {
		return addSpan(momentOf(start), span(v))
	}
	return pointOf(c, start, v)
}

func isFinite(_ *expr.Context, a []value.Value) (value.Value, error) {
	return boolean(!sqltype.IsInfinite(a[0].AsDate()))
}

var datetimeFuncs = map[string]evaluator{
	"add_timestamp_interval": plusSpan(false, false), "sub_timestamp_interval": plusSpan(true, false),
	"add_interval_timestamp": plusSpan(false, true), "add_date_interval": plusSpan(false, false),
	"sub_date_interval": plusSpan(true, false), "add_interval_date": plusSpan(false, true),
	"add_timestamptz_interval": plusSpanZoned(false, false), "sub_timestamptz_interval": plusSpanZoned(true, false),
	"add_interval_timestamptz": plusSpanZoned(false, true),
	"add_date_int4":            plusDays(1, false), "sub_date_int4": plusDays(-1, false), "add_int4_date": plusDays(1, true),
	"sub_date": subDates, "sub_timestamp": subTimestamps, "sub_timestamp_hours": subTimestampHours,
	"add_time_interval": plusTime(false, false), "sub_time_interval": plusTime(true, false), "add_interval_time": plusTime(false, true),
	"add_timetz_interval": plusTimetz(false, false), "sub_timetz_interval": plusTimetz(true, false), "add_interval_timetz": plusTimetz(false, true),
	"sub_time": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return interval(sqltype.Span{Micros: a[0].AsInt64() - a[1].AsInt64()})
	},
	"add_date_time": dateTime(false), "add_time_date": dateTime(true),
	"add_date_timetz": dateTimetz(false), "add_timetz_date": dateTimetz(true),
	"add_interval": addSpans(1), "sub_interval": addSpans(-1), "neg_interval": spanFunc(negatedSpan),
	"mul_interval": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return scaleSpan(span(a[0]), a[1].AsDouble())
	},
	"mul_float8_interval": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return scaleSpan(span(a[1]), a[0].AsDouble())
	},
	"div_interval": divSpan, "justify_hours": spanFunc(justifyHours), "justify_days": spanFunc(justifyDays),
	"justify_interval": spanFunc(justifyInterval),
	"age_timestamptz":  age(true), "age_timestamp": age(false), "date_bin_interval": dateBin,
	"now": now, "statement_timestamp": statementTimestamp,
	"clock_timestamp": func(*expr.Context, []value.Value) (value.Value, error) { return instant(time.Now().UnixMilli()) },
	"timeofday": func(c *expr.Context, _ []value.Value) (value.Value, error) {
		return str(time.Now().In(zoneOf(c)).Format("Mon Jan 02 15:04:05.000000 2006 MST"))
	},
	"current_date":   func(c *expr.Context, _ []value.Value) (value.Value, error) { return instant(midnight(localNow(c))) },
	"localtime":      func(c *expr.Context, _ []value.Value) (value.Value, error) { return int8(micros(localNow(c))) },
	"localtimestamp": func(c *expr.Context, _ []value.Value) (value.Value, error) { return instant(localNow(c)) },
	"current_time": func(c *expr.Context, _ []value.Value) (value.Value, error) {
		off, _ := sqltype.Offset(transactionMs(c), zoneOf(c))
		return sqltype.TimetzValue(micros(localNow(c)), int32(-off)), nil
	},
	"timezone_timestamp": timezone(zoneTimestamp), "timezone_timestamptz": timezone(zoneTimestamptz), "timezone_timetz": timezone(zoneTimetz),
	"overlaps_timestamptz": overlaps(pointOf), "overlaps_time": overlaps(pointOf), "overlaps_timetz": overlaps(pointOf),
	"overlaps_timestamp": overlaps(localPointOf),
	"isfinite_date":      isFinite, "isfinite_timestamp": isFinite, "isfinite_timestamptz": isFinite,
	"isfinite_interval": func(*expr.Context, []value.Value) (value.Value, error) { return boolean(true) },
}
