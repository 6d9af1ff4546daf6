package sqlfunc

import (
	"strings"

	"weir/sqltype"
)

// rawJSON is a json value as its text, which json keeps as it was written. The
// text is well formed.
type rawJSON string

func (r rawJSON) trim() string { return strings.Trim(string(r), " \t\n\r") }

// kind is the first character: { [ " or that of a literal.
func (r rawJSON) kind() byte {
	if t := r.trim(); t != "" {
		return t[0]
	}
	return 0
}

type rawField struct {
	key   string
	value rawJSON
}

// skipValue is the length of the value at the beginning of s.
func skipValue(s string) int {
	depth, i := 0, 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// elements lists an array's items, or an object's fields.
func (r rawJSON) elements() []rawField {
	t := r.trim()
	if t == "" || t[0] != '[' && t[0] != '{' {
		return nil
	}
	object := t[0] == '{'
	t = strings.TrimLeft(t[1:], " \t\n\r")
	var out []rawField
	for t != "" && t[0] != ']' && t[0] != '}' {
		var f rawField
		if object {
			n := skipValue(t)
			f.key = unquoteJSON(strings.Trim(t[:n], " \t\n\r"))
			t = strings.TrimLeft(t[min(n+1, len(t)):], " \t\n\r")
		}
		n := skipValue(t)
		f.value = rawJSON(strings.Trim(t[:n], " \t\n\r"))
		out = append(out, f)
		if n < len(t) && t[n] == ',' {
			n++
		}
		t = strings.TrimLeft(t[n:], " \t\n\r")
	}
	return out
}

// unquoteJSON reads a quoted string.
func unquoteJSON(s string) string {
	v, err := sqltype.ParseJSONB(s)
	if err != nil || !v.IsString() {
		return strings.Trim(s, `"`)
	}
	return v.Str()
}

func (r rawJSON) field(key string) (found rawJSON, ok bool) {
	if r.kind() != '{' {
		return "", false
	}
	for _, f := range r.elements() {
		if f.key == key {
			found, ok = f.value, true
		}
	}
	return found, ok
}

func (r rawJSON) element(i int) (rawJSON, bool) {
	if r.kind() != '[' {
		return "", false
	}
	es := r.elements()
	if i < 0 {
		i += len(es)
	}
	if i < 0 || i >= len(es) {
		return "", false
	}
	return es[i].value, true
}

// stripNulls drops fields that are null and all white space, as json_strip_nulls does.
func (r rawJSON) stripNulls() rawJSON {
	var parts []string
	switch r.kind() {
	case '{':
		for _, f := range r.elements() {
			if f.value != "null" {
				parts = append(parts, string(sqltype.AppendJSONString(nil, f.key))+":"+string(f.value.stripNulls()))
			}
		}
		return rawJSON("{" + strings.Join(parts, ",") + "}")
	case '[':
		for _, e := range r.elements() {
			parts = append(parts, string(e.value.stripNulls()))
		}
		return rawJSON("[" + strings.Join(parts, ",") + "]")
	}
	return rawJSON(r.trim())
}
