package sqlfunc

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
)

// jsonPathFamily makes the functions of jsonpath.
func jsonPathFamily(ps *patterns) map[string]evaluator {
	m := map[string]evaluator{}
	nothing := value.ArrayFrom(nil)
	for _, tz := range []string{"", "_tz"} {
		m["jsonb_path_query"+tz] = ps.path(tz != "", nothing, func(vs []value.Value) (value.Value, error) {
			return value.ArrayFrom(outers(vs)), nil
		})
		m["jsonb_path_query_array"+tz] = ps.path(tz != "", nothing, func(vs []value.Value) (value.Value, error) { return value.ArrayFrom(vs), nil })
		m["jsonb_path_query_first"+tz] = ps.path(tz != "", value.Null(), func(vs []value.Value) (value.Value, error) {
			if len(vs) == 0 {
				return null()
			}
			return outer(vs[0]), nil
		})
		m["jsonb_path_exists"+tz] = ps.path(tz != "", value.Null(), func(vs []value.Value) (value.Value, error) { return boolean(len(vs) > 0) })
		m["jsonb_path_match"+tz] = ps.path(tz != "", value.Null(), matched(false))
	}
	m["jsonb_path_exists_opr"] = ps.silentPath(func(vs []value.Value) (value.Value, error) { return boolean(len(vs) > 0) })
	m["jsonb_path_match_opr"] = ps.silentPath(matched(true))
	return m
}

func outers(vs []value.Value) []value.Value {
	out := make([]value.Value, len(vs))
	for i, v := range vs {
		out[i] = outer(v)
	}
	return out
}

// matched takes the one boolean of a predicate.
func matched(silent bool) func(vs []value.Value) (value.Value, error) {
	return func(vs []value.Value) (value.Value, error) {
		if len(vs) == 1 {
			switch {
			case vs[0].Kind() == value.Bool(true).Kind():
				return vs[0], nil
			case isJSONNull(vs[0]):
				return null()
			}
		}
		if silent {
			return null()
		}
		return failf("22038", "single boolean result is expected")
	}
}

func (ps *patterns) evalPath(c *expr.Context, zones bool, a []value.Value) ([]value.Value, error) {
	p, err := parsePath(text(a[1]))
	if err != nil {
		return nil, err
	}
	r := pathRun{c: c, path: p, root: inner(a[0]), patterns: ps, zones: zones, zone: zoneOf(c)}
	if len(a) > 2 {
		if !a[2].IsDocument() {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "\"vars\" argument is not an object")
		}
		r.vars = a[2]
	}
	return r.run()
}

// path runs a path; the fourth argument silences errors of the data, which
// gives the silenced value then.
func (ps *patterns) path(zones bool, silenced value.Value, result func(vs []value.Value) (value.Value, error)) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		vs, err := ps.evalPath(c, zones, a)
		if err == nil {
			return result(vs)
		}
		if len(a) > 3 && a[3].AsBool() && isDataError(err) {
			return silenced, nil
		}
		return fail(err)
	}
}

func (ps *patterns) silentPath(result func(vs []value.Value) (value.Value, error)) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		vs, err := ps.evalPath(c, false, a[:2])
		if err != nil && isDataError(err) {
			return null()
		}
		if err != nil {
			return fail(err)
		}
		return result(vs)
	}
}

func isDataError(err error) bool { return sqlerr.As(err).Code[:2] == "22" }
