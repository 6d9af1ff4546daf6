package sqlfunc

import "strings"

// node is a piece of a template of to_char and its kin: a key or literal text.
type node struct {
	key     string // upper-case key; "" for a literal
	text    string // as written; the literal
	fill    bool   // FM was before it
	ordinal string // TH or th after it
	quoted  bool   // a literal in quotes
}

// templateKeys are the keys of date templates, longer ones first where one
// begins another.
var templateKeys = []string{
	"SSSSS", "SSSS", "Y,YYY", "YYYY", "MONTH", "IDDD", "IYYY", "HH24", "HH12", "A.D.", "A.M.", "B.C.", "P.M.",
	"DAY", "DDD", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "IYY", "MON", "TZH", "TZM", "YYY",
	"AD", "AM", "BC", "CC", "DD", "DY", "HH", "ID", "IW", "IY", "MI", "MM", "MS", "OF", "PM", "RM", "SS", "TZ", "US", "WW", "YY",
	"D", "I", "J", "Q", "W", "Y",
}

// maxTemplate bounds what is parsed: its nodes are many times as large.
const maxTemplate = 1 << 20

func parseTemplate(s string) []node {
	var out []node
	fill := false
	for s != "" {
		switch {
		case prefixFold(s, "FM"):
			fill, s = true, s[2:]
			continue
		case prefixFold(s, "TM"):
			fill, s = true, s[2:] // names that are translated are not padded
			continue
		case prefixFold(s, "FX"):
			s = s[2:]
			continue
		case s[0] == '"':
			lit, rest := quotedLiteral(s[1:])
			out, s = append(out, node{text: lit, quoted: true}), rest
			continue
		case s[0] == '\\' && len(s) > 1:
			out, s = append(out, node{text: s[1:2], quoted: true}), s[2:]
			continue
		}
		n, rest := templateKey(s)
		n.fill = fill && n.key != ""
		fill = false
		out, s = append(out, n), rest
	}
	return out
}

func prefixFold(s, p string) bool { return len(s) >= len(p) && strings.EqualFold(s[:len(p)], p) }

func quotedLiteral(s string) (lit, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

func templateKey(s string) (node, string) {
	for _, k := range templateKeys {
		if !prefixFold(s, k) {
			continue
		}
		n, rest := node{key: k, text: s[:len(k)]}, s[len(k):]
		if strings.HasPrefix(rest, "TH") || strings.HasPrefix(rest, "th") {
			n.ordinal, rest = rest[:2], rest[2:]
		}
		return n, rest
	}
	size := 1
	for size < len(s) && s[size]&0xC0 == 0x80 {
		size++
	}
	return node{text: s[:size]}, s[size:]
}

// cased gives a name in the case of the template's key: MONTH, Month, month.
func cased(name, key string) string {
	switch {
	case key == strings.ToUpper(key):
		return strings.ToUpper(name)
	case key == strings.ToLower(key):
		return strings.ToLower(name)
	}
	return strings.ToUpper(name[:1]) + strings.ToLower(name[1:])
}

// ordinalSuffix is st, nd, rd or th for a number's text.
func ordinalSuffix(digits, as string) string {
	s := "th"
	if n := len(digits); n > 0 && !(n > 1 && digits[n-2] == '1') {
		switch digits[n-1] {
		case '1':
			s = "st"
		case '2':
			s = "nd"
		case '3':
			s = "rd"
		}
	}
	if as == "TH" {
		return strings.ToUpper(s)
	}
	return s
}

var romanMonths = [...]string{"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"}
