package expr

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// datePart makes $year and its like: the operand is a date, [date] or
// {date, timezone}.
func datePart(part func(t time.Time) value.Value) func(*compiler, string, value.Value) (Expr, error) {
	return func(p *compiler, name string, arg value.Value) (Expr, error) {
		date, tz, err := p.datePartArgs(name, arg)
		if err != nil {
			return nil, err
		}
		e := lazy(func(c *Context) (value.Value, error) {
			v, err := date.Eval(c)
			if err != nil {
				return v, err
			}
			loc, null, err := zone(c, tz)
			if err != nil {
				return v, err
			}
			if v.IsNullish() || null {
				return value.Null(), nil
			}
			ms, err := coerceToDate(v)
			if err != nil {
				return v, err
			}
			return part(local(ms, loc)), nil
		})
		return p.fold(e, true, date, tz)
	}
}

func (p *compiler) datePartArgs(name string, arg value.Value) (date, tz Expr, err error) {
	if arg.IsDocument() && !isOperatorDocument(arg.Doc()) {
		unknown := func(k string) error { return fail(40535, "unrecognized option to %s: \"%s\"", name, k) }
		args, err := p.named(arg, nil, unknown, "date", "timezone")
		if err != nil {
			return nil, nil, err
		}
		if args[0] == nil {
			return nil, nil, fail(40539, "missing 'date' argument to %s, provided: %s: %s", name, name, arg)
		}
		return args[0], args[1], nil
	}
	args, err := p.args(arg)
	if err != nil {
		return nil, nil, err
	}
	if len(args) != 1 {
		return nil, nil, fail(40536, "%s accepts exactly one argument if given an array, but was given %d", name, len(args))
	}
	return args[0], nil, nil
}

func isOperatorDocument(doc bson.Raw) bool {
	it := value.Walk(doc)
	return it.Next() && len(it.Key()) > 0 && it.Key()[0] == '$'
}

func intPart(n int) value.Value { return value.Int32(int32(n)) }

func yearOf(t time.Time) value.Value        { return intPart(t.Year()) }
func monthOf(t time.Time) value.Value       { return intPart(int(t.Month())) }
func dayOf(t time.Time) value.Value         { return intPart(t.Day()) }
func hourOf(t time.Time) value.Value        { return intPart(t.Hour()) }
func minuteOf(t time.Time) value.Value      { return intPart(t.Minute()) }
func secondOf(t time.Time) value.Value      { return intPart(t.Second()) }
func millisecondOf(t time.Time) value.Value { return intPart(t.Nanosecond() / 1e6) }
func dayOfYear(t time.Time) value.Value     { return intPart(t.YearDay()) }
func dayOfWeek(t time.Time) value.Value     { return intPart(int(t.Weekday()) + 1) }
func isoDayOfWeek(t time.Time) value.Value  { return intPart(isoWeekday(t)) }

func isoWeekday(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }

// weekOf counts weeks from the first Sunday of the year.
func weekOf(t time.Time) value.Value { return intPart(sundayWeek(t)) }

func sundayWeek(t time.Time) int { return (t.YearDay() + 6 - int(t.Weekday())) / 7 }

func isoWeekOf(t time.Time) value.Value {
	_, w := t.ISOWeek()
	return intPart(w)
}

func isoWeekYearOf(t time.Time) value.Value {
	y, _ := t.ISOWeek()
	return value.Int64(int64(y))
}

func parseDateToParts(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(40524, "$dateToParts only supports an object as its argument")
	unknown := func(k string) error { return fail(40520, "Unrecognized argument to $dateToParts: %s", k) }
	args, err := p.named(arg, notObject, unknown, "date", "timezone", "iso8601")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, fail(40522, "Missing 'date' parameter to $dateToParts")
	}
	e := &dateToParts{args[0], args[1], args[2]}
	return p.fold(e, true, args...)
}

type dateToParts struct{ date, tz, iso Expr }

func (e *dateToParts) Eval(c *Context) (value.Value, error) {
	date, err := e.date.Eval(c)
	if err != nil {
		return date, err
	}
	loc, null, err := zone(c, e.tz)
	if err != nil {
		return date, err
	}
	if null {
		return value.Null(), nil
	}
	iso, err := eval(e.iso, c)
	switch {
	case err != nil:
		return iso, err
	case e.iso != nil && iso.IsNullish():
		return value.Null(), nil
	case e.iso != nil && iso.Kind() != bson.TypeBoolean:
		return iso, fail(40521, "iso8601 must evaluate to a bool, found %s", typeName(iso))
	case date.IsNullish():
		return value.Null(), nil
	}
	ms, err := coerceToDate(date)
	if err != nil {
		return date, err
	}
	return partsOf(local(ms, loc), iso.AsBool()), nil
}

