package expr

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"weir/mongoerr"
)

// readDate is what was found in a text so far.
type readDate struct {
	year, month, day     int
	hour, minute, second int
	ms                   int
	isoWeek, isoDay      int // in place of month and day when isoWeek > 0
	yearDay              int
	loc                  *time.Location
}

func dateError(s string) error {
	return fail(mongoerr.ConversionFailure, "Error parsing date string '%s'", s)
}

// dateForms is the ways to write the day; their groups are named.
var dateForms = []*regexp.Regexp{
	regexp.MustCompile(`^@(?P<epoch>-?\d+)$`),
	regexp.MustCompile(`^(?P<y>\d{4})-?W(?P<w>\d{2})(?:-?(?P<wd>\d))?`),
	regexp.MustCompile(`^(?P<y>\d{4})-(?P<m>\d{1,2})-(?P<d>\d{1,2})`),
	regexp.MustCompile(`^(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})`),
	regexp.MustCompile(`^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})`),
	regexp.MustCompile(`^(?P<y>\d{4})-(?P<m>\d{2})$`),
	regexp.MustCompile(`^(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4}|\d{2})`),
	regexp.MustCompile(`^(?P<d>\d{1,2})[.-](?P<m>\d{1,2})[.-](?P<y>\d{4})`),
	regexp.MustCompile(`^(?P<y>\d{2})-(?P<m>\d{1,2})-(?P<d>\d{1,2})`),
	regexp.MustCompile(`(?i)^(?P<d>\d{1,2})(?:st|nd|rd|th)?[ .-]*` + monthForm + `[ .,-]*(?P<y>\d{4}|\d{2})`),
	regexp.MustCompile(`(?i)^` + monthForm + `[ .-]*(?P<d>\d{1,2})(?:st|nd|rd|th)?[, ]+(?P<y>\d{4})`),
}

const monthForm = `(?P<mon>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*`

var (
	weekdayForm = regexp.MustCompile(`(?i)^(?:sun|mon|tue|wed|thu|fri|sat)[a-z]*,?\s+`)
	timeForm    = regexp.MustCompile(`(?i)^(?:T|\s+)(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?(?:\s*([ap])\.?m\.?)?`)
	shortTime   = regexp.MustCompile(`^T(\d{2})(\d{2})(\d{2})`)
	zoneForm    = regexp.MustCompile(`^\s*(?:(?:GMT|UTC)?([+-]\d{2}:?(?:\d{2})?)|([A-Za-z]+))$`)
)

// parseDate reads a date in one of the usual forms: ISO 8601, RFC 2822,
// American and German order, with or without time and zone. given is the
// zone asked for from outside, or nil; a text with a zone does not go with it.
func parseDate(c *Context, s string, given *time.Location) (int64, error) {
	text := strings.TrimSpace(s)
	if strings.IndexByte(s, 0) >= 0 {
		return 0, dateError(s)
	}
	text = text[len(weekdayForm.FindString(text)):]
	d := readDate{month: 1, day: 1}
	for _, form := range dateForms {
		m := form.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if form.SubexpNames()[1] == "epoch" {
			n, err := strconv.ParseInt(m[1], 10, 50)
			if err != nil {
				return 0, dateError(s)
			}
			return n * 1000, nil
		}
		d.take(form.SubexpNames(), m)
		rest, ok := d.readTime(text[len(m[0]):])
		if ok && d.readZone(rest) {
			return d.instant(s, given)
		}
	}
	return 0, dateError(s)
}

func (d *readDate) take(names, groups []string) {
	for i, g := range groups[1:] {
		n, _ := strconv.Atoi(g)
		switch names[i+1] {
		case "y":
			if d.year = n; len(g) == 2 {
				d.year += map[bool]int{true: 1900, false: 2000}[n >= 70]
			}
		case "m":
			d.month = n
		case "d":
			d.day = n
		case "mon":
			d.month = strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(g))/3 + 1
		case "w":
			d.isoWeek, d.isoDay = n, 1
		case "wd":
			if g != "" {
				d.isoDay = n
			}
		}
	}
}

func (d *readDate) readTime(rest string) (string, bool) {
	m := timeForm.FindStringSubmatch(rest)
	if m == nil {
		if m = shortTime.FindStringSubmatch(rest); m == nil {
			return rest, true
		}
	}
	d.hour, _ = strconv.Atoi(m[1])
	d.minute, _ = strconv.Atoi(m[2])
	d.second, _ = strconv.Atoi(m[3])
	if len(m) > 4 {
		d.ms, _ = strconv.Atoi((m[4] + "000")[:3])
		if half := strings.ToLower(m[5]); half != "" {
			if d.hour < 1 || d.hour > 12 {
				return rest, false
			}
			d.hour %= 12
			if half == "p" {
				d.hour += 12
			}
		}
	}
	return rest[len(m[0]):], true
}

// zoneNames is the abbreviations that a text may hold, in hours.
var zoneNames = map[string]int{"utc": 0, "gmt": 0, "z": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "cet": 1, "cest": 2, "bst": 1}

