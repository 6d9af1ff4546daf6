package sqlfunc

// functionsUuid: UUIDs.
var functionsUuid = []functionRow{
	{3432, "gen_random_uuid() uuid", "", "v"},
}
