package update

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/value"
	"weir/mongoerr"
)

// Upsert makes the document that an upsert inserts when nothing matched the
// filter: the filter's equalities, then the update. A missing _id is generated.
func (u *Update) Upsert(c *expr.Context, filter *match.Matcher) (bson.Raw, error) {
	base := bson.Raw(value.EmptyDocument)
	if filter != nil {
		var err error
		if base, err = u.seed(filter); err != nil {
			return nil, err
		}
	}
	out, _, err := u.apply(c, base, nil, true)
	if err != nil {
		return nil, err
	}
	id := value.Lookup(out, "_id")
	if id.IsMissing() {
		id = value.ObjectID(bson.NewObjectID())
	}
	out = withID(id, out)
	return out, checkSize(out)
}

// seed builds a document of the filter's equalities; replacements only take _id.
func (u *Update) seed(filter *match.Matcher) (bson.Raw, error) {
	root := newRoot(value.EmptyDocument)
	var eqs []equality
	if err := equalities(filter.Root(), &eqs); err != nil {
		return nil, err
	}
	slices.SortStableFunc(eqs, func(a, b equality) int { return slices.Compare(a.path, b.path) })
	for i := range eqs {
		if u.replace != nil && eqs[i].path[0] != "_id" {
			continue
		}
		if u.replace != nil && len(eqs[i].path) > 1 {
			return nil, mongoerr.New(codeNotExactValueField, "field at '_id' must be exactly specified, field at sub-path '%s'found", dotted(eqs[i].path))
		}
		if err := plant(root, eqs[:i], eqs[i]); err != nil {
			return nil, err
		}
	}
	return root.appendContainer(nil), nil
}

// codeNotExactValueField is NotExactValueField.
const codeNotExactValueField = 111

type equality struct {
	path []string
	v    value.Value
}

// equalities collects what a filter fixes to one value.
func equalities(n match.Node, out *[]equality) error {
	switch n := n.(type) {
	case *match.And:
		for _, x := range n.Of {
			if err := equalities(x, out); err != nil {
				return err
			}
		}
	case *match.Or:
		if len(n.Of) == 1 {
			return equalities(n.Of[0], out)
		}
	case *match.Expr:
		return exprRefused("$expr is not allowed in the query predicate for an upsert")
	case *match.Compare:
		if n.Op == match.Eq {
			*out = append(*out, equality{n.Path.Parts, n.Value})
		}
	case *match.In:
		if len(n.Values) == 1 && len(n.Patterns) == 0 {
			*out = append(*out, equality{n.Path.Parts, n.Values[0]})
		}
	}
	return nil
}

func plant(root *elem, before []equality, e equality) error {
	for _, b := range before {
		if !conflict(b.path, e.path) {
			continue
		}
		if len(b.path) == len(e.path) {
			return mongoerr.New(mongoerr.NotSingleValueField, "cannot infer query fields to set, path '%s' is matched twice", dotted(e.path))
		}
		return mongoerr.New(mongoerr.NotSingleValueField, "cannot infer query fields to set, both paths '%s' and '%s' are matched", dotted(e.path), dotted(b.path))
	}
	for _, name := range e.path {
		if name == "" || strings.HasPrefix(name, "$") {
			return mongoerr.New(mongoerr.DollarPrefixedFieldName, "The dollar ($) prefixed field '%s' in '%s' is not valid for storage.", name, dotted(e.path))
		}
	}
	t := follow(root, e.path)
	_, err := t.create(e.v)
	return err
}
