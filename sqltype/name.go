package sqltype

import (
	"fmt"
	"strconv"
	"strings"

	"weir/sqlerr"
)

// aliases are spellings of types beside pg_type's names: SQL's, and MySQL's
// targets of CAST.
var aliases = map[string]OID{
	"int": Int4, "integer": Int4, "bigint": Int8, "smallint": Int2, "tinyint": Int2, "mediumint": Int4,
	"serial": Int4, "serial4": Int4, "bigserial": Int8, "serial8": Int8, "smallserial": Int2, "serial2": Int2,
	"signed": Int8, "unsigned": Int8, "real": Float4, "double precision": Float8, "double": Float8, "float": Float8,
	"decimal": Numeric, "dec": Numeric, "boolean": Bool,
	"character varying": Varchar, "char varying": Varchar, "character": Bpchar, "nchar": Bpchar, "string": Text,
	"timestamp without time zone": Timestamp, "timestamp with time zone": Timestamptz, "datetime": Timestamp,
	"time without time zone": Time, "time with time zone": Timetz,
	"bit varying": Varbit, "longtext": Text, "mediumtext": Text, "blob": Bytea, "binary": Bytea, "varbinary": Bytea,
	`"char"`: CharByte, "objectid": Text,
}

// ByName finds a type by any spelling without modifier and array marks, in
// lower case. The bare name char means character; pg_type's is "char".
func ByName(name string) (OID, bool) {
	if oid, ok := aliases[name]; ok {
		return oid, true
	}
	if name == "char" {
		return Bpchar, true
	}
	if t := Named(name); t != nil {
		return t.OID, true
	}
	return Invalid, false
}

// Modifier makes a type modifier of the numbers in parentheses after a type's
// name. No numbers give what SQL means by that: character is character(1).
func Modifier(oid OID, args []int64) (int32, error) {
	switch oid {
	case Varchar, Bpchar:
		return lengthModifier(oid, args)
	case Numeric:
		return numericModifier(args)
	case Bit, Varbit:
		return bitsModifier(oid, args)
	case Time, Timetz, Timestamp, Timestamptz, Interval:
		return precisionModifier(oid, args)
	case Float8, Float4, Bytea, Int2, Int4, Int8:
		return -1, nil
	}
	if len(args) > 0 {
		return 0, sqlerr.New(sqlerr.SyntaxError, "type modifier is not allowed for type %q", Lookup(oid).Name)
	}
	return -1, nil
}

func lengthModifier(oid OID, args []int64) (int32, error) {
	name := "varchar"
	if oid == Bpchar {
		name = "char"
	}
	switch {
	case len(args) == 0:
		return -1, nil
	case len(args) > 1:
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "invalid type modifier")
	case args[0] < 1:
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "length for type %s must be at least 1", name)
	case args[0] > 10485760:
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "length for type %s cannot exceed 10485760", name)
	}
	return int32(args[0]) + 4, nil
}

func numericModifier(args []int64) (int32, error) {
	if len(args) == 0 {
		return -1, nil
	}
	if len(args) > 2 {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "invalid NUMERIC type modifier")
	}
	if args[0] < 1 || args[0] > 1000 {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "NUMERIC precision %d must be between 1 and 1000", args[0])
	}
	scale := int64(0)
	if len(args) == 2 {
		scale = args[1]
	}
	if scale < -1000 || scale > 1000 {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "NUMERIC scale %d must be between -1000 and 1000", scale)
	}
	return int32(args[0]<<16|scale&0x7ff) + 4, nil
}

func precisionModifier(oid OID, args []int64) (int32, error) {
	if len(args) == 0 {
		return -1, nil
	}
	p := args[0]
	if p < 0 {
		return 0, sqlerr.New(sqlerr.InvalidParameterValue, "%s precision must not be negative", strings.ToUpper(Lookup(oid).Name))
	}
	p = min(p, 6)
	if oid == Interval {
		return int32(intervalFullRange<<16 | p), nil
	}
	return int32(p), nil
}

// intervalFullRange is the mask of all fields in an interval's modifier.
const intervalFullRange = 0x7FFF

// NumericModifier takes a numeric's modifier apart.
func NumericModifier(mod int32) (precision, scale int, ok bool) {
	if mod < 4 {
		return 0, 0, false
	}
	m := mod - 4
	scale = int(m & 0x7ff)
	if scale > 1000 {
		scale -= 2048
	}
	return int(m>>16) & 0xffff, scale, true
}

// Format is format_type's spelling of the type with its modifier.
func (t Type) String() string { return FormatType(t.OID, t.Mod) }

