package expr

import (
	"math"
	"strings"
	"time"

	"weir/engine/value"
	"weir/mongoerr"
)

// unit is a unit of time.
type unit uint8

const (
	millisecond unit = iota
	second
	minute
	hour
	day
	week
	month
	quarter
	year
)

var unitNames = []string{"millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"}

// unitMillis is the length of the units that have one everywhere.
var unitMillis = [...]int64{1, 1000, 60_000, 3600_000, 86400_000, 7 * 86400_000}

func unitOf(v value.Value, notString int32, name string) (unit, error) {
	if !v.IsString() {
		return 0, fail(notString, "%s expects string defining the time unit", name)
	}
	i := indexOf(unitNames, v.Str())
	if i < 0 {
		return 0, fail(mongoerr.FailedToParse, "unknown time unit value: %s", v.Str())
	}
	return unit(i), nil
}

// namedUnit is the unit argument of $dateDiff and $dateTrunc.
func namedUnit(v value.Value, name string) (unit, error) {
	if !v.IsString() {
		return 0, fail(5439013, "%s requires 'unit' to be a string, but got %s", name, typeName(v))
	}
	i := indexOf(unitNames, v.Str())
	if i < 0 {
		return 0, fail(5439014, "%s parameter 'unit' value cannot be recognized as a time unit: %s", name, v.Str())
	}
	return unit(i), nil
}

// evalNonNull evaluates arguments; null tells that one of those given is
// nullish, which comes before any complaint about the others.
func evalNonNull(c *Context, out []value.Value, args []Expr) (null bool, err error) {
	for i := range out {
		if args[i] == nil {
			continue
		}
		if out[i], err = args[i].Eval(c); err != nil || out[i].IsNullish() {
			return err == nil, err
		}
	}
	return false, nil
}

// calendar evaluates the timezone and, for a unit of weeks, the first day of
// the week, which is not read before the other arguments were.
func calendar(c *Context, unitName value.Value, zoneArg, firstArg Expr, name string) (loc *time.Location, first value.Value, null bool, err error) {
	if firstArg != nil && unitName.IsString() && unitName.Str() == unitNames[week] {
		if first, err = firstArg.Eval(c); err != nil || first.IsNullish() {
			return nil, first, err == nil, err
		}
	}
	loc, null, err = zone(c, zoneArg)
	if err != nil {
		err = mongoerr.New(mongoerr.CodeOf(err), "%s parameter 'timezone' value parsing failed :: caused by :: %v", name, err)
	}
	return loc, first, null, err
}

// parseDateAdd compiles $dateAdd and $dateSubtract.
func parseDateAdd(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(5166400, "%s expects an object as its argument", name)
	unknown := func(k string) error {
		return fail(5166401, "Unrecognized argument to %s: %s. Expected arguments are startDate, unit, amount, and optionally timezone.", name, k)
	}
	args, err := p.named(arg, notObject, unknown, "startDate", "unit", "amount", "timezone")
	if err != nil {
		return nil, err
	}
	if args[0] == nil || args[1] == nil || args[2] == nil {
		return nil, fail(5166402, "%s requires startDate, unit, and amount to be present", name)
	}
	return p.fold(&dateAdd{name: name, args: args, sign: map[string]int64{"$dateAdd": 1, "$dateSubtract": -1}[name]}, true, args...)
}

type dateAdd struct {
	name string
	args []Expr // startDate, unit, amount, timezone
	sign int64
}

func (e *dateAdd) Eval(c *Context) (value.Value, error) {
	var v [3]value.Value
	null := false
	for i := range v {
		var err error
		if v[i], err = e.args[i].Eval(c); err != nil {
			return v[i], err
		}
		null = null || v[i].IsNullish()
	}
	if null {
		return value.Null(), nil
	}
	u, err := unitOf(v[1], 5166404, e.name)
	if err != nil {
		return v[1], err
	}
	ms, ok := dateOf(v[0])
	if !ok {
		return v[0], fail(5166403, "%s requires startDate to be convertible to a date", e.name)
	}
	n, ok := v[2].Integral()
	if !ok {
		return v[2], fail(5166405, "%s expects integer amount of time units", e.name)
	}
	loc, null, err := zone(c, e.args[3])
	if err != nil || null {
		return value.Null(), err
	}
	if e.sign < 0 {
		if n == math.MinInt64 {
			return v[2], fail(6045000, "invalid %s 'amount' parameter value: %s", e.name, v[2])
		}
		n = -n
	}
	ms, err = addUnits(ms, n, u, loc)
	return value.Date(ms), err
}

