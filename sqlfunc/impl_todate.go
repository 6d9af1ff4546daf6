package sqlfunc

import (
	"strconv"
	"strings"
	"time"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// stampReader reads a text by a template.
type stampReader struct {
	in       string
	template string
	has      map[string]int // what was read by key
	pm, am   bool
	whole    string // all that in was
	bc       bool
	hasZone  bool
	loc      *time.Location
}

func (r *stampReader) bad(n node) error {
	shown := r.in
	if f := strings.Fields(r.in); len(f) > 0 {
		shown = f[0]
	}
	return sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid value \"%s\" for \"%s\"", shown, n.text).
		WithDetail("Value must be an integer.")
}

func isSeparator(c byte) bool {
	return c > ' ' && c < 0x7f && !(c >= '0' && c <= '9') && !(c|0x20 >= 'a' && c|0x20 <= 'z')
}

func (r *stampReader) run() error {
	if len(r.template) > maxTemplate {
		return tooLong()
	}
	nodes := parseTemplate(r.template)
	for i, n := range nodes {
		if n.key == "" {
			r.skipLiteral(n)
			continue
		}
		r.in = strings.TrimLeft(r.in, " \t\n\r")
		if i > 0 && nodes[i-1].key != "" || i == 0 {
			for r.in != "" && isSeparator(r.in[0]) && r.in[0] != '-' && r.in[0] != '+' {
				r.in = r.in[1:]
			}
		}
		if r.in == "" {
			return nil
		}
		adjacent := !n.fill && n.ordinal == "" && i+1 < len(nodes) && nodes[i+1].beginsWithDigit()
		if err := r.key(n, adjacent); err != nil {
			return err
		}
	}
	return nil
}

// skipLiteral passes over what stands for a literal: separators and blanks
// match any number of such, other characters one character.
func (r *stampReader) skipLiteral(n node) {
	if !n.quoted && (strings.TrimSpace(n.text) == "" || isSeparator(n.text[0])) {
		trimmed := strings.TrimLeft(r.in, " \t\n\r")
		if trimmed != "" && isSeparator(trimmed[0]) && !(trimmed[0] == '-' && n.text != "-") {
			r.in = trimmed[1:]
			return
		}
		r.in = trimmed
		return
	}
	for range n.text {
		if r.in != "" {
			r.in = r.in[byteOffset(r.in, 1):]
		}
	}
}

// beginsWithDigit tells whether digits stand there, so that the field before has
// as many as its width says.
func (n node) beginsWithDigit() bool {
	switch n.key {
	case "":
		return n.text != "" && isDigit(n.text[0])
	case "MONTH", "MON", "DAY", "DY", "AM", "PM", "A.M.", "P.M.", "AD", "BC", "A.D.", "B.C.", "TZ", "TZH", "OF", "RM":
		return false
	}
	return true
}

var keyWidths = map[string]int{
	"YYYY": 4, "YYY": 3, "YY": 2, "Y": 1, "IYYY": 4, "IYY": 3, "IY": 2, "I": 1, "MM": 2, "DD": 2, "DDD": 3, "IDDD": 3, "D": 1, "ID": 1,
	"HH": 2, "HH12": 2, "HH24": 2, "MI": 2, "SS": 2, "MS": 3, "US": 6, "WW": 2, "IW": 2, "W": 1, "CC": 2, "Q": 1, "J": 7,
	"SSSS": 5, "SSSSS": 5, "FF1": 1, "FF2": 2, "FF3": 3, "FF4": 4, "FF5": 5, "FF6": 6, "TZH": 2, "TZM": 2,
}

func (r *stampReader) key(n node, adjacent bool) error {
	switch n.key {
	case "MONTH", "MON":
		return r.named(n, monthNames[:], "MM", 1)
	case "DAY", "DY":
		return r.named(n, dayNames[:], "D", 1)
	case "AM", "PM", "A.M.", "P.M.":
		return r.half(n)
	case "AD", "BC", "A.D.", "B.C.":
		return r.era(n)
	case "RM":
		return r.roman(n)
	case "TZ", "OF", "TZH":
		return r.zone(n)
	case "Y,YYY":
		digits := r.digits(9, false)
		if strings.HasPrefix(r.in, ",") {
			r.in = r.in[1:]
			digits += r.digits(3, false)
		}
		r.has["YYYY"], _ = strconv.Atoi(digits)
		return nil
	}
	return r.number(n, adjacent)
}

func (r *stampReader) digits(width int, fixed bool) string {
	i := 0
	for i < len(r.in) && r.in[i] >= '0' && r.in[i] <= '9' && (!fixed || i < width) {
		i++
	}
	d := r.in[:i]
	r.in = r.in[i:]
	return d
}

// notFixed is the hint for fields that are shorter than their width.
const notFixed = "If your source string is not fixed-width, try using the \"FM\" modifier."

