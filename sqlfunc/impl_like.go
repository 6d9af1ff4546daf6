package sqlfunc

import (
	"strings"
	"unicode/utf8"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

// likeMatch is LIKE on code points; % and _ are the wildcards and escape, if
// any, takes their meaning. A % takes as little as it can: what an earlier one
// could take instead would leave less to those that follow. c may be nil.
func likeMatch(c *expr.Context, s, p string, escape rune) (bool, error) {
	var star bool
	var restS, restP string // behind the last %
	for s != "" || p != "" {
		if strings.HasPrefix(p, "%") && escape != '%' {
			if p = strings.TrimLeft(p, "%"); p == "" {
				return true, nil
			}
			star, restS, restP = true, s, p
			continue
		}
		n, m, err := likeOne(s, p, escape)
		if err == nil {
			err = c.Step()
		}
		switch {
		case err != nil:
			return false, err
		case m > 0:
			s, p = s[n:], p[m:]
		case !star || restS == "":
			return false, nil
		default:
			_, n := utf8.DecodeRuneInString(restS)
			restS = restS[n:]
			s, p = restS, restP
		}
	}
	return true, nil
}

// likeOne matches one character of a pattern, which is not %: it gives the bytes
// that it takes of text and pattern, none of the pattern if it does not match.
func likeOne(s, p string, escape rune) (ofText, ofPattern int, err error) {
	if s == "" || p == "" {
		return 0, 0, nil
	}
	r, n := utf8.DecodeRuneInString(p)
	skip := 0
	switch {
	case r == escape && escape != 0:
		if skip = n; p[n:] == "" {
			return 0, 0, sqlerr.New(sqlerr.InvalidEscapeSequence, "LIKE pattern must not end with escape character")
		}
		_, n = utf8.DecodeRuneInString(p[n:])
	case r == '_':
		_, m := utf8.DecodeRuneInString(s)
		return m, n, nil
	}
	if !strings.HasPrefix(s, p[skip:skip+n]) {
		return 0, 0, nil
	}
	return n, skip + n, nil
}

// escapeOf is the escape character given as a third argument; backslash else.
func escapeOf(a []value.Value) (rune, error) {
	if len(a) < 3 {
		return '\\', nil
	}
	s := text(a[2])
	if s == "" {
		return 0, nil
	}
	r, n := utf8.DecodeRuneInString(s)
	if n != len(s) {
		return 0, badEscape()
	}
	return r, nil
}

func badEscape() error {
	return sqlerr.New(sqlerr.InvalidEscapeSequence, "invalid escape string").WithHint("Escape string must be empty or one character.")
}

func like(fold, want bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		escape, err := escapeOf(a)
		if err != nil {
			return fail(err)
		}
		s, p := text(a[0]), text(a[1])
		if fold {
			s, p = strings.ToLower(s), strings.ToLower(p)
		}
		ok, err := likeMatch(c, s, p, escape)
		return value.Bool(ok == want), err
	}
}

func likeBytes(want bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		ok, err := likeMatch(c, latin1(bytesOf(a[0])), latin1(bytesOf(a[1])), '\\')
		return value.Bool(ok == want), err
	}
}
