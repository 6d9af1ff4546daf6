package sqlfunc

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// .datetime() of a jsonpath makes items that are none of JSON's: dates, times and
// timestamps, with a zone or without. Within a path each is a document that no
// JSON is; what comes out of the path is its text.

// pathTime is such an item. A date is a timestamp at midnight, a time one of 1970.
type pathTime struct {
	date, clock, zoned bool
	at                 sqltype.Moment // wall clock
	east               int            // the zone, in seconds
}

const (
	pathTimeKey  = "\x01datetime" // bits of what it has
	pathTimeAt   = "at"
	pathTimeEast = "east"
)

func (t pathTime) item() value.Value {
	bits := 0
	for i, is := range []bool{t.date, t.clock, t.zoned} {
		if is {
			bits |= 1 << i
		}
	}
	var b value.Builder
	b.Add(pathTimeKey, value.Int32(int32(bits)))
	b.Add(pathTimeAt, t.at.Value())
	b.Add(pathTimeEast, value.Int32(int32(t.east)))
	return b.DocumentOf()
}

func pathTimeOf(v value.Value) (t pathTime, ok bool) {
	if !v.IsDocument() {
		return t, false
	}
	bits := value.Lookup(v.Doc(), pathTimeKey)
	if !bits.IsNumber() {
		return t, false
	}
	n := bits.AsInt64()
	return pathTime{n&1 != 0, n&2 != 0, n&4 != 0, sqltype.MomentOf(value.Lookup(v.Doc(), pathTimeAt)), int(value.Lookup(v.Doc(), pathTimeEast).AsInt64())}, true
}

// typeName is what .type() says.
func (t pathTime) typeName() string {
	name := "time"
	switch {
	case !t.clock:
		return "date"
	case t.date:
		name = "timestamp"
	}
	if t.zoned {
		return name + " with time zone"
	}
	return name + " without time zone"
}

// text is the item as JSON has it.
func (t pathTime) text() string {
	c, era := t.at.Civil(), ""
	var b strings.Builder
	if t.date {
		year := c.Year
		if year <= 0 {
			year, era = 1-year, " BC"
		}
		fmt.Fprintf(&b, "%04d-%02d-%02d", year, c.Month, c.Day)
		if t.clock {
			b.WriteByte('T')
		}
	}
	if t.clock {
		fmt.Fprintf(&b, "%02d:%02d:%02d", c.Hour, c.Minute, c.Sec)
		if us := t.at.OfDay() % 1_000_000; us > 0 {
			b.WriteString(strings.TrimRight(fmt.Sprintf(".%06d", us), "0"))
		}
	}
	if t.zoned {
		sign, east := '+', t.east
		if east < 0 {
			sign, east = '-', -east
		}
		fmt.Fprintf(&b, "%c%02d:%02d", sign, east/3600, east/60%60)
	}
	return b.String() + era
}

// shownTimes puts the texts of such items in their places.
func shownTimes(vs []value.Value) []value.Value {
	for i, v := range vs {
		if t, ok := pathTimeOf(v); ok {
			vs[i] = value.String(t.text())
		}
	}
	return vs
}

// plainTime are the forms that .datetime() without a template knows.
var plainTime = regexp.MustCompile(`^(?:(\d{1,4}-\d{1,2}-\d{1,2})(?:$|[ T]))?(?:(\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d{1,6})?) *([+-]\d{1,2}(?::\d{1,2})?)?)?$`)

func (r *pathRun) datetime(v value.Value, template value.Value) ([]value.Value, error) {
	if jsonbRank(v) != 1 {
		return nil, pathError("22031", "jsonpath item method .datetime() can only be applied to a string")
	}
	in, format := text(v), ""
	if template.IsString() {
		format = template.Str()
	} else {
		m := plainTime.FindStringSubmatch(in)
		if m == nil || m[1] == "" && m[2] == "" {
			return nil, unknownTime(in)
		}
		var parts []string
		if m[1] != "" {
			parts = append(parts, "YYYY-MM-DD")
		}
		clock := ""
		if m[2] != "" {
			clock = "HH24:MI:SS"
			if strings.Contains(m[2], ".") {
				clock += ".US"
			}
			parts = append(parts, clock)
		}
		format = strings.Join(parts, " ")
		in = strings.TrimSpace(m[1] + " " + m[2])
		if m[3] != "" {
			format, in = format+" TZH", in+" "+m[3]
		}
	}
	t, err := readTime(in, format)
	if err != nil && !template.IsString() {
		return nil, unknownTime(text(v))
	}
	if err != nil {
		return nil, err
	}
	return list1(t.item())
}

