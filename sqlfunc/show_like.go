package sqlfunc

import (
	"strings"

	"weir/parser/ast"
)

// ShowLike tells which names a SHOW … LIKE 'pattern' shows: all without a pattern.
// As in MySQL it knows no case, and a backslash at the end stands for itself.
func ShowLike(like *ast.StringLiteral) func(name string) bool {
	if like == nil {
		return func(string) bool { return true }
	}
	pattern := strings.ToLower(like.Value)
	if end := len(pattern) - len(strings.TrimRight(pattern, `\`)); end%2 == 1 {
		pattern += `\`
	}
	return func(name string) bool {
		ok, err := likeMatch(nil, strings.ToLower(name), pattern, '\\')
		return ok && err == nil // of an escape at the end, which there is none
	}
}
