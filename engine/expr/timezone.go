package expr

import (
	"strings"
	"time"
	_ "time/tzdata" // the names of zones, wherever the binary runs

	"weir/engine/value"
)

// zone evaluates an optional "timezone"; null tells that it is null.
func zone(c *Context, e Expr) (loc *time.Location, null bool, err error) {
	if e == nil {
		return time.UTC, false, nil
	}
	v, err := e.Eval(c)
	if err != nil {
		return nil, false, err
	}
	if v.IsNullish() {
		return nil, true, nil
	}
	if !v.IsString() {
		return nil, false, fail(40517, "timezone must evaluate to a string, found %s", typeName(v))
	}
	loc, err = c.location(v.Str())
	return loc, false, err
}

// location finds a zone by name or offset, and remembers it.
func (c *Context) location(name string) (*time.Location, error) {
	if loc, ok := c.zones[name]; ok {
		return loc, nil
	}
	loc, err := loadZone(name)
	if err != nil {
		return nil, err
	}
	if c.zones == nil {
		c.zones = map[string]*time.Location{}
	}
	c.zones[strings.Clone(name)] = loc
	return loc, nil
}

func loadZone(name string) (*time.Location, error) {
	unknown := fail(40485, "unrecognized time zone identifier: \"%s\"", name)
	switch {
	case name == "UTC" || name == "GMT":
		return time.UTC, nil
	case name == "" || name == "Local" || strings.HasPrefix(name, "Etc/GMT+") || strings.HasPrefix(name, "Etc/GMT-"):
		return nil, unknown
	case name[0] == '+' || name[0] == '-':
		seconds, ok := parseOffset(name)
		if !ok {
			return nil, unknown
		}
		return time.FixedZone(name, seconds), nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknown
	}
	return loc, nil
}

// parseOffset reads ±hh, ±hhmm and ±hh:mm.
func parseOffset(s string) (seconds int, ok bool) {
	d := s[1:]
	if len(d) == 5 && d[2] == ':' {
		d = d[:2] + d[3:]
	}
	if len(d) != 2 && len(d) != 4 || strings.Trim(d, "0123456789") != "" {
		return 0, false
	}
	seconds = (int(d[0]-'0')*10 + int(d[1]-'0')) * 3600
	if len(d) == 4 {
		seconds += (int(d[2]-'0')*10 + int(d[3]-'0')) * 60
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// dateOf is the milliseconds of a date, a timestamp or an ObjectID.
func dateOf(v value.Value) (int64, bool) {
	switch value.TypeName(v.Kind()) {
	case "date":
		return v.AsDate(), true
	case "timestamp":
		t, _ := v.AsTimestamp()
		return int64(t) * 1000, true
	case "objectId":
		id := v.AsObjectID()
		return int64(int32(id.Timestamp().Unix())) * 1000, true
	}
	return 0, false
}

func coerceToDate(v value.Value) (int64, error) {
	ms, ok := dateOf(v)
	if !ok {
		return 0, fail(16006, "can't convert from BSON type %s to Date", typeName(v))
	}
	return ms, nil
}

// wall builds the instant of a wall clock time, which may be out of range in
// every field; of a time that the clock skips it takes the later reading.
func wall(year, month, day, hour, minute, second int, ms int64, loc *time.Location) int64 {
	naive := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).Unix()
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, loc)
	if _, offset := t.Zone(); t.Unix()+int64(offset) != naive {
		// The clock skips this time: read it by the offset before the jump.
		_, offset = time.Unix(naive-86400, 0).In(loc).Zone()
		return (naive-int64(offset))*1000 + ms
	}
	return t.Unix()*1000 + ms
}

func local(ms int64, loc *time.Location) time.Time { return time.UnixMilli(ms).In(loc) }
