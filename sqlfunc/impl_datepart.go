package sqlfunc

import (
	"math"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// field is an answer of EXTRACT: n units of 10^-scale.
type field struct {
	n        int64
	scale    int
	infinite int // ±1
	missing  bool
	dayPart  int64 // microseconds of a day to add to n days
	hasClock bool
	micros   int64 // beside n whole seconds, where wide
	wide     bool
}

// epochField gives seconds and microseconds, apart when together they are too
// many for 64 bits.
func epochField(secs, us int64) (field, bool) {
	const most = math.MaxInt64/1000000 - 1
	secs, us = secs+sqltype.FloorDiv(us, 1000000), sqltype.FloorMod(us, 1000000)
	if secs > most || secs < -most {
		return field{n: secs, micros: us, wide: true}, true
	}
	return field{n: secs*1000000 + us, scale: 6}, true
}

func (f field) wideNumeric() *apd.Decimal {
	d := apd.New(f.n, 0)
	d.Coeff.Mul(&d.Coeff, apd.NewBigInt(1000000))
	us := apd.NewBigInt(f.micros)
	if d.Negative {
		us.Neg(us)
	}
	d.Coeff.Add(&d.Coeff, us)
	d.Exponent = -6
	return d
}

func whole(n int64) (field, bool) { return field{n: n}, true }

var fieldAliases = map[string]string{
	"years": "year", "months": "month", "mon": "month", "days": "day", "hours": "hour", "minutes": "minute", "min": "minute",
	"seconds": "second", "sec": "second", "ms": "milliseconds", "msec": "milliseconds", "millisecond": "milliseconds",
	"us": "microseconds", "usec": "microseconds", "microsecond": "microseconds", "weeks": "week", "quarters": "quarter",
	"decades": "decade", "centuries": "century", "c": "century", "millennia": "millennium", "mil": "millennium",
	"y": "year", "yr": "year", "d": "day", "h": "hour", "m": "minute", "s": "second", "w": "week", "qtr": "quarter",
	"timezone_h": "timezone_hour", "timezone_m": "timezone_minute",
}

func fieldName(v value.Value) string {
	name := strings.ToLower(strings.TrimSpace(text(v)))
	if a, ok := fieldAliases[name]; ok {
		return a
	}
	return name
}

// clockField gives the fields of a time of day in microseconds.
func clockField(name string, us int64) (field, bool) {
	switch name {
	case "hour":
		return whole(us / microsPerHour)
	case "minute":
		return whole(us / 60000000 % 60)
	case "second":
		return field{n: us % 60000000, scale: 6}, true
	case "milliseconds":
		return field{n: us % 60000000, scale: 3}, true
	case "microseconds":
		return whole(us % 60000000)
	}
	return field{}, false
}

// yearUnit numbers centuries and millennia, which begin with a year 1.
func yearUnit(y, unit int) int64 {
	if y > 0 {
		return int64((y + unit - 1) / unit)
	}
	return -int64((unit - 1 - (y - 1)) / unit)
}

func displayYear(y int) int64 {
	if y <= 0 {
		return int64(y - 1)
	}
	return int64(y)
}

// dateField gives the fields of a date.
func dateField(name string, c sqltype.Civil) (field, bool) {
	switch name {
	case "year":
		return whole(displayYear(c.Year))
	case "month":
		return whole(int64(c.Month))
	case "day":
		return whole(int64(c.Day))
	case "quarter":
		return whole(int64(c.Month-1)/3 + 1)
	case "decade":
		return whole(sqltype.FloorDiv(int64(c.Year), 10))
	case "century":
		return whole(yearUnit(c.Year, 100))
	case "millennium":
		return whole(yearUnit(c.Year, 1000))
	case "dow":
		return whole(int64(c.Weekday()))
	case "isodow":
		return whole(int64((c.Weekday()+6)%7 + 1))
	case "doy":
		return whole(int64(c.YearDay()))
	case "week":
		_, w := c.ISOWeek()
		return whole(int64(w))
	case "isoyear":
		y, _ := c.ISOWeek()
		return whole(displayYear(y))
	case "julian":
		return whole(c.DaysSinceEpoch + 2440588)
	}
	return field{}, false
}

// infiniteField is EXTRACT of infinity: fields that grow are infinite, others NULL.
func infiniteField(name string, ms int64) (field, bool) {
	switch name {
	case "year", "decade", "century", "millennium", "isoyear", "julian", "epoch":
		if ms == sqltype.NegInfinity {
			return field{infinite: -1}, true
		}
		return field{infinite: 1}, true
	}
	return field{missing: true}, knownFields[name]
}

// infiniteDateField leaves out the fields that dates do not have.
func infiniteDateField(name string, ms int64) (field, bool) {
	if _, of := dateField(name, sqltype.CivilOf(0)); !of && name != "epoch" {
		return field{}, false
	}
	return infiniteField(name, ms)
}

func timestampField(name string, m sqltype.Moment) (field, bool) {
	if m.Infinite() {
		return infiniteField(name, m.Ms)
	}
	c, us := m.Civil(), m.OfDay()
	switch name {
	case "epoch":
		return epochField(sqltype.FloorDiv(m.Ms, 1000), sqltype.FloorMod(m.Ms, 1000)*1000+int64(m.Us))
	case "julian":
		return field{n: c.DaysSinceEpoch + 2440588, dayPart: us, hasClock: true}, true
	}
	if f, ok := clockField(name, us); ok {
		return f, true
	}
	return dateField(name, c)
}

func timestamptzField(name string, m sqltype.Moment, loc *time.Location) (field, bool) {
	if m.Infinite() {
		return infiniteField(name, m.Ms)
	}
	off, _ := sqltype.Offset(m.Ms, loc)
	switch name {
	case "epoch":
		return timestampField(name, m)
	case "timezone":
		return whole(int64(off))
	case "timezone_hour":
		return whole(int64(off / 3600))
	case "timezone_minute":
		return whole(int64(off / 60 % 60))
	}
	return timestampField(name, m.At(m.Ms+int64(off)*1000))
}

func intervalField(name string, s sqltype.Span) (field, bool) {
	switch name {
	case "year":
		return whole(int64(s.Months / 12))
	case "month":
		return whole(int64(s.Months % 12))
	case "quarter":
		return whole(int64(s.Months%12/3 + 1))
	case "decade":
		return whole(int64(s.Months / 120))
	case "century":
		return whole(int64(s.Months / 1200))
	case "millennium":
		return whole(int64(s.Months / 12000))
	case "day":
		return whole(int64(s.Days))
	case "epoch":
		// A year counts 365.25 days, a month 30.
		secs := int64(s.Months/12)*31557600 + int64(s.Months%12)*2592000 + int64(s.Days)*86400
		return epochField(secs, s.Micros)
	}
	return clockField(name, s.Micros)
}

// fieldSource gives a field of a value of one type.
type fieldSource struct {
	typ string
	get func(c *expr.Context, name string, v value.Value) (field, bool)
}

var fieldSources = map[string]fieldSource{
	"timestamptz": {"timestamp with time zone", func(c *expr.Context, name string, v value.Value) (field, bool) {
		return timestamptzField(name, momentOf(v), zoneOf(c))
	}},
	"timestamp": {"timestamp without time zone", func(_ *expr.Context, name string, v value.Value) (field, bool) {
		return timestampField(name, momentOf(v))
	}},
	"date": {"date", func(_ *expr.Context, name string, v value.Value) (field, bool) {
		if sqltype.IsInfinite(v.AsDate()) {
			return infiniteDateField(name, v.AsDate())
		}
		if name == "epoch" {
			return whole(v.AsDate() / 1000)
		}
		return dateField(name, sqltype.CivilOf(v.AsDate()))
	}},
	"time": {"time without time zone", func(_ *expr.Context, name string, v value.Value) (field, bool) {
		if name == "epoch" {
			return field{n: v.AsInt64(), scale: 6}, true
		}
		return clockField(name, v.AsInt64())
	}},
	"timetz": {"time with time zone", func(_ *expr.Context, name string, v value.Value) (field, bool) {
		us, west := sqltype.TimetzOf(v)
		switch name {
		case "epoch":
			return field{n: us + int64(west)*1000000, scale: 6}, true
		case "timezone":
			return whole(int64(-west))
		case "timezone_hour":
			return whole(int64(-west / 3600))
		case "timezone_minute":
			return whole(int64(-west / 60 % 60))
		}
		return clockField(name, us)
	}},
	"interval": {"interval", func(_ *expr.Context, name string, v value.Value) (field, bool) { return intervalField(name, span(v)) }},
}

var knownFields = map[string]bool{
	"year": true, "month": true, "day": true, "hour": true, "minute": true, "second": true, "milliseconds": true, "microseconds": true,
	"week": true, "quarter": true, "decade": true, "century": true, "millennium": true, "dow": true, "isodow": true, "doy": true,
	"isoyear": true, "epoch": true, "julian": true, "timezone": true, "timezone_hour": true, "timezone_minute": true,
}

func unitError(name, typ string) error {
	if knownFields[name] {
		return sqlerr.New(sqlerr.FeatureNotSupported, "unit \"%s\" not supported for type %s", name, typ)
	}
	return sqlerr.New(sqlerr.InvalidParameterValue, "unit \"%s\" not recognized for type %s", name, typ)
}

func (src fieldSource) extract(asNumeric bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		name := fieldName(a[0])
		f, ok := src.get(c, name, a[1])
		switch {
		case !ok:
			return fail(unitError(name, src.typ))
		case f.missing:
			return null()
		case f.infinite != 0 && asNumeric:
			return numeric(infinity(f.infinite < 0))
		case f.infinite != 0:
			return double(math.Inf(f.infinite))
		case f.wide && asNumeric:
			return numeric(f.wideNumeric())
		case f.wide:
			return double((float64(f.n)*1e6 + float64(f.micros)) / 1e6)
		case f.hasClock && asNumeric:
			return julian(f.n, f.dayPart)
		case f.hasClock:
			return double(float64(f.n) + float64(f.dayPart)/(24*microsPerHour))
		case asNumeric:
			return numeric(apd.New(f.n, int32(-f.scale)))
		}
		return double(float64(f.n) / math.Pow10(f.scale))
	}
}

