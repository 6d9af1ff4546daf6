package engine

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/value"
	"weir/mongoerr"
)

// indexChange is what collMod's index asks for; what is missing stays.
type indexChange struct {
	name, pattern                value.Value
	hidden, ttl, unique, prepare value.Value
	nonUnique                    value.Value
}

func (r *request) parseIndexChange(spec bson.Raw) (indexChange, error) {
	var ch indexChange
	for it := value.Walk(spec); it.Next(); {
		key, v := it.Key(), it.Value()
		var to *value.Value
		want := bson.TypeBoolean
		switch key {
		case "name":
			to, want = &ch.name, bson.TypeString
		case "keyPattern":
			to, want = &ch.pattern, bson.TypeEmbeddedDocument
		case "expireAfterSeconds":
			to, want = &ch.ttl, bson.TypeInt64
		case "hidden":
			to = &ch.hidden
		case "unique":
			to = &ch.unique
		case "prepareUnique":
			to = &ch.prepare
		case "forceNonUnique":
			to = &ch.nonUnique
		default:
			return ch, mongoerr.New(40415, "BSON field 'collMod.index.%s' is an unknown field.", key)
		}
		if err := r.checkType("index."+key, v, want); err != nil {
			return ch, err
		}
		*to = v
	}
	switch {
	case !ch.name.IsMissing() && !ch.pattern.IsMissing():
		return ch, mongoerr.New(mongoerr.InvalidOptions, "Cannot specify both key pattern and name.")
	case ch.name.IsMissing() && ch.pattern.IsMissing():
		return ch, mongoerr.New(mongoerr.InvalidOptions, "Must specify either index name or key pattern.")
	case ch.hidden.IsMissing() && ch.ttl.IsMissing() && ch.unique.IsMissing() && ch.prepare.IsMissing() && ch.nonUnique.IsMissing():
		return ch, mongoerr.New(mongoerr.InvalidOptions, "no expireAfterSeconds, hidden, unique, or prepareUnique field")
	case !ch.nonUnique.IsMissing() && !ch.nonUnique.Truthy():
		return ch, mongoerr.New(mongoerr.BadValue, "'forceNonUnique: false' is not supported")
	}
	return ch, nil
}

// find looks up the index to change.
func (ch *indexChange) find(m *meta) (*indexState, error) {
	if ch.name.IsString() {
		if ix := m.index(ch.name.Str()); ix != nil {
			return ix, nil
		}
		return nil, mongoerr.New(mongoerr.IndexNotFound, "cannot find index %s for ns %s", ch.name.Str(), m.ns)
	}
	var found *indexState
	for _, ix := range m.indexes {
		if !value.Equal(ch.pattern, value.Document(ix.Key)) {
			continue
		}
		if found != nil {
			return nil, mongoerr.New(mongoerr.AmbiguousIndexKeyPattern, "index keyPattern %s matches several indexes, must use index name. Conflicting indexes: %s, %s",
				ch.pattern, value.Document(found.Spec), value.Document(ix.Spec))
		}
		found = ix
	}
	if found == nil {
		return nil, mongoerr.New(mongoerr.IndexNotFound, "cannot find index %s for ns %s", ch.pattern, m.ns)
	}
	return found, nil
}

// check tells whether an index can be changed so.
func (ch *indexChange) check(m *meta, ix *indexState) error {
	if !ch.ttl.IsMissing() {
		switch n := ch.ttl.AsInt64(); {
		case m.capped.bytes > 0:
			return mongoerr.New(mongoerr.InvalidOptions, "TTL indexes are not supported for capped collections.")
		case n < 0 || n > 1<<31-1:
			return mongoerr.New(mongoerr.InvalidOptions, "TTL index 'expireAfterSeconds' option must be within an acceptable range, try a different number than %d", n)
		case ix.IsID():
			return mongoerr.New(mongoerr.InvalidOptions, "the _id field does not support TTL indexes")
		case value.Len(ix.Key) != 1:
			return mongoerr.New(mongoerr.InvalidOptions, "TTL indexes are single-field indexes, compound indexes do not support TTL")
		}
	}
	if !ch.hidden.IsMissing() && ix.IsID() {
		return mongoerr.New(mongoerr.BadValue, "can't hide _id index")
	}
	if ch.preparing(ix) && !(ch.hidden.IsMissing() && ch.ttl.IsMissing() && ch.unique.IsMissing()) {
		return mongoerr.New(mongoerr.InvalidOptions, "prepareUnique cannot be combined with any other modification.")
	}
	return nil
}

// preparing tells whether prepareUnique changes something.
func (ch *indexChange) preparing(ix *indexState) bool {
	return !ch.prepare.IsMissing() && ch.prepare.Truthy() != ix.PrepareUnique && !ix.Unique
}

