package engine

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// checkIndexDefaults allows only the options of the server's storage engine,
// which mean nothing here.
func checkIndexDefaults(d bson.Raw) error {
	for it := value.Walk(d); it.Next(); {
		if it.Key() != "storageEngine" {
			return mongoerr.New(40415, "BSON field 'create.indexOptionDefaults.%s' is an unknown field.", it.Key())
		}
	}
	v := value.Lookup(d, "storageEngine")
	switch {
	case v.IsMissing():
		return nil
	case !v.IsDocument():
		return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'create.indexOptionDefaults.storageEngine' is the wrong type '%s', expected type 'object'", value.TypeName(v.Kind()))
	}
	return checkEngineOptions(v.Doc())
}

func checkEngineOptions(d bson.Raw) error {
	for it := value.Walk(d); it.Next(); {
		switch {
		case it.Kind() != bson.TypeEmbeddedDocument:
			return mongoerr.New(mongoerr.BadValue, "'storageEngine.%s' has to be an embedded document.", it.Key())
		case it.Key() != "wiredTiger":
			return mongoerr.New(mongoerr.InvalidOptions, "%s is not a registered storage engine for this server", it.Key())
		}
	}
	return nil
}
