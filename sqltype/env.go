package sqltype

import (
	"strings"
	"time"

	"weir/sqlerr"
)

// DateFormat is the first word of DateStyle.
type DateFormat uint8

// The formats of dates.
const (
	ISO DateFormat = iota
	Postgres
	SQL
	German
)

// DateOrder is the second word of DateStyle.
type DateOrder uint8

// The orders of the fields of a date.
const (
	MDY DateOrder = iota
	DMY
	YMD
)

// IntervalFormat is IntervalStyle.
type IntervalFormat uint8

// The styles of intervals.
const (
	IntervalPostgres IntervalFormat = iota
	IntervalVerbose
	IntervalSQL
	IntervalISO
)

// Env is what reading and printing values depends on. The zero Env is
// PostgreSQL's defaults in UTC, without names of objects.
type Env struct {
	Zone     *time.Location // nil: UTC
	Dates    DateFormat
	Order    DateOrder
	Interval IntervalFormat
	// FewDigits is extra_float_digits below 1: floats print with 15 (6) digits
	// and this, 0 meaning the shortest exact form. See SetFloatDigits.
	FewDigits   int
	ByteaEscape bool
	Now         time.Time // for 'now', 'today' …: the transaction's start
	// Rounded is told when a moment had more than the milliseconds that its place
	// holds; nil: nobody asks.
	Rounded func()
	// Name gives the name of an object for the reg… types, ObjectID the reverse.
	Name     func(reg OID, oid uint32) (string, bool)
	ObjectID func(reg OID, name string) (uint32, error)
}

func (e *Env) zone() *time.Location {
	if e == nil || e.Zone == nil {
		return time.UTC
	}
	return e.Zone
}

// SetFloatDigits takes over extra_float_digits.
func (e *Env) SetFloatDigits(extra int) {
	e.FewDigits = 0
	if extra < 1 {
		e.FewDigits = 15 + extra
	}
}

// SetDateStyle takes over a setting of DateStyle: one or two words in any order.
func (e *Env) SetDateStyle(s string) error {
	for _, w := range strings.Split(s, ",") {
		switch strings.ToLower(strings.TrimSpace(w)) {
		case "iso":
			e.Dates = ISO
		case "postgres", "postgresql":
			e.Dates = Postgres
		case "sql":
			e.Dates = SQL
		case "german":
			e.Dates, e.Order = German, DMY
		case "mdy", "us", "noneuro", "noneuropean":
			e.Order = MDY
		case "dmy", "euro", "european":
			e.Order = DMY
		case "ymd":
			e.Order = YMD
		case "default", "":
			e.Dates, e.Order = ISO, MDY
		default:
			return sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter \"DateStyle\": %q", s)
		}
	}
	return nil
}

// DateStyle is the setting as SHOW prints it.
func (e *Env) DateStyle() string {
	return [...]string{"ISO", "Postgres", "SQL", "German"}[e.Dates] + ", " + [...]string{"MDY", "DMY", "YMD"}[e.Order]
}

// SetIntervalStyle takes over a setting of IntervalStyle.
func (e *Env) SetIntervalStyle(s string) error {
	for i, name := range intervalStyles {
		if strings.EqualFold(s, name) {
			e.Interval = IntervalFormat(i)
			return nil
		}
	}
	return sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for parameter \"IntervalStyle\": %q", s).
		WithHint("Available values: postgres, postgres_verbose, sql_standard, iso_8601.")
}

var intervalStyles = [...]string{"postgres", "postgres_verbose", "sql_standard", "iso_8601"}

// IntervalStyle is the setting as SHOW prints it.
func (e *Env) IntervalStyle() string { return intervalStyles[e.Interval] }
