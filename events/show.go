package events

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/parser/ast"
)

// masked stands for a secret wherever one would be shown.
const masked = "***"

// ShowCreate prints the statement that makes the subscription, in canonical
// form: every option, secrets masked.
func (s *Spec) ShowCreate() string {
	var b strings.Builder
	b.WriteString("CREATE EVENT_SUBSCRIPTION " + ast.QuoteIdent(s.Name) + " AS (")
	first := true
	for _, o := range options {
		text := o.show(s)
		if text == "" {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString("\n  " + ast.QuoteIdent(o.name) + " = " + text)
	}
	b.WriteString("\n)")
	return b.String()
}

// Options gives all options by their names, as the column `options` shows them:
// secrets masked, intervals as text, null where there is nothing.
func (s *Spec) Options() bson.D {
	var fields bson.M
	if err := bson.Unmarshal(marshal(s), &fields); err != nil {
		return nil
	}
	out := make(bson.D, len(options))
	for i, o := range options {
		out[i] = bson.E{Key: o.name, Value: s.shown(o.name, fields[o.name])}
	}
	return out
}

// shown gives the value of an option as it is shown; stored is that of its field.
func (s *Spec) shown(name string, stored any) any {
	interval := func(d time.Duration, ok bool) any {
		if !ok {
			return nil
		}
		return formatDuration(d)
	}
	switch name {
	case "target":
		stored = s.Target.Shown()
	case "headers":
		if len(s.Headers) > 0 {
			return maskedHeaders(s.Headers)
		}
	case "secret":
		if s.signs() {
			return masked
		}
	case "retention":
		return interval(s.Retention, true)
	case "max_age":
		return interval(s.MaxAge, s.MaxAge > 0)
	case "dedupe_window":
		return interval(s.DedupeWindow, s.Target.Kind.dedupes())
	case "preserve_order":
		if s.PreserveOrder != "strict" {
			return s.PreserveOrder == "true"
		}
	case "inbox":
		return s.Inbox
	case "tags", "watch_collections", "update_fields", "ordering_key", "retry_statuses", "terminal_statuses":
		if stored == nil {
			return bson.A{}
		}
	}
	if stored == "" {
		return nil
	}
	return stored
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func quoteUnlessEmpty(s string) string {
	if s == "" {
		return ""
	}
	return quote(s)
}

func showBool(b bool) string { return strconv.FormatBool(b) }
func showInt(n int) string   { return strconv.Itoa(n) }

func showList(items []string) string {
	if len(items) == 0 {
		return ""
	}
	quoted := make([]string, len(items))
	for i, s := range items {
		quoted[i] = quote(s)
	}
	return "ARRAY[" + strings.Join(quoted, ", ") + "]"
}

func showInts(items []int) string {
	if len(items) == 0 {
		return ""
	}
	texts := make([]string, len(items))
	for i, n := range items {
		texts[i] = strconv.Itoa(n)
	}
	return "ARRAY[" + strings.Join(texts, ", ") + "]"
}

func showInterval(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return "INTERVAL '" + formatDuration(d) + "'"
}

func showDocument(doc bson.Raw) string {
	if len(doc) == 0 {
		return ""
	}
	text, err := bson.MarshalExtJSON(doc, false, false)
	if err != nil {
		return ""
	}
	return quote(string(text)) // as text it keeps dates, ObjectIds and decimals
}

func showMap(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	parts := make([]string, 0, 2*len(m))
	for _, k := range keys {
		parts = append(parts, fmt.Sprintf("%s, %s", quote(k), quote(m[k])))
	}
	return "JSON_OBJECT(" + strings.Join(parts, ", ") + ")"
}
