package sqltype

import (
	"math"
	"strconv"
	"strings"
	"time"

	"weir/sqlerr"
)

// stamp is what was read of a date and time text.
type stamp struct {
	c        Civil
	us       int // microseconds of the second
	hasDate  bool
	hasTime  bool
	hasZone  bool
	offset   int // seconds east
	loc      *time.Location
	infinite int64
	instant  bool // c is an instant in UTC: now, epoch
	nanDay   int  // yyyy.ddd
}

// stampParser reads a text field by field; fields may come in any order as far
// as they can be told apart.
type stampParser struct {
	stamp
	typ, text string
	env       *Env
	nums      []string // numbers not yet understood as day, month or year
	month     int
	before    int // how many numbers stood before the month's name, apart from it
	bc        bool
	pm, am    bool
	julian    bool
	tPrefix   bool
	twoDigits bool // the year was written with two
}

func (p *stampParser) bad() error {
	return sqlerr.New(sqlerr.InvalidDatetimeFormat, "invalid input syntax for type %s: \"%s\"", p.typ, p.text)
}

func (p *stampParser) range_() error {
	return sqlerr.New(sqlerr.DatetimeFieldOverflow, "date/time field value out of range: \"%s\"", p.text)
}

func (p *stampParser) rangeStyle() error {
	return p.range_().(*sqlerr.Error).WithHint("Perhaps you need a different \"datestyle\" setting.")
}

