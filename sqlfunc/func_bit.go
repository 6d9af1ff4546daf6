package sqlfunc

// functionsBit: bit strings.
var functionsBit = []functionRow{
	{1681, "length(bit) int4", "length_bit", ""},
	{1682, "octet_length(bit) int4", "octet_length_bit", ""},
	{1812, "bit_length(bit) int4", "length_bit", ""},
	{6162, "bit_count(bit) int8", "bit_count_bit", ""},
	{1698, "position(bit, bit) int4", "position_bit", ""},
	{1680, "substring(bit, int4, int4) bit", "substring_bit", ""},
	{1699, "substring(bit, int4) bit", "substring_bit", ""},
	{3030, "overlay(bit, bit, int4, int4) bit", "overlay_bit", ""},
	{3031, "overlay(bit, bit, int4) bit", "overlay_bit", ""},
	{3032, "get_bit(bit, int4) int4", "get_bit_bit", ""},
	{3033, "set_bit(bit, int4, int4) bit", "set_bit_bit", ""},
}

// operatorsBit: bit strings, which order as their texts do.
var operatorsBit = []operatorRow{
	{1784, "bit = bit", "bool", 1581, "biteq", "eq", "=", "<>", ""},
	{1785, "bit <> bit", "bool", 1582, "bitne", "ne", "<>", "=", ""},
	{1786, "bit < bit", "bool", 1595, "bitlt", "lt", ">", ">=", ""},
	{1787, "bit > bit", "bool", 1593, "bitgt", "gt", "<", "<=", ""},
	{1788, "bit <= bit", "bool", 1594, "bitle", "le", ">=", ">", ""},
	{1789, "bit >= bit", "bool", 1592, "bitge", "ge", "<=", "<", ""},
	{1804, "varbit = varbit", "bool", 1666, "varbiteq", "eq", "=", "<>", ""},
	{1805, "varbit <> varbit", "bool", 1667, "varbitne", "ne", "<>", "=", ""},
	{1806, "varbit < varbit", "bool", 1671, "varbitlt", "lt", ">", ">=", ""},
	{1807, "varbit > varbit", "bool", 1669, "varbitgt", "gt", "<", "<=", ""},
	{1808, "varbit <= varbit", "bool", 1670, "varbitle", "le", ">=", ">", ""},
	{1809, "varbit >= varbit", "bool", 1668, "varbitge", "ge", "<=", "<", ""},
	{1791, "bit & bit", "bit", 1673, "bitand", "and_bit", "&", "", ""},
	{1792, "bit | bit", "bit", 1674, "bitor", "or_bit", "|", "", ""},
	{1793, "bit # bit", "bit", 1675, "bitxor", "xor_bit", "#", "", ""},
	{1794, "~ bit", "bit", 1676, "bitnot", "not_bit", "", "", ""},
	{1795, "bit << int4", "bit", 1677, "bitshiftleft", "shl_bit", "", "", ""},
	{1796, "bit >> int4", "bit", 1678, "bitshiftright", "shr_bit", "", "", ""},
	{1797, "varbit || varbit", "varbit", 1679, "bitcat", "concat_bit", "", "", ""},
}