func (r *stampReader) number(n node, adjacent bool) error {
	sign := 1
	if r.in[0] == '-' || r.in[0] == '+' {
		if r.in[0] == '-' {
			sign = -1
		}
		r.in = r.in[1:]
	}
	width := keyWidths[n.key]
	fraction := n.key == "MS" || n.key == "US" || strings.HasPrefix(n.key, "FF")
	rest := r.in
	if adjacent && len(rest) < width {
		return sqlerr.New(sqlerr.InvalidDatetimeFormat, "source string too short for \"%s\" formatting field", n.text).
			WithDetail("Field requires %d characters, but only %d remain.", width, len(rest)).WithHint("%s", notFixed)
	}
	d := r.digits(width, adjacent)
	switch {
	case d == "":
		return r.bad(n)
	case adjacent && len(d) < width:
		return sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid value \"%s\" for \"%s\"", rest[:width], n.text).
			WithDetail("Field requires %d characters, but only %d could be parsed.", width, len(d)).WithHint("%s", notFixed)
	}
	v, err := strconv.Atoi(d)
	if err != nil {
		return fieldRange("value for \"%s\" in source string is out of range", n.text)
	}
	if n.ordinal != "" && len(r.in) >= 2 {
		r.in = r.in[2:]
	}
	if fraction {
		digits := 6
		if n.key == "MS" {
			digits, v = 3, v*1000
		} else if n.key != "US" {
			r.has["FF"] = width
		}
		for k := len(d); k < digits; k++ {
			v *= 10
		}
		if r.has["US"] += v; v >= 1000000 || r.has["US"] >= 1000000 {
			r.template = r.whole
			return r.outOfRange()
		}
		return nil
	}
	r.has[n.key] = sign * shortYear(n.key, v, len(d))
	return nil
}

// shortYear completes years of fewer than four digits to the ones nearest 2020.
func shortYear(key string, v, digits int) int {
	switch {
	case key != "YY" && key != "YYY" && key != "Y" && key != "IY" && key != "IYY" && key != "I" || digits > 3:
		return v
	case v < 70:
		return v + 2000
	case v < 100:
		return v + 1900
	case v < 520:
		return v + 2000
	case v < 1000:
		return v + 1000
	}
	return v
}

func (r *stampReader) named(n node, names []string, as string, base int) error {
	low := strings.ToLower(r.in)
	short := n.key == "MON" || n.key == "DY"
	for i, name := range names {
		name = strings.ToLower(name)
		if short {
			name = name[:3]
		}
		if strings.HasPrefix(low, name) {
			r.in = r.in[len(name):]
			r.has[as] = i + base
			return nil
		}
	}
	shown, _, _ := strings.Cut(r.in, " ")
	return sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid value \"%s\" for \"%s\"", shown, n.text).
		WithDetail("The given value did not match any of the allowed values for this field.")
}

func (r *stampReader) half(n node) error {
	low := strings.ToLower(r.in)
	for _, s := range []string{"am", "a.m.", "pm", "p.m."} {
		if strings.HasPrefix(low, s) {
			r.in = r.in[len(s):]
			r.am, r.pm = s[0] == 'a', s[0] == 'p'
			return nil
		}
	}
	return r.bad(n)
}

func (r *stampReader) era(n node) error {
	low := strings.ToLower(r.in)
	for _, s := range []string{"ad", "a.d.", "bc", "b.c."} {
		if strings.HasPrefix(low, s) {
			r.in = r.in[len(s):]
			r.bc = s[0] == 'b'
			return nil
		}
	}
	return r.bad(n)
}

func (r *stampReader) roman(n node) error {
	best := 0
	for i, s := range romanMonths {
		if prefixFold(r.in, s) && (best == 0 || len(s) > len(romanMonths[best-1])) {
			best = i + 1
		}
	}
	if best == 0 {
		return r.bad(n)
	}
	r.in = r.in[len(romanMonths[best-1]):]
	r.has["MM"] = best
	return nil
}

func (r *stampReader) zone(n node) error {
	i := 0
	for i < len(r.in) && r.in[i] != ' ' {
		i++
	}
	word := r.in[:i]
	if word != "" && word[0] >= '0' && word[0] <= '9' {
		word = "+" + word
	}
	loc, ok := sqltype.ZoneNamed(word)
	if !ok {
		return r.bad(n)
	}
	r.loc, r.hasZone, r.in = loc, true, r.in[i:]
	return nil
}

// stamp puts together what was read: wall clock ms.
func (r *stampReader) stamp() (int64, error) {
	c := sqltype.Civil{Year: 0, Month: 1, Day: 1}
	year, hasYear := r.year()
	if hasYear {
		c.Year = year
	}
	if cc, ok := r.has["CC"]; ok && !hasYear {
		c.Year = (cc-1)*100 + 1
	}
	if r.bc && hasYear {
		c.Year = 1 - c.Year
	} else if !hasYear && r.has["CC"] == 0 {
		c.Year = 0 // 1 BC, as PostgreSQL has it
	}
	if m := r.has["MM"]; m != 0 {
		c.Month = m
	} else if q, ok := r.has["Q"]; ok {
		_ = q
	}
	if d := r.has["DD"]; d != 0 {
		c.Day = d
	}
	if c.Month < 1 || c.Month > 12 || c.Day < 1 || c.Day > sqltype.DaysInMonth(c.Year, max(min(c.Month, 12), 1)) {
		return 0, r.outOfRange()
	}
	if err := r.clock(&c); err != nil {
		return 0, err
	}
	return r.byDay(c)
}

