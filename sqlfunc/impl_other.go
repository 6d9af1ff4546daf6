package sqlfunc

import (
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

func randomUUID() []byte {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return b
}

// reservedWords must be quoted as identifiers; they are those of pg_get_keywords
// that are not plain unreserved ones.
var reservedWords = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(sqlKeywords) {
		if word, kind, ok := strings.Cut(w, ":"); ok && kind != "U" {
			m[word] = true
		}
	}
	return m
}()

// QuoteIdent quotes a name where SQL needs it.
func QuoteIdent(s string) string {
	plain := s != "" && !reservedWords[s] && !(s[0] >= '0' && s[0] <= '9')
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '_' && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') {
			plain = false
		}
	}
	if plain {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// QuoteLiteral quotes a string as a constant.
func QuoteLiteral(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}

func quoteNullable(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return str("NULL")
	}
	return str(QuoteLiteral(text(a[0])))
}

// formatText is format(): %s %I %L with position, width and - flag.
func formatText(_ *expr.Context, a []value.Value) (value.Value, error) {
	if len(a) == 0 || a[0].IsNullish() {
		return null()
	}
	f := formatter{args: a[1:], s: text(a[0])}
	out, err := f.run()
	return value.String(out), err
}

type formatter struct {
	args []value.Value
	s    string
	next int
	b    strings.Builder
}

func formatError(format string, args ...any) error {
	return sqlerr.New(sqlerr.InvalidParameterValue, format, args...)
}

func (f *formatter) run() (string, error) {
	for i := 0; i < len(f.s); {
		if f.s[i] != '%' {
			f.b.WriteByte(f.s[i])
			i++
			continue
		}
		n, err := f.spec(f.s[i+1:])
		if err != nil {
			return "", err
		}
		if f.b.Len() > maxText {
			return "", tooLong()
		}
		i += 1 + n
	}
	return f.b.String(), nil
}

