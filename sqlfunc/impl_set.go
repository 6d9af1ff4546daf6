package sqlfunc

import (
	"strings"

	"github.com/cockroachdb/apd/v3"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

// maxSeries bounds the rows of a set: they are made as one array.
const maxSeries = 1_000_000

// FirstOf begins the names of the series of which a statement reads a number of
// rows alone: that stands before their arguments.
const FirstOf = "first_of_"

// StartsOf begins the names of what gives the first row of each run of RunRows rows of
// a series; the rows of a run are the first ones of the series that starts there.
const (
	StartsOf = "starts_of_"
	RunRows  = 100_000
)

// series makes the rows of a set one after the other, until row tells that it
// wants no more.
type series func(c *expr.Context, a []value.Value, row func(value.Value) (more bool)) error

// sets are the functions over a series: all of it, and its first rows.
func (s series) sets(m map[string]evaluator, name string) {
	run := func(c *expr.Context, a []value.Value, most int) (value.Value, error) {
		var out value.Builder
		n := 0
		err := s(c, a, func(v value.Value) bool {
			if n++; n <= most {
				out.Item(v)
			}
			return n < most || n == most && most == maxSeries
		})
		switch {
		case err != nil:
			return fail(err)
		case n > maxSeries:
			return failf(sqlerr.ProgramLimitExceeded, "the set has more than %d rows", maxSeries)
		}
		return out.ArrayOf(), nil
	}
	m[name] = func(c *expr.Context, a []value.Value) (value.Value, error) { return run(c, a, maxSeries) }
	m[FirstOf+name] = func(c *expr.Context, a []value.Value) (value.Value, error) {
		return run(c, a[1:], int(min(max(a[0].AsInt64(), 1), maxSeries)))
	}
	m[StartsOf+name] = s.starts
}

func (s series) starts(c *expr.Context, a []value.Value) (value.Value, error) {
	var out value.Builder
	n := 0
	var ended error
	err := s(c, a, func(v value.Value) bool {
		if n%RunRows == 0 {
			out.Item(v)
		}
		n++
		ended = c.Step()
		return ended == nil
	})
	if err == nil {
		err = ended
	}
	return out.ArrayOf(), err
}

func seriesFuncs() map[string]evaluator {
	m := map[string]evaluator{}
	seriesInt(width4).sets(m, "generate_series_int4")
	seriesInt(width8).sets(m, "generate_series_int8")
	m[StartsOf+"generate_series_int4"], m[StartsOf+"generate_series_int8"] = startsInt(width4), startsInt(width8)
	series(seriesNumeric).sets(m, "generate_series_numeric")
	seriesTime(false).sets(m, "generate_series_timestamp")
	seriesTime(true).sets(m, "generate_series_timestamptz")
	return m
}

func zeroStep() error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "step size cannot equal zero")
}

func seriesInt(w width) series {
	return func(_ *expr.Context, a []value.Value, row func(value.Value) bool) error {
		from, to, by := a[0].AsInt64(), a[1].AsInt64(), optional(a, 2, 1)
		if by == 0 {
			return zeroStep()
		}
		for i := from; by > 0 && i <= to || by < 0 && i >= to; {
			v, _ := w.wrap(i)
			next, ok := value.AddInt64(i, by)
			if !row(v) || !ok {
				break
			}
			i = next
		}
		return nil
	}
}

// startsInt is starts of integers, which need not be counted.
func startsInt(w width) evaluator {
	rows := map[string]evaluator{}
	seriesInt(w).sets(rows, "")
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		run, ok := value.MulInt64(optional(a, 2, 1), RunRows)
		if !ok {
			return seriesInt(w).starts(c, a)
		}
		return rows[""](c, []value.Value{a[0], a[1], value.Int64(run)})
	}
}

func seriesNumeric(_ *expr.Context, a []value.Value, row func(value.Value) bool) error {
	from, to, by := dec(a[0]), dec(a[1]), apd.New(1, 0)
	if len(a) > 2 {
		by = dec(a[2])
	}
	for _, d := range []*apd.Decimal{from, to, by} {
		if d.Form != apd.Finite {
			return sqlerr.New(sqlerr.InvalidParameterValue, "start, stop and step values cannot be NaN or infinity")
		}
	}
	if by.IsZero() {
		return zeroStep()
	}
	for i := from; by.Negative && i.Cmp(to) >= 0 || !by.Negative && i.Cmp(to) <= 0; {
		v, err := numeric(new(apd.Decimal).Set(i))
		if err != nil || !row(v) {
			return err
		}
		if i, err = addNumeric(i, by); err != nil {
			return err
		}
	}
	return nil
}

