package sqlfunc

// functionsConditional: counting NULLs.
var functionsConditional = []functionRow{
	{440, "num_nonnulls(variadic any) int4", "", "n"},
	{438, "num_nulls(variadic any) int4", "", "n"},
}
