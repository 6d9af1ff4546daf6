package translator

import (
	"math"
	"strings"
	"time"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/planner"
	"weir/sqltype"
)

// pushDatetime: parts, truncation and printing of moments. Values with time
// zone are looked at in the session's zone, others in UTC.
func pushDatetime() map[string]builder {
	m := map[string]builder{
		"date_trunc_timestamptz":    truncated(true),
		"date_trunc_timestamp":      truncated(false),
		"date_format_timestamptz":   formatted(true, mysqlFormat),
		"date_format_timestamp":     formatted(false, mysqlFormat),
		"to_char_timestamptz":       formatted(true, postgresFormat),
		"to_char_timestamp":         formatted(false, postgresFormat),
		"timestampdiff_timestamptz": difference,
		"timestampdiff":             difference,
	}
	for part := range map[string]bool{"year": true, "month": true, "day": true, "hour": true, "minute": true, "quarter": true} {
		m[part] = mysqlPart(part, false)
		m[part+"_timestamptz"] = mysqlPart(part, true)
	}
	for _, t := range []string{"timestamptz", "timestamp", "date"} {
		m["extract_"+t] = extracted("$toDecimal", t == "timestamptz")
		m["date_part_"+t] = extracted("$toDouble", t == "timestamptz")
	}
	return m
}

// zone is the argument for the time zone: a constant of the execution.
func (s scope) zone(session bool) any {
	if !session {
		return "UTC"
	}
	return op1("$literal", placeholder{kind: slotValue, n: s.c.exprSlot(obj{{expr.LocalPrefix + opZone, list{}}}, 0)})
}

// datePart is a field of a date, nil if MongoDB has no operator for it.
func (s scope) datePart(part string, x any, session bool) any {
	at := obj{{"date", x}, {"timezone", s.zone(session)}}
	switch part {
	case "year", "month", "hour", "minute":
		return op1("$"+part, at)
	case "day":
		return op1("$dayOfMonth", at)
	case "doy":
		return op1("$dayOfYear", at)
	case "dow":
		return op("$subtract", op1("$dayOfWeek", at), 1)
	case "isodow":
		return op1("$isoDayOfWeek", at)
	case "week":
		return op1("$isoWeek", at)
	case "isoyear":
		return op1("$isoWeekYear", at)
	case "quarter":
		return op1("$toInt", op1("$ceil", op("$divide", op1("$month", at), 3)))
	}
	return nil
}

// finite is what to make of a moment, or of the infinite ones, which are the
// first and the last date there are.
func (s scope) finite(x, finite, infinite any) any {
	return cond(op("$in", x, list{literal(value.Date(sqltype.NegInfinity)), literal(value.Date(sqltype.PosInfinity))}), infinite, finite)
}

// endless is a part of an infinite moment: parts that grow without end are
// infinite, the others NULL.
func endless(part string, x any) any {
	if part != "year" && part != "isoyear" {
		return null
	}
	inf := math.Inf(1)
	return cond(op("$gt", x, literal(value.Date(0))), value.Double(inf), value.Double(-inf))
}

// historic counts years before Christ as PostgreSQL does: there is no year 0.
func (s scope) historic(part string, year any) any {
	if part != "year" && part != "isoyear" {
		return year
	}
	return s.c.once(year, func(y any) any { return cond(op("$lte", y, 0), op("$subtract", y, 1), y) })
}

func mysqlPart(part string, session bool) builder {
	return func(s scope, e *planner.Call) any {
		if s.slots {
			return nil
		}
		return s.datePart(part, s.moment(e.Args[0]), session)
	}
}

func extracted(conv string, session bool) builder {
	return func(s scope, e *planner.Call) any {
		part, ok := constText(e.Args[0])
		if !ok || s.slots {
			return nil
		}
		part = strings.ToLower(part)
		if s.datePart(part, null, session) == nil {
			return nil
		}
		return s.c.once(s.moment(e.Args[1]), func(x any) any {
			return s.finite(x, op1(conv, s.historic(part, s.datePart(part, x, session))), endless(part, x))
		})
	}
}

var truncUnits = map[string]bool{"second": true, "minute": true, "hour": true, "day": true, "week": true, "month": true, "quarter": true, "year": true}

func truncated(session bool) builder {
	return func(s scope, e *planner.Call) any {
		unit, ok := constText(e.Args[0])
		unit = strings.ToLower(unit)
		if !ok || s.slots || len(e.Args) != 2 || !truncUnits[unit] || !s.c.opts.Capabilities.Embedded && !s.c.opts.Capabilities.DateTrunc {
			return nil
		}
		return s.c.once(s.moment(e.Args[1]), func(x any) any {
			trunc := op1("$dateTrunc", obj{{"date", x}, {"unit", unit}, {"timezone", s.zone(session)}, {"startOfWeek", "monday"}})
			return s.finite(x, trunc, x)
		})
	}
}