// addUnits adds n units: from days on by the clock on the wall, with the day
// of the month cut to the length of the month.
func addUnits(ms, n int64, u unit, loc *time.Location) (int64, error) {
	overflow := fail(5166406, "dateAdd overflowed")
	if u < day {
		d, ok := value.MulInt64(n, unitMillis[u])
		if _, micros := value.MulInt64(d, 1000); !ok || !micros {
			return 0, fail(159, "Overflow casting from a lower-precision duration to a higher-precision duration")
		}
		if ms, ok = value.AddInt64(ms, d); !ok {
			return 0, fail(159, "Overflow adding durations")
		}
		return ms, nil
	}
	if n > 1<<40 || n < -(1<<40) {
		return 0, overflow
	}
	t := local(ms, loc)
	y, mo, d := t.Date()
	switch u {
	case day:
		d += int(n)
	case week:
		d += int(n) * 7
	default:
		months := n
		if u == quarter {
			months *= 3
		} else if u == year {
			months *= 12
		}
		total := int64(y)*12 + int64(mo) - 1 + months
		y, mo = int(floorDiv(total, 12)), time.Month(floorMod(total, 12)+1)
		d = min(d, daysIn(y, mo))
	}
	sum := time.Date(y, mo, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
	if s := sum.Unix(); s > math.MaxInt64/1000 || s < math.MinInt64/1000 {
		return 0, overflow
	}
	return sum.UnixMilli(), nil
}

func daysIn(y int, m time.Month) int { return time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day() }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - floorDiv(a, b)*b }

func parseDateDiff(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(5166301, "$dateDiff only supports an object as its argument")
	unknown := func(k string) error { return fail(5166302, "Unrecognized argument to $dateDiff: %s", k) }
	keys := []string{"startDate", "endDate", "unit", "timezone", "startOfWeek"}
	args, err := p.named(arg, notObject, unknown, keys...)
	if err == nil {
		err = required(name, args, keys, 5166303, 5166304, 5166305)
	}
	if err != nil {
		return nil, err
	}
	return p.fold(&dateDiff{args}, true, args...)
}

type dateDiff struct{ args []Expr }

func (e *dateDiff) Eval(c *Context) (value.Value, error) {
	var v [3]value.Value
	null, err := evalNonNull(c, v[:], e.args)
	if err != nil || null {
		return value.Null(), err
	}
	loc, day, null, err := calendar(c, v[2], e.args[3], e.args[4], "$dateDiff")
	if err != nil || null {
		return value.Null(), err
	}
	from, ok := dateOf(v[0])
	if !ok {
		return v[0], fail(5166307, "$dateDiff requires 'startDate' to be a date, but got %s", typeName(v[0]))
	}
	to, ok := dateOf(v[1])
	if !ok {
		return v[1], fail(5166307, "$dateDiff requires 'endDate' to be a date, but got %s", typeName(v[1]))
	}
	u, err := namedUnit(v[2], "$dateDiff")
	if err != nil {
		return v[2], err
	}
	first, err := startOfWeek(day, "$dateDiff")
	if err != nil {
		return day, err
	}
	n, ok := diffUnits(local(from, loc), local(to, loc), u, first)
	if !ok {
		return value.Value{}, fail(5166308, "dateDiff overflowed")
	}
	return value.Int64(n), nil
}

// startOfWeek reads the first day of the week; Sunday where none is given.
func startOfWeek(v value.Value, name string) (time.Weekday, error) {
	if v.IsMissing() {
		return time.Sunday, nil
	}
	if !v.IsString() {
		return 0, fail(5439015, "%s requires 'startOfWeek' to be a string, but got %s", name, typeName(v))
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		full := strings.ToLower(d.String())
		if s := strings.ToLower(v.Str()); s == full || s == full[:3] {
			return d, nil
		}
	}
	return 0, fail(5439016, "%s parameter 'startOfWeek' value cannot be recognized as a day of a week: %s", name, v.Str())
}

// diffUnits counts the unit boundaries between two instants on the wall clock.
func diffUnits(from, to time.Time, u unit, first time.Weekday) (int64, bool) {
	switch u {
	case year:
		return int64(to.Year()) - int64(from.Year()), true
	case quarter:
		return monthIndex(to)/3 - monthIndex(from)/3, true
	case month:
		return monthIndex(to) - monthIndex(from), true
	case week:
		return weekIndex(to, first) - weekIndex(from, first), true
	case day:
		return dayIndex(to) - dayIndex(from), true
	case hour:
		_, x := from.Zone()
		_, y := to.Zone()
		return floorDiv(to.Unix()+int64(y%3600), 3600) - floorDiv(from.Unix()+int64(x%3600), 3600), true
	case minute:
		return floorDiv(to.Unix(), 60) - floorDiv(from.Unix(), 60), true
	case second:
		return to.Unix() - from.Unix(), true
	}
	a, b := from.UnixMilli(), to.UnixMilli()
	d := b - a
	return d, (b >= a) == (d >= 0)
}

