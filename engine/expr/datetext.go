package expr

import (
	"strconv"
	"time"

	"weir/engine/value"
	"weir/mongoerr"
)

const isoFormat = "%Y-%m-%dT%H:%M:%S.%LZ"

// formatISO is the implicit conversion of a date to a string.
func formatISO(ms int64) (string, error) { return formatDate(time.UnixMilli(ms).UTC(), isoFormat) }

func parseDateToString(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(18629, "$dateToString only supports an object as its argument")
	if arg.IsDocument() && isOperatorDocument(arg.Doc()) {
		return nil, notObject
	}
	unknown := func(k string) error { return fail(18534, "Unrecognized argument to $dateToString: %s", k) }
	args, err := p.named(arg, notObject, unknown, "date", "format", "timezone", "onNull")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, fail(18628, "Missing 'date' parameter to $dateToString")
	}
	if k, ok := args[1].(constant); ok && k.v.IsString() {
		if _, err := formatDate(time.UnixMilli(0).UTC(), k.v.Str()); err != nil {
			return nil, err
		}
	}
	return p.fold(&dateToString{args}, true, args...)
}

type dateToString struct{ args []Expr } // date, format, timezone, onNull

func (e *dateToString) Eval(c *Context) (value.Value, error) {
	date, err := e.args[0].Eval(c)
	if err != nil {
		return date, err
	}
	format := isoFormat
	if e.args[1] != nil {
		f, err := e.args[1].Eval(c)
		switch {
		case err != nil || f.IsNullish():
			return value.Null(), err
		case !f.IsString():
			return f, fail(18533, "$dateToString requires that 'format' be a string, found: %s with value %s", typeName(f), f)
		}
		format = f.Str()
	}
	loc, null, err := zone(c, e.args[2])
	if err != nil || null {
		return value.Null(), err
	}
	if date.IsNullish() {
		if e.args[3] != nil {
			return e.args[3].Eval(c)
		}
		return value.Null(), nil
	}
	ms, err := coerceToDate(date)
	if err != nil {
		return date, err
	}
	s, err := formatDate(local(ms, loc), format)
	return value.String(s), err
}

// formatDate writes a date by MongoDB's format specifiers.
func formatDate(t time.Time, format string) (string, error) {
	if y := t.Year(); y < 0 || y > 9999 {
		return "", fail(18537, "Could not convert date to string: date component was outside the supported range of 0-9999: %d", y)
	}
	b := make([]byte, 0, len(format)+16)
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b = append(b, format[i])
			continue
		}
		if i++; i == len(format) {
			return "", fail(18535, "Unmatched '%%' at end of format string")
		}
		var ok bool
		if b, ok = appendPart(b, t, format[i]); !ok {
			return "", fail(18536, "Invalid format character '%%%c' in format string", format[i])
		}
	}
	return string(b), nil
}

// appendPart appends what one specifier stands for.
func appendPart(b []byte, t time.Time, spec byte) ([]byte, bool) {
	switch spec {
	case '%':
		return append(b, '%'), true
	case 'Y':
		return appendPadded(b, t.Year(), 4), true
	case 'm':
		return appendPadded(b, int(t.Month()), 2), true
	case 'd':
		return appendPadded(b, t.Day(), 2), true
	case 'H':
		return appendPadded(b, t.Hour(), 2), true
	case 'M':
		return appendPadded(b, t.Minute(), 2), true
	case 'S':
		return appendPadded(b, t.Second(), 2), true
	case 'L':
		return appendPadded(b, t.Nanosecond()/1e6, 3), true
	case 'j':
		return appendPadded(b, t.YearDay(), 3), true
	case 'w':
		return appendPadded(b, int(t.Weekday())+1, 1), true
	case 'u':
		return appendPadded(b, isoWeekday(t), 1), true
	case 'U':
		return appendPadded(b, sundayWeek(t), 2), true
	}
	return appendWeekOrZone(b, t, spec)
}

func appendWeekOrZone(b []byte, t time.Time, spec byte) ([]byte, bool) {
	isoYear, isoWeek := t.ISOWeek()
	_, offset := t.Zone()
	switch spec {
	case 'V':
		return appendPadded(b, isoWeek, 2), true
	case 'G':
		return appendPadded(b, isoYear, 4), true
	case 'Z':
		return strconv.AppendInt(b, int64(offset/60), 10), true
	case 'z':
		sign := byte('+')
		if offset < 0 {
			sign, offset = '-', -offset
		}
		return appendPadded(append(b, sign), offset/3600*100+offset/60%60, 4), true
	}
	return b, false
}

// appendPadded appends a number with zeros in front.
func appendPadded(b []byte, n, width int) []byte {
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	for limit := []int{1, 10, 100, 1000}[width-1]; limit > 1 && n < limit; limit /= 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(n), 10)
}

func parseDateFromString(p *compiler, name string, arg value.Value) (Expr, error) {
	notObject := fail(40540, "$dateFromString only supports an object as an argument, found: %s", typeName(arg))
	unknown := func(k string) error { return fail(40541, "Unrecognized argument to $dateFromString: %s", k) }
	args, err := p.named(arg, notObject, unknown, "dateString", "timezone", "format", "onError", "onNull")
	if err != nil {
		return nil, err
	}
	if args[0] == nil {
		return nil, fail(40542, "Missing 'dateString' parameter to $dateFromString")
	}
	return p.fold(&dateFromString{args}, true, args...)
}

type dateFromString struct{ args []Expr } // dateString, timezone, format, onError, onNull

func (e *dateFromString) Eval(c *Context) (value.Value, error) {
	text, err := e.args[0].Eval(c)
	if err != nil {
		return text, err
	}
	loc, nullZone, err := zone(c, e.args[1])
	if err != nil {
		return text, err
	}
	format, err := eval(e.args[2], c)
	if err != nil {
		return format, err
	}
	if e.args[2] != nil && !format.IsNullish() && !format.IsString() {
		return format, fail(40684, "$dateFromString requires that 'format' be a string, found: %s with value %s", typeName(format), format)
	}
	if text.IsNullish() {
		if e.args[4] != nil {
			return e.args[4].Eval(c)
		}
		return value.Null(), nil
	}
	if nullZone || e.args[2] != nil && format.IsNullish() {
		return value.Null(), nil
	}
	ms, err := e.parse(c, text, format, loc)
	if err != nil && e.args[3] != nil && mongoerr.CodeOf(err) == mongoerr.ConversionFailure {
		return e.args[3].Eval(c)
	}
	return value.Date(ms), err
}

func (e *dateFromString) parse(c *Context, text, format value.Value, loc *time.Location) (int64, error) {
	if !text.IsString() {
		return 0, fail(mongoerr.ConversionFailure, "$dateFromString requires that 'dateString' be a string, found: %s with value %s", typeName(text), text)
	}
	given := loc
	if e.args[1] == nil {
		given = nil
	}
	if format.IsString() {
		return parseDateFormat(c, text.Str(), format.Str(), given)
	}
	return parseDate(c, text.Str(), given)
}
