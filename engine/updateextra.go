package engine

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/update"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/store"
)

// updateExtra are the fields of an update statement that only the update command
// has: its variables (c), and that an upsert inserts the document c.new
// (upsertSupplied).
type updateExtra struct {
	constants bson.Raw
	supplied  bson.Raw
}

func (r *request) parseUpdateExtra(doc bson.Raw, op *store.WriteOp) (x updateExtra, err error) {
	if c := value.Lookup(doc, "c"); c.IsDocument() {
		x.constants = c.Doc()
	}
	s := value.Lookup(doc, "upsertSupplied")
	if s.IsMissing() {
		return x, nil
	}
	supplied, err := r.boolean("updates.upsertSupplied", s)
	if err != nil || !supplied {
		return x, err
	}
	switch {
	case !op.Upsert:
		return x, mongoerr.New(mongoerr.FailedToParse, "upsertSupplied is true but upsert is false")
	case x.constants == nil:
		return x, mongoerr.New(mongoerr.FailedToParse, "the parameter 'c' must be set when upsertSupplied is true")
	}
	fresh := value.Lookup(x.constants, "new")
	if !fresh.IsDocument() {
		return x, mongoerr.New(mongoerr.FailedToParse, "the parameter 'c.new' must be an object when upsertSupplied is true")
	}
	x.supplied = fresh.Doc()
	return x, nil
}

// check refuses variables of an update that is no pipeline.
func (x *updateExtra) check(op *store.WriteOp) error {
	if x.constants != nil && op.Update.Type != bson.TypeArray {
		return mongoerr.New(51198, "Constant values may only be specified for pipeline updates")
	}
	return nil
}

// apply gives a compiled update its supplied document.
func (x *updateExtra) apply(u *updateOp) (err error) {
	if x.supplied != nil {
		u.supplied, err = update.Compile(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: x.supplied}, update.Options{Upsert: true})
	}
	return err
}

// extra are the fields of the ith statement.
func (a *writeArgs) extra(i int) *updateExtra {
	if i >= len(a.extras) {
		return &updateExtra{}
	}
	return &a.extras[i]
}

// variables are the variables of one statement: the command's and its own.
func (a *writeArgs) variables(i int) bson.Raw {
	own := a.extra(i).constants
	switch {
	case own == nil:
		return a.let
	case a.let == nil:
		return own
	}
	start, d := value.BeginDocument(nil)
	d = append(d, a.let[4:len(a.let)-1]...)
	d = append(d, own[4:len(own)-1]...)
	return value.EndDocument(d, start)
}