// tryUnique is collMod's dryRun: it tells whether an index could become unique.
func (r *request) tryUnique(c *collection, spec value.Value, others int) error {
	if !spec.IsDocument() {
		return mongoerr.New(mongoerr.InvalidOptions, "dry run mode requires an valid index modification.")
	}
	ch, err := r.parseIndexChange(spec.Doc())
	if err != nil {
		return err
	}
	if ch.unique.IsMissing() || !ch.unique.Truthy() {
		return mongoerr.New(mongoerr.InvalidOptions, "dry run mode requires an index modification with unique: true.")
	}
	m := c.load()
	ix, err := ch.find(m)
	if err != nil {
		return err
	}
	if err := ch.check(m, ix); err != nil {
		return err
	}
	switch {
	case others > 0 || !ch.hidden.IsMissing() || !ch.ttl.IsMissing():
		return mongoerr.New(mongoerr.InvalidOptions, "unique: true cannot be combined with any other modification in dry run mode.")
	case !ix.Unique && !ix.PrepareUnique:
		return mongoerr.New(mongoerr.InvalidOptions, "Cannot make index unique with 'prepareUnique=false'. Run collMod to set it first.")
	}
	return (&unit{e: r.e}).violations(c, ix)
}

// modifyIndex is collMod's index: {name | keyPattern, hidden, expireAfterSeconds, prepareUnique, unique}.
func (r *request) modifyIndex(ctx context.Context, dst []byte, c *collection, spec bson.Raw) ([]byte, error) {
	ch, err := r.parseIndexChange(spec)
	if err != nil {
		return dst, err
	}
	m := c.load()
	if m.view != nil {
		return dst, mongoerr.New(mongoerr.InvalidOptions, "option not supported on a view: index")
	}
	ix, err := ch.find(m)
	if err != nil {
		return dst, err
	}
	if ix.Counted {
		return dst, mongoerr.New(mongoerr.InvalidOptions, "a counted index cannot be modified")
	}
	if err := ch.check(m, ix); err != nil {
		return dst, err
	}
	if !ch.ttl.IsMissing() {
		if ix.ExpireAfter >= 0 {
			dst = value.AppendElement(dst, "expireAfterSeconds_old", value.IntOrLong(ix.ExpireAfter))
		}
		dst = value.AppendElement(dst, "expireAfterSeconds_new", value.IntOrLong(ch.ttl.AsInt64()))
	}
	if !ch.hidden.IsMissing() && ix.Hidden != ch.hidden.Truthy() {
		dst = value.AppendElement(dst, "hidden_old", value.Bool(ix.Hidden))
		dst = value.AppendElement(dst, "hidden_new", value.Bool(ch.hidden.Truthy()))
	}
	if ch.preparing(ix) {
		dst = value.AppendElement(dst, "prepareUnique_old", value.Bool(ix.PrepareUnique))
		dst = value.AppendElement(dst, "prepareUnique_new", value.Bool(ch.prepare.Truthy()))
	} else {
		ch.prepare = value.Value{}
	}
	if !ch.unique.IsMissing() {
		return r.makeUnique(ctx, dst, c, ix, ch.unique.Truthy())
	}
	if !ch.nonUnique.IsMissing() {
		return r.makeNonUnique(ctx, dst, c, ix)
	}
	changed := changedIndex(ix.Definition, ch.hidden, ch.ttl, ch.prepare)
	return dst, r.e.ddl(ctx, func(u *unit) error { return u.changeIndex(c, ix.Name, changed, ch.description(ix), ch.before(ix)) })
}

// description is the change as a modify event shows it.
func (ch *indexChange) description(ix *indexState) bson.Raw {
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "name", value.String(ix.Name))
	if !ch.ttl.IsMissing() {
		d = value.AppendElement(d, "expireAfterSeconds", ch.ttl)
	}
	if !ch.hidden.IsMissing() {
		d = value.AppendElement(d, "hidden", ch.hidden)
	}
	if !ch.prepare.IsMissing() {
		d = value.AppendElement(d, "prepareUnique", ch.prepare)
	}
	return value.EndDocument(d, start)
}

// before is the options that change, as they were.
func (ch *indexChange) before(ix *indexState) bson.Raw {
	start, d := value.BeginDocument(nil)
	if !ch.ttl.IsMissing() && ix.ExpireAfter >= 0 {
		d = value.AppendElement(d, "expireAfterSeconds", value.Int64(ix.ExpireAfter))
	}
	if !ch.hidden.IsMissing() {
		d = value.AppendElement(d, "hidden", value.Bool(ix.Hidden))
	}
	if !ch.prepare.IsMissing() {
		d = value.AppendElement(d, "prepareUnique", value.Bool(ix.PrepareUnique))
	}
	return value.EndDocument(d, start)
}

func changedIndex(d *index.Definition, hidden, ttl, prepare value.Value) bson.Raw {
	start, s := value.BeginDocument(nil)
	for it := value.Walk(d.Spec); it.Next(); {
		if it.Key() == "prepareUnique" && !prepare.IsMissing() || it.Key() == "hidden" && !hidden.IsMissing() || it.Key() == "expireAfterSeconds" && !ttl.IsMissing() {
			continue
		}
		s = append(s, it.Element()...)
	}
	if !ttl.IsMissing() {
		s = value.AppendElement(s, "expireAfterSeconds", value.Int32(int32(ttl.AsInt64())))
	}
	if !hidden.IsMissing() && hidden.Truthy() {
		s = value.AppendElement(s, "hidden", value.Bool(true))
	}
	if !prepare.IsMissing() && prepare.Truthy() {
		s = value.AppendElement(s, "prepareUnique", value.Bool(true))
	}
	return value.EndDocument(s, start)
}
