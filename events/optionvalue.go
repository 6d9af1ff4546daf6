package events

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqlerr"
)

// OptionValue is an option of a statement with its evaluated value. Lists may
// come as arrays or comma lists; booleans and numbers may come as text.
type OptionValue struct {
	Name     string
	NamePos  int
	ValuePos int
	Value    value.Value // in the BSON form of its SQL type
}

// bad is a 22023 that names the option, its position and what is allowed.
func (o *OptionValue) bad(allowed string, args ...any) *sqlerr.Error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "invalid value for option %q", o.Name).At(o.ValuePos).
		WithHint("Allowed: "+allowed+".", args...)
}

func (o *OptionValue) text() (string, error) {
	if !o.Value.IsString() {
		return "", o.bad("a text")
	}
	return o.Value.Str(), nil
}

func (o *OptionValue) boolean() (bool, error) {
	switch {
	case o.Value.Kind() == bson.TypeBoolean:
		return o.Value.AsBool(), nil
	case o.Value.IsString():
		switch strings.ToLower(o.Value.Str()) {
		case "true", "on", "yes", "t", "1":
			return true, nil
		case "false", "off", "no", "f", "0":
			return false, nil
		}
	}
	return false, o.bad("true or false")
}

func (o *OptionValue) integer(low, high int) (int, error) {
	n, ok := int64(0), false
	if o.Value.IsNumber() {
		n, ok = o.Value.Integral()
	} else if o.Value.IsString() {
		i, err := strconv.ParseInt(strings.TrimSpace(o.Value.Str()), 10, 64)
		n, ok = i, err == nil
	}
	if !ok || n < int64(low) || n > int64(high) {
		return 0, o.bad("a whole number from %d to %d", low, high)
	}
	return int(n), nil
}

func (o *OptionValue) oneOf(words ...string) (string, error) {
	s := ""
	switch {
	case o.Value.IsString():
		s = o.Value.Str()
	case o.Value.Kind() == bson.TypeBoolean:
		s = strconv.FormatBool(o.Value.AsBool())
	}
	i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, s) })
	if i < 0 {
		return "", o.bad("%s", strings.Join(words, ", "))
	}
	return words[i], nil
}

// list takes an array of texts or a comma list.
func (o *OptionValue) list() ([]string, error) {
	if o.Value.IsString() {
		var out []string
		for _, part := range strings.Split(o.Value.Str(), ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out, nil
	}
	if !o.Value.IsArray() {
		return nil, o.bad("a list: JSON_ARRAY('a', 'b'), ARRAY['a', 'b'] or 'a, b'")
	}
	var out []string
	for _, v := range value.Items(nil, o.Value.Doc()) {
		if !v.IsString() {
			return nil, o.bad("a list of texts")
		}
		out = append(out, strings.Clone(v.Str()))
	}
	return out, nil
}

func (o *OptionValue) statuses() ([]int, error) {
	var items []value.Value
	switch {
	case o.Value.IsArray():
		items = value.Items(nil, o.Value.Doc())
	case o.Value.IsNumber():
		items = []value.Value{o.Value}
	default:
		parts, err := o.list()
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			items = append(items, value.String(p))
		}
	}
	out := []int{}
	for _, v := range items {
		one := OptionValue{Name: o.Name, ValuePos: o.ValuePos, Value: v}
		n, err := one.integer(100, 599)
		if err != nil {
			return nil, o.bad("a list of HTTP status codes from 100 to 599")
		}
		out = append(out, n)
	}
	return out, nil
}

// document takes a jsonb document, or a json text that holds one.
func (o *OptionValue) document() (bson.Raw, error) {
	switch {
	case o.Value.IsDocument():
		return slices.Clone(o.Value.Doc()), nil
	case o.Value.IsString():
		var doc bson.D
		if err := bson.UnmarshalExtJSON([]byte(o.Value.Str()), false, &doc); err != nil {
			return nil, o.bad("a JSON document: JSON_OBJECT('field', value) or '{\"field\": value}'").WithDetail("%s", err.Error())
		}
		return bson.Marshal(doc)
	}
	return nil, o.bad("a JSON document")
}

func (o *OptionValue) stringMap() (map[string]string, error) {
	doc, err := o.document()
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for it := value.Walk(doc); it.Next(); {
		if !it.Value().IsString() {
			return nil, o.bad("a document of texts: JSON_OBJECT('name', 'value')")
		}
		out[strings.Clone(it.Key())] = strings.Clone(it.Value().Str())
	}
	return out, nil
}

// duration takes an interval, or a text such as '7 days'.
func (o *OptionValue) duration() (time.Duration, error) {
	var d time.Duration
	switch {
	case o.Value.IsDocument():
		doc := o.Value.Doc()
		const daysPerMonth = 30
		days := value.Lookup(doc, "d").AsInt64() + daysPerMonth*value.Lookup(doc, "m").AsInt64()
		if days > math.MaxInt64/int64(Day) {
			return 0, o.bad("an interval of at most 290 years")
		}
		d = time.Duration(days)*Day + time.Duration(value.Lookup(doc, "u").AsInt64())*time.Microsecond
	case o.Value.IsString():
		var ok bool
		if d, ok = parseDuration(o.Value.Str()); !ok {
			return 0, o.bad("an interval such as '7 days' or '2 hours 30 minutes'")
		}
	default:
		return 0, o.bad("an interval such as '7 days'")
	}
	if d <= 0 {
		return 0, o.bad("an interval longer than zero")
	}
	return d, nil
}

var durationUnits = map[string]time.Duration{
	"ms": time.Millisecond, "millisecond": time.Millisecond, "s": time.Second, "sec": time.Second, "second": time.Second,
	"min": time.Minute, "minute": time.Minute, "h": time.Hour, "hour": time.Hour, "day": Day, "d": Day, "week": 7 * Day, "month": 30 * Day, "year": 365 * Day,
}

// parseDuration reads pairs of a number and a unit.
func parseDuration(s string) (time.Duration, bool) {
	words := strings.Fields(strings.ToLower(s))
	if len(words) == 0 || len(words)%2 != 0 {
		return 0, false
	}
	var d time.Duration
	for i := 0; i < len(words); i += 2 {
		n, err := strconv.ParseFloat(words[i], 64)
		unit, ok := durationUnits[words[i+1]]
		if !ok {
			unit, ok = durationUnits[strings.TrimSuffix(words[i+1], "s")]
		}
		if err != nil || !ok {
			return 0, false
		}
		d += time.Duration(n * float64(unit))
	}
	return d, true
}

// formatDuration is the inverse of parseDuration: the largest units that leave no rest.
func formatDuration(d time.Duration) string {
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"days", Day}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second}} {
		if d%u.unit == 0 {
			return fmt.Sprintf("%d %s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%d milliseconds", d.Milliseconds())
}
