package sqltype

import (
	"strconv"
	"strings"
	"time"

	"weir/sqlerr"
)

// abbreviations of time zones that PostgreSQL takes by default, in seconds
// east of UTC.
var abbreviations = map[string]int{
	"z": 0, "zulu": 0, "utc": 0, "gmt": 0, "uct": 0, "ut": 0, "wet": 0,
	"acdt": 37800, "acst": 34200, "adt": -10800, "aedt": 39600, "aest": 36000, "akdt": -28800, "akst": -32400,
	"ast": -14400, "awst": 28800, "bst": 3600, "cat": 7200, "cdt": -18000, "cest": 7200, "cet": 3600, "cst": -21600,
	"eat": 10800, "edt": -14400, "eest": 10800, "eet": 7200, "est": -18000, "hkt": 28800, "hst": -36000,
	"idt": 10800, "ist": 7200, "jst": 32400, "kst": 32400, "mdt": -21600, "mest": 7200, "met": 3600, "msk": 10800,
	"mst": -25200, "ndt": -9000, "nst": -12600, "nzdt": 46800, "nzst": 43200, "pdt": -25200, "pst": -28800,
	"sast": 7200, "sgt": 28800, "west": 3600, "wast": 7200, "wat": 3600,
}

func abbreviation(w string) (int, bool) {
	off, ok := abbreviations[strings.ToLower(w)]
	return off, ok
}

// ParseOffset reads a numeric zone: +5, -0330, +05:30[:15]; seconds east.
func ParseOffset(s string) (int, error) {
	bad := sqlerr.New(sqlerr.InvalidTimeZoneDisplacement, "time zone displacement out of range: \"%s\"", s)
	if len(s) < 2 {
		return 0, bad
	}
	sign := 1
	if s[0] == '-' {
		sign = -1
	}
	var h, m, sec int
	parts := strings.Split(s[1:], ":")
	if len(parts) == 1 && len(s) > 3 {
		n, err := strconv.Atoi(s[1:])
		if err != nil || len(s) > 7 {
			return 0, bad
		}
		if len(s) > 5 {
			h, m, sec = n/10000, n/100%100, n%100
		} else {
			h, m = n/100, n%100
		}
	} else {
		for i, dst := range []*int{&h, &m, &sec} {
			if i < len(parts) {
				n, err := strconv.Atoi(parts[i])
				if err != nil {
					return 0, bad
				}
				*dst = n
			}
		}
	}
	if h > 15 || m > 59 || sec > 59 || len(parts) > 3 {
		return 0, bad
	}
	return sign * (h*3600 + m*60 + sec), nil
}

// ZoneNamed finds a time zone by an IANA name in any case, an abbreviation, a
// POSIX form (UTC+3 is west of UTC) or a signed offset (+3 is east).
func ZoneNamed(name string) (*time.Location, bool) {
	lower := strings.ToLower(strings.TrimSpace(name))
	switch {
	case lower == "" || lower == "local":
		return nil, false
	case lower == "utc" || lower == "gmt" || lower == "z" || lower == "zulu" || lower == "etc/utc":
		return time.UTC, true
	}
	if lower[0] == '+' || lower[0] == '-' {
		off, err := ParseOffset(lower)
		if err != nil {
			return nil, false
		}
		return fixedZone(off), true
	}
	for _, spelling := range []string{strings.TrimSpace(name), titled(lower), strings.ToUpper(lower)} {
		if loc, err := time.LoadLocation(spelling); err == nil {
			return loc, true
		}
	}
	if off, ok := abbreviation(lower); ok {
		return time.FixedZone(strings.ToUpper(lower), off), true
	}
	return posixZone(lower)
}

func fixedZone(off int) *time.Location {
	return time.FixedZone(string(AppendOffset(nil, off)), off)
}

func posixZone(s string) (*time.Location, bool) {
	i := strings.IndexAny(s, "+-0123456789")
	if i < 3 {
		return nil, false
	}
	spec := s[i:]
	if isDigit(spec[0]) {
		spec = "+" + spec
	}
	off, err := ParseOffset(spec)
	if err != nil {
		return nil, false
	}
	return time.FixedZone(strings.ToUpper(s[:i]), -off), true
}

// titled is America/New_York for america/new_york.
func titled(s string) string {
	b := []byte(s)
	up := true
	for i, c := range b {
		if up && c >= 'a' && c <= 'z' {
			b[i] = c - 32
		}
		up = c == '/' || c == '_' || c == '-'
	}
	return string(b)
}