func (d *readDate) readZone(rest string) bool {
	if strings.TrimSpace(rest) == "" {
		return true
	}
	m := zoneForm.FindStringSubmatch(rest)
	if m == nil {
		return false
	}
	if m[1] != "" {
		seconds, ok := parseOffset(m[1])
		d.loc = time.FixedZone(m[1], seconds)
		return ok
	}
	name := strings.ToLower(m[2])
	hours, ok := zoneNames[name]
	if !ok && len(name) == 1 {
		hours, ok = militaryZone(name[0])
	}
	d.loc = time.FixedZone(name, hours*3600)
	return ok
}

// militaryZone is the zones of one letter: a to m (without j) east of
// Greenwich, n to y west of it.
func militaryZone(c byte) (hours int, ok bool) {
	switch {
	case c >= 'a' && c <= 'i':
		return int(c-'a') + 1, true
	case c >= 'k' && c <= 'm':
		return int(c-'k') + 10, true
	case c >= 'n' && c <= 'y':
		return -int(c-'n') - 1, true
	}
	return 0, false
}

func (d *readDate) instant(s string, given *time.Location) (int64, error) {
	loc := d.loc
	switch {
	case loc != nil && given != nil:
		return 0, fail(mongoerr.ConversionFailure, "you cannot pass in a date/time string with GMT offset together with a timezone argument")
	case loc == nil && given != nil:
		loc = given
	case loc == nil:
		loc = time.UTC
	}
	if d.hour > 23 || d.minute > 59 || d.second > 59 {
		return 0, dateError(s)
	}
	year, month, day := d.year, d.month, d.day
	switch {
	case d.isoWeek > 0:
		jan4 := time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC)
		month, day = 1, 4+1-isoWeekday(jan4)+(d.isoWeek-1)*7+d.isoDay-1
	case d.yearDay > 0:
		month, day = 1, d.yearDay
	case month < 1 || month > 12 || day < 1 || day > daysIn(year, time.Month(month)):
		return 0, dateError(s)
	}
	return wall(year, month, day, d.hour, d.minute, d.second, int64(d.ms), loc), nil
}

// formatDigits is how many digits each specifier reads, at most.
var formatDigits = map[byte]int{'Y': 4, 'G': 4, 'm': 2, 'd': 2, 'H': 2, 'M': 2, 'S': 2, 'L': 3, 'V': 2, 'u': 1, 'j': 3}

// parseDateFormat reads a date by MongoDB's format specifiers.
func parseDateFormat(c *Context, s, format string, given *time.Location) (int64, error) {
	d := readDate{month: 1, day: 1}
	rest := s
	for i := 0; i < len(format); i++ {
		ch := format[i]
		if ch != '%' {
			if rest == "" || rest[0] != ch {
				return 0, dateError(s)
			}
			rest = rest[1:]
			continue
		}
		if i++; i == len(format) {
			return 0, fail(18535, "Unmatched '%%' at end of format string")
		}
		var ok bool
		if rest, ok = d.readSpec(format[i], rest); !ok {
			if _, known := formatDigits[format[i]]; !known && !strings.ContainsRune("zZ%bB", rune(format[i])) {
				return 0, fail(18536, "Invalid format character '%%%c' in format string", format[i])
			}
			return 0, dateError(s)
		}
	}
	if rest != "" || d.year == 0 && !strings.Contains(format, "%Y") && !strings.Contains(format, "%G") {
		return 0, dateError(s)
	}
	return d.instant(s, given)
}

func (d *readDate) readSpec(spec byte, s string) (string, bool) {
	switch spec {
	case '%':
		return strings.TrimPrefix(s, "%"), strings.HasPrefix(s, "%")
	case 'z':
		m := regexp.MustCompile(`^(?:Z|[+-]\d{2}:?\d{2})`).FindString(s)
		return s[len(m):], m != "" && d.readZone(m)
	case 'Z':
		m := regexp.MustCompile(`^[+-]\d{1,4}`).FindString(s)
		minutes, err := strconv.Atoi(m)
		d.loc = time.FixedZone(m, minutes*60)
		return s[len(m):], err == nil
	case 'b', 'B':
		return d.readMonthName(spec, s)
	}
	n := 0
	for n < len(s) && n < formatDigits[spec] && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 0 {
		return s, false
	}
	x, _ := strconv.Atoi(s[:n])
	switch spec {
	case 'Y':
		d.year = x
	case 'G':
		if d.year = x; d.isoWeek == 0 {
			d.isoWeek, d.isoDay = 1, max(d.isoDay, 1)
		}
	case 'm':
		d.month = x
	case 'd':
		d.day = x
	case 'H':
		d.hour = x
	case 'M':
		d.minute = x
	case 'S':
		d.second = x
	case 'L':
		d.ms, _ = strconv.Atoi((s[:n] + "00")[:3])
	case 'V':
		d.isoWeek, d.isoDay = x, max(d.isoDay, 1)
	case 'u':
		d.isoDay = x
	case 'j':
		d.yearDay = x
	}
	return s[n:], true
}

func (d *readDate) readMonthName(spec byte, s string) (string, bool) {
	for m := time.January; m <= time.December; m++ {
		name := m.String()
		if spec == 'b' {
			name = name[:3]
		}
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			d.month = int(m)
			return s[len(name):], true
		}
	}
	return s, false
}
