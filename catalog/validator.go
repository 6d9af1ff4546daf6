package catalog

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/sqltype"
)

var kindsOfBSONName = map[string]Kinds{
	"double": KindDouble, "string": KindString, "object": KindDocument, "array": KindArray,
	"binData": KindBinary, "objectId": KindObjectID, "bool": KindBool, "boolean": KindBool,
	"date": KindDate, "null": KindNull, "regex": KindRegex, "javascript": KindCode,
	"int": KindInt32, "integer": KindInt64 | KindInt32, "timestamp": KindTimestamp, "long": KindInt64,
	"decimal": KindDecimal, "minKey": KindMinKey, "maxKey": KindMaxKey, "number": kindNumbers,
}

// validatorColumns reads the columns that a $jsonSchema validator names.
func validatorColumns(options bson.Raw) []Column {
	validator := value.Lookup(options, "validator")
	if !validator.IsDocument() {
		return nil
	}
	schema := value.Lookup(validator.Doc(), "$jsonSchema")
	if !schema.IsDocument() {
		return nil
	}
	return schemaColumns(schema.Doc(), nil)
}

func schemaColumns(schema bson.Raw, parent []string) []Column {
	props := value.Lookup(schema, "properties")
	if !props.IsDocument() {
		return nil
	}
	required := map[string]bool{}
	if req := value.Lookup(schema, "required"); req.IsArray() {
		for it := value.Walk(req.Doc()); it.Next(); {
			if v := it.Value(); v.IsString() {
				required[v.Str()] = true
			}
		}
	}
	var cols []Column
	for it := value.Walk(props.Doc()); it.Next(); {
		if !it.Value().IsDocument() {
			continue
		}
		c := schemaColumn(it.Value().Doc(), string([]byte(it.Key())), parent)
		c.NotNull = required[c.Name] && c.Kinds != 0 && !c.Kinds.Has(KindNull)
		cols = append(cols, c)
	}
	return cols
}

func schemaColumn(prop bson.Raw, name string, parent []string) Column {
	path := append(append(make([]string, 0, len(parent)+1), parent...), name)
	kinds := schemaKinds(prop)
	var elems Kinds
	if items := value.Lookup(prop, "items"); items.IsDocument() {
		elems = schemaKinds(items.Doc())
	}
	c := Column{Name: name, Path: path, Kinds: kinds, Declared: kinds&^KindNull != 0}
	c.Type = TypeOf(kinds, elems)
	c.Fields = schemaColumns(prop, path)
	if d := value.Lookup(prop, "description"); d.IsString() {
		c.Comment = d.Str()
	}
	return c
}

// schemaKinds reads bsonType or type, else the kinds of an enum.
func schemaKinds(prop bson.Raw) Kinds {
	for _, key := range []string{"bsonType", "type"} {
		v := value.Lookup(prop, key)
		if v.IsString() {
			return kindsOfBSONName[v.Str()]
		}
		if v.IsArray() {
			var k Kinds
			for it := value.Walk(v.Doc()); it.Next(); {
				if it.Value().IsString() {
					k |= kindsOfBSONName[it.Value().Str()]
				}
			}
			return k
		}
	}
	var k Kinds
	if v := value.Lookup(prop, "enum"); v.IsArray() {
		for it := value.Walk(v.Doc()); it.Next(); {
			k |= KindOf(it.Value())
		}
	}
	return k
}

// jsonSchemaTypes are the BSON types that a validator admits for a SQL type;
// types not named here are strings.
var jsonSchemaTypes = map[sqltype.OID][]string{
	sqltype.Bool: {"bool"}, sqltype.Int2: {"int"}, sqltype.Int4: {"int"}, sqltype.Int8: {"long", "int"},
	sqltype.Oid: {"long", "int"}, sqltype.Float4: {"double", "int", "long"}, sqltype.Float8: {"double", "int", "long"},
	sqltype.Numeric: {"number"}, sqltype.Bytea: {"binData"}, sqltype.UUID: {"binData"},
	sqltype.Date: {"date"}, sqltype.Timestamp: {"date"}, sqltype.Timestamptz: {"date"},
	sqltype.Time: {"long", "int"}, sqltype.Timetz: {"object"}, sqltype.Interval: {"object"},
}

// makeValidator writes the validator of a declared table.
func makeValidator(cols []Column) bson.Raw {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$jsonSchema")
	b.Add("bsonType", value.String("object"))
	var required []value.Value
	for i := range cols {
		if cols[i].NotNull && len(cols[i].Path) == 1 && cols[i].Path[0] != "_id" {
			required = append(required, value.String(cols[i].Path[0]))
		}
	}
	if len(required) > 0 {
		b.Add("required", value.ArrayFrom(required))
	}
	b.Open(bson.TypeEmbeddedDocument, "properties")
	for i := range cols {
		if len(cols[i].Path) == 1 {
			addProperty(&b, &cols[i])
		}
	}
	b.Close()
	b.Close()
	return b.Doc()
}

func addProperty(b *value.Builder, c *Column) {
	types := validatorTypes(c)
	if types == nil {
		return
	}
	if !c.NotNull {
		types = append(types[:len(types):len(types)], "null")
	}
	b.Open(bson.TypeEmbeddedDocument, c.Path[0])
	addLabels(b, c)
	if len(types) == 1 {
		b.Add("bsonType", value.String(types[0]))
	} else {
		items := make([]value.Value, len(types))
		for i, t := range types {
			items[i] = value.String(t)
		}
		b.Add("bsonType", value.ArrayFrom(items))
	}
	b.Close()
}

// addLabels lists what a column of an enum holds.
func addLabels(b *value.Builder, c *Column) {
	if !c.Type.OID.IsEnum() {
		return
	}
	var items []value.Value
	for _, l := range c.Type.OID.Def().Labels {
		items = append(items, value.String(l))
	}
	if !c.NotNull {
		items = append(items, value.Null())
	}
	if len(items) > 0 {
		b.Add("enum", value.ArrayFrom(items))
	}
}

func validatorTypes(c *Column) []string {
	switch {
	case c.Type.OID == sqltype.JSONB:
		return nil
	case c.Name == "_id" && c.Type.OID == sqltype.Text:
		return []string{"string", "objectId"}
	}
	if t, ok := jsonSchemaTypes[c.Type.OID]; ok {
		return t
	}
	switch {
	case c.Type.OID.IsArray():
		return []string{"array"}
	case c.Type.OID.IsComposite():
		return []string{"object"}
	}
	return []string{"string"}
}
