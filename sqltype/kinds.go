package sqltype

import "go.mongodb.org/mongo-driver/v2/bson"

// OfKind is the SQL type of a BSON type standing alone. Arrays are jsonb here;
// MergeArray decides by their elements.
func OfKind(k bson.Type) OID {
	switch k {
	case bson.TypeInt32:
		return Int4
	case bson.TypeInt64:
		return Int8
	case bson.TypeDouble:
		return Float8
	case bson.TypeDecimal128:
		return Numeric
	case bson.TypeBoolean:
		return Bool
	case bson.TypeDateTime, bson.TypeTimestamp:
		return Timestamptz
	case bson.TypeBinary:
		return Bytea
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return JSONB
	case 0, bson.TypeNull, bson.TypeUndefined:
		return Unknown
	}
	return Text
}

// numberRank orders the number types by what they hold.
func numberRank(t OID) int {
	switch t {
	case Int2:
		return 1
	case Int4:
		return 2
	case Int8:
		return 3
	case Float8, Float4:
		return 4
	case Numeric:
		return 5
	}
	return 0
}

// Merge is the smallest type that holds the values of both. Unknown is the
// type of no value at all and merges to the other.
func Merge(a, b OID) OID {
	switch {
	case a == b || b == Unknown || b == Invalid:
		return a
	case a == Unknown || a == Invalid:
		return b
	case a == JSONB || b == JSONB || a.IsArray() || b.IsArray():
		return JSONB
	}
	if ra, rb := numberRank(a), numberRank(b); ra > 0 && rb > 0 {
		if ra > rb {
			return a
		}
		return b
	}
	return Text
}

// MergeKinds is the type of a path where these BSON types were seen; Unknown
// when there was no value. uuid tells that all binaries there were of subtype 4;
// elem is the merged type of the elements of the arrays there, if there were any.
func MergeKinds(kinds []bson.Type, uuid bool, elem OID) OID {
	t := Unknown
	for _, k := range kinds {
		o := OfKind(k)
		switch {
		case k == bson.TypeBinary && uuid:
			o = UUID
		case k == bson.TypeArray:
			o = ArrayType(elem)
		}
		t = Merge(t, o)
	}
	return t
}

// ArrayType is the type of an array with elements of a merged type: an array
// of scalars of one class, jsonb for everything else and for empty arrays.
func ArrayType(elem OID) OID {
	if elem == Unknown || elem == Invalid || elem == JSONB || elem.IsArray() {
		return JSONB
	}
	if a := elem.Array(); a != Invalid {
		return a
	}
	return JSONB
}