func partsOf(t time.Time, iso bool) value.Value {
	var b value.Builder
	if iso {
		y, w := t.ISOWeek()
		b.Add("isoWeekYear", intPart(y))
		b.Add("isoWeek", intPart(w))
		b.Add("isoDayOfWeek", isoDayOfWeek(t))
	} else {
		b.Add("year", yearOf(t))
		b.Add("month", monthOf(t))
		b.Add("day", dayOf(t))
	}
	b.Add("hour", hourOf(t))
	b.Add("minute", minuteOf(t))
	b.Add("second", secondOf(t))
	b.Add("millisecond", millisecondOf(t))
	return b.DocumentOf()
}

// dateParts is the arguments of $dateFromParts and what stands for those not
// given.
var dateParts = []struct {
	name     string
	fallback int64
}{{"year", 1970}, {"month", 1}, {"day", 1}, {"isoWeekYear", 1970}, {"isoWeek", 1}, {"isoDayOfWeek", 1},
	{"hour", 0}, {"minute", 0}, {"second", 0}, {"millisecond", 0}}

func parseDateFromParts(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(40519, "$dateFromParts only supports an object as its argument")
	unknown := func(k string) error { return fail(40518, "Unrecognized argument to $dateFromParts: %s", k) }
	keys := []string{"timezone"}
	for _, part := range dateParts {
		keys = append(keys, part.name)
	}
	args, err := p.named(arg, notObject, unknown, keys...)
	if err != nil {
		return nil, err
	}
	tz, parts := args[0], args[1:]
	natural, iso := parts[0] != nil, parts[3] != nil
	switch {
	case !natural && !iso:
		return nil, fail(40516, "$dateFromParts requires either 'year' or 'isoWeekYear' to be present")
	case natural && (iso || parts[4] != nil || parts[5] != nil):
		return nil, fail(40489, "$dateFromParts does not allow mixing natural dates with ISO dates")
	case iso && (parts[1] != nil || parts[2] != nil):
		return nil, fail(40525, "$dateFromParts does not allow mixing ISO dates with natural dates")
	}
	return p.fold(&dateFromParts{tz, parts, iso}, true, args...)
}

type dateFromParts struct {
	tz    Expr
	parts []Expr
	iso   bool
}

func (e *dateFromParts) Eval(c *Context) (value.Value, error) {
	var n [10]int64
	for i, x := range e.parts {
		v, null, err := e.part(c, i, x)
		if err != nil || null {
			return value.Null(), err
		}
		n[i] = v
	}
	loc, null, err := zone(c, e.tz)
	if err != nil || null {
		return value.Null(), err
	}
	year, month, day := n[0], n[1], n[2]
	if e.iso {
		// Week 1 is the one with January 4th.
		jan4 := time.Date(int(n[3]), 1, 4, 0, 0, 0, 0, time.UTC)
		year, month, day = n[3], 1, 4+int64(1-isoWeekday(jan4))+(n[4]-1)*7+n[5]-1
	}
	return assemble(year, month, day, n, loc)
}

func assemble(year, month, day int64, n [10]int64, loc *time.Location) (value.Value, error) {
	const maxSeconds = 1 << 63 / 1000
	if s := n[8]; s > maxSeconds || s < -maxSeconds {
		return value.Value{}, fail(159, "Overflow casting from a lower-precision duration to a higher-precision duration")
	}
	ms := wall(int(year), int(month), int(day), int(n[6]), int(n[7]), 0, 0, loc)
	ms, ok := value.AddInt64(ms, n[8]*1000)
	if ok {
		ms, ok = value.AddInt64(ms, n[9])
	}
	if !ok {
		return value.Value{}, fail(159, "Overflow adding durations")
	}
	return value.Date(ms), nil
}

func (e *dateFromParts) part(c *Context, i int, x Expr) (n int64, null bool, err error) {
	name := dateParts[i].name
	if x == nil {
		return dateParts[i].fallback, false, nil
	}
	v, err := x.Eval(c)
	if err != nil || v.IsNullish() {
		return 0, true, err
	}
	n, ok := v.Integral()
	if !ok {
		return 0, false, fail(40515, "'%s' must evaluate to an integer, found %s with value %s", name, typeName(v), v)
	}
	switch {
	case i == 0 && (n < 1 || n > 9999):
		return 0, false, fail(40523, "'year' must evaluate to an integer in the range 1 to 9999, found %d", n)
	case i == 3 && (n < 1 || n > 9999):
		return 0, false, fail(31095, "'isoWeekYear' must evaluate to an integer in the range 1 to 9999, found %d", n)
	case i < 8 && (n < -32768 || n > 32767):
		return 0, false, fail(31034, "'%s' must evaluate to a value in the range [-32768, 32767]; value %d is not in range", name, n)
	}
	return n, false, nil
}
