package sqlfunc

// functionsArray: arrays.
var functionsArray = []functionRow{
	{747, "array_dims(anyarray) text", "", ""},
	{1193, "array_fill(anyelement, int4[]) anyarray", "", "n"},
	{1286, "array_fill(anyelement, int4[], int4[]) anyarray", "", "n"},
	{2176, "array_length(anyarray, int4) int4", "", ""},
	{2091, "array_lower(anyarray, int4) int4", "", ""},
	{748, "array_ndims(anyarray) int4", "", ""},
	{3277, "array_position(anycompatiblearray, anycompatible) int4", "", "n"},
	{3278, "array_position(anycompatiblearray, anycompatible, int4) int4", "", "n"},
	{3279, "array_positions(anycompatiblearray, anycompatible) int4[]", "", "n"},
	{3167, "array_remove(anycompatiblearray, anycompatible) anycompatiblearray", "", "n"},
	{3168, "array_replace(anycompatiblearray, anycompatible, anycompatible) anycompatiblearray", "", "n"},
	{384, "array_to_string(anyarray, text, text) text", "", "sn"},
	{395, "array_to_string(anyarray, text) text", "", "s"},
	{2092, "array_upper(anyarray, int4) int4", "", ""},
	{3179, "cardinality(anyarray) int4", "", ""},
	{6172, "trim_array(anyarray, int4) anyarray", "", ""},
}
