package sqltype

import (
	"math"
	"time"
)

// Infinities of dates and timestamps: no BSON date of a document means them.
const (
	PosInfinity int64 = math.MaxInt64
	NegInfinity int64 = math.MinInt64
)

// MsPerDay is the length of a day without leap seconds.
const MsPerDay int64 = 86400000

// What PostgreSQL's types can hold, in ms: timestamps from 4714-11-24 BC to
// 294276 AD; dates go further, which BSON holds too.
const (
	minTimestampMs int64 = -210866803200000
	maxTimestampMs int64 = 9224318016000000 - 1
	// PgEpochMs is 2000-01-01, from which binary timestamps count.
	PgEpochMs int64 = 946684800000
)

// IsInfinite tells whether a date or timestamp is one of the infinities.
func IsInfinite(ms int64) bool { return ms == PosInfinity || ms == NegInfinity }

// InTimestampRange tells whether PostgreSQL can hold the timestamp.
func InTimestampRange(ms int64) bool { return ms >= minTimestampMs && ms <= maxTimestampMs }

// FloorDiv divides toward minus infinity.
func FloorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// FloorMod is the remainder that belongs to FloorDiv.
func FloorMod(a, b int64) int64 { return a - FloorDiv(a, b)*b }

// Civil is a date and time of day without zone, see Moment.Civil. Years are astronomical: 0 is 1 BC.
type Civil struct {
	Year, Month, Day  int
	Hour, Minute, Sec int
	Ms                int
	Us                int // beyond Ms; CivilOf leaves it 0
	DaysSinceEpoch    int64
}

// CivilOf takes ms since the epoch apart as if it was UTC.
func CivilOf(ms int64) Civil {
	days := FloorDiv(ms, MsPerDay)
	rest := int(ms - days*MsPerDay)
	y, m, d := civilFromDays(days)
	return Civil{Year: y, Month: m, Day: d, Hour: rest / 3600000, Minute: rest / 60000 % 60, Sec: rest / 1000 % 60, Ms: rest % 1000, DaysSinceEpoch: days}
}

// UnixMs puts a civil time together as if it was UTC, without Us; months and days out of
// range carry over.
func (c Civil) UnixMs() int64 {
	return DaysFromCivil(c.Year, c.Month, c.Day)*MsPerDay +
		int64(c.Hour)*3600000 + int64(c.Minute)*60000 + int64(c.Sec)*1000 + int64(c.Ms)
}

// Weekday is 0 for Sunday.
func (c Civil) Weekday() int { return int(FloorMod(c.DaysSinceEpoch+4, 7)) }

// YearDay is 1 for January 1st.
func (c Civil) YearDay() int {
	return int(DaysFromCivil(c.Year, c.Month, c.Day)-DaysFromCivil(c.Year, 1, 1)) + 1
}

// ISOWeek is the ISO 8601 year and week.
func (c Civil) ISOWeek() (year, week int) {
	// The week belongs to the year of its Thursday.
	thursday := c.DaysSinceEpoch + 3 - FloorMod(c.DaysSinceEpoch+3, 7)
	y, _, _ := civilFromDays(thursday)
	return y, int(thursday-DaysFromCivil(y, 1, 1))/7 + 1
}

// civilFromDays and DaysFromCivil count days of the proleptic Gregorian
// calendar in eras of 400 years that begin on March 1st.
func civilFromDays(z int64) (y, m, d int) {
	z += 719468
	era := FloorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	m = int(mp) + 3
	if m > 12 {
		m -= 12
	}
	y = int(yoe + era*400)
	if m <= 2 {
		y++
	}
	return y, m, d
}

// DaysFromCivil is the day number (0: 1970-01-01) of a date.
func DaysFromCivil(y, m, d int) int64 {
	y += int(FloorDiv(int64(m-1), 12))
	m = int(FloorMod(int64(m-1), 12)) + 1
	if m <= 2 {
		y--
	}
	era := FloorDiv(int64(y), 400)
	yoe := int64(y) - era*400
	mp := (m + 9) % 12
	doy := int64((153*mp+2)/5 + d - 1)
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

// DaysInMonth is the length of a month.
func DaysInMonth(y, m int) int {
	return int(DaysFromCivil(y, m+1, 1) - DaysFromCivil(y, m, 1))
}

// Offset is the zone's offset in seconds east of UTC and abbreviation at an
// instant in ms.
func Offset(ms int64, loc *time.Location) (seconds int, abbrev string) {
	if loc == time.UTC || loc == nil {
		return 0, "UTC"
	}
	abbrev, seconds = time.UnixMilli(ms).In(loc).Zone()
	return seconds, abbrev
}

// ToLocal gives the wall clock of an instant, as ms as if UTC.
func ToLocal(ms int64, loc *time.Location) int64 {
	if IsInfinite(ms) {
		return ms
	}
	off, _ := Offset(ms, loc)
	return ms + int64(off)*1000
}

// ToUTC gives the instant of a wall clock time. In a gap it takes the offset
// before it, in an overlap the standard time, as PostgreSQL does.
func ToUTC(local int64, loc *time.Location) int64 {
	if IsInfinite(local) || loc == time.UTC || loc == nil {
		return local
	}
	before, _ := Offset(local-MsPerDay, loc)
	after, _ := Offset(local+MsPerDay, loc)
	early, late := local-int64(before)*1000, local-int64(after)*1000
	if before == after {
		return early
	}
	okBefore := offsetIs(early, loc, before)
	okAfter := offsetIs(late, loc, after)
	switch {
	case okBefore && okAfter: // overlap: the later, standard, time
		return max(early, late)
	case okAfter:
		return late
	}
	return early
}

func offsetIs(ms int64, loc *time.Location, want int) bool {
	got, _ := Offset(ms, loc)
	return got == want
}