// julian is a day's number and the part of the day, divided as numerics are.
func julian(day, us int64) (value.Value, error) {
	part, err := divNumeric(apd.New(us, 0), apd.New(24*microsPerHour, 0))
	if err != nil {
		return fail(err)
	}
	return numeric(value.ExactAdd(apd.New(day, 0), part))
}

// truncate cuts wall clock time to a unit.
func truncate(name string, m sqltype.Moment) (sqltype.Moment, bool) {
	if m.Infinite() {
		return m, knownFields[name]
	}
	if name == "microseconds" {
		return m, true
	}
	ms, ok := truncateMs(name, m.Ms)
	return atMs(ms), ok
}

func truncateMs(name string, ms int64) (int64, bool) {
	c := sqltype.CivilOf(ms)
	year := func(y int) (int64, bool) { return sqltype.DaysFromCivil(y, 1, 1) * sqltype.MsPerDay, true }
	switch name {
	case "milliseconds":
		return ms, true
	case "second":
		return sqltype.FloorDiv(ms, 1000) * 1000, true
	case "minute":
		return sqltype.FloorDiv(ms, 60000) * 60000, true
	case "hour":
		return sqltype.FloorDiv(ms, 3600000) * 3600000, true
	case "day":
		return midnight(ms), true
	case "week":
		return midnight(ms) - int64((c.Weekday()+6)%7)*sqltype.MsPerDay, true
	case "month":
		return sqltype.DaysFromCivil(c.Year, c.Month, 1) * sqltype.MsPerDay, true
	case "quarter":
		return sqltype.DaysFromCivil(c.Year, (c.Month-1)/3*3+1, 1) * sqltype.MsPerDay, true
	case "year":
		return year(c.Year)
	case "decade":
		return year(int(sqltype.FloorDiv(int64(c.Year), 10)) * 10)
	case "century":
		return year(int(sqltype.FloorDiv(int64(c.Year-1), 100))*100 + 1)
	case "millennium":
		return year(int(sqltype.FloorDiv(int64(c.Year-1), 1000))*1000 + 1)
	}
	return 0, false
}

