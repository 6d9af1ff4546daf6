package engine

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
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

// checkImages reads a changeStreamPreAndPostImages; on tells whether it enables them.
func (r *request) checkImages(v value.Value) (on bool, err error) {
	for it := value.Walk(v.Doc()); it.Next(); {
		if it.Key() != "enabled" {
			return false, mongoerr.New(40415, "BSON field '%s.changeStreamPreAndPostImages.%s' is an unknown field.", r.name, it.Key())
		}
	}
	enabled := value.Lookup(v.Doc(), "enabled")
	if enabled.IsMissing() {
		return false, mongoerr.New(40414, "BSON field '%s.changeStreamPreAndPostImages.enabled' is missing but a required field", r.name)
	}
	return r.boolean("changeStreamPreAndPostImages.enabled", enabled)
}

// checkImageOption refuses images where there are no change streams.
func checkImageOption(ns store.Namespace, o bson.Raw) error {
	v := value.Lookup(o, "changeStreamPreAndPostImages")
	switch {
	case v.IsMissing():
		return nil
	case !value.Lookup(o, "viewOn").IsMissing():
		return mongoerr.New(mongoerr.InvalidOptions, "option not supported on a view: changeStreamPreAndPostImages")
	case isServersOwn(ns.DB):
		return mongoerr.New(mongoerr.InvalidOptions, "Change stream pre- and post-images cannot be enabled on collections of the internal databases %s", ns.DB)
	}
	return nil
}