func (f *formatter) spec(s string) (int, error) {
	if strings.HasPrefix(s, "%") {
		f.b.WriteByte('%')
		return 1, nil
	}
	i, left, width := 0, false, 0
	var rangeErr error
	number := func() (int, bool) {
		from := i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		n, err := strconv.ParseInt(s[from:i], 10, 32)
		if errors.Is(err, strconv.ErrRange) {
			rangeErr = sqlerr.New(sqlerr.NumericValueOutOfRange, "number is out of range")
		}
		return int(n), err == nil
	}
	position, hasPosition := 0, false
	if n, ok := number(); ok {
		if i < len(s) && s[i] == '$' {
			i++
			position, hasPosition = n, true
		} else {
			width = n
		}
	}
	for i < len(s) && s[i] == '-' {
		left = true
		i++
	}
	switch {
	case i < len(s) && s[i] == '*':
		i++
		at, has := number()
		if has && i < len(s) && s[i] == '$' {
			i++
		}
		v, err := f.arg(at, has)
		if err != nil {
			return 0, err
		}
		if !v.IsNullish() {
			w, err := sqltype.ParseInteger(text(v), sqltype.Int4)
			if err != nil {
				return 0, err
			}
			width = int(w)
		}
		if width < 0 {
			left, width = true, -width
		}
	case i < len(s) && isDigit(s[i]):
		width, _ = number()
	}
	if rangeErr != nil {
		return 0, rangeErr
	}
	if i >= len(s) {
		return 0, formatError("unterminated format() type specifier").(*sqlerr.Error).WithHint("For a single \"%%\" use \"%%%%\".")
	}
	if strings.IndexByte("sIL", s[i]) < 0 {
		_, n := utf8.DecodeRuneInString(s[i:])
		return 0, formatError("unrecognized format() type specifier \"%s\"", s[i:i+n]).(*sqlerr.Error).WithHint("For a single \"%%\" use \"%%%%\".")
	}
	v, err := f.arg(position, hasPosition)
	if err != nil {
		return 0, err
	}
	out, err := formatArg(s[i], v)
	if err != nil {
		return 0, err
	}
	if width > maxText {
		return 0, tooLong()
	}
	fill := strings.Repeat(" ", max(width-textLen(out), 0))
	if left {
		f.b.WriteString(out + fill)
	} else {
		f.b.WriteString(fill + out)
	}
	return i + 1, nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (f *formatter) arg(position int, has bool) (value.Value, error) {
	if has {
		if position == 0 {
			return value.Value{}, formatError("format specifies argument 0, but arguments are numbered from 1")
		}
		f.next = position - 1
	}
	if f.next >= len(f.args) {
		return value.Value{}, formatError("too few arguments for format()")
	}
	f.next++
	return f.args[f.next-1], nil
}

func formatArg(kind byte, v value.Value) (string, error) {
	switch {
	case v.IsNullish() && kind == 'I':
		return "", sqlerr.New(sqlerr.NullValueNotAllowed, "null values cannot be formatted as an SQL identifier")
	case v.IsNullish() && kind == 'L':
		return "NULL", nil
	case v.IsNullish():
		return "", nil
	case kind == 'I':
		return QuoteIdent(text(v)), nil
	case kind == 'L':
		return QuoteLiteral(text(v)), nil
	}
	return text(v), nil
}

// parseIdent splits a qualified name.
func parseIdent(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := text(a[0])
	strictly := len(a) < 2 || a[1].AsBool()
	parts, rest, ok := SplitName(s)
	if !ok || strictly && strings.TrimSpace(rest) != "" {
		return failf(sqlerr.InvalidParameterValue, "string is not a valid identifier: \"%s\"", s)
	}
	return textArray(parts)
}

// SplitName parts a qualified name as SQL reads it: unquoted parts fold to
// lower case. rest is what follows the last part.
func SplitName(s string) (parts []string, rest string, ok bool) {
	for {
		s = strings.TrimLeft(s, " \t\n\r\f\v")
		var part string
		switch {
		case strings.HasPrefix(s, `"`):
			var b strings.Builder
			i := 1
			for ; i < len(s); i++ {
				if s[i] == '"' {
					if i+1 < len(s) && s[i+1] == '"' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(s[i])
			}
			if i >= len(s) || b.Len() == 0 {
				return parts, s, false
			}
			part, s = b.String(), s[i+1:]
		default:
			n := 0
			for n < len(s) && (s[n] == '_' || s[n] >= 0x80 || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || n > 0 && (isDigit(s[n]) || s[n] == '$')) {
				n++
			}
			if n == 0 {
				return parts, s, false
			}
			part, s = strings.ToLower(s[:n]), s[n:]
		}
		parts = append(parts, part)
		after := strings.TrimLeft(s, " \t\n\r\f\v")
		if !strings.HasPrefix(after, ".") {
			return parts, after, true
		}
		s = after[1:]
	}
}

func choose(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].AsBool() {
		return a[1], nil
	}
	return a[2], nil
}

func ifNull(_ *expr.Context, a []value.Value) (value.Value, error) {
	if a[0].IsNullish() {
		return a[1], nil
	}
	return a[0], nil
}

var otherFuncs = map[string]evaluator{
	"gen_random_uuid": func(*expr.Context, []value.Value) (value.Value, error) { return value.Binary(4, randomUUID()), nil },
	"uuid": func(*expr.Context, []value.Value) (value.Value, error) {
		return str(string(sqltype.AppendUUID(nil, randomUUID())))
	},
	"quote_ident": mapText(QuoteIdent), "quote_literal": mapText(QuoteLiteral), "quote_nullable": quoteNullable,
	"format": formatText, "parse_ident": parseIdent, "if": choose, "ifnull": ifNull,
	"isnull": func(_ *expr.Context, a []value.Value) (value.Value, error) { return boolean(a[0].IsNullish()) },
}
