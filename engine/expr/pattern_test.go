package expr_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"weir/engine/expr"
)

// TestPatternsMeanWhatPCREMeans holds what Go's and .NET's engines would read
// otherwise, or refuse.
func TestPatternsMeanWhatPCREMeans(t *testing.T) {
	for _, c := range []struct {
		pattern, options, subject string
		want                      bool
	}{
		{`c$`, "", "abc\n", true},
		{`c$`, "", "abc\nd", false},
		{`c$`, "m", "abc\nd", true},
		{`[$]`, "", "a$b", true},
		{`\$x`, "", "$x", true},
		{`a++b`, "", "aaab", true},
		{`a++ab`, "", "aaab", false},
		{`(ab){2}+c`, "", "ababc", true},
		{`[ab]?+b`, "", "b", false},
		{`(?<!x)y`, "", "xy", false},
		{`(a)\1`, "", "aa", true},
		{`a b # comment`, "x", "ab", true},
		{`A.B`, "is", "a\nb", true},
		{`\d`, "", "\u0661", false},
		{`(*UTF8)é`, "", "é", true},
		{`\bfoo\b`, "", "a foo b", true},
	} {
		p, err := expr.CompilePattern(c.pattern, c.options)
		require.NoError(t, err, c.pattern)
		ok, err := p.Matches(nil, c.subject)
		require.NoError(t, err)
		require.Equal(t, c.want, ok, "%s on %q", c.pattern, c.subject)
	}
	_, err := expr.CompilePattern("(", "")
	require.Error(t, err)
	_, err = expr.CompilePattern("a", "q")
	require.Error(t, err)
}

func TestFindGoesOnWhereAsked(t *testing.T) {
	p, err := expr.CompilePattern(`^a|\bb`, "")
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, found(t, p, "aab b", 0))
	require.Equal(t, []int{4, 5}, found(t, p, "aab b", 1), "what stands before the offset counts")
	p, err = expr.CompilePattern(`(é)(x)?`, "")
	require.NoError(t, err)
	require.Equal(t, []int{2, 4, 2, 4, -1, -1}, found(t, p, "éé", 2))
}

func found(t *testing.T, p *expr.Pattern, s string, from int) []int {
	m, err := p.Find(nil, s, from)
	require.NoError(t, err)
	return m
}
