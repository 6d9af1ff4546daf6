package sqlfunc

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// maxText bounds what a function may build, as PostgreSQL's 1 GB does, lower
// because a document must hold it.
const maxText = 64 << 20

// maxBytes bounds other values.
const maxBytes = 2 * maxText

func tooLong() error {
	return sqlerr.New(sqlerr.ProgramLimitExceeded, "requested length too large")
}

// byteOffset is where the n-th character (from 0) begins, len(s) beyond the end.
func byteOffset(s string, n int) int {
	if n <= 0 {
		return 0
	}
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// textLen counts code points.
func textLen(s string) int { return utf8.RuneCountInString(s) }

// substr is SUBSTRING(s FROM from FOR n): positions before the first count too.
func substr(s string, from int64, n int64, open bool) (string, error) {
	end := int64(1) << 40
	if !open {
		if n < 0 && from+n < from {
			return "", sqlerr.New(sqlerr.SubstringError, "negative substring length not allowed")
		}
		end = from + n
	}
	from = max(from, 1)
	if end <= from {
		return "", nil
	}
	start := byteOffset(s, int(min(from-1, int64(len(s)))))
	return s[start : start+byteOffset(s[start:], int(min(end-from, int64(len(s)))))], nil
}

func substring(_ *expr.Context, a []value.Value) (value.Value, error) {
	n, open := int64(0), len(a) < 3
	if !open {
		n = a[2].AsInt64()
	}
	s, err := substr(text(a[0]), a[1].AsInt64(), n, open)
	return value.String(s), err
}

func left(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, n := text(a[0]), int(a[1].AsInt64())
	if n < 0 {
		n = max(textLen(s)+n, 0)
	}
	return str(s[:byteOffset(s, n)])
}

func right(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, n := text(a[0]), int(a[1].AsInt64())
	if n < 0 {
		return str(s[byteOffset(s, -n):])
	}
	return str(s[byteOffset(s, max(textLen(s)-n, 0)):])
}

func pad(leftSide bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		s, n := text(a[0]), int(a[1].AsInt64())
		fill := optionalText(a, 2, " ")
		if n > maxText {
			return fail(tooLong())
		}
		have := textLen(s)
		if have >= n || fill == "" {
			return str(s[:byteOffset(s, max(n, 0))])
		}
		need := n - have
		p := strings.Repeat(fill, need/textLen(fill)+1)
		p = p[:byteOffset(p, need)]
		if leftSide {
			return str(p + s)
		}
		return str(s + p)
	}
}

func trimmer(left, right bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		s, set := text(a[0]), optionalText(a, 1, " ")
		if left {
			s = strings.TrimLeft(s, set)
		}
		if right {
			s = strings.TrimRight(s, set)
		}
		return str(s)
	}
}

func initcap(_ *expr.Context, a []value.Value) (value.Value, error) {
	inWord := false
	return str(strings.Map(func(r rune) rune {
		was := inWord
		inWord = unicode.IsLetter(r) || unicode.IsDigit(r)
		if was {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, text(a[0])))
}

func translate(_ *expr.Context, a []value.Value) (value.Value, error) {
	from, to := []rune(text(a[1])), []rune(text(a[2]))
	return str(strings.Map(func(r rune) rune {
		for i, f := range from {
			if f == r {
				if i < len(to) {
					return to[i]
				}
				return -1
			}
		}
		return r
	}, text(a[0])))
}

func overlay(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, with, from := text(a[0]), text(a[1]), a[2].AsInt64()
	n := int64(textLen(with))
	if len(a) > 3 {
		n = a[3].AsInt64()
	}
	if from <= 0 {
		return failf(sqlerr.SubstringError, "negative substring length not allowed")
	}
	head, err := substr(s, 1, from-1, false)
	if err != nil {
		return fail(err)
	}
	tail, _ := substr(s, from+n, 0, true)
	return str(head + with + tail)
}

func repeat(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, n := text(a[0]), a[1].AsInt64()
	if n <= 0 || s == "" {
		return str("")
	}
	if n > maxText/int64(len(s)) {
		return fail(tooLong())
	}
	return str(strings.Repeat(s, int(n)))
}

func replaceText(_ *expr.Context, a []value.Value) (value.Value, error) {
	from := text(a[1])
	if from == "" {
		return a[0], nil
	}
	s, to := text(a[0]), text(a[2])
	if len(s)+strings.Count(s, from)*(len(to)-len(from)) > maxText {
		return fail(tooLong())
	}
	return str(strings.ReplaceAll(s, from, to))
}

func reverse(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := text(a[0])
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		_, n := utf8.DecodeLastRuneInString(s)
		out = append(out, s[len(s)-n:]...)
		s = s[:len(s)-n]
	}
	return str(string(out))
}

func strpos(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := text(a[0])
	i := strings.Index(s, text(a[1]))
	if i < 0 {
		return int4(0)
	}
	return int4(textLen(s[:i]) + 1)
}

func splitPart(_ *expr.Context, a []value.Value) (value.Value, error) {
	s, sep, n := text(a[0]), text(a[1]), int(a[2].AsInt64())
	if n == 0 {
		return failf(sqlerr.InvalidParameterValue, "field position must not be zero")
	}
	parts := []string{s}
	if sep != "" {
		parts = strings.Split(s, sep)
	}
	if n < 0 {
		n = len(parts) + n + 1
	}
	if n < 1 || n > len(parts) {
		return str("")
	}
	return str(parts[n-1])
}

func stringToArray(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return null()
	}
	s := text(a[0])
	var parts []string
	switch {
	case s == "":
	case a[1].IsNullish():
		parts = strings.Split(s, "")
	case text(a[1]) == "":
		parts = []string{s}
	default:
		parts = strings.Split(s, text(a[1]))
	}
	out := make([]value.Value, len(parts))
	for i, p := range parts {
		out[i] = value.String(p)
		if len(a) > 2 && !a[2].IsNullish() && p == text(a[2]) {
			out[i] = value.Null()
		}
	}
	return value.ArrayFrom(out), nil
}

