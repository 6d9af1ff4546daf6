package value

import "go.mongodb.org/mongo-driver/v2/bson"

// typeNames are MongoDB's names of the types, as $type answers them.
var typeNames = map[bson.Type]string{
	KindMissing:               "missing",
	bson.TypeMinKey:           "minKey",
	bson.TypeDouble:           "double",
	bson.TypeString:           "string",
	bson.TypeEmbeddedDocument: "object",
	bson.TypeArray:            "array",
	bson.TypeBinary:           "binData",
	bson.TypeUndefined:        "undefined",
	bson.TypeObjectID:         "objectId",
	bson.TypeBoolean:          "bool",
	bson.TypeDateTime:         "date",
	bson.TypeNull:             "null",
	bson.TypeRegex:            "regex",
	bson.TypeDBPointer:        "dbPointer",
	bson.TypeJavaScript:       "javascript",
	bson.TypeSymbol:           "symbol",
	bson.TypeCodeWithScope:    "javascriptWithScope",
	bson.TypeInt32:            "int",
	bson.TypeTimestamp:        "timestamp",
	bson.TypeInt64:            "long",
	bson.TypeDecimal128:       "decimal",
	bson.TypeMaxKey:           "maxKey",
}

// TypeName is MongoDB's name of a type.
func TypeName(t bson.Type) string {
	if n, ok := typeNames[t]; ok {
		return n
	}
	return "unknown"
}

// TypeNamed finds a type by MongoDB's name; false if there is none.
func TypeNamed(name string) (bson.Type, bool) {
	for t, n := range typeNames {
		if n == name && t != KindMissing {
			return t, true
		}
	}
	return 0, false
}

// TypeNumbered finds a type by its number, -1 being minKey.
func TypeNumbered(n int64) (bson.Type, bool) {
	if n == -1 {
		return bson.TypeMinKey, true
	}
	if n < 1 || n > 127 {
		return 0, false
	}
	_, ok := typeNames[bson.Type(n)]
	return bson.Type(n), ok
}

// Class is the place of a type in MongoDB's order of types; types of one
// class are compared by value.
func Class(t bson.Type) byte {
	switch t {
	case bson.TypeMinKey:
		return 1
	case KindMissing, bson.TypeUndefined:
		return 2
	case bson.TypeNull:
		return 5
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return 10
	case bson.TypeString, bson.TypeSymbol:
		return 15
	case bson.TypeEmbeddedDocument:
		return 20
	case bson.TypeArray:
		return 25
	case bson.TypeBinary:
		return 30
	case bson.TypeObjectID:
		return 35
	case bson.TypeBoolean:
		return 40
	case bson.TypeDateTime:
		return 45
	case bson.TypeTimestamp:
		return 47
	case bson.TypeRegex:
		return 50
	case bson.TypeDBPointer:
		return 55
	case bson.TypeJavaScript:
		return 60
	case bson.TypeCodeWithScope:
		return 65
	}
	return 127
}
