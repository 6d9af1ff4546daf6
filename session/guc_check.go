package session

import (
	"strings"
	"time"

	"weir/wire"
)

// stringChecks are the string parameters whose values are checked, by lower-case name.
var stringChecks = map[string]func(g *guc, value string) (string, error){
	"timezone":        checkTimeZone,
	"datestyle":       checkDateStyle,
	"client_encoding": checkEncoding,
	"weir.collation":  checkCollation,
}

func checkTimeZone(g *guc, value string) (string, error) {
	_, name, ok := loadZone(value)
	if !ok {
		return "", g.invalid(value)
	}
	return name, nil
}

// loadZone reads a TimeZone value: an IANA name in any case, an offset in
// hours (east of UTC, as SET TIME ZONE takes it), or a POSIX one such as
// <+02>-02.
func loadZone(value string) (*time.Location, string, bool) {
	if value == "" || strings.EqualFold(value, "local") {
		return nil, "", false
	}
	for _, name := range []string{value, strings.ToUpper(value), titleZone(value)} {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc, name, true
		}
	}
	if seconds, ok := parseOffset(value); ok {
		name := zoneName(seconds)
		return time.FixedZone(name, seconds), name, true
	}
	if _, posix, ok := strings.Cut(value, ">"); ok && strings.HasPrefix(value, "<") {
		if seconds, ok := parseOffset(posix); ok {
			return time.FixedZone(value, -seconds), value, true
		}
	}
	return nil, "", false
}

// titleZone writes america/new_york as America/New_York.
func titleZone(s string) string {
	b := []byte(strings.ToLower(s))
	up := true
	for i, c := range b {
		if up && c >= 'a' && c <= 'z' {
			b[i] = c - 32
		}
		up = c == '/' || c == '_' || c == '-'
	}
	return string(b)
}

// parseOffset reads [+-]h[h][:mm[:ss]] or a fraction of hours into seconds.
func parseOffset(s string) (int, bool) {
	sign := 1
	switch {
	case strings.HasPrefix(s, "-"):
		sign, s = -1, s[1:]
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	if h, frac, ok := strings.Cut(s, "."); ok {
		hours, ok1 := digits(h)
		tenths, ok2 := digits(frac)
		scale := 1
		for range frac {
			scale *= 10
		}
		return sign * (hours*3600 + tenths*3600/scale), ok1 && ok2
	}
	total, unit := 0, 3600
	for part := range strings.SplitSeq(s, ":") {
		n, ok := digits(part)
		if !ok || unit == 0 {
			return 0, false
		}
		total += n * unit
		unit /= 60
	}
	return sign * total, total <= 168*3600
}

func digits(s string) (int, bool) {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(s) > 0 && len(s) < 5
}

// zoneName is how PostgreSQL shows an offset: <+02>-02.
func zoneName(seconds int) string {
	at := func(n int) string {
		sign := "+"
		if n < 0 {
			sign, n = "-", -n
		}
		out := sign + two(n/3600)
		if n%3600 != 0 {
			out += ":" + two(n/60%60)
		}
		return out
	}
	return "<" + at(seconds) + ">" + strings.TrimPrefix(at(-seconds), "")
}

func two(n int) string { return string([]byte{byte('0' + n/10%10), byte('0' + n%10)}) }

// checkDateStyle merges the styles given with the other half's default.
func checkDateStyle(g *guc, value string) (string, error) {
	style, order := "", ""
	for part := range strings.SplitSeq(value, ",") {
		switch strings.ToLower(strings.TrimSpace(part)) {
		case "iso":
			style = "ISO"
		case "sql":
			style = "SQL"
		case "postgres":
			style = "Postgres"
		case "german":
			style = "German"
			if order == "" {
				order = "DMY"
			}
		case "ymd":
			order = "YMD"
		case "dmy", "euro", "european":
			order = "DMY"
		case "mdy", "us", "noneuro", "noneuropean":
			order = "MDY"
		case "default", "":
		default:
			return "", g.invalid(value)
		}
	}
	if style == "" {
		style = "ISO"
	}
	if order == "" {
		order = "MDY"
	}
	return style + ", " + order, nil
}

// checkEncoding accepts UTF-8 under its names: nothing else is spoken here.
func checkEncoding(g *guc, value string) (string, error) {
	plain := strings.ToUpper(strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '\'' || r == '"' || r == ' ' {
			return -1
		}
		return r
	}, value))
	switch plain {
	case "UNICODE", "SQLASCII":
		plain = "UTF8"
	case "ISO88591":
		plain = "LATIN1"
	case "ISO885915":
		plain = "LATIN9"
	}
	if strings.HasPrefix(plain, "WINDOWS") {
		plain = "WIN" + plain[len("WINDOWS"):]
	}
	if n, ok := strings.CutPrefix(plain, "ISO8859"); ok {
		plain = "ISO_8859_" + n
	}
	if wire.KnownEncoding(plain) {
		return plain, nil
	}
	return "", g.invalid(value).WithHint("UTF8 is spoken here, and the encodings of one byte a character such as LATIN1 and WIN1252.")
}

// checkCollation accepts C, which is how text is compared and ordered.
func checkCollation(g *guc, value string) (string, error) {
	switch strings.ToLower(value) {
	case "", "c", "posix", "default", "simple":
		return "C", nil
	}
	return "", g.invalid(value).WithHint("Only C is supported.")
}