func concat(_ *expr.Context, a []value.Value) (value.Value, error) {
	var b strings.Builder
	for _, v := range a {
		if !v.IsNullish() {
			b.WriteString(text(v))
		}
	}
	return str(b.String())
}

func concatWS(_ *expr.Context, a []value.Value) (value.Value, error) {
	if len(a) == 0 || a[0].IsNullish() {
		return null()
	}
	var parts []string
	for _, v := range a[1:] {
		if !v.IsNullish() {
			parts = append(parts, text(v))
		}
	}
	return joined(parts, text(a[0]))
}

// joined is strings.Join within maxText.
func joined(parts []string, sep string) (value.Value, error) {
	n := len(sep) * max(len(parts)-1, 0)
	for _, p := range parts {
		n += len(p)
	}
	if n > maxText {
		return fail(tooLong())
	}
	return str(strings.Join(parts, sep))
}

func ascii(_ *expr.Context, a []value.Value) (value.Value, error) {
	for _, r := range text(a[0]) {
		return int4(int(r))
	}
	return int4(0)
}

func chr(_ *expr.Context, a []value.Value) (value.Value, error) {
	n := a[0].AsInt64()
	switch {
	case n == 0:
		return failf(sqlerr.ProgramLimitExceeded, "null character not permitted")
	case n < 0:
		return failf(sqlerr.InvalidParameterValue, "character number must be positive")
	case n > utf8.MaxRune || n >= 0xD800 && n < 0xE000:
		return failf(sqlerr.ProgramLimitExceeded, "requested character too large for encoding: %d", n)
	}
	return str(string(rune(n)))
}

func normalForm(a []value.Value) (norm.Form, error) {
	switch name := optionalText(a, 1, "NFC"); strings.ToUpper(name) {
	case "NFC":
		return norm.NFC, nil
	case "NFD":
		return norm.NFD, nil
	case "NFKC":
		return norm.NFKC, nil
	case "NFKD":
		return norm.NFKD, nil
	default:
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "invalid normalization form: %s", name)
	}
}

func normalize(_ *expr.Context, a []value.Value) (value.Value, error) {
	f, err := normalForm(a)
	if err != nil {
		return fail(err)
	}
	return str(f.String(text(a[0])))
}

func isNormalized(_ *expr.Context, a []value.Value) (value.Value, error) {
	f, err := normalForm(a)
	if err != nil {
		return fail(err)
	}
	return boolean(f.IsNormalString(text(a[0])))
}

func unistr(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := text(a[0])
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			i++
			continue
		}
		if i+1 < len(s) && s[i+1] == '\\' {
			b.WriteByte('\\')
			i += 2
			continue
		}
		r, n, ok := unicodeEscape(s[i+1:])
		if !ok {
			return failf(sqlerr.SyntaxError, "invalid Unicode escape")
		}
		b.WriteRune(r)
		i += 1 + n
	}
	return str(b.String())
}

// unicodeEscape reads XXXX, +XXXXXX, uXXXX or UXXXXXXXX.
func unicodeEscape(s string) (rune, int, bool) {
	skip, digits := 0, 4
	if s != "" {
		switch s[0] {
		case '+':
			skip, digits = 1, 6
		case 'u':
			skip = 1
		case 'U':
			skip, digits = 1, 8
		}
	}
	if len(s) < skip+digits {
		return 0, 0, false
	}
	b, err := sqltype.DecodeHex(s[skip : skip+digits])
	if err != nil {
		return 0, 0, false
	}
	r := rune(0)
	for _, c := range b {
		r = r<<8 | rune(c)
	}
	return r, skip + digits, utf8.ValidRune(r) && r != 0
}

func mapText(f func(string) string) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(f(text(a[0]))) }
}

func measure(f func(string) int) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) { return int4(f(text(a[0]))) }
}

func trimmedLen(s string) int { return textLen(strings.TrimRight(s, " ")) }

var textFuncs = map[string]evaluator{
	"substring": substring, "left": left, "right": right, "lpad": pad(true), "rpad": pad(false),
	"btrim": trimmer(true, true), "ltrim": trimmer(true, false), "rtrim": trimmer(false, true),
	"initcap": initcap, "translate": translate, "overlay": overlay, "repeat": repeat, "replace": replaceText,
	"reverse": reverse, "strpos": strpos, "split_part": splitPart, "string_to_array": stringToArray,
	"concat": concat, "concat_ws": concatWS, "ascii": ascii, "chr": chr, "normalize": normalize, "is_normalized": isNormalized,
	"unistr": unistr, "lower": mapText(strings.ToLower), "upper": mapText(strings.ToUpper),
	"length": measure(textLen), "octet_length": measure(func(s string) int { return len(s) }),
	"bit_length":          measure(func(s string) int { return 8 * len(s) }),
	"length_bpchar":       measure(trimmedLen),
	"octet_length_bpchar": octetsPadded,
	"starts_with": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return boolean(strings.HasPrefix(text(a[0]), text(a[1])))
	},
	"concat_op": func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(text(a[0]) + text(a[1])) },
}

// octetsPadded is the length in bytes of a character(n) with its blanks; n is
// the second argument, negative where it is not known.
func octetsPadded(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := text(a[0])
	pad := optional(a, 1, -1) - int64(utf8.RuneCountInString(s))
	return int4(len(s) + int(max(pad, 0)))
}