func truncTimestamp(_ *expr.Context, a []value.Value) (value.Value, error) {
	name := fieldName(a[0])
	m, ok := truncate(name, momentOf(a[1]))
	if !ok {
		return fail(unitError(name, "timestamp without time zone"))
	}
	return m.Value(), nil
}

func truncTimestamptz(c *expr.Context, a []value.Value) (value.Value, error) {
	name, loc := fieldName(a[0]), zoneOf(c)
	if len(a) > 2 {
		var err error
		if loc, err = zoneArg(a[2]); err != nil {
			return fail(err)
		}
	}
	local, ok := truncate(name, toLocal(momentOf(a[1]), loc))
	if !ok {
		return fail(unitError(name, "timestamp with time zone"))
	}
	switch name {
	case "hour", "minute", "second", "milliseconds", "microseconds":
		// Within an hour the offset stays that of the instant itself.
		off, _ := sqltype.Offset(a[1].AsDate(), loc)
		return local.At(local.Ms - int64(off)*1000).Value(), nil
	}
	return toUTC(local, loc).Value(), nil
}

func truncInterval(_ *expr.Context, a []value.Value) (value.Value, error) {
	name, s := fieldName(a[0]), span(a[1])
	months := func(unit int32) (value.Value, error) { return interval(sqltype.Span{Months: s.Months / unit * unit}) }
	us := func(unit int64) (value.Value, error) {
		s.Micros = s.Micros / unit * unit
		return interval(s)
	}
	switch name {
	case "millennium":
		return months(12000)
	case "century":
		return months(1200)
	case "decade":
		return months(120)
	case "year":
		return months(12)
	case "quarter":
		return months(3)
	case "month":
		return months(1)
	case "day":
		return interval(sqltype.Span{Months: s.Months, Days: s.Days})
	case "hour":
		return us(microsPerHour)
	case "minute":
		return us(60000000)
	case "second":
		return us(1000000)
	case "milliseconds":
		return us(1000)
	case "microseconds":
		return us(1)
	}
	return fail(unitError(name, "interval"))
}

