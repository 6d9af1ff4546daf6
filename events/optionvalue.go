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
	"weir/sqltype"
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

// list takes an array of texts, the text of one, or a comma list.
func (o *OptionValue) list() ([]string, error) {
	v, err := o.array()
	if err != nil {
		return nil, err
	}
	if v.IsString() {
		var out []string
		for _, part := range strings.Split(v.Str(), ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out, nil
	}
	if !v.IsArray() {
		return nil, o.bad("a list: JSON_ARRAY('a', 'b'), ARRAY['a', 'b'] or 'a, b'")
	}
	var out []string
	for _, v := range value.Items(nil, v.Doc()) {
		if !v.IsString() {
			return nil, o.bad("a list of texts")
		}
		out = append(out, strings.Clone(v.Str()))
	}
	return out, nil
}

// array gives the value, as an array where it is the text of one: '["a", "b"]' or
// '{a,b}'.
func (o *OptionValue) array() (value.Value, error) {
	if !o.Value.IsString() {
		return o.Value, nil
	}
	given := strings.TrimSpace(o.Value.Str())
	kind := sqltype.ArrayType(sqltype.Text)
	switch {
	case strings.HasPrefix(given, "["):
		kind = sqltype.JSONB
	case !strings.HasPrefix(given, "{"):
		return o.Value, nil
	}
	v, err := sqltype.ParseText(given, sqltype.Of(kind), nil)
	if err != nil {
		return v, o.bad("a list: JSON_ARRAY('a', 'b'), ARRAY['a', 'b'] or 'a, b'").WithDetail("%s", sqlerr.As(err).Message)
	}
	return v, nil
}

// collections takes names and patterns of collections.
func (o *OptionValue) collections() ([]string, error) {
	list, err := o.list()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, o.bad("names of collections; NULL, or no such option, stands for all of the database")
	}
	for _, name := range list {
		if name == "" || strings.ContainsAny(name, "$\x00") {
			return nil, o.bad("names of collections, in which * stands for any characters: not %q", name)
		}
	}
	return distinct(list), nil
}

func (o *OptionValue) statuses() ([]int, error) {
	var items []value.Value
	v, err := o.array()
	if err != nil {
		return nil, err
	}
	switch {
	case v.IsArray():
		items = value.Items(nil, v.Doc())
	case v.IsNumber():
		items = []value.Value{v}
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

// document takes a jsonb document, or a json text that holds one. In either,
// Extended JSON stands for the types that JSON lacks: {"$date": "…"}.
func (o *OptionValue) document() (bson.Raw, error) {
	const allowed = "a JSON document: JSON_OBJECT('field', value) or '{\"field\": value}'"
	var given []byte
	switch {
	case o.Value.IsDocument():
		var err error
		if given, err = bson.MarshalExtJSON(o.Value.Doc(), true, false); err != nil {
			return nil, o.bad(allowed).WithDetail("%s", err.Error())
		}
	case o.Value.IsString():
		given = []byte(o.Value.Str())
	default:
		return nil, o.bad(allowed)
	}
	var doc bson.D
	if err := bson.UnmarshalExtJSON(given, false, &doc); err != nil {
		bad := o.bad(allowed)
		if strings.HasPrefix(strings.TrimSpace(string(given)), "{") {
			bad = bad.WithDetail("%s", err.Error())
		}
		return nil, bad
	}
	return bson.Marshal(doc)
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

// duration takes an interval, or the text of one.
func (o *OptionValue) duration() (time.Duration, error) {
	v := o.Value
	if v.IsString() {
		parsed, err := sqltype.ParseText(v.Str(), sqltype.Of(sqltype.Interval), nil)
		if err != nil {
			return 0, o.bad("an interval such as '7 days' or '2 hours 30 minutes'")
		}
		v = parsed
	}
	if !v.IsDocument() {
		return 0, o.bad("an interval such as '7 days'")
	}
	const daysPerMonth = 30
	doc := v.Doc()
	days := value.Lookup(doc, "d").AsInt64() + daysPerMonth*value.Lookup(doc, "m").AsInt64()
	micros := value.Lookup(doc, "u").AsInt64()
	const longest = math.MaxInt64 / int64(Day) / 2
	if days > longest || micros > longest*Day.Microseconds() {
		return 0, o.bad("an interval of at most 146 years")
	}
	d := time.Duration(days)*Day + time.Duration(micros)*time.Microsecond
	if d <= 0 {
		return 0, o.bad("an interval longer than zero")
	}
	return d, nil
}

// formatDuration prints the largest unit that leaves no rest.
func formatDuration(d time.Duration) string {
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"days", Day}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second}, {"milliseconds", time.Millisecond}} {
		if d%u.unit == 0 {
			return fmt.Sprintf("%d %s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%d microseconds", d.Microseconds())
}

// paths takes dotted paths into the change event.
func (o *OptionValue) paths() ([]string, error) {
	list, err := o.list()
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if !validPath(p) {
			return nil, o.bad("dotted paths such as 'fullDocument.customer_id', without $ and empty parts")
		}
	}
	return list, nil
}

// somePaths takes at least one path.
func (o *OptionValue) somePaths() ([]string, error) {
	list, err := o.paths()
	if err == nil && len(list) == 0 {
		err = o.bad("a path into the change event, or an array of them; NULL stands for the default")
	}
	return list, err
}

func validPath(p string) bool {
	for _, part := range strings.Split(p, ".") {
		if part == "" || strings.HasPrefix(part, "$") || strings.ContainsRune(part, 0) {
			return false
		}
	}
	return true
}

// headers takes HTTP headers; those that the gateway makes itself are refused.
func (o *OptionValue) headers() (map[string]string, error) {
	m, err := o.stringMap()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for name, v := range m {
		switch lower := strings.ToLower(name); {
		case seen[lower]:
			return nil, o.bad("each header once: not %q in two spellings", lower)
		case !headerName(name), strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return nil, o.bad("names and values as HTTP has them: not %q", name)
		case slices.Contains(ownHeaders, strings.ToLower(name)):
			return nil, o.bad("headers other than %s", strings.Join(ownHeaders, ", "))
		}
		seen[strings.ToLower(name)] = true
	}
	return m, nil
}

// headerName tells whether a name is a token of HTTP.
func headerName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) })
}

// ownHeaders are what a delivery is told by.
var ownHeaders = []string{"webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "content-length", "transfer-encoding", "host", "connection"}
