package events

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/match"
	"weir/engine/value"
)

// CompileFilter compiles an event_filter. It is MongoDB's query language over
// the change event, and one thing more: a logical operator under a path
// distributes over that path, so that
//
//	{"updateDescription.updatedFields": {"$or": [{"email": …}, {"status": …}]}}
//
// means
//
//	{"$or": [{"updateDescription.updatedFields.email": …}, {"updateDescription.updatedFields.status": …}]}
func CompileFilter(filter bson.Raw) (*match.Matcher, error) {
	doc, err := distribute(filter, "")
	if err != nil {
		return nil, err
	}
	return match.Compile(doc, nil)
}

// distribute rewrites a filter whose paths are all under prefix.
func distribute(filter bson.Raw, prefix string) (bson.Raw, error) {
	if err := filter.Validate(); err != nil {
		return nil, err
	}
	var b value.Builder
	for it := value.Walk(filter); it.Next(); {
		if err := distributeElement(&b, it.Key(), it.Value(), prefix); err != nil {
			return nil, err
		}
	}
	return b.Doc(), nil
}

func distributeElement(b *value.Builder, key string, v value.Value, prefix string) error {
	if isLogical(key) && v.IsArray() {
		return distributeArms(b, key, v, prefix)
	}
	if strings.HasPrefix(key, "$") && prefix == "" {
		b.Add(key, v)
		return nil
	}
	path := key
	if prefix != "" {
		path = prefix + "." + key
	}
	logical, rest := splitLogical(v)
	if logical == nil {
		b.Add(path, v)
		return nil
	}
	if value.Len(rest) > 0 {
		b.Add(path, value.Document(rest))
	}
	inner, err := distribute(logical, path)
	if err != nil {
		return err
	}
	for it := value.Walk(inner); it.Next(); {
		b.Add(it.Key(), it.Value())
	}
	return nil
}

func isLogical(key string) bool { return key == "$or" || key == "$and" || key == "$nor" }

// splitLogical parts the logical operators of a condition from the others; nil: there are none.
func splitLogical(v value.Value) (logical, rest bson.Raw) {
	if !v.IsDocument() {
		return nil, nil
	}
	var l, r value.Builder
	found := false
	for it := value.Walk(v.Doc()); it.Next(); {
		if isLogical(it.Key()) && it.Value().IsArray() {
			found = true
			l.Add(it.Key(), it.Value())
		} else {
			r.Add(it.Key(), it.Value())
		}
	}
	if !found {
		return nil, nil
	}
	return l.Doc(), r.Doc()
}

func distributeArms(b *value.Builder, op string, arms value.Value, prefix string) error {
	var items []value.Value
	for _, arm := range value.Items(nil, arms.Doc()) {
		if arm.IsDocument() {
			doc, err := distribute(arm.Doc(), prefix)
			if err != nil {
				return err
			}
			arm = value.Document(doc)
		}
		items = append(items, arm)
	}
	b.Add(op, value.ArrayFrom(items))
	return nil
}
