package catalog

import (
	"context"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// hint is what a statement compares the columns of a relation with: numbers
// and texts as text.
type hint map[string][]string

type hintKey struct{}

// WithFilter tells a RowSource the $match that its rows will go through, so
// that it need not make all of them.
func WithFilter(ctx context.Context, match bson.Raw) context.Context {
	h := hint{}
	h.collect(match)
	if len(h) == 0 {
		return ctx
	}
	return context.WithValue(ctx, hintKey{}, h)
}

func hintIn(ctx context.Context) hint {
	h, _ := ctx.Value(hintKey{}).(hint)
	return h
}

// collect notes the equalities that a filter demands.
func (h hint) collect(match bson.Raw) {
	for it := value.Walk(match); it.Next(); {
		v := it.Value()
		switch {
		case it.Key() == "$and" && v.IsArray():
			for part := value.Walk(v.Doc()); part.Next(); {
				if part.Value().IsDocument() {
					h.collect(part.Value().Doc())
				}
			}
		case strings.HasPrefix(it.Key(), "$"):
		case v.IsDocument():
			if list, ok := equalities(v.Doc()); ok {
				h[strings.Clone(it.Key())] = list
			}
		default:
			if s, ok := hintText(v); ok {
				h[strings.Clone(it.Key())] = []string{s}
			}
		}
	}
}

// equalities reads {$eq: x} and {$in: [x, …]}.
func equalities(cond bson.Raw) ([]string, bool) {
	if s, ok := hintText(value.Lookup(cond, "$eq")); ok {
		return []string{s}, true
	}
	in := value.Lookup(cond, "$in")
	if !in.IsArray() {
		return nil, false
	}
	list := []string{}
	for it := value.Walk(in.Doc()); it.Next(); {
		s, ok := hintText(it.Value())
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

func hintText(v value.Value) (string, bool) {
	switch {
	case v.IsString():
		return strings.Clone(v.Str()), true
	case v.IsNumber():
		return strconv.FormatInt(v.AsInt64(), 10), true
	}
	return "", false
}

// admits tells whether rows with this OID in a column can matter.
func (h hint) admits(column string, oid uint32) bool {
	return h.admitsText(column, strconv.FormatUint(uint64(oid), 10))
}

func (h hint) admitsText(column string, texts ...string) bool {
	list, ok := h[column]
	if !ok {
		return true
	}
	for _, s := range list {
		for _, t := range texts {
			if s == t {
				return true
			}
		}
	}
	return false
}

// anyOf tells whether one of the OIDs that a column is compared with will do.
func (h hint) anyOf(column string, test func(oid uint32) bool) bool {
	for _, s := range h[column] {
		if n, err := strconv.ParseUint(s, 10, 32); err == nil && test(uint32(n)) {
			return true
		}
	}
	return false
}
