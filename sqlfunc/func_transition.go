package sqlfunc

// functionsTransition: the steps of aggregates, and values in their binary form.
var functionsTransition = []functionRow{
	{222, "float8_accum(float8[], float8) float8[]", "", ""},
	{276, "float8_combine(float8[], float8[]) float8[]", "", ""},
	{2806, "float8_regr_accum(float8[], float8, float8) float8[]", "", ""},
	{3342, "float8_regr_combine(float8[], float8[]) float8[]", "", ""},
	{2515, "booland_statefunc(bool, bool) bool", "", ""},
	{2516, "boolor_statefunc(bool, bool) bool", "", ""},
	{2405, "int2send(int2) bytea", "", ""},
	{2407, "int4send(int4) bytea", "", ""},
	{2409, "int8send(int8) bytea", "", ""},
	{2415, "textsend(text) bytea", "", ""},
	{2425, "float4send(float4) bytea", "", ""},
	{2427, "float8send(float8) bytea", "", ""},
	{2437, "boolsend(bool) bytea", "", ""},
}
