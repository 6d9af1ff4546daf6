package translator

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseLike(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		matches       bool
	}{
		{"abc%", "abcd", true}, {"abc%", "xabc", false}, {"a_c", "abc", true}, {"a_c", "a\nc", true},
		{`50\%`, "50%", true}, {`50\%`, "50x", false}, {"a.c", "abc", false}, {"%x", "y\nx", true}, {"é_", "éa", true}, {"", "", true}, {"", "a", false},
	} {
		p, ok := parseLike(c.pattern)
		require.True(t, ok, c.pattern)
		require.Equal(t, c.matches, regexp.MustCompile("(?s)"+p.regex).MatchString(c.text), "%s ~ %s", c.pattern, c.text)
	}
	_, ok := parseLike(`abc\`)
	require.False(t, ok, "a lone escape at the end is an error of the local operator")
	p, _ := parseLike("abc%")
	require.True(t, p.prefixOnly)
	require.Equal(t, "abc", p.prefix)
	p, _ = parseLike("a%c")
	require.False(t, p.prefixOnly)
}

func TestSuccessor(t *testing.T) {
	for s, want := range map[string]string{"abc": "abd", "a\U0010FFFF": "b", "\uD7FF": "\uE000"} {
		got, ok := successor(s)
		require.True(t, ok)
		require.Equal(t, want, got)
		require.Greater(t, got, s+"zzz")
	}
	_, ok := successor("\U0010FFFF")
	require.False(t, ok)
}
