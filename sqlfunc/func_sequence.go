package sqlfunc

// functionsSequence: sequences.
var functionsSequence = []functionRow{
	{1574, "nextval(regclass) int8", "", "v"},
	{1575, "currval(regclass) int8", "", "v"},
	{1576, "setval(regclass, int8) int8", "", "v"},
	{1765, "setval(regclass, int8, bool) int8", "", "v"},
	{2559, "lastval() int8", "", "v"},
}
