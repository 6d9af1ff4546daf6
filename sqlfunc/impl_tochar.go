package sqlfunc

import (
	"fmt"
	"strconv"
	"strings"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

var (
	monthNames = [...]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	dayNames   = [...]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
)

// moment is what to_char prints: a wall clock time, or an interval's fields.
type moment struct {
	c        sqltype.Civil
	hour     int64 // of intervals: may exceed 24
	us       int64 // of the second
	interval bool
	zone     string
	offset   int
}

func (m *moment) format(template string) (string, error) {
	if len(template) > maxTemplate {
		return "", tooLong()
	}
	var b strings.Builder
	for _, n := range parseTemplate(template) {
		if n.key == "" {
			b.WriteString(n.text)
			continue
		}
		s, err := m.key(n)
		if err != nil {
			return "", err
		}
		if n.ordinal != "" {
			s += ordinalSuffix(s, n.ordinal)
		}
		if b.WriteString(s); b.Len() > maxText {
			return "", tooLong()
		}
	}
	return b.String(), nil
}

// num prints a number with a width, or as it is under FM.
func (n node) num(v int64, width int) string {
	if n.fill {
		return strconv.FormatInt(v, 10)
	}
	if v < 0 {
		return fmt.Sprintf("-%0*d", width, -v)
	}
	return fmt.Sprintf("%0*d", width, v)
}

// signed is num where the sign takes up a digit's place.
func (n node) signed(v int64, width int) string {
	if v < 0 {
		width--
	}
	return n.num(v, width)
}

func (n node) name(full string, width int) string {
	s := cased(full, n.text)
	if n.fill || len(s) >= width {
		return s
	}
	return s + strings.Repeat(" ", width-len(s))
}

func (m *moment) key(n node) (string, error) {
	if s, ok := m.clockKey(n); ok {
		return s, nil
	}
	if s, ok := m.yearKey(n); ok {
		return s, nil
	}
	if m.interval {
		switch n.key {
		case "DD":
			return n.signed(int64(m.c.Day), 2), nil
		case "DDD":
			return n.signed(int64(m.c.Day)+30*(int64(m.c.Month)+12*int64(m.c.Year)), 3), nil
		case "MM":
			return n.num(int64(m.c.Month), 2), nil
		case "Q":
			if m.c.Month == 0 {
				return "", nil
			}
			return n.num(int64((m.c.Month-1)/3+1), 1), nil
		case "RM":
			return m.romanMonth(n), nil
		default:
			return "", sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid format specification for an interval value").
				WithHint("Intervals are not tied to specific calendar dates.")
		}
	}
	return m.dateKey(n), nil
}

// romanMonth is the month of an interval: whole years end with the twelfth,
// negative months count back from it.
func (m *moment) romanMonth(n node) string {
	i := m.c.Month
	switch {
	case i == 0 && m.c.Year == 0:
		return ""
	case i == 0 && m.c.Year > 0:
		i = 12
	case i == 0:
		i = 1
	case i < 0:
		i += 13
	}
	return n.name(romanMonths[i-1], 4)
}

func (m *moment) clockKey(n node) (string, bool) {
	h := m.hour
	switch n.key {
	case "HH", "HH12":
		if h12 := h % 12; h12 != 0 || h == 0 && m.interval && false {
			return n.num(h12, 2), true
		}
		return n.num(12, 2), true
	case "HH24":
		return n.num(h, 2), true
	case "MI":
		return n.num(int64(m.c.Minute), 2), true
	case "SS":
		return n.num(int64(m.c.Sec), 2), true
	case "MS":
		return n.num(m.us/1000, 3), true
	case "US":
		return n.num(m.us, 6), true
	case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		return fmt.Sprintf("%06d", m.us)[:n.key[2]-'0'], true
	case "SSSS", "SSSSS":
		return n.num(h*3600+int64(m.c.Minute)*60+int64(m.c.Sec), 1), true
	case "AM", "PM", "A.M.", "P.M.":
		half := "AM"
		if h%24 >= 12 {
			half = "PM"
		}
		if strings.Contains(n.key, ".") {
			half = half[:1] + ".M."
		}
		return cased2(half, n.text), true
	case "TZ", "OF", "TZH", "TZM":
		if m.interval {
			return "", false
		}
		return m.zoneKey(n), true
	}
	return "", false
}

// cased2 takes the case of the first letter for all of s.
func cased2(s, key string) string {
	if key[:1] == strings.ToLower(key[:1]) {
		return strings.ToLower(s)
	}
	return s
}

func (m *moment) zoneKey(n node) string {
	switch n.key {
	case "TZ":
		return cased2(m.zone, n.text)
	case "TZM":
		o := m.offset
		if o < 0 {
			o = -o
		}
		return fmt.Sprintf("%02d", o/60%60)
	}
	sign, o := "+", m.offset
	if o < 0 {
		sign, o = "-", -o
	}
	s := fmt.Sprintf("%s%02d", sign, o/3600)
	if n.key == "OF" && o/60%60 != 0 {
		s += fmt.Sprintf(":%02d", o/60%60)
	}
	return s
}

func (m *moment) yearKey(n node) (string, bool) {
	y := int64(m.c.Year)
	iso := n.key[0] == 'I' && n.key != "ID" && n.key != "IDDD" && n.key != "IW"
	if iso && !m.interval {
		w, _ := m.c.ISOWeek()
		y = int64(w)
	}
	if y <= 0 && !m.interval {
		y = 1 - y
	}
	switch n.key {
	case "Y,YYY":
		if n.fill {
			return fmt.Sprintf("%d,%03d", y/1000, y%1000), true
		}
		return fmt.Sprintf("%d,%03d", y/1000, y%1000), true
	case "YYYY", "IYYY":
		return n.num(y, 4), true
	case "YYY", "IYY":
		return n.num(y%1000, 3), true
	case "YY", "IY":
		return n.num(y%100, 2), true
	case "Y", "I":
		return n.num(y%10, 1), true
	case "CC":
		if m.interval {
			return n.num(y/100, 2), true
		}
		return n.num(yearUnit(m.c.Year, 100), 2), true
	}
	return "", false
}

func (m *moment) dateKey(n node) string {
	c := m.c
	switch n.key {
	case "BC", "AD", "B.C.", "A.D.":
		era := "AD"
		if c.Year <= 0 {
			era = "BC"
		}
		if strings.Contains(n.key, ".") {
			era = era[:1] + "." + era[1:] + "."
		}
		return cased2(era, n.text)
	case "MONTH":
		return n.name(monthNames[c.Month-1], 9)
	case "MON":
		return cased(monthNames[c.Month-1][:3], n.text)
	case "MM":
		return n.num(int64(c.Month), 2)
	case "DAY":
		return n.name(dayNames[c.Weekday()], 9)
	case "DY":
		return cased(dayNames[c.Weekday()][:3], n.text)
	case "DDD":
		return n.num(int64(c.YearDay()), 3)
	case "DD":
		return n.num(int64(c.Day), 2)
	case "D":
		return n.num(int64(c.Weekday()+1), 1)
	case "ID":
		return n.num(int64((c.Weekday()+6)%7+1), 1)
	case "IDDD":
		_, w := c.ISOWeek()
		return n.num(int64((w-1)*7+(c.Weekday()+6)%7+1), 3)
	case "IW":
		_, w := c.ISOWeek()
		return n.num(int64(w), 2)
	case "WW":
		return n.num(int64((c.YearDay()-1)/7+1), 2)
	case "W":
		return n.num(int64((c.Day-1)/7+1), 1)
	case "J":
		return n.num(c.DaysSinceEpoch+2440588, 1)
	case "Q":
		return n.num(int64((c.Month-1)/3+1), 1)
	case "RM":
		return n.name(romanMonths[c.Month-1], 4)
	}
	return ""
}

func momentAt(local sqltype.Moment, zone string, offset int) *moment {
	c := local.Civil()
	return &moment{c: c, hour: int64(c.Hour), us: int64(c.Ms)*1000 + int64(c.Us), zone: zone, offset: offset}
}

func toCharTimestamp(_ *expr.Context, a []value.Value) (value.Value, error) {
	if sqltype.IsInfinite(a[0].AsDate()) || text(a[1]) == "" {
		return null()
	}
	s, err := momentAt(momentOf(a[0]), "", 0).format(text(a[1]))
	return value.String(s), err
}

func toCharTimestamptz(c *expr.Context, a []value.Value) (value.Value, error) {
	m := momentOf(a[0])
	if m.Infinite() || text(a[1]) == "" {
		return null()
	}
	off, abbrev := sqltype.Offset(m.Ms, zoneOf(c))
	s, err := momentAt(m.At(m.Ms+int64(off)*1000), abbrev, off).format(text(a[1]))
	return value.String(s), err
}

func toCharInterval(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := span(a[0])
	m := &moment{interval: true, hour: s.Micros / microsPerHour, us: s.Micros % 1000000}
	m.c = sqltype.Civil{Year: int(s.Months / 12), Month: int(s.Months % 12), Day: int(s.Days),
		Minute: int(s.Micros / 60000000 % 60), Sec: int(s.Micros / 1000000 % 60)}
	out, err := m.format(text(a[1]))
	return value.String(out), err
}
