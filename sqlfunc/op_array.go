package sqlfunc

// operatorsArray: operators of arrays.
var operatorsArray = []operatorRow{
	{2750, "anyarray && anyarray", "bool", 2747, "arrayoverlap", "arrayoverlap", "&&", "", ""},
	{2752, "anyarray <@ anyarray", "bool", 2749, "arraycontained", "arraycontained", "@>", "", ""},
	{2751, "anyarray @> anyarray", "bool", 2748, "arraycontains", "arraycontains", "<@", "", ""},
	{374, "anycompatible || anycompatiblearray", "anycompatiblearray", 379, "array_prepend", "array_prepend", "", "", "n"},
	{349, "anycompatiblearray || anycompatible", "anycompatiblearray", 378, "array_append", "array_append", "", "", "n"},
	{375, "anycompatiblearray || anycompatiblearray", "anycompatiblearray", 383, "array_cat", "array_cat", "", "", "n"},
}
