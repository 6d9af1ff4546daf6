package sqltype

import (
	"strconv"
	"strings"
	"time"

	"weir/sqlerr"
)

func (p *stampParser) finish() error {
	if p.infinite != 0 {
		return nil
	}
	if err := p.looseNumbers(); err != nil {
		return err
	}
	if p.bc {
		if p.c.Year <= 0 {
			return p.range_()
		}
		p.c.Year = 1 - p.shortYear(p.c.Year)
	} else if p.hasDate && p.c.Year == 0 {
		return p.range_()
	}
	if err := p.halves(); err != nil {
		return err
	}
	return p.check()
}

// looseNumbers gives the numbers beside a month's name their meaning.
func (p *stampParser) looseNumbers() error {
	if p.month == 0 && len(p.nums) == 0 {
		return nil
	}
	if p.month == 0 && len(p.nums) == 3 {
		return p.threeNumbers(p.nums[0], p.nums[1], p.nums[2])
	}
	if p.month == 0 || len(p.nums) != 2 || p.hasDate {
		return p.bad()
	}
	_, order := p.env.dates()
	a, b := p.nums[0], p.nums[1]
	if p.monthBefore(order, a, b) {
		return p.bad()
	}
	if len(a) >= 3 || order == YMD && len(b) < 3 {
		a, b = b, a
	}
	d, _ := strconv.Atoi(a)
	p.setDate(p.year(b), p.month, d)
	return nil
}

// monthBefore tells whether a number before the month's name was taken for a
// month and can be no day either.
func (p *stampParser) monthBefore(order DateOrder, a, b string) bool {
	year := len(a) >= 3 || order == YMD
	switch {
	case p.before == 1 && order == MDY && !year:
	case p.before == 2 && year:
		a = b
	default:
		return p.before == 2
	}
	n, _ := strconv.Atoi(a)
	return n < 1 || n > 31
}

// shortYear undoes the guess of a century: 99 BC is that year.
func (p *stampParser) shortYear(y int) int {
	if p.twoDigits {
		return y % 100
	}
	return y
}

func (p *stampParser) halves() error {
	if !p.am && !p.pm {
		return nil
	}
	if p.c.Hour > 12 || p.c.Hour < 0 {
		return p.range_()
	}
	if p.am && p.c.Hour == 12 {
		p.c.Hour = 0
	} else if p.pm && p.c.Hour != 12 {
		p.c.Hour += 12
	}
	return nil
}

func (p *stampParser) check() error {
	c := &p.c
	if p.hasDate {
		if p.nanDay > 0 {
			y, m, d := civilFromDays(DaysFromCivil(c.Year, 1, 1) + int64(p.nanDay) - 1)
			if y != c.Year {
				return p.range_()
			}
			p.setDate(y, m, d)
		}
		if c.Month < 1 || c.Month > 12 || c.Day < 1 || c.Day > DaysInMonth(c.Year, c.Month) {
			return p.range_()
		}
	}
	over := c.Hour == 24 && c.Minute == 0 && c.Sec == 0 && p.us == 0
	if c.Hour > 23 && !over || c.Minute > 59 || c.Sec > 60 {
		return p.range_()
	}
	return nil
}

// wall is the date and time as if UTC.
func (s *stamp) wall() Moment { return Moment{Ms: s.c.UnixMs()}.Add(int64(s.us)) }

// ParseDate is the input function of date.
func ParseDate(s string, e *Env) (int64, error) {
	st, err := parseStamp(s, "date", e)
	if err != nil {
		return 0, err
	}
	if st.infinite != 0 {
		return st.infinite, nil
	}
	if !st.hasDate {
		return 0, (&stampParser{typ: "date", text: s}).bad()
	}
	days := DaysFromCivil(st.c.Year, st.c.Month, st.c.Day)
	if days < firstDay || days > lastDay {
		return 0, sqlerr.New(sqlerr.DatetimeFieldOverflow, "date out of range: \"%s\"", s)
	}
	return days * MsPerDay, nil
}

// The days that a date can be: 4714-11-24 BC to 5874897-12-31.
var firstDay, lastDay = DaysFromCivil(-4713, 11, 24), DaysFromCivil(5874897, 12, 31)

// ParseTimestamp is the input function of timestamp; a zone is ignored.
func ParseTimestamp(s string, e *Env) (Moment, error) { return parseInstant(s, "timestamp", e) }

// ParseTimestamptz is the input function of timestamptz.
func ParseTimestamptz(s string, e *Env) (Moment, error) {
	return parseInstant(s, "timestamp with time zone", e)
}

func parseInstant(s, typ string, e *Env) (Moment, error) {
	st, err := parseStamp(s, typ, e)
	if err != nil {
		return Moment{}, err
	}
	if st.infinite != 0 {
		return Moment{Ms: st.infinite}, nil
	}
	p := &stampParser{typ: typ, text: s}
	if !st.hasDate {
		return Moment{}, p.bad()
	}
	m := st.wall()
	if typ != "timestamp" {
		switch {
		case st.loc != nil:
			m.Ms = ToUTC(m.Ms, st.loc)
		case st.hasZone:
			m.Ms -= int64(st.offset) * 1000
		default:
			m.Ms = ToUTC(m.Ms, e.zone())
		}
	}
	if !InTimestampRange(m.Ms) {
		return Moment{}, sqlerr.New(sqlerr.DatetimeFieldOverflow, "timestamp out of range: \"%s\"", s)
	}
	return m, nil
}

// ParseTime is the input function of time.
func ParseTime(s string, e *Env) (int64, error) {
	st, err := parseTimeOfDay(s, "time", e)
	if err != nil {
		return 0, err
	}
	return st.timeOfDay(), nil
}

func (s *stamp) timeOfDay() int64 {
	return (int64(s.c.Hour)*3600+int64(s.c.Minute)*60+int64(s.c.Sec))*1000000 + int64(s.us)
}

func parseTimeOfDay(s, typ string, e *Env) (*stamp, error) {
	text := s
	if t := strings.Trim(s, space); len(t) > 0 && isDigit(t[0]) && !strings.ContainsAny(t, ":-/") {
		text = "T" + t // 040506
	}
	st, err := parseStamp(text, typ, e)
	if err != nil {
		if e, ok := err.(*sqlerr.Error); ok {
			e.Message = strings.Replace(e.Message, `"`+text+`"`, `"`+s+`"`, 1)
		}
		return nil, err
	}
	if !st.hasTime || st.infinite != 0 {
		return nil, (&stampParser{typ: typ, text: s}).bad()
	}
	return st, nil
}

// ParseTimetz is the input function of timetz.
func ParseTimetz(s string, e *Env) (us int64, west int32, err error) {
	st, err := parseTimeOfDay(s, "time with time zone", e)
	if err != nil {
		return 0, 0, err
	}
	off := st.offset
	if !st.hasZone || st.loc != nil {
		loc := e.zone()
		if st.loc != nil {
			loc = st.loc
		}
		at := time.Now()
		if e != nil && !e.Now.IsZero() {
			at = e.Now
		}
		if st.hasDate {
			at = time.UnixMilli(ToUTC(st.wall().Ms, loc))
		}
		off, _ = Offset(at.UnixMilli(), loc)
	}
	return st.timeOfDay(), int32(-off), nil
}
