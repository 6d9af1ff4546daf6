package sqlfunc

// functionsWindow: window functions.
var functionsWindow = []functionRow{
	{3100, "row_number() int8", "", "n"},
	{3101, "rank() int8", "", "n"},
	{3102, "dense_rank() int8", "", "n"},
	{3103, "percent_rank() float8", "", "n"},
	{3104, "cume_dist() float8", "", "n"},
	{3105, "ntile(int4) int4", "", ""},
	{3106, "lag(anyelement) anyelement", "", ""},
	{3107, "lag(anyelement, int4) anyelement", "", ""},
	{3108, "lag(anycompatible, int4, anycompatible) anycompatible", "", ""},
	{3109, "lead(anyelement) anyelement", "", ""},
	{3110, "lead(anyelement, int4) anyelement", "", ""},
	{3111, "lead(anycompatible, int4, anycompatible) anycompatible", "", ""},
	{3112, "first_value(anyelement) anyelement", "", ""},
	{3113, "last_value(anyelement) anyelement", "", ""},
	{3114, "nth_value(anyelement, int4) anyelement", "", ""},
}