func fieldRange(format string, args ...any) error {
	return sqlerr.New(sqlerr.DatetimeFieldOverflow, format, args...)
}

func makeDate(_ *expr.Context, a []value.Value) (value.Value, error) {
	y, m, d := int(a[0].AsInt64()), int(a[1].AsInt64()), int(a[2].AsInt64())
	ms, err := civilDate(y, m, d)
	if err != nil {
		return fail(err)
	}
	return instant(ms)
}

func civilDate(y, m, d int) (int64, error) {
	ay := y
	if y < 0 {
		ay = y + 1 // negative years are BC
	}
	if y == 0 || m < 1 || m > 12 || d < 1 || d > sqltype.DaysInMonth(ay, m) {
		return 0, fieldRange("date field value out of range: %d-%02d-%02d", y, m, d)
	}
	days := sqltype.DaysFromCivil(ay, m, d)
	if ay < -4713 || ay > 5874897 {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range: %d-%02d-%02d", y, m, d)
	}
	return days * sqltype.MsPerDay, nil
}

func clockMicros(h, m int64, sec float64) (int64, error) {
	us := math.RoundToEven(sec * 1e6)
	if h < 0 || h > 24 || m < 0 || m > 59 || sec < 0 || sec > 60 || math.IsNaN(sec) || h == 24 && (m != 0 || us != 0) {
		return 0, fieldRange("time field value out of range: %d:%02d:%02g", h, m, sec)
	}
	return (h*60+m)*60000000 + int64(us), nil
}

func makeTime(_ *expr.Context, a []value.Value) (value.Value, error) {
	us, err := clockMicros(a[0].AsInt64(), a[1].AsInt64(), a[2].AsDouble())
	if err != nil {
		return fail(err)
	}
	return int8(us)
}

func madeStamp(a []value.Value) (sqltype.Moment, error) {
	ms, err := civilDate(int(a[0].AsInt64()), int(a[1].AsInt64()), int(a[2].AsInt64()))
	if err != nil {
		return sqltype.Moment{}, err
	}
	us, err := clockMicros(a[3].AsInt64(), a[4].AsInt64(), a[5].AsDouble())
	return atMs(ms).Add(us), err
}

func makeTimestamp(_ *expr.Context, a []value.Value) (value.Value, error) {
	m, err := madeStamp(a)
	if err != nil {
		return fail(err)
	}
	return timestampRange(m)
}

func makeTimestamptz(c *expr.Context, a []value.Value) (value.Value, error) {
	m, err := madeStamp(a)
	if err != nil {
		return fail(err)
	}
	loc := zoneOf(c)
	if len(a) > 6 {
		if loc, err = zoneArg(a[6]); err != nil {
			return fail(err)
		}
	}
	return timestampRange(toUTC(m, loc))
}

func makeInterval(_ *expr.Context, a []value.Value) (value.Value, error) {
	n := func(i int) float64 { return float64(optional(a, i, 0)) }
	sec := 0.0
	if len(a) > 6 {
		sec = a[6].AsDouble()
	}
	us := n(4)*microsPerHour + n(5)*60000000 + math.RoundToEven(sec*1e6)
	if math.Abs(us) > 9.2e18 {
		return failf(sqlerr.DatetimeFieldOverflow, "interval out of range")
	}
	return intervalRange(n(0)*12+n(1), n(2)*7+n(3), int64(us))
}

func toTimestampFloat(_ *expr.Context, a []value.Value) (value.Value, error) {
	f := a[0].AsDouble()
	switch {
	case math.IsNaN(f):
		return failf(sqlerr.DatetimeFieldOverflow, "timestamp cannot be NaN")
	case math.IsInf(f, 1):
		return instant(sqltype.PosInfinity)
	case math.IsInf(f, -1):
		return instant(sqltype.NegInfinity)
	case f < -210866803200 || f > 9224318016000:
		return failf(sqlerr.DatetimeFieldOverflow, "timestamp out of range: \"%g\"", f)
	}
	whole, frac := math.Modf(f)
	return timestampRange(atMs(int64(whole) * 1000).Add(int64(math.RoundToEven(frac * 1e6))))
}

var datePartFuncs = func() map[string]evaluator {
	m := map[string]evaluator{
		"date_trunc_timestamp": truncTimestamp, "date_trunc_timestamptz": truncTimestamptz, "date_trunc_interval": truncInterval,
		"make_date": makeDate, "make_time": makeTime, "make_timestamp": makeTimestamp, "make_timestamptz": makeTimestamptz,
		"make_interval": makeInterval, "to_timestamp_float8": toTimestampFloat,
	}
	for name, src := range fieldSources {
		m["extract_"+name], m["date_part_"+name] = src.extract(true), src.extract(false)
	}
	return m
}()