func seriesTime(zoned bool) series {
	return func(c *expr.Context, a []value.Value, row func(value.Value) bool) error {
		at, to, s := momentOf(a[0]), momentOf(a[1]), span(a[2])
		sign := s.Compare(sqltype.Span{})
		if sign == 0 {
			return zeroStep()
		}
		for sign > 0 && at.Compare(to) <= 0 || sign < 0 && at.Compare(to) >= 0 {
			if !row(at.Value()) {
				break
			}
			if zoned {
				at = addSpanZoned(c, at, s)
			} else {
				at = addSpan(at, s)
			}
		}
		return nil
	}
}

func subscripts(_ *expr.Context, a []value.Value) (value.Value, error) {
	n, ok := dimension(a[0], a[1].AsInt64())
	var b value.Builder
	for i := 1; ok && i <= n; i++ {
		k := i
		if len(a) > 2 && a[2].AsBool() {
			k = n + 1 - i
		}
		b.Item(value.Int32(int32(k)))
	}
	return b.ArrayOf(), nil
}

func elementsOf(asText bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if !a[0].IsArray() {
			what := "a scalar"
			if a[0].IsDocument() {
				what = "an object"
			}
			return failf(sqlerr.InvalidParameterValue, "cannot extract elements from %s", what)
		}
		in := items(a[0])
		for i := range in {
			if asText {
				in[i] = jsonText(in[i])
			} else {
				in[i] = outer(in[i])
			}
		}
		return value.ArrayFrom(in), nil
	}
}

func needObject(v value.Value, fn string) error {
	switch {
	case v.IsDocument():
		return nil
	case v.IsArray():
		return sqlerr.New(sqlerr.InvalidParameterValue, "cannot call %s on an array", fn)
	}
	return sqlerr.New(sqlerr.InvalidParameterValue, "cannot call %s on a scalar", fn)
}

func each(fn string, asText bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if err := needObject(a[0], fn); err != nil {
			return fail(err)
		}
		var out []value.Value
		for _, f := range sqltype.SortedFields(nil, a[0].Doc()) {
			v := outer(f.Value)
			if asText {
				v = jsonText(f.Value)
			}
			out = append(out, row(value.String(f.Key), v))
		}
		return value.ArrayFrom(out), nil
	}
}

func objectKeys(_ *expr.Context, a []value.Value) (value.Value, error) {
	if err := needObject(a[0], "jsonb_object_keys"); err != nil {
		return fail(err)
	}
	var out []string
	for _, f := range sqltype.SortedFields(nil, a[0].Doc()) {
		out = append(out, f.Key)
	}
	return textArray(out)
}

// rawText is a json value as text: strings unquoted, null NULL.
func rawText(r rawJSON) value.Value {
	switch {
	case r.kind() == '"':
		return value.String(unquoteJSON(r.trim()))
	case r.trim() == "null":
		return value.Null()
	}
	return value.String(string(r))
}

func rawElements(asText bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		r := rawOf(a[0])
		if r.kind() != '[' {
			return failf(sqlerr.InvalidParameterValue, "cannot extract elements from %s", map[bool]string{true: "an object", false: "a scalar"}[r.kind() == '{'])
		}
		var out []value.Value
		for _, e := range r.elements() {
			if asText {
				out = append(out, rawText(e.value))
			} else {
				out = append(out, value.String(string(e.value)))
			}
		}
		return value.ArrayFrom(out), nil
	}
}

func rawEach(fn string, asText bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		r := rawOf(a[0])
		if r.kind() != '{' {
			return failf(sqlerr.InvalidParameterValue, "cannot deconstruct %s", map[bool]string{true: "an array as an object", false: "a scalar"}[r.kind() == '['])
		}
		var out []value.Value
		for _, e := range r.elements() {
			v := value.String(string(e.value))
			if asText {
				v = rawText(e.value)
			}
			if fn == "json_object_keys" {
				out = append(out, value.String(e.key))
			} else {
				out = append(out, row(value.String(e.key), v))
			}
		}
		return value.ArrayFrom(out), nil
	}
}

