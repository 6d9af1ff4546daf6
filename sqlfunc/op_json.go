package sqlfunc

// operatorsJson: operators of json and jsonb.
var operatorsJson = []operatorRow{
	{3287, "jsonb #- text[]", "jsonb", 3304, "jsonb_delete_path", "jsonb_delete_path", "", "", ""},
	{3966, "json #> text[]", "json", 3951, "json_extract_path", "json_extract_path", "", "", ""},
	{3213, "jsonb #> text[]", "jsonb", 3217, "jsonb_extract_path", "jsonb_extract_path", "", "", ""},
	{3967, "json #>> text[]", "text", 3953, "json_extract_path_text", "json_extract_path_text", "", "", ""},
	{3206, "jsonb #>> text[]", "text", 3940, "jsonb_extract_path_text", "jsonb_extract_path_text", "", "", ""},
	{3398, "jsonb - text[]", "jsonb", 3343, "jsonb_delete", "jsonb_delete", "", "", ""},
	{3286, "jsonb - int4", "jsonb", 3303, "jsonb_delete", "jsonb_delete", "", "", ""},
	{3285, "jsonb - text", "jsonb", 3302, "jsonb_delete", "jsonb_delete", "", "", ""},
	{3964, "json -> int4", "json", 3949, "json_array_element", "json_array_element", "", "", ""},
	{3962, "json -> text", "json", 3947, "json_object_field", "json_object_field", "", "", ""},
	{3212, "jsonb -> int4", "jsonb", 3215, "jsonb_array_element", "jsonb_array_element", "", "", ""},
	{3211, "jsonb -> text", "jsonb", 3478, "jsonb_object_field", "jsonb_object_field", "", "", ""},
	{3965, "json ->> int4", "text", 3950, "json_array_element_text", "json_array_element_text", "", "", ""},
	{3963, "json ->> text", "text", 3948, "json_object_field_text", "json_object_field_text", "", "", ""},
	{3481, "jsonb ->> int4", "text", 3216, "jsonb_array_element_text", "jsonb_array_element_text", "", "", ""},
	{3477, "jsonb ->> text", "text", 3214, "jsonb_object_field_text", "jsonb_object_field_text", "", "", ""},
	{3250, "jsonb <@ jsonb", "bool", 4050, "jsonb_contained", "jsonb_contained", "@>", "", ""},
	{3247, "jsonb ? text", "bool", 4047, "jsonb_exists", "jsonb_exists", "", "", ""},
	{3249, "jsonb ?& text[]", "bool", 4049, "jsonb_exists_all", "jsonb_exists_all", "", "", ""},
	{3248, "jsonb ?| text[]", "bool", 4048, "jsonb_exists_any", "jsonb_exists_any", "", "", ""},
	{3246, "jsonb @> jsonb", "bool", 4046, "jsonb_contains", "jsonb_contains", "<@", "", ""},
	{4012, "jsonb @? jsonpath", "bool", 4010, "jsonb_path_exists_opr", "jsonb_path_exists_opr", "", "", ""},
	{4013, "jsonb @@ jsonpath", "bool", 4011, "jsonb_path_match_opr", "jsonb_path_match_opr", "", "", ""},
	{3284, "jsonb || jsonb", "jsonb", 3301, "jsonb_concat", "concat_jsonb", "", "", ""},
}