func monthIndex(t time.Time) int64 { return int64(t.Year())*12 + int64(t.Month()) - 1 }

// dayIndex counts days of the wall calendar.
func dayIndex(t time.Time) int64 {
	y, m, d := t.Date()
	return floorDiv(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), 86400)
}

// weekIndex counts weeks that begin on a given day; 1970-01-01 was a Thursday.
func weekIndex(t time.Time, first time.Weekday) int64 {
	return floorDiv(dayIndex(t)+int64(time.Thursday)-int64(first), 7)
}

func parseDateTrunc(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(5439007, "$dateTrunc only supports an object as its argument")
	unknown := func(k string) error { return fail(5439008, "Unrecognized argument to $dateTrunc: %s", k) }
	keys := []string{"date", "unit", "binSize", "timezone", "startOfWeek"}
	args, err := p.named(arg, notObject, unknown, keys...)
	if err == nil {
		err = required(name, args, keys, 5439009, 5439010)
	}
	if err != nil {
		return nil, err
	}
	return p.fold(&dateTrunc{args}, true, args...)
}

type dateTrunc struct{ args []Expr }

func (e *dateTrunc) Eval(c *Context) (value.Value, error) {
	var v [3]value.Value
	null, err := evalNonNull(c, v[:], e.args)
	if err != nil || null {
		return value.Null(), err
	}
	loc, day, null, err := calendar(c, v[1], e.args[3], e.args[4], "$dateTrunc")
	if err != nil || null {
		return value.Null(), err
	}
	ms, ok := dateOf(v[0])
	if !ok {
		return v[0], fail(5439012, "$dateTrunc requires 'date' to be a date, but got %s", typeName(v[0]))
	}
	u, err := namedUnit(v[1], "$dateTrunc")
	if err != nil {
		return v[1], err
	}
	size := int64(1)
	if bin := v[2]; !bin.IsMissing() {
		if size, ok = bin.Integral(); !ok {
			return bin, fail(5439017, "$dateTrunc requires 'binSize' to be a 64-bit integer, but got value '%s' of type %s", bin, typeName(bin))
		}
		if size <= 0 {
			return bin, fail(5439018, "$dateTrunc requires 'binSize' to be greater than 0, but got value %d", size)
		}
	}
	first, err := startOfWeek(day, "$dateTrunc")
	if err != nil {
		return day, err
	}
	ms, err = truncDate(ms, u, size, loc, first)
	return value.Date(ms), err
}

// truncDate cuts to the bin that ms lies in; bins are counted from 2000-01-01
// (weeks from the first start of a week at or after it) on the wall clock.
func truncDate(ms int64, u unit, size int64, loc *time.Location, first time.Weekday) (int64, error) {
	reference := time.Date(2000, 1, 1, 0, 0, 0, 0, loc)
	t := local(ms, loc)
	if u < day {
		length, ok := value.MulInt64(unitMillis[u], size)
		if !ok {
			return 0, fail(5439005, "Overflow")
		}
		ref := reference.UnixMilli()
		if _, offset := t.Zone(); u == hour {
			_, refOffset := reference.Zone()
			ref += int64(refOffset-offset) * 1000 % 3600_000
		}
		return ref + floorDiv(ms-ref, length)*length, nil
	}
	if size > 100_000_000_000 {
		return 0, fail(5439006, "Overflow")
	}
	switch u {
	case day:
		base := dayIndex(reference)
		n := floorDiv(dayIndex(t)-base, size) * size
		return wall(2000, 1, 1+int(n), 0, 0, 0, 0, loc), nil
	case week:
		skip := (int(first) - int(time.Saturday) + 7) % 7 // 2000-01-01 was a Saturday
		base := dayIndex(reference) + int64(skip)
		n := floorDiv(dayIndex(t)-base, 7*size) * 7 * size
		return wall(2000, 1, 1+skip+int(n), 0, 0, 0, 0, loc), nil
	}
	months := map[unit]int64{month: 1, quarter: 3, year: 12}[u] * size
	n := floorDiv(monthIndex(t)-2000*12, months) * months
	return wall(2000, 1+int(n), 1, 0, 0, 0, 0, loc), nil
}