// FormatType is PostgreSQL's format_type with a modifier that is not NULL.
func FormatType(oid OID, mod int32) string {
	info := Lookup(oid)
	switch {
	case info == nil:
		return oid.String()
	case oid.IsArray():
		return FormatType(info.Elem, mod) + "[]"
	case oid == Bpchar && mod < 0:
		return "bpchar"
	case mod < 0:
		return info.Display
	}
	switch oid {
	case Bit, Varbit:
		return info.Display + "(" + strconv.Itoa(int(mod)) + ")"
	case Varchar, Bpchar:
		return info.Display + "(" + strconv.Itoa(int(mod)-4) + ")"
	case Numeric:
		if p, s, ok := NumericModifier(mod); ok {
			return fmt.Sprintf("numeric(%d,%d)", p, s)
		}
	case Time, Timetz, Timestamp, Timestamptz:
		name, rest, _ := strings.Cut(info.Display, " ")
		return fmt.Sprintf("%s(%d) %s", name, mod, rest)
	case Interval:
		return formatInterval(mod)
	}
	return info.Display
}

var intervalFields = map[int32]string{
	1 << 2: " year", 1 << 1: " month", 1 << 3: " day", 1 << 10: " hour", 1 << 11: " minute", 1 << 12: " second",
	1<<2 | 1<<1: " year to month", 1<<3 | 1<<10: " day to hour", 1<<3 | 1<<10 | 1<<11: " day to minute",
	1<<3 | 1<<10 | 1<<11 | 1<<12: " day to second", 1<<10 | 1<<11: " hour to minute",
	1<<10 | 1<<11 | 1<<12: " hour to second", 1<<11 | 1<<12: " minute to second",
}

func formatInterval(mod int32) string {
	s := "interval" + intervalFields[mod>>16&0x7fff]
	if p := mod & 0xffff; p != 0xffff {
		s += "(" + strconv.Itoa(int(p)) + ")"
	}
	return s
}

// IntervalModifier makes the modifier of INTERVAL field [TO field] [(p)] from
// the words, such as "day to second"; precision < 0 is none.
func IntervalModifier(fields string, precision int) (int32, bool) {
	p := int32(0xffff)
	if precision >= 0 {
		p = int32(min(precision, 6))
	}
	if fields == "" {
		return intervalFullRange<<16 | p, true
	}
	for mask, words := range intervalFields {
		if words == " "+fields {
			return mask<<16 | p, true
		}
	}
	return 0, false
}

// ParseName reads a type as SQL spells it: double precision,
// character varying(10), timestamp(3) with time zone, text[], pg_catalog.int4.
func ParseName(s string) (Type, error) {
	words, args, dims, ok := splitName(s)
	if !ok {
		return Type{}, sqlerr.New(sqlerr.SyntaxError, "invalid type name %q", s)
	}
	name := strings.TrimPrefix(words, "pg_catalog.")
	if !strings.HasPrefix(name, `"`) {
		name = strings.ToLower(name)
	} else if name != `"char"` {
		name = strings.Trim(name, `"`)
	}
	if fields, isInterval := strings.CutPrefix(name, "interval "); isInterval {
		precision := -1
		if len(args) > 0 {
			precision = int(args[0])
		}
		if mod, known := IntervalModifier(fields, precision); known {
			return asArray(Type{Interval, mod}, dims), nil
		}
	}
	oid, found := ByName(name)
	if !found {
		return Type{}, sqlerr.New(sqlerr.UndefinedObject, "type %q does not exist", words)
	}
	if (oid == Bpchar && name != "bpchar" || oid == Bit) && len(args) == 0 {
		args = []int64{1}
	}
	mod, err := Modifier(oid, args)
	if err != nil {
		return Type{}, err
	}
	return asArray(Type{oid, mod}, dims), nil
}

func asArray(t Type, dims int) Type {
	if dims > 0 {
		t.OID = t.OID.Array()
	}
	return t
}

// splitName parts a type's spelling into its words with single spaces, the
// numbers in parentheses and the number of array marks.
func splitName(s string) (words string, args []int64, dims int, ok bool) {
	s = strings.TrimSpace(s)
	for strings.HasSuffix(s, "]") {
		open := strings.LastIndexByte(s, '[')
		if open < 0 {
			return "", nil, 0, false
		}
		s, dims = strings.TrimSpace(s[:open]), dims+1
	}
	if open := strings.IndexByte(s, '('); open >= 0 {
		end := strings.IndexByte(s, ')')
		if end < open {
			return "", nil, 0, false
		}
		for _, a := range strings.Split(s[open+1:end], ",") {
			n, err := strconv.ParseInt(strings.TrimSpace(a), 10, 32)
			if err != nil {
				return "", nil, 0, false
			}
			args = append(args, n)
		}
		s = s[:open] + " " + s[end+1:]
	}
	words = strings.Join(strings.Fields(s), " ")
	return words, args, dims, words != ""
}
