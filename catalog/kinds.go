package catalog

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqltype"
)

// The bits of Kinds.
const (
	KindDouble Kinds = 1 << iota
	KindString
	KindDocument
	KindArray
	KindBinary
	KindUUID
	KindObjectID
	KindBool
	KindDate
	KindNull
	KindRegex
	KindCode
	KindInt32
	KindTimestamp
	KindInt64
	KindDecimal
	KindMinKey
	KindMaxKey
	KindOther
)

const (
	kindNumbers   = KindInt32 | KindInt64 | KindDouble | KindDecimal
	kindContainer = KindDocument | KindArray
)

var kindOfType = map[bson.Type]Kinds{
	bson.TypeDouble:           KindDouble,
	bson.TypeString:           KindString,
	bson.TypeSymbol:           KindString,
	bson.TypeEmbeddedDocument: KindDocument,
	bson.TypeArray:            KindArray,
	bson.TypeBinary:           KindBinary,
	bson.TypeUndefined:        KindNull,
	bson.TypeObjectID:         KindObjectID,
	bson.TypeBoolean:          KindBool,
	bson.TypeDateTime:         KindDate,
	bson.TypeNull:             KindNull,
	bson.TypeRegex:            KindRegex,
	bson.TypeJavaScript:       KindCode,
	bson.TypeCodeWithScope:    KindCode,
	bson.TypeInt32:            KindInt32,
	bson.TypeTimestamp:        KindTimestamp,
	bson.TypeInt64:            KindInt64,
	bson.TypeDecimal128:       KindDecimal,
	bson.TypeMinKey:           KindMinKey,
	bson.TypeMaxKey:           KindMaxKey,
}

// KindOf gives the bit of a value; 0 for a missing one.
func KindOf(v value.Value) Kinds {
	switch v.Kind() {
	case value.KindMissing:
		return 0
	case bson.TypeBinary:
		if sub, _ := v.AsBinary(); sub == 4 {
			return KindUUID
		}
	}
	if k, ok := kindOfType[v.Kind()]; ok {
		return k
	}
	return KindOther
}

// Has tells whether any of the kinds is in k.
func (k Kinds) Has(other Kinds) bool { return k&other != 0 }

// Only tells whether k holds nothing but the given kinds and null.
func (k Kinds) Only(other Kinds) bool { return k&^(other|KindNull) == 0 && k&other != 0 }

var scalarTypes = map[Kinds]sqltype.OID{
	KindString:    sqltype.Text,
	KindBinary:    sqltype.Bytea,
	KindUUID:      sqltype.UUID,
	KindObjectID:  sqltype.Text,
	KindBool:      sqltype.Bool,
	KindDate:      sqltype.Timestamptz,
	KindTimestamp: sqltype.Timestamptz,
}

// TypeOf gives the smallest SQL type that holds all of the kinds; elems are the
// kinds of the items when arrays are among them.
func TypeOf(k, elems Kinds) sqltype.Type {
	k &^= KindNull
	switch {
	case k == KindArray:
		return sqltype.Of(arrayType(elems))
	case k.Has(kindContainer):
		return sqltype.Of(sqltype.JSONB)
	}
	return sqltype.Of(scalarType(k))
}

func scalarType(k Kinds) sqltype.OID {
	if oid, ok := scalarTypes[k]; ok {
		return oid
	}
	switch {
	case k == 0 || k&^kindNumbers != 0:
		if k != 0 && k&^(KindDate|KindTimestamp) == 0 {
			return sqltype.Timestamptz
		}
		return sqltype.Text
	case k.Has(KindDecimal):
		return sqltype.Numeric
	case k.Has(KindDouble):
		return sqltype.Float8
	case k.Has(KindInt64):
		return sqltype.Int8
	}
	return sqltype.Int4
}

// arrayType is an array when all items are of one scalar type, else jsonb.
func arrayType(elems Kinds) sqltype.OID {
	elems &^= KindNull
	_, single := scalarTypes[elems]
	if !single && (elems == 0 || elems&^kindNumbers != 0) {
		return sqltype.JSONB
	}
	if oid := scalarType(elems).Array(); oid != sqltype.Invalid {
		return oid
	}
	return sqltype.JSONB
}

var declaredKinds = map[sqltype.OID]Kinds{
	sqltype.Bool: KindBool, sqltype.Int2: KindInt32, sqltype.Int4: KindInt32,
	sqltype.Int8: KindInt64 | KindInt32, sqltype.Oid: KindInt64 | KindInt32,
	sqltype.Float4: KindDouble, sqltype.Float8: KindDouble, sqltype.Numeric: kindNumbers,
	sqltype.Bytea: KindBinary, sqltype.UUID: KindUUID,
	sqltype.Date: KindDate, sqltype.Timestamp: KindDate, sqltype.Timestamptz: KindDate,
	sqltype.Time: KindInt64, sqltype.Timetz: KindDocument, sqltype.Interval: KindDocument,
	sqltype.JSONB: KindOther | kindContainer | kindNumbers | KindString | KindBool,
}

// DeclaredKinds are the BSON types that a column of a declared type holds.
func DeclaredKinds(t sqltype.Type) Kinds {
	if k, ok := declaredKinds[t.OID]; ok {
		return k
	}
	if t.OID.IsArray() {
		return KindArray
	}
	if t.OID.IsComposite() {
		return KindDocument
	}
	return KindString
}