func unknownTime(in string) error {
	return sqlerr.New("22031", "datetime format is not recognized: \"%s\"", in).
		WithHint("Use a datetime template argument to specify the input data format.")
}

// readTime reads a text by a template, which says what the item is.
func readTime(in, format string) (pathTime, error) {
	t := pathTime{}
	if len(format) > maxTemplate {
		return t, tooLong()
	}
	nodes := parseTemplate(format)
	for _, n := range nodes {
		switch {
		case n.key == "":
		case slices.Contains([]string{"TZH", "TZM", "TZ", "OF"}, n.key):
			t.zoned = true
		case slices.Contains([]string{"HH", "HH12", "HH24", "MI", "SS", "MS", "US", "SSSS", "SSSSS", "AM", "PM", "A.M.", "P.M."}, n.key), strings.HasPrefix(n.key, "FF"):
			t.clock = true
		default:
			t.date = true
		}
	}
	switch {
	case !t.date && !t.clock:
		return t, sqlerr.New(sqlerr.InvalidDatetimeFormat, "datetime format is not dated and not timed")
	case t.zoned && !t.clock:
		return t, sqlerr.New(sqlerr.InvalidDatetimeFormat, "datetime format is zoned but not timed")
	}
	r, at, err := readStamp([]value.Value{value.String(in), value.String(format)})
	if err != nil {
		return t, err
	}
	if strings.TrimSpace(r.in) != "" {
		return t, sqlerr.New(sqlerr.InvalidDatetimeFormat, "trailing characters remain in input string after datetime format")
	}
	for _, n := range nodes {
		if _, read := r.has[n.key]; !read && slices.Contains([]string{"YYYY", "MM", "DD", "HH24", "HH12", "HH", "MI", "SS"}, n.key) {
			return t, sqlerr.New(sqlerr.InvalidDatetimeFormat, "input string is too short for datetime format")
		}
	}
	if t.zoned && !r.hasZone {
		return t, sqlerr.New(sqlerr.InvalidDatetimeFormat, "input string is too short for datetime format")
	}
	if t.at = at; !t.date {
		t.at = sqltype.Moment{}.Add(at.OfDay())
	}
	if t.zoned {
		_, t.east = time.UnixMilli(t.at.Ms).In(r.loc).Zone()
	}
	return t, nil
}

// utc is the item's moment.
func (t pathTime) utc() sqltype.Moment { return t.at.Add(-int64(t.east) * 1_000_000) }

// inZone is an item without a zone as one in the session's.
func (r *pathRun) inZone(t pathTime, as pathTime) (pathTime, error) {
	if !r.zones {
		return t, sqlerr.New(sqlerr.FeatureNotSupported, "cannot convert value from %s to %s without time zone usage", shortTime(t), shortTime(as)).
			WithHint("Use *_tz() function for time zone support.")
	}
	at := toUTC(t.at, r.zone)
	if !t.date {
		now := time.Now().In(r.zone)
		_, east := now.Zone()
		at = t.at.Add(-int64(east) * 1_000_000)
	}
	d, _ := t.at.Sub(at)
	t.east, t.zoned, t.clock = int(d/1_000_000), true, true
	return t, nil
}

func shortTime(t pathTime) string {
	name := strings.TrimSuffix(t.typeName(), " without time zone")
	if s, zoned := strings.CutSuffix(name, " with time zone"); zoned {
		return s + "tz"
	}
	return name
}

// compareTimes compares two items of which at least one is a time; known is false
// where their types do not compare.
func (r *pathRun) compareTimes(x, y value.Value) (c int, known bool, err error) {
	a, ok1 := pathTimeOf(x)
	b, ok2 := pathTimeOf(y)
	if !ok1 || !ok2 || a.date != b.date {
		return 0, false, nil
	}
	if a.zoned && !b.zoned {
		b, err = r.inZone(b, a)
	} else if b.zoned && !a.zoned {
		a, err = r.inZone(a, b)
	}
	if err != nil {
		return 0, false, err
	}
	c = a.utc().Compare(b.utc())
	if c == 0 && !a.date { // times order by the zone then
		c = b.east - a.east
	}
	return c, true, nil
}

// hard is an error that makes no predicate unknown: nil for those of the data.
func hard(err error) error {
	if isDataError(err) {
		return nil
	}
	return err
}
