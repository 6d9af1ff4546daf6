package update

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// setMod is $set, and $setOnInsert when an upsert inserts.
type setMod struct {
	v          value.Value
	insertOnly bool
}

func compileSet(_ *Update, _, _ string, v value.Value) (modifier, error) { return &setMod{v: v}, nil }

func compileSetOnInsert(_ *Update, _, _ string, v value.Value) (modifier, error) {
	return &setMod{v, true}, nil
}

func (m *setMod) existing(a *application, t *target) error {
	if !m.insertOnly || a.insert {
		a.change(t, m.v)
	}
	return nil
}

func (m *setMod) missing(a *application, t *target) error {
	if m.insertOnly && !a.insert {
		return nil
	}
	return a.create(t, m.v)
}

// unsetMod is $unset; an item of an array becomes null.
type unsetMod struct{}

func compileUnset(*Update, string, string, value.Value) (modifier, error) { return unsetMod{}, nil }

func (unsetMod) existing(a *application, t *target) error {
	a.unset(t)
	return nil
}

func (unsetMod) missing(*application, *target) error { return nil }

func (a *application) unset(t *target) {
	if t.parent.v.IsArray() {
		a.replace(t, value.Null())
		return
	}
	t.parent.remove(t.at)
	a.log.removed(t.path)
}

// currentDateMod is $currentDate.
type currentDateMod struct{ timestamp bool }

func compileCurrentDate(u *Update, _, path string, v value.Value) (modifier, error) {
	if v.Kind() == bson.TypeBoolean {
		return currentDateMod{}, nil
	}
	if !v.IsDocument() {
		return nil, mongoerr.New(mongoerr.BadValue, "%s is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).", value.TypeName(v.Kind()))
	}
	kind := ""
	for it := value.Walk(v.Doc()); it.Next(); {
		if it.Key() != "$type" {
			return nil, mongoerr.New(mongoerr.BadValue, "Unrecognized $currentDate option: %s", it.Key())
		}
		if it.Value().IsString() {
			kind = it.Value().Str()
		}
	}
	if kind != "date" && kind != "timestamp" {
		return nil, mongoerr.New(mongoerr.BadValue, "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {%s: %s}}", path, v)
	}
	u.stamps = u.stamps || kind == "timestamp"
	return currentDateMod{kind == "timestamp"}, nil
}

func (m currentDateMod) now(a *application) value.Value {
	ms := time.Now().UnixMilli()
	if !m.timestamp {
		return value.Date(ms)
	}
	if a.c != nil && !a.c.ClusterTime.IsMissing() {
		return a.c.ClusterTime
	}
	return value.Timestamp(uint32(ms/1000), 1)
}

func (m currentDateMod) existing(a *application, t *target) error {
	a.change(t, m.now(a))
	return nil
}

func (m currentDateMod) missing(a *application, t *target) error { return a.create(t, m.now(a)) }
