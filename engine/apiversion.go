package engine

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

const (
	codeAPIVersion  = 322
	codeAPIStrict   = 323
	codeAPIMismatch = 347
)

// stableAPI are the commands of API version 1.
var stableAPI = map[string]bool{
	"abortTransaction": true, "aggregate": true, "authenticate": true, "collMod": true, "commitTransaction": true,
	"count": true, "create": true, "createIndexes": true, "delete": true, "drop": true, "dropDatabase": true,
	"dropIndexes": true, "endSessions": true, "explain": true, "find": true, "findAndModify": true, "getMore": true,
	"hello": true, "insert": true, "killCursors": true, "listCollections": true, "listDatabases": true,
	"listIndexes": true, "ping": true, "refreshSessions": true, "saslContinue": true, "saslStart": true, "update": true,
}

// unstableStages are the stages that are not in API version 1.
var unstableStages = map[string]bool{
	"$collStats": true, "$currentOp": true, "$indexStats": true, "$listLocalSessions": true, "$listSessions": true,
	"$planCacheStats": true, "$search": true, "$searchMeta": true, "$vectorSearch": true,
}

// checkAPI checks the declaration of a stable API version: apiVersion,
// apiStrict and apiDeprecationErrors.
func checkAPI(cmd bson.Raw, name string) error {
	version, strict, deprecation := value.Value{}, value.Value{}, value.Value{}
	for it := value.Walk(cmd); it.Next(); {
		switch it.Key() {
		case "apiVersion":
			version = it.Value()
		case "apiStrict":
			strict = it.Value()
		case "apiDeprecationErrors":
			deprecation = it.Value()
		}
	}
	if version.IsMissing() {
		if !strict.IsMissing() || !deprecation.IsMissing() {
			return mongoerr.New(codeAPIVersion, "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion")
		}
		return nil
	}
	if !version.IsString() {
		return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'APIParametersFromClient.apiVersion' is the wrong type '%s', expected type 'string'", value.TypeName(version.Kind()))
	}
	if version.Str() != "1" {
		return mongoerr.New(codeAPIVersion, "API version must be \"1\"")
	}
	for _, f := range [...]struct {
		name string
		v    value.Value
	}{{"apiStrict", strict}, {"apiDeprecationErrors", deprecation}} {
		if !f.v.IsMissing() && f.v.Kind() != bson.TypeBoolean {
			return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'APIParametersFromClient.%s' is the wrong type '%s', expected type 'bool'", f.name, value.TypeName(f.v.Kind()))
		}
	}
	if strict.IsMissing() || !strict.AsBool() {
		return nil
	}
	return checkStrict(cmd, name)
}

// apiParameters are the fields of a command that declare its API version.
func apiParameters(cmd bson.Raw) bson.Raw {
	start, d := value.BeginDocument(nil)
	for _, name := range [...]string{"apiVersion", "apiStrict", "apiDeprecationErrors"} {
		if v := value.Lookup(cmd, name); !v.IsMissing() {
			d = value.AppendElement(d, name, v)
		}
	}
	return value.EndDocument(d, start)
}

func checkStrict(cmd bson.Raw, name string) error {
	if !stableAPI[name] {
		return mongoerr.New(codeAPIStrict, "Provided apiStrict:true, but the command %s is not in API Version 1. Information on supported commands and migrations in API Version 1 can be found in the manual.", name)
	}
	pipeline := value.Lookup(cmd, "pipeline")
	if name != "aggregate" || !pipeline.IsArray() {
		return nil
	}
	for it := value.Walk(pipeline.Doc()); it.Next(); {
		if !it.Value().IsDocument() {
			continue
		}
		if stage := firstKey(it.Value().Doc()); unstableStages[stage] {
			return mongoerr.New(codeAPIStrict, "stage %s is not allowed with 'apiStrict: true' in API Version 1", stage)
		}
	}
	return nil
}