// formatted prints by a constant format that MongoDB can express.
func formatted(session bool, translate func(string) (string, bool)) builder {
	return func(s scope, e *planner.Call) any {
		f, ok := constText(e.Args[1])
		if !ok || s.slots {
			return nil
		}
		f, ok = translate(f)
		if !ok {
			return nil
		}
		return s.c.once(s.moment(e.Args[0]), func(x any) any { return s.dateText(x, f, s.zone(session)) })
	}
}

// MongoDB prints the years between these, and fails at others.
var firstYear, lastYear = literal(value.Date(time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC).UnixMilli())), literal(value.Date(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli()))

// dateText prints a date. Years beyond those that MongoDB prints are numbers:
// of one before Christ PostgreSQL shows the year of that era.
func (s scope) dateText(x any, format string, zone any) any {
	text := op1("$dateToString", obj{{"date", x}, {"format", format}, {"timezone", zone}})
	if !strings.Contains(format, "%Y") {
		return text
	}
	part := func(name string) any { return op1(name, obj{{"date", x}, {"timezone", zone}}) }
	year := s.c.once(part("$year"), func(y any) any { return cond(op("$gt", y, 0), y, op("$subtract", 1, y)) })
	parts := list{}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			parts = append(parts, op1("$literal", format[i:i+1]))
			continue
		}
		i++
		switch spec := format[i]; {
		case spec == 'Y':
			parts = append(parts, s.c.padded(year, 4))
		case spec == 'j':
			parts = append(parts, s.c.padded(part("$dayOfYear"), 3))
		case twoDigits[spec] != "":
			parts = append(parts, s.c.padded(part(twoDigits[spec]), 2))
		default:
			parts = append(parts, op1("$literal", format[i:i+1]))
		}
	}
	inside := op("$and", op("$gte", x, firstYear), op("$lt", x, lastYear))
	return cond(op("$or", inside, isNullish(x)), text, s.finite(x, op1("$concat", parts), null))
}

var twoDigits = map[byte]string{'m': "$month", 'd': "$dayOfMonth", 'H': "$hour", 'M': "$minute", 'S': "$second"}

// padded is a number with zeros before it.
func (c *compiler) padded(n any, width int) any {
	return c.once(op1("$toString", n), func(text any) any {
		return op("$concat", op("$substrCP", "0000", 0, op("$max", 0, op("$subtract", width, op1("$strLenCP", text)))), text)
	})
}

// mysqlFormat turns DATE_FORMAT's specifiers into MongoDB's.
func mysqlFormat(f string) (string, bool) {
	same := map[byte]string{'Y': "%Y", 'm': "%m", 'd': "%d", 'H': "%H", 'i': "%M", 's': "%S", 'S': "%S", 'j': "%j", '%': "%%"}
	var b strings.Builder
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		if i++; i >= len(f) || same[f[i]] == "" {
			return "", false
		}
		b.WriteString(same[f[i]])
	}
	return b.String(), true
}

// postgresFormat turns to_char's commonest patterns into MongoDB's.
func postgresFormat(f string) (string, bool) {
	patterns := []struct{ pg, mongo string }{{"YYYY", "%Y"}, {"MM", "%m"}, {"DD", "%d"}, {"HH24", "%H"}, {"MI", "%M"}, {"SS", "%S"}}
	var b strings.Builder
next:
	for len(f) > 0 {
		if strings.HasPrefix(f, "SSSS") { // seconds past midnight
			return "", false
		}
		for _, p := range patterns {
			if strings.HasPrefix(f, p.pg) {
				b.WriteString(p.mongo)
				f = f[len(p.pg):]
				continue next
			}
		}
		if !strings.ContainsRune("-/:. ", rune(f[0])) {
			return "", false
		}
		b.WriteByte(f[0])
		f = f[1:]
	}
	return b.String(), true
}

// difference is TIMESTAMPDIFF in units of fixed length, cut towards zero.
func difference(s scope, e *planner.Call) any {
	unit, ok := constText(e.Args[0])
	if !ok || s.slots || !s.neverFine(e.Args[1]) || !s.neverFine(e.Args[2]) {
		return nil
	}
	ms := func() any { return op("$subtract", s.value(e.Args[2]), s.value(e.Args[1])) }
	switch strings.ToLower(unit) {
	case "microsecond":
		return op("$multiply", ms(), 1000)
	case "second":
		return wholeUnits(ms(), 1000)
	case "minute":
		return wholeUnits(ms(), 60_000)
	case "hour":
		return wholeUnits(ms(), 3_600_000)
	}
	return nil
}

func wholeUnits(ms any, unit int) any {
	return op1("$toLong", op1("$trunc", op("$divide", ms, unit)))
}
