// Package sqltype holds SQL's types as PostgreSQL knows them: OIDs, type
// modifiers, names, and the forms of their values: BSON inside of pipelines,
// text and binary on the wire, text literals in statements.
//
// It knows no functions, operators or tables. Start with Type and OID; the
// BSON form of each type is the table at Type.
//
//	metadata      types.go (rows of pg_type), info.go, name.go (spellings, modifiers)
//	from MongoDB  kinds.go: which type a path has by the BSON types seen there
//	output        out_*.go: AppendText, AppendBinary; row.go: RowEncoder for whole rows
//	input         in_*.go: ParseText, ParseBinary, Decode
//	surroundings  env.go: zone, DateStyle and the like, as an Env
//
// jsonb prints as PostgreSQL prints it whatever the order of the stored fields:
// keys by length and then bytes. What JSON has no form for is told at AppendJSONB.
// Dates and timestamps are BSON dates, those with microseconds of engine/value's form; Env.Stored rounds them.
// numeric has decimal128's 34 digits; more are an error.
package sqltype

// OID identifies a type, as in pg_type.
type OID uint32

// The built-in types in use, with PostgreSQL's OIDs.
const (
	Invalid               OID = 0
	Bool                  OID = 16
	Bytea                 OID = 17
	CharByte              OID = 18 // "char"
	Name                  OID = 19
	Int8                  OID = 20
	Int2                  OID = 21
	Int2Vector            OID = 22
	Int4                  OID = 23
	Regproc               OID = 24
	Text                  OID = 25
	Oid                   OID = 26
	Tid                   OID = 27
	Xid                   OID = 28
	Cid                   OID = 29
	OidVector             OID = 30
	JSON                  OID = 114
	XML                   OID = 142
	PgNodeTree            OID = 194
	Float4                OID = 700
	Float8                OID = 701
	Unknown               OID = 705
	Money                 OID = 790
	Inet                  OID = 869
	Cidr                  OID = 650
	ACLItem               OID = 1033
	Bpchar                OID = 1042
	Varchar               OID = 1043
	Date                  OID = 1082
	Time                  OID = 1083
	Timestamp             OID = 1114
	Timestamptz           OID = 1184
	Interval              OID = 1186
	Timetz                OID = 1266
	Bit                   OID = 1560
	Varbit                OID = 1562
	Numeric               OID = 1700
	Refcursor             OID = 1790
	Regprocedure          OID = 2202
	Regoper               OID = 2203
	Regoperator           OID = 2204
	Regclass              OID = 2205
	Regtype               OID = 2206
	Record                OID = 2249
	Cstring               OID = 2275
	Any                   OID = 2276
	AnyArray              OID = 2277
	Void                  OID = 2278
	Trigger               OID = 2279
	Internal              OID = 2281
	AnyElement            OID = 2283
	AnyNonArray           OID = 2776
	UUID                  OID = 2950
	AnyEnum               OID = 3500
	Regconfig             OID = 3734
	Regdictionary         OID = 3769
	JSONB                 OID = 3802
	AnyRange              OID = 3831
	JSONPath              OID = 4072
	Regnamespace          OID = 4089
	Regrole               OID = 4096
	AnyCompatible         OID = 5077
	AnyCompatibleArray    OID = 5078
	AnyCompatibleNonArray OID = 5079
)

// Type is a SQL type with its modifier (typmod: -1 none; varchar(n) n+4;
// numeric(p,s) (p<<16|s)+4), as in pg_attribute.
//
// BSON forms of values inside of pipelines (NULL is null or missing):
//
//	bool                          bool
//	int2 int4                     int32
//	int8 oid xid reg*             int64 (documents may hold int32)
//	float4 float8                 double
//	numeric                       decimal128 (documents may hold any number)
//	text varchar bpchar name "char" xml json(text)  string (documents: ObjectId where the column says so)
//	bit varbit                    string of 0 and 1; the modifier is the length
//	bytea                         binary subtype 0
//	uuid                          binary subtype 4
//	date timestamp timestamptz    date: ms since the epoch, UTC; date at midnight, timestamp as if UTC
//	time                          int64 microseconds since midnight
//	timetz                        document {t: int64 microseconds, z: int32 seconds west of UTC}
//	interval                      document {m: int32 months, d: int32 days, u: int64 microseconds}
//	json                          string: the text as it was written
//	jsonb                         any BSON value; SQL NULL is null, the JSON null is the symbol "null"
//	record                        array of the fields' values
//	enum                          string: the label
//	composite                     document of the attributes by their names
//	domain                        as its base type
//	T[]                           array of T's form (nested for more dimensions)
type Type struct {
	OID OID
	Mod int32
}

// Of gives a type without modifier.
func Of(oid OID) Type { return Type{OID: oid, Mod: -1} }
