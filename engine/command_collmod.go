package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// cmdCollMod: {collMod: coll, validator…, changeStreamPreAndPostImages, index: {…}, viewOn, pipeline}.
func cmdCollMod(ctx context.Context, r *request, dst []byte) ([]byte, error) {
	ns, err := r.namespace()
	if err != nil {
		return dst, err
	}
	c := r.e.catalog.get(ns)
	if c == nil {
		return dst, mongoerr.New(mongoerr.NamespaceNotFound, "ns does not exist")
	}
	var keys []string
	changes, gone := map[string]value.Value{}, map[string]bool{}
	var ix value.Value
	dry := false
	err = r.fields(func(key string, v value.Value) (bool, error) {
		switch key {
		case "index":
			ix = v
			return true, r.checkType(key, v, bson.TypeEmbeddedDocument)
		case "dryRun":
			dry, err = r.boolean(key, v)
			return true, err
		case "expireAfterSeconds":
			keys = append(keys, key)
			changes[key] = v
			return true, r.checkExpiry(c.load(), v)
		}
		switch key { // of a capped collection
		case "cappedSize", "cappedMax":
			if c.load().capped.bytes == 0 {
				return true, mongoerr.New(mongoerr.InvalidOptions, "Collection must be capped.")
			}
			if !v.IsNumber() || key == "cappedSize" && v.AsInt64() <= 0 {
				return true, r.wrongType(key, v, "long")
			}
			option := map[string]string{"cappedSize": "size", "cappedMax": "max"}[key]
			n := v.AsInt64()
			keys = append(keys, option)
			changes[option] = value.IntOrLong(n)
			return true, nil
		}
		want, known := createOptions[key]
		if !known || key == "capped" || key == "collation" || key == "size" || key == "max" || key == "storageEngine" {
			return false, nil
		}
		keys = append(keys, key)
		changes[key] = v
		if err := r.checkType(key, v, want); err != nil || key != "changeStreamPreAndPostImages" {
			return true, err
		}
		on, err := r.checkImages(v)
		if err == nil && !on {
			gone[key] = true
		}
		return true, err
	})
	if err != nil {
		return dst, err
	}
	isView := c.load().view != nil
	for _, k := range keys {
		switch viewKey := k == "viewOn" || k == "pipeline"; {
		case viewKey && !isView:
			return dst, mongoerr.New(mongoerr.InvalidOptions, "option only supported on a view: %s", k)
		case !viewKey && isView:
			return dst, mongoerr.New(mongoerr.InvalidOptions, "option not supported on a view: %s", k)
		}
	}
	if dry {
		return dst, r.tryUnique(c, ix, len(keys))
	}
	if ix.IsDocument() {
		if dst, err = r.modifyIndex(ctx, dst, c, ix.Doc()); err != nil {
			return dst, err
		}
	}
	if len(keys) == 0 && ix.IsDocument() {
		return dst, nil
	}
	return dst, r.e.ddl(ctx, func(u *unit) error { return r.modifyOptions(u, c, keys, changes, gone) })
}

// checkExpiry is collMod's expireAfterSeconds: a number, or "off".
func (r *request) checkExpiry(m *meta, v value.Value) error {
	switch {
	case m.view != nil:
		return mongoerr.New(mongoerr.InvalidOptions, "option not supported on a view: expireAfterSeconds")
	case !v.IsNumber() && !v.IsString():
		return mongoerr.New(mongoerr.TypeMismatch, "BSON field 'collMod.expireAfterSeconds' is the wrong type '%s', expected types '[string, long]'", value.TypeName(v.Kind()))
	case !m.clustered:
		return mongoerr.New(mongoerr.InvalidOptions, "'expireAfterSeconds' option is only supported on collections clustered by _id")
	case v.IsString() && v.Str() != "off":
		return mongoerr.New(mongoerr.InvalidOptions, "Invalid string value for the 'clusteredIndex::expireAfterSeconds' option. Got: '%s'. Accepted value is 'off'", v.Str())
	case v.IsNumber():
		return checkClusteredExpiry(v)
	}
	return nil
}

func (r *request) modifyOptions(u *unit, c *collection, keys []string, changes map[string]value.Value, gone map[string]bool) error {
	old := c.load().options
	start, d := value.BeginDocument(nil)
	ds, desc := value.BeginDocument(nil)
	if old != nil {
		for it := value.Walk(old); it.Next(); {
			if _, changed := changes[it.Key()]; !changed {
				d = append(d, it.Element()...)
			}
		}
	}
	for _, k := range keys {
		desc = value.AppendElement(desc, k, changes[k])
		if v := changes[k]; !(gone[k] || v.IsDocument() && value.Len(v.Doc()) == 0 || k == "expireAfterSeconds" && v.IsString()) {
			d = value.AppendElement(d, k, v)
		}
	}
	options := withValidation(bson.Raw(value.EndDocument(d, start)), changes)
	if err := checkCreate(c.load().ns, options); err != nil {
		return err
	}
	if v := value.Lookup(options, "viewOn"); v.IsString() {
		m, err := u.e.newMeta(c.load().ns, options)
		if err != nil {
			return err
		}
		if err := u.e.checkView(m.ns, m); err != nil {
			return err
		}
	}
	return u.setOptions(c, options, value.EndDocument(desc, ds), stateBefore(c, nil))
}

// withValidation adds the level and the action that hold once collMod has
// changed a validation.
func withValidation(options bson.Raw, changes map[string]value.Value) bson.Raw {
	touched := false
	for _, k := range []string{"validator", "validationLevel", "validationAction"} {
		_, changed := changes[k]
		touched = touched || changed
	}
	if !touched || value.Lookup(options, "validator").IsMissing() {
		return options
	}
	start, d := value.BeginDocument(nil)
	d = append(d, options[4:len(options)-1]...)
	for _, o := range [][2]string{{"validationLevel", "strict"}, {"validationAction", "error"}} {
		if value.Lookup(options, o[0]).IsMissing() {
			d = value.AppendElement(d, o[0], value.String(o[1]))
		}
	}
	return value.EndDocument(d, start)
}

// stateBefore is the stateBeforeChange of a modify event; indexOptions are those
// of the index that changes, or nil.
func stateBefore(c *collection, indexOptions bson.Raw) bson.Raw {
	start, d := value.BeginDocument(nil)
	d = value.AppendHeader(d, bson.TypeEmbeddedDocument, "collectionOptions")
	inner, d := value.BeginDocument(d)
	d = value.AppendElement(d, "uuid", value.Binary(4, c.uuid[:]))
	if old := c.load().options; old != nil {
		d = append(d, old[4:len(old)-1]...)
	}
	d = value.EndDocument(d, inner)
	if indexOptions != nil {
		d = value.AppendElement(d, "indexOptions", value.Document(indexOptions))
	}
	return value.EndDocument(d, start)
}
