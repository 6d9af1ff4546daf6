package sqlfunc

import (
	"regexp"
	"strings"

	"weir/parser/ast"
	"weir/sqlerr"
)

// ShowLike tells which names a SHOW … LIKE 'pattern' shows: all without a pattern.
// As in MySQL it knows no case, and a backslash at the end stands for itself.
func ShowLike(like *ast.StringLiteral) (func(name string) bool, error) {
	if like == nil {
		return func(string) bool { return true }, nil
	}
	text := like.Value
	var b strings.Builder
	b.WriteString("(?is)^")
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '%':
			b.WriteString(".*")
		case c == '_':
			b.WriteByte('.')
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteString(regexp.QuoteMeta(text[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(text[i : i+1]))
		}
	}
	b.WriteByte('$')
	pattern, err := regexp.Compile(b.String())
	if err != nil {
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "the pattern cannot be read").At(like.Pos()).Because(err)
	}
	return pattern.MatchString, nil
}