func keywords(*expr.Context, []value.Value) (value.Value, error) {
	kinds := map[byte][2]string{
		'R': {"reserved", ""}, 'T': {"reserved (can be function or type name)", ""},
		'C': {"unreserved (cannot be function or type name)", ""}, 'U': {"unreserved", ""},
	}
	var out []value.Value
	for _, w := range strings.Fields(sqlKeywords) {
		code := byte('U')
		if word, kind, ok := strings.Cut(w, ":"); ok {
			w, code = word, kind[0]
		}
		out = append(out, row(value.String(w), value.String(string(code)), value.Bool(true), value.String(kinds[code][0]), value.String("can be bare label")))
	}
	return value.ArrayFrom(out), nil
}

// sqlKeywords are the words that pg_get_keywords lists, with their class when
// they are not unreserved.
const sqlKeywords = `abort absolute add after aggregate all:R also alter analyse:R analyze:R and:R any:R array:R as:R asc:R at
authorization:T begin between:C bigint:C binary:T bit:C boolean:C both:R by cascade case:R cast:R char:C character:C check:R
close coalesce:C collate:R collation:T column:R comment commit concurrently:T constraint:R copy create:R cross:T cube current
current_catalog:R current_date:R current_role:R current_schema:T current_time:R current_timestamp:R current_user:R cursor
database dec:C decimal:C declare default:R deferrable:R delete desc:R distinct:R do:R drop each else:R end:R escape except:R
exclude execute exists:C explain extract:C false:R fetch:R filter first float:C following for:R foreign:R freeze:T from:R full:T
function global grant:R greatest:C group:R grouping:C having:R hour if ilike:T in:R index initially:R inner:T inout:C insert
int:C integer:C intersect:R interval:C into:R is:T isnull:T isolation join:T key language last lateral:R leading:R least:C left:T
level like:T limit:R local localtime:R localtimestamp:R lock match materialized merge minute month name national:C natural:T
nchar:C next no none:C normalize:C not:R nothing notify notnull:T null:R nullif:C nulls numeric:C of off offset:R on:R only:R
option or:R order:R ordinality out:C outer:T over overlaps:T overlay:C partition placing:R position:C preceding precision:C
prepare primary:R procedure range real:C recursive references:R refresh release rename replace reset restrict returning:R
revoke right:T role rollback rollup row:C rows savepoint schema scroll second select:R sequence serializable session
session_user:R set setof:C sets share show similar:T smallint:C some:R start statement substring:C symmetric:R table:R
tablesample:T temporary text then:R ties time:C timestamp:C to:R trailing:R transaction treat:C trigger trim:C true:R truncate
type unbounded union:R unique:R unlisten until update user:R using:R vacuum values:C varchar:C variadic:R verbose:T view volatile
when:R where:R window:R with:R within without work write xmlelement:C year yes zone`

// expandArray is information_schema._pg_expandarray: elements with their number.
func expandArray(_ *expr.Context, a []value.Value) (value.Value, error) {
	var out []value.Value
	for i, e := range items(a[0]) {
		out = append(out, row(e, value.Int32(int32(i+1))))
	}
	return value.ArrayFrom(out), nil
}

// optionsToTable splits name=value.
func optionsToTable(_ *expr.Context, a []value.Value) (value.Value, error) {
	var out []value.Value
	for _, e := range items(a[0]) {
		name, v, ok := strings.Cut(text(e), "=")
		val := value.Null()
		if ok {
			val = value.String(v)
		}
		out = append(out, row(value.String(name), val))
	}
	return value.ArrayFrom(out), nil
}

var setFuncs = map[string]evaluator{
	"generate_subscripts_anyarray": subscripts,
	"unnest":                       func(_ *expr.Context, a []value.Value) (value.Value, error) { return value.ArrayFrom(flat(a[0])), nil },
	"jsonb_array_elements":         elementsOf(false), "jsonb_array_elements_text": elementsOf(true),
	"json_array_elements": rawElements(false), "json_array_elements_text": rawElements(true),
	"jsonb_each": each("jsonb_each", false), "jsonb_each_text": each("jsonb_each_text", true),
	"json_each": rawEach("json_each", false), "json_each_text": rawEach("json_each_text", true),
	"jsonb_object_keys": objectKeys, "json_object_keys": rawEach("json_object_keys", false),
	"string_to_table":     stringToArray,
	"pg_get_keywords":     keywords,
	"_pg_expandarray":     expandArray,
	"pg_options_to_table": optionsToTable,
	"pg_partition_none":   func(*expr.Context, []value.Value) (value.Value, error) { return value.ArrayFrom(nil), nil }, // nothing is partitioned
}