func (r *stampReader) outOfRange() error {
	return fieldRange("date/time field value out of range: \"%s\"", r.template)
}

func (r *stampReader) year() (int, bool) {
	for _, k := range []string{"YYYY", "YYY", "YY", "Y"} {
		if y, ok := r.has[k]; ok {
			return y, true
		}
	}
	return 0, false
}

func (r *stampReader) clock(c *sqltype.Civil) error {
	if s, ok := r.first("SSSSS", "SSSS"); ok {
		c.Hour, c.Minute, c.Sec = s/3600, s/60%60, s%60
	}
	if h, ok := r.has["HH24"]; ok {
		c.Hour = h
	} else if h, ok := r.first("HH12", "HH"); ok {
		c.Hour = h
		if h < 1 || h > 12 {
			return sqlerr.New(sqlerr.InvalidDatetimeFormat, "hour \"%d\" is invalid for the 12-hour clock", h).
				WithHint("Use the 24-hour clock, or give an hour between 1 and 12.")
		}
		c.Hour = h % 12
		if r.pm {
			c.Hour += 12
		}
		if !r.am && !r.pm {
			c.Hour = h % 12
		}
	}
	if m, ok := r.has["MI"]; ok {
		c.Minute = m
	}
	if s, ok := r.has["SS"]; ok {
		c.Sec = s
	}
	c.Ms = r.has["US"] / 1000 // readStamp adds what is below
	if c.Hour > 23 || c.Minute > 59 || c.Sec > 59 {
		return r.outOfRange()
	}
	return nil
}

func (r *stampReader) first(keys ...string) (int, bool) {
	for _, k := range keys {
		if v, ok := r.has[k]; ok {
			return v, true
		}
	}
	return 0, false
}

// byDay applies day of the year, weeks and Julian days.
func (r *stampReader) byDay(c sqltype.Civil) (int64, error) {
	clock := c.UnixMs() - sqltype.DaysFromCivil(c.Year, c.Month, c.Day)*sqltype.MsPerDay
	at := func(days int64) (int64, error) { return days*sqltype.MsPerDay + clock, nil }
	if j, ok := r.has["J"]; ok {
		return at(int64(j) - 2440588)
	}
	if y, ok := r.first("IYYY", "IYY", "IY", "I"); ok {
		jan4 := sqltype.DaysFromCivil(y, 1, 4)
		monday := jan4 - sqltype.FloorMod(jan4+3, 7)
		if d, ok := r.has["IDDD"]; ok {
			return at(monday + int64(d) - 1)
		}
		day := 1
		if d, ok := r.has["ID"]; ok {
			day = d
		} else if d, ok := r.has["D"]; ok {
			day = (d+5)%7 + 1
		}
		return at(monday + int64(max(r.has["IW"], 1)-1)*7 + int64(day) - 1)
	}
	if d, ok := r.has["DDD"]; ok {
		return at(sqltype.DaysFromCivil(c.Year, 1, 1) + int64(d) - 1)
	}
	if w, ok := r.has["WW"]; ok {
		return at(sqltype.DaysFromCivil(c.Year, 1, 1) + int64(w-1)*7)
	}
	if w, ok := r.has["W"]; ok && r.has["DD"] == 0 {
		return at(sqltype.DaysFromCivil(c.Year, c.Month, 1) + int64(w-1)*7)
	}
	return c.UnixMs(), nil
}

func readStamp(a []value.Value) (*stampReader, sqltype.Moment, error) {
	r := &stampReader{in: text(a[0]), whole: text(a[0]), template: text(a[1]), has: map[string]int{}}
	if err := r.run(); err != nil {
		return nil, sqltype.Moment{}, err
	}
	r.template = text(a[0])
	ms, err := r.stamp()
	m := sqltype.Moment{Ms: ms, Us: r.has["US"] % 1000}
	if p, ok := r.has["FF"]; ok {
		m = m.Round(int32(p))
	}
	return r, m, err
}

func toTimestamp(c *expr.Context, a []value.Value) (value.Value, error) {
	r, m, err := readStamp(a)
	if err != nil {
		return fail(err)
	}
	loc := zoneOf(c)
	if r.hasZone {
		loc = r.loc
	}
	return timestampRange(toUTC(m, loc))
}

func toDate(_ *expr.Context, a []value.Value) (value.Value, error) {
	_, m, err := readStamp(a)
	if err != nil {
		return fail(err)
	}
	return dateRange(midnight(m.Ms))
}
