package sqlfunc

// functionsInet: network addresses.
var functionsInet = []functionRow{
	{598, "abbrev(inet) text", "abbrev_inet", ""},
	{599, "abbrev(cidr) text", "abbrev_cidr", ""},
	{698, "broadcast(inet) inet", "", ""},
	{711, "family(inet) int4", "", ""},
	{699, "host(inet) text", "", ""},
	{1362, "hostmask(inet) inet", "", ""},
	{4063, "inet_merge(inet, inet) cidr", "", ""},
	{4071, "inet_same_family(inet, inet) bool", "", ""},
	{697, "masklen(inet) int4", "", ""},
	{696, "netmask(inet) inet", "", ""},
	{683, "network(inet) cidr", "", ""},
	{605, "set_masklen(inet, int4) inet", "set_masklen_inet", ""},
	{635, "set_masklen(cidr, int4) cidr", "set_masklen_cidr", ""},
	{730, "text(inet) text", "text_inet", ""},
}