func parseStamp(s, typ string, e *Env) (*stamp, error) {
	p := &stampParser{typ: typ, text: s, env: e}
	if err := p.run(strings.Trim(s, space)); err != nil {
		return nil, err
	}
	return &p.stamp, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func (p *stampParser) run(s string) error {
	if s == "" {
		return p.bad()
	}
	for i := 0; i < len(s); {
		var err error
		var n int
		switch c := s[i]; {
		case isDigit(c) || c == '.' && i+1 < len(s) && isDigit(s[i+1]):
			n = numberField(s[i:])
			err = p.number(s[i : i+n])
		case isAlpha(c):
			if n = monthField(s[i:]); n > 0 {
				err = p.monthFirst(s[i : i+n])
				break
			}
			n = wordField(s[i:])
			n, err = p.word(s[i:i+n], s[i:])
		case c == '+' || c == '-':
			n = 1
			for i+n < len(s) && (isDigit(s[i+n]) || s[i+n] == ':' || isAlpha(s[i+n]) && n == 1) {
				n++
			}
			if n > 1 && isAlpha(s[i+1]) {
				n = 1 + wordField(s[i+1:])
			}
			err = p.signed(s[i : i+n])
		case strings.IndexByte(space, c) >= 0 || strings.IndexByte(",()[]{}<>'\"`~!@#$%^&*_|;?=", c) >= 0 && c == ',':
			n = 1
		default:
			err = p.bad()
		}
		if err != nil {
			return err
		}
		i += n
	}
	return p.finish()
}

// numberField is the length of a field that begins with a digit: a number, a
// date such as 1999-01-08, 1/8/1999 or 08-Jan-1999, or a time.
func numberField(s string) int {
	i := 0
	for i < len(s) && (isDigit(s[i]) || s[i] == '.') {
		i++
	}
	if i < len(s) && s[i] == ':' {
		for i < len(s) && (isDigit(s[i]) || s[i] == ':' || s[i] == '.') {
			i++
		}
		return i
	}
	if i+1 < len(s) && (s[i] == '-' || s[i] == '/') && (isDigit(s[i+1]) || isAlpha(s[i+1])) && !strings.ContainsRune(s[:i], '.') && i <= 7 {
		sep := s[i]
		j := i + 1
		for j < len(s) && (isDigit(s[j]) || isAlpha(s[j]) && monthPart(s, j)) {
			j++
		}
		if j < len(s) && s[j] == sep {
			j++
			for j < len(s) && isDigit(s[j]) {
				j++
			}
		}
		return j
	}
	return i
}

// monthPart tells whether the letters at j belong to a name between separators
// (08-Jan-1999), not to a T before a time.
func monthPart(s string, j int) bool {
	for j > 0 && isAlpha(s[j-1]) {
		j--
	}
	return j > 0 && !isDigit(s[j-1])
}

func wordField(s string) int {
	i := 0
	for i < len(s) && isAlpha(s[i]) {
		i++
	}
	// A zone such as America/New_York or Etc/GMT+5.
	if i < len(s) && (s[i] == '/' || s[i] == '_') {
		for i < len(s) && (isAlpha(s[i]) || isDigit(s[i]) || strings.IndexByte("/_+-", s[i]) >= 0) {
			i++
		}
	}
	return i
}

// monthField is the length of a date that begins with a month's name, such as
// Jan-08-1999; 0 if there is none.
func monthField(s string) int {
	i := 0
	for i < len(s) && isAlpha(s[i]) {
		i++
	}
	if _, ok := monthNamed(strings.ToLower(s[:i])); !ok || i+1 >= len(s) || strings.IndexByte("-/.", s[i]) < 0 || !isDigit(s[i+1]) {
		return 0
	}
	for sep := s[i]; i+1 < len(s) && s[i] == sep && isDigit(s[i+1]); {
		for i++; i < len(s) && isDigit(s[i]); i++ {
		}
	}
	return i
}

// monthFirst reads such a date.
func (p *stampParser) monthFirst(f string) error {
	parts := strings.FieldsFunc(f, func(r rune) bool { return strings.ContainsRune("-/.", r) })
	if _, err := p.word(parts[0], parts[0]); err != nil {
		return err
	}
	p.nums = append(p.nums, parts[1:]...)
	return nil
}

func (p *stampParser) number(f string) error {
	switch {
	case strings.ContainsRune(f, ':'):
		return p.clock(f)
	case strings.ContainsAny(f, "-/") || strings.Count(f, ".") == 2:
		return p.date(f)
	case p.julian:
		return p.julianDay(f)
	case p.tPrefix || p.dateComplete() && !p.hasTime && (len(digitsOf(f)) == 6 || len(digitsOf(f)) == 4):
		return p.packedTime(f)
	}
	whole, frac, hasFrac := strings.Cut(f, ".")
	switch {
	case hasFrac && len(frac) == 3 && len(whole) == 4 && !p.hasDate: // year and day of the year
		y, _ := strconv.Atoi(whole)
		d, _ := strconv.Atoi(frac)
		p.setDate(y, 1, 1)
		p.nanDay = d
		return nil
	case hasFrac:
		return p.bad()
	case !p.hasDate && p.month == 0 && len(p.nums) == 0 && (len(f) == 8 || len(f) == 6):
		return p.packedDate(f)
	}
	p.nums = append(p.nums, f)
	return nil
}

func digitsOf(f string) string {
	whole, _, _ := strings.Cut(f, ".")
	return whole
}

func (p *stampParser) dateComplete() bool { return p.hasDate || p.month > 0 && len(p.nums) == 2 }

// year reads a year, in full or of two digits.
func (p *stampParser) year(s string) int {
	p.twoDigits = len(s) <= 2
	return fullYear(s, len(s))
}

func (p *stampParser) setDate(y, m, d int) {
	p.c.Year, p.c.Month, p.c.Day, p.hasDate = y, m, d, true
}

func (p *stampParser) julianDay(f string) error {
	n, err := strconv.Atoi(digitsOf(f))
	if err != nil {
		return p.bad()
	}
	y, m, d := civilFromDays(int64(n) - 2440588)
	p.setDate(y, m, d)
	p.julian = false
	return nil
}

func (p *stampParser) packedDate(f string) error {
	n, _ := strconv.Atoi(f)
	y := n / 10000
	if len(f) == 6 {
		y = fullYear(strconv.Itoa(y), 2)
	}
	p.setDate(y, n/100%100, n%100)
	return nil
}

func (p *stampParser) packedTime(f string) error {
	p.tPrefix = false
	w, frac, _ := strings.Cut(f, ".")
	n, err := strconv.Atoi(w)
	if err != nil || p.hasTime {
		return p.bad()
	}
	switch len(w) {
	case 6:
		p.c.Hour, p.c.Minute, p.c.Sec = n/10000, n/100%100, n%100
	case 4:
		p.c.Hour, p.c.Minute = n/100, n%100
	case 1, 2:
		p.c.Hour = n
	default:
		return p.bad()
	}
	p.us = micros(frac)
	p.hasTime = true
	return nil
}

// micros reads the digits after the point of the seconds as a double, which is
// rounded to an even number as PostgreSQL does it.
func micros(frac string) int {
	if len(frac) <= 6 {
		n, _ := strconv.Atoi((frac + "000000")[:6])
		return n
	}
	f, _ := strconv.ParseFloat("0."+frac, 64)
	return int(math.RoundToEven(f * 1e6))
}

func (p *stampParser) clock(f string) error {
	if p.hasTime {
		return p.bad()
	}
	parts := strings.Split(f, ":")
	if len(parts) > 3 {
		return p.bad()
	}
	last, frac, _ := strings.Cut(parts[len(parts)-1], ".")
	parts[len(parts)-1] = last
	n := [3]int{}
	for i, s := range parts {
		if s == "" && i > 0 && i == len(parts)-1 {
			return p.bad()
		}
		v, err := strconv.Atoi(s)
		if err != nil {
			return p.bad()
		}
		n[i] = v
	}
	if len(parts) == 2 && frac != "" { // mm:ss.fff
		n[0], n[1], n[2] = 0, n[0], n[1]
	}
	p.c.Hour, p.c.Minute, p.c.Sec, p.us = n[0], n[1], n[2], micros(frac)
	p.hasTime, p.tPrefix = true, false
	return nil
}

func fullYear(s string, digits int) int {
	y, _ := strconv.Atoi(s)
	if digits <= 2 && y < 100 {
		if y < 70 {
			return y + 2000
		}
		return y + 1900
	}
	return y
}

// date reads a field with two separators.
func (p *stampParser) date(f string) error {
	sep := "-"
	switch {
	case strings.ContainsRune(f, '/'):
		sep = "/"
	case !strings.ContainsRune(f, '-'):
		sep = "."
	}
	parts := strings.Split(f, sep)
	if p.hasDate || len(parts) > 3 || len(parts) < 2 {
		return p.bad()
	}
	for i, s := range parts {
		if s != "" && isAlpha(s[0]) {
			m, ok := monthNamed(s)
			if !ok {
				return p.bad()
			}
			p.month = m
			p.nums = append(append(p.nums, parts[:i]...), parts[i+1:]...)
			return nil
		}
	}
	if len(parts) == 2 { // yyyy-ddd is not accepted without a third part
		if len(parts[0]) >= 3 && len(parts[1]) == 3 {
			y, _ := strconv.Atoi(parts[0])
			p.setDate(y, 1, 1)
			p.nanDay, _ = strconv.Atoi(parts[1])
			return nil
		}
		return p.bad()
	}
	return p.threeNumbers(parts[0], parts[1], parts[2])
}

func (p *stampParser) threeNumbers(a, b, c string) error {
	_, order := p.env.dates()
	na, err1 := strconv.Atoi(a)
	nb, err2 := strconv.Atoi(b)
	nc, err3 := strconv.Atoi(c)
	if err1 != nil || err2 != nil || err3 != nil {
		return p.bad()
	}
	switch {
	case len(a) >= 3 || order == YMD:
		p.setDate(p.year(a), nb, nc)
	case order == DMY:
		p.setDate(p.year(c), nb, na)
	default:
		p.setDate(p.year(c), na, nb)
	}
	if p.c.Month < 1 || p.c.Month > 12 || p.c.Day < 1 || p.c.Day > 31 {
		return p.rangeStyle()
	}
	return nil
}

func monthNamed(s string) (int, bool) {
	s = strings.ToLower(s)
	for i, name := range monthNames {
		name = strings.ToLower(name)
		if s == name || s == name[:3] || i == 8 && s == "sept" {
			return i + 1, true
		}
	}
	return 0, false
}

func isDayName(s string) bool {
	for _, name := range dayNames {
		name = strings.ToLower(name)
		if s == name || len(s) >= 3 && strings.HasPrefix(name, s) && (len(s) <= 4 || len(s) == 5 && s == "thurs") {
			return true
		}
	}
	return false
}

// word reads a name; it answers how much of rest it took.
func (p *stampParser) word(w, rest string) (int, error) {
	lower := strings.ToLower(w)
	if m, ok := monthNamed(lower); ok {
		if p.month != 0 {
			return 0, p.bad()
		}
		p.month, p.before = m, len(p.nums)
		return len(w), nil
	}
	if isDayName(lower) || lower == "on" || lower == "at" {
		return len(w), nil
	}
	switch lower {
	case "ad":
	case "bc":
		p.bc = true
	case "am":
		p.am = true
	case "pm":
		p.pm = true
	case "t":
		p.tPrefix = true
	case "j", "jd", "julian":
		p.julian = true
	default:
		if p.special(lower) {
			return len(w), nil
		}
		return p.zoneWord(w, rest)
	}
	return len(w), nil
}

func (p *stampParser) special(w string) bool {
	now := time.Now()
	if p.env != nil && !p.env.Now.IsZero() {
		now = p.env.Now
	}
	local := CivilOf(ToLocal(now.UnixMilli(), p.env.zone()))
	today := func(days int) {
		y, m, d := civilFromDays(local.DaysSinceEpoch + int64(days))
		p.setDate(y, m, d)
	}
	switch w {
	case "infinity", "inf":
		p.infinite = PosInfinity
	case "now":
		p.c, p.us = local, now.Nanosecond()/1000000*1000
		p.hasDate, p.hasTime = true, true
	case "today":
		today(0)
	case "tomorrow":
		today(1)
	case "yesterday":
		today(-1)
	case "epoch":
		p.setDate(1970, 1, 1)
		p.hasZone, p.instant = true, true
	case "allballs":
		p.hasTime, p.hasZone = true, true
	default:
		return false
	}
	return true
}

func (p *stampParser) zoneWord(w, rest string) (int, error) {
	n := len(w)
	// POSIX forms such as UTC+3 follow the word directly.
	if n < len(rest) && (rest[n] == '+' || rest[n] == '-') && n+1 < len(rest) && isDigit(rest[n+1]) && !p.hasZone {
		end := n + 1
		for end < len(rest) && (isDigit(rest[end]) || rest[end] == ':') {
			end++
		}
		if loc, ok := ZoneNamed(rest[:end]); ok {
			p.loc, p.hasZone = loc, true
			return end, nil
		}
	}
	if off, ok := abbreviation(w); ok {
		p.offset, p.hasZone = off, true
		return n, nil
	}
	if strings.EqualFold(w, "dst") && p.hasZone {
		p.offset += 3600
		return n, nil
	}
	loc, ok := ZoneNamed(w)
	if !ok {
		if p.hasDate || p.hasTime {
			if strings.ContainsRune(w, '/') {
				return 0, sqlerr.New(sqlerr.InvalidParameterValue, "time zone \"%s\" not recognized", strings.ToLower(w))
			}
		}
		return 0, p.bad()
	}
	p.loc, p.hasZone = loc, true
	return n, nil
}

// signed reads a numeric zone, or a signed infinity.
func (p *stampParser) signed(f string) error {
	if len(f) > 1 && isAlpha(f[1]) {
		if w := strings.ToLower(f[1:]); w == "infinity" || w == "inf" {
			p.infinite = PosInfinity
			if f[0] == '-' {
				p.infinite = NegInfinity
			}
			return nil
		}
		return p.bad()
	}
	if len(f) == 1 || p.hasZone && p.loc != nil {
		return p.bad()
	}
	off, err := ParseOffset(f)
	if err != nil {
		return sqlerr.New(sqlerr.InvalidTimeZoneDisplacement, "time zone displacement out of range: \"%s\"", p.text)
	}
	p.offset, p.hasZone = off, true
	return nil
}
