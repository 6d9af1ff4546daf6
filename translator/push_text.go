package translator

import (
	"strings"

	"weir/engine/value"
	"weir/planner"
)

// pushText: strings. MongoDB's $toUpper and $toLower know ASCII only, so those
// and everything about words and locales is local.
func pushText() map[string]builder {
	return map[string]builder{
		"concat_op":    mapText("$concat"),
		"length":       textLength("$strLenCP"),
		"octet_length": textLength("$strLenBytes"),
		"substring":    substring,
		"left":         leftPart,
		"replace":      replaceAll,
		"btrim":        trim("$trim"),
		"ltrim":        trim("$ltrim"),
		"rtrim":        trim("$rtrim"),
		"strpos":       position,
		"starts_with":  startsWith,
		"concat":       concatAll,
		"like":         like(true),
		"not_like":     like(false),
	}
}

// mapText calls an operator on texts; arguments of any type become text first.
func mapText(name string) builder {
	return func(s scope, e *planner.Call) any { return obj{{name, s.callArgs(e.Func, e.Args)}} }
}

func textLength(name string) builder {
	return func(s scope, e *planner.Call) any {
		return nullSafe(s, e.Args[0], s.value(e.Args[0]), func(x any) any { return op1(name, x) })
	}
}

// substring starts at 1; other starts eat into the length and are local.
func substring(s scope, e *planner.Call) any {
	from, ok := constInt(e.Args[1])
	if !ok || from < 1 || from > 1<<30 {
		return nil
	}
	n := int64(1 << 30)
	if len(e.Args) > 2 {
		if n, ok = constInt(e.Args[2]); !ok || n < 0 || n > 1<<30 {
			return nil
		}
	}
	return nullSafe(s, e.Args[0], s.value(e.Args[0]), func(x any) any { return op("$substrCP", x, int(from-1), int(n)) })
}

func leftPart(s scope, e *planner.Call) any {
	n, ok := constInt(e.Args[1])
	if !ok || n < 0 || n > 1<<30 {
		return nil
	}
	return nullSafe(s, e.Args[0], s.value(e.Args[0]), func(x any) any { return op("$substrCP", x, 0, int(n)) })
}

func replaceAll(s scope, e *planner.Call) any {
	find, ok := constText(e.Args[1])
	if !ok || find == "" {
		return nil
	}
	return op1("$replaceAll", obj{{"input", s.value(e.Args[0])}, {"find", s.value(e.Args[1])}, {"replacement", s.value(e.Args[2])}})
}

func trim(name string) builder {
	return func(s scope, e *planner.Call) any {
		chars := " "
		if len(e.Args) > 1 {
			var ok bool
			if chars, ok = constText(e.Args[1]); !ok || chars == "" {
				return nil
			}
		}
		return op1(name, obj{{"input", s.value(e.Args[0])}, {"chars", literal(value.String(chars))}})
	}
}

func position(s scope, e *planner.Call) any {
	if _, ok := constText(e.Args[1]); !ok {
		return nil
	}
	return op("$add", op("$indexOfCP", s.value(e.Args[0]), s.value(e.Args[1])), 1)
}

func startsWith(s scope, e *planner.Call) any {
	if _, ok := constText(e.Args[1]); !ok {
		return nil
	}
	return nullSafe(s, e.Args[0], s.value(e.Args[0]), func(x any) any {
		return op("$eq", op("$indexOfCP", x, s.value(e.Args[1])), 0)
	})
}

// concatAll is concat(), which skips NULLs.
func concatAll(s scope, e *planner.Call) any {
	args := s.callArgs(e.Func, e.Args)
	for i := range args {
		if s.nullable(e.Args[i]) {
			args[i] = op("$ifNull", args[i], "")
		}
	}
	return obj{{"$concat", args}}
}

// like is [NOT] LIKE with a constant pattern.
func like(yes bool) builder {
	return func(s scope, e *planner.Call) any {
		text, ok := constText(e.Args[1])
		if !ok || len(e.Args) != 2 {
			return nil
		}
		p, ok := parseLike(text)
		if !ok || strings.Contains(p.regex, "\x00") {
			return nil
		}
		return nullSafe(s, e.Args[0], s.value(e.Args[0]), func(x any) any {
			found := any(op1("$regexMatch", obj{{"input", x}, {"regex", literal(value.String(p.regex))}, {"options", "s"}}))
			if !yes {
				found = op("$not", found)
			}
			return found
		})
	}
}
